import type { Row } from '../row.ts';
import { ROWS } from '../table/index.ts';
import type { InterpreterExports } from './build.ts';
import { ROWS_EXPORT, SHARED_ROUTINES } from './simd-module.ts';

/** When so many modules were made, the rest of the rows is made at once: modules are not free. */
const MOST_MODULES = 24;

/** Rows that are generated when they are needed first. */
export interface LateRows {
  readonly has: (row: Row) => boolean;
  /** A module that exports its rows as ROWS_EXPORT and imports, besides `imports`, routines of the interpreter. */
  readonly build: (rows: readonly Row[]) => Uint8Array<ArrayBuffer>;
  readonly imports: Readonly<Record<string, WebAssembly.ImportValue>>;
}

/** Makes rows when they are needed first, those of the code ahead together. */
export class RowLoader {
  readonly #kind: LateRows;
  readonly #made: Set<Row> = new Set();
  #modules = 0;

  constructor(kind: LateRows) {
    this.#kind = kind;
  }

  /**
   * Puts rows into the interpreter's table.
   * @param ahead rows of the code that runs now, the first of which is needed; all are made when that is not known, or there
   * already
   */
  load(interpreter: InterpreterExports, ahead: readonly Row[]): void {
    const isMissing = (row: Row): boolean => this.#kind.has(row) && !this.#made.has(row);
    const first = ahead[0];
    const some = first && isMissing(first) && this.#modules++ < MOST_MODULES;
    const rows = [...new Set(some ? ahead : ROWS)].filter(isMissing);
    const e = { ...this.#kind.imports };
    const routines = interpreter as unknown as WebAssembly.Exports;
    for (const name of Object.keys(SHARED_ROUTINES)) e[name] = routines[name]!;
    const module = new WebAssembly.Module(this.#kind.build(rows));
    const functions = new WebAssembly.Instance(module, { e }).exports[ROWS_EXPORT] as WebAssembly.Table;
    rows.forEach((each, i) => {
      const at = 2 * ROWS.indexOf(each);
      interpreter.rows.set(at, functions.get(2 * i));
      interpreter.rows.set(at + 1, functions.get(2 * i + 1));
      this.#made.add(each);
    });
  }
}
