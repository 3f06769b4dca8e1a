import type { Row } from '../row.ts';
import { ROWS } from '../table/index.ts';
import { I32 } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import type { InterpreterExports } from './build.ts';
import { GenericRows } from './generic-rows.ts';
import type { Runtime } from './runtime.ts';
import { SHARED_ROUTINES } from './simd-module.ts';
import { FloatRoutines } from './x87-routines.ts';

const FIRST_ESCAPE = 0xd8;
const LAST_ESCAPE = 0xdf;

/** Rows that are generated when the first of them runs: the escape opcodes, FXSAVE and FXRSTOR. */
export function isX87Row({ opcode, mnemonic }: Row): boolean {
  return (opcode >= FIRST_ESCAPE && opcode <= LAST_ESCAPE) || mnemonic.startsWith('FX');
}

/** Generates the module of the x87 rows; it exports their table as `x87Rows`. */
function buildX87Rows(table: readonly Row[], idOf: (helper: string) => number): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const helper = module.import('helper', [I32, I32, I32, I32], [I32]);
  const routine = (name: keyof typeof SHARED_ROUTINES): number => {
    const { params, results } = SHARED_ROUTINES[name];
    return module.import(name, params, results);
  };
  const rt: Runtime = {
    miss: 0,
    watch: 0,
    fetch: 0,
    modeChanged: 0,
    helper,
    eflags: routine('eflags'),
    setEflags: routine('setEflags'),
    resolveRead: routine('resolveRead'),
    resolveWrite: routine('resolveWrite'),
    writeBack: routine('writeBack'),
    simdFloat: () => {
      throw new Error('x87 rows have no SIMD operations');
    },
    x87: new FloatRoutines(module),
  };
  const rows = new GenericRows(module, rt, idOf);
  const functions = table.filter(isX87Row).map((row) => rows.emit(row));
  module.exportTable('x87Rows', module.table(functions.flatMap((f) => [f.bits32, f.bits16])));
  return module.bytes();
}

interface X87LoaderOptions {
  readonly memory: WebAssembly.Memory;
  readonly idOf: (helper: string) => number;
  readonly helper: (id: number, a: number, b: number, c: number) => number;
}

/** Makes the x87 rows when they are needed first. */
export class X87Loader {
  readonly #options: X87LoaderOptions;

  constructor(options: X87LoaderOptions) {
    this.#options = options;
  }

  /** Puts the rows into the interpreter's table. */
  load(interpreter: InterpreterExports): void {
    const { memory, idOf, helper } = this.#options;
    const routines = interpreter as unknown as WebAssembly.Exports;
    const e: Record<string, WebAssembly.ImportValue> = { memory, helper };
    for (const name of Object.keys(SHARED_ROUTINES)) e[name] = routines[name]!;
    const module = new WebAssembly.Module(buildX87Rows(ROWS, idOf));
    const made = new WebAssembly.Instance(module, { e }).exports.x87Rows as WebAssembly.Table;
    let from = 0;
    ROWS.forEach((row, i) => {
      if (!isX87Row(row)) return;
      interpreter.rows.set(2 * i, made.get(from));
      interpreter.rows.set(2 * i + 1, made.get(from + 1));
      from += 2;
    });
  }
}
