import type { Row } from '../row.ts';
import { I32 } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { GenericRows } from './generic-rows.ts';
import { RowLoader } from './row-loader.ts';
import type { Runtime } from './runtime.ts';
import { ROWS_EXPORT, SHARED_ROUTINES } from './simd-module.ts';
import { FloatRoutines } from './x87-routines.ts';

const FIRST_ESCAPE = 0xd8;
const LAST_ESCAPE = 0xdf;

/** Rows that are generated when the first of them runs: the escape opcodes, FXSAVE and FXRSTOR. */
export function isX87Row({ opcode, mnemonic }: Row): boolean {
  return (opcode >= FIRST_ESCAPE && opcode <= LAST_ESCAPE) || mnemonic.startsWith('FX');
}

/** Generates a module with x87 rows. */
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
  const functions = table.map((row) => rows.emit(row));
  module.exportTable(ROWS_EXPORT, module.table(functions.flatMap((f) => [f.bits32, f.bits16])));
  return module.bytes();
}

interface X87LoaderOptions {
  readonly memory: WebAssembly.Memory;
  readonly idOf: (helper: string) => number;
  readonly helper: (id: number, a: number, b: number, c: number) => number;
}

/** Makes the x87 rows when they are needed first. */
export function x87Loader({ memory, idOf, helper }: X87LoaderOptions): RowLoader {
  return new RowLoader({
    has: isX87Row,
    build: (rows) => buildX87Rows(rows, idOf),
    imports: { memory, helper },
  });
}
