import type { Row } from '../row.ts';
import { FLOAT_OPS } from '../simd/float-ops.ts';
import { FloatUnit } from '../simd/float-unit.ts';
import type { InterpreterExports } from './build.ts';
import { RowLoader } from './row-loader.ts';
import { buildFloatDispatch, buildFloatOperation, type FloatDispatch } from './simd-dispatch.ts';
import { buildSimdRows } from './simd-module.ts';

export interface SimdLoaderOptions {
  readonly memory: WebAssembly.Memory;
  readonly idOf: (helper: string) => number;
  readonly helper: (id: number, a: number, b: number, c: number) => number;
}

/** Makes SIMD rows, and their floating point for compiled code, when they are needed first. */
export class SimdLoader {
  readonly #memory: WebAssembly.Memory;
  readonly #floats: FloatUnit;
  readonly #simdFloat = (operation: number, imm: number): number => this.#floats.run(operation, imm);
  readonly #rows: RowLoader;
  #dispatch: FloatDispatch | null = null;

  constructor({ memory, idOf, helper }: SimdLoaderOptions) {
    this.#memory = memory;
    this.#floats = new FloatUnit(memory);
    this.#rows = new RowLoader({
      has: (row) => row.simd !== undefined,
      build: (rows) => buildSimdRows(rows, idOf),
      imports: { memory, helper, simdFloat: this.#simdFloat },
    });
  }

  /** See RowLoader. */
  load(interpreter: InterpreterExports, ahead: readonly Row[]): void {
    this.#rows.load(interpreter, ahead);
  }

  /** Floating point of SSE, for compiled code. */
  get simdFloats(): () => unknown {
    this.#dispatch ??= this.#makeDispatch();
    return this.#dispatch.simdFloats;
  }

  #makeDispatch(): FloatDispatch {
    const memory = this.#memory;
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
}
