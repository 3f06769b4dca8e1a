import { FloatUnit } from '../simd/float-unit.ts';
import { ROWS } from '../table/index.ts';
import type { InterpreterExports } from './build.ts';
import { buildSimdRows, SHARED_ROUTINES, type SimdExports } from './simd-module.ts';

/** Makes the SIMD rows when they are needed first. */
export class SimdLoader {
  readonly #memory: WebAssembly.Memory;
  readonly #idOf: (helper: string) => number;
  readonly #helper: (id: number, a: number, b: number, c: number) => number;
  #exports: SimdExports | null = null;

  constructor(
    memory: WebAssembly.Memory,
    idOf: (helper: string) => number,
    helper: (id: number, a: number, b: number, c: number) => number,
  ) {
    this.#memory = memory;
    this.#idOf = idOf;
    this.#helper = helper;
  }

  /** Puts the rows into the interpreter's table, once. */
  load(interpreter: InterpreterExports): SimdExports {
    this.#exports ??= this.#make(interpreter);
    return this.#exports;
  }

  #make(interpreter: InterpreterExports): SimdExports {
    const floats = new FloatUnit(this.#memory);
    const routines = interpreter as unknown as WebAssembly.Exports;
    const e: Record<string, WebAssembly.ImportValue> = {
      memory: this.#memory,
      helper: this.#helper,
      simdFloat: (operation: number, imm: number): number => floats.run(operation, imm),
    };
    for (const name of Object.keys(SHARED_ROUTINES)) e[name] = routines[name]!;
    const module = new WebAssembly.Module(buildSimdRows(ROWS, this.#idOf));
    const made = new WebAssembly.Instance(module, { e }).exports as unknown as SimdExports;
    let from = 0;
    ROWS.forEach((row, i) => {
      if (!row.simd) return;
      interpreter.rows.set(2 * i, made.simdRows.get(from));
      interpreter.rows.set(2 * i + 1, made.simdRows.get(from + 1));
      from += 2;
    });
    return made;
  }
}
