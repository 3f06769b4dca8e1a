import type { Row } from '../row.ts';
import { S } from '../state.ts';
import type { Expr, ValType } from '../wasm/expr.ts';
import { call, I32, i32, load, op32 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { GenericRows, type RowFunctions } from './generic-rows.ts';
import type { Runtime } from './runtime.ts';
import { STATUS_FAULT } from './runtime.ts';
import { FloatFunctions } from './simd-float.ts';
import { FloatRoutines } from './x87-routines.ts';

type SharedRoutine = 'eflags' | 'setEflags' | 'resolveRead' | 'resolveWrite' | 'writeBack';
interface Signature {
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
}

/** Routines of the interpreter module that rows in a module of their own import. */
export const SHARED_ROUTINES: Readonly<Record<SharedRoutine, Signature>> = {
  eflags: { params: [], results: [I32] },
  setEflags: { params: [I32, I32], results: [] },
  resolveRead: { params: [I32, I32, I32], results: [I32] },
  resolveWrite: { params: [I32, I32, I32], results: [I32] },
  writeBack: { params: [I32], results: [] },
};

/** A module of some rows exports their functions as a table: of each row the one for 32, then for 16 bits. */
export const ROWS_EXPORT = 'rows';

/** Generates a module with rows. Programs use few of all that there are. */
export function buildSimdRows(
  rows: readonly Row[],
  idOf: (helper: string) => number,
): Uint8Array<ArrayBuffer> {
  const module = new ModuleBuilder();
  const helper = module.import('helper', [I32, I32, I32, I32], [I32]);
  const floats = new FloatFunctions(module, module.import('simdFloat', [I32, I32], [I32]));
  const shared = Object.fromEntries(
    Object.entries(SHARED_ROUTINES).map(([name, { params, results }]) => [
      name,
      module.import(name, params, results),
    ]),
  ) as Record<SharedRoutine, number>;
  const unused = { miss: 0, watch: 0, fetch: 0, modeChanged: 0, x87: new FloatRoutines(module) };
  const rt: Runtime = { ...unused, ...shared, helper, simdFloat: (op) => floats.index(op) };
  const emitter = new GenericRows(module, rt, idOf);
  const functions = rows.map((row) => emitter.emit(row));
  module.exportTable(ROWS_EXPORT, module.table(functions.flatMap((f) => [f.bits32, f.bits16])));
  return module.bytes();
}

/** Stands for every SIMD row until the first of them runs: has the real ones put in place, and runs the instruction anew. */
export class SimdStub {
  readonly #fn: FunctionBuilder;
  readonly #load: number;

  /** @param load import () -> () that fills the row table */
  constructor(module: ModuleBuilder, load: number) {
    this.#fn = module.function([], [I32]);
    this.#load = load;
  }

  get functions(): RowFunctions {
    return { bits32: this.#fn.index, bits16: this.#fn.index };
  }

  /** The inner `step` commits the instruction; so does the outer one, which must count it only once. */
  emit(step: number): void {
    const fn = this.#fn;
    const budget: Expr = load('i32', i32(0), S.budget);
    fn.invoke(this.#load, []);
    const status = fn.bind(call(step, []));
    fn.if(op32('ne', status, i32(STATUS_FAULT)), () =>
      fn.store('i32', i32(0), op32('add', budget, i32(1)), S.budget),
    );
    fn.ret(status);
    fn.unreachable();
  }
}
