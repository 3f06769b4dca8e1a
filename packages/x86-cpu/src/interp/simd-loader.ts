import type { Row } from '../row.ts';
import { FLOAT_OPS } from '../simd/float-ops.ts';
import { FloatUnit } from '../simd/float-unit.ts';
import { ROWS } from '../table/index.ts';
import type { InterpreterExports } from './build.ts';
import { buildFloatDispatch, buildFloatOperation, type FloatDispatch } from './simd-dispatch.ts';
import { buildSimdRows, ROWS_EXPORT, SHARED_ROUTINES } from './simd-module.ts';

/** When so many modules were made, the rest of the rows is made at once: modules are not free. */
const MOST_MODULES = 24;

export interface SimdLoaderOptions {
  readonly memory: WebAssembly.Memory;
  readonly idOf: (helper: string) => number;
  readonly helper: (id: number, a: number, b: number, c: number) => number;
}

/** Makes SIMD rows when they are needed first. */
export class SimdLoader {
  readonly #options: SimdLoaderOptions;
  readonly #floats: FloatUnit;
  readonly #made: Set<Row> = new Set();
  #modules = 0;
  #dispatch: FloatDispatch | null = null;

  constructor(options: SimdLoaderOptions) {
    this.#options = options;
    this.#floats = new FloatUnit(options.memory);
  }

  /**
   * Puts rows into the interpreter's table.
   * @param ahead rows of the code that runs now, the first of which is needed; all are made when that is not known, or there
   * already
   */
  load(interpreter: InterpreterExports, ahead: readonly Row[]): void {
    const isMissing = (row: Row): boolean => row.simd !== undefined && !this.#made.has(row);
    const first = ahead[0];
    const some = first && isMissing(first) && this.#modules++ < MOST_MODULES;
    const rows = [...new Set(some ? ahead : ROWS)].filter(isMissing);
    const { memory, idOf, helper } = this.#options;
    const e: Record<string, WebAssembly.ImportValue> = { memory, helper, simdFloat: this.#simdFloat };
    const routines = interpreter as unknown as WebAssembly.Exports;
    for (const name of Object.keys(SHARED_ROUTINES)) e[name] = routines[name]!;
    const module = new WebAssembly.Module(buildSimdRows(rows, idOf));
    const functions = new WebAssembly.Instance(module, { e }).exports[ROWS_EXPORT] as WebAssembly.Table;
    rows.forEach((each, i) => {
      const at = 2 * ROWS.indexOf(each);
      interpreter.rows.set(at, functions.get(2 * i));
      interpreter.rows.set(at + 1, functions.get(2 * i + 1));
      this.#made.add(each);
    });
  }

  /** Floating point of SSE, for compiled code. */
  get simdFloats(): () => unknown {
    this.#dispatch ??= this.#makeDispatch();
    return this.#dispatch.simdFloats;
  }

  #makeDispatch(): FloatDispatch {
    const { memory } = this.#options;
    const load = (n: number): void => {
      const module = new WebAssembly.Module(buildFloatOperation(FLOAT_OPS[n] ?? ''));
      const { exports } = new WebAssembly.Instance(module, { e: { memory, simdFloat: this.#simdFloat } });
      made.operations.set(n, exports.run);
    };
    const module = new WebAssembly.Module(buildFloatDispatch());
    const { exports } = new WebAssembly.Instance(module, { e: { memory, load } });
    const made = exports as unknown as FloatDispatch;
    return made;
  }

  readonly #simdFloat = (operation: number, imm: number): number => this.#floats.run(operation, imm);
}
