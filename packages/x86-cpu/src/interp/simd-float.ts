import { floatNumber, MXCSR_MASKS, MXCSR_RC, PE } from '../simd/float-ops.ts';
import { S } from '../state.ts';
import type { Callee, Expr } from '../wasm/expr.ts';
import { call, I32, i32, load, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { loadVector, storeVector } from '../wasm/simd.ts';
import { type FastFloat, fastFloat, quickFloat } from './simd-fast-float.ts';
import { type Special, specialFloat } from './simd-special-float.ts';

/** MXCSR bits that a straight computation needs to be: all masked, to nearest. FZ and DAZ only matter for denormals. */
const STRAIGHT_BITS = MXCSR_MASKS | MXCSR_RC;

/** Functions (a, b, imm) -> (result, status) of floating-point operations, made when they are asked for. */
export class FloatFunctions {
  readonly #module: ModuleBuilder;
  readonly #slow: number;
  readonly #made: Map<string, number> = new Map();

  /** @param slow import (operation, imm) -> status, operands and result in the state block */
  constructor(module: ModuleBuilder, slow: number) {
    this.#module = module;
    this.#slow = slow;
  }

  index(op: string): number {
    const found = this.#made.get(op);
    if (found !== undefined) return found;
    const fn = this.#module.function([V128, V128, I32], [V128, I32]);
    this.#made.set(op, fn.index);
    const [a, b, imm] = [fn.get(0, V128), fn.get(1, V128), fn.get(2)];
    const fast = fastFloat(op, fn, a, b, imm);
    if (fast) emitFast(fn, fast);
    const mxcsr = fn.bind(load('i32', i32(0), S.mxcsr));
    const special = specialFloat(op, fn, mxcsr, [a, b, imm]);
    if (special) emitSpecial(fn, mxcsr, special);
    storeVector(fn, 128, i32(0), a, S.simdA);
    storeVector(fn, 128, i32(0), b, S.simdB);
    const status = fn.bind(call(this.#slow, [i32(floatNumber(op)), imm]));
    fn.ret(loadVector(128, i32(0), S.simdR), status);
    fn.unreachable();
    return fn.index;
  }
}

/**
 * Emits an operation for compiled code: straight where nothing new can come of it, else by a call.
 * @param floats function index of what `defineAll` exports
 * @returns the result, and the vector of an exception or 0
 */
export function inlineFloat(
  fn: FunctionBuilder,
  floats: Callee,
  op: string,
  [a, b, imm]: readonly [Expr, Expr, Expr],
): { result: Expr; vector: Expr } {
  const result = fn.local(V128);
  const vector = fn.local();
  const slow = (): void => fn.setMany([result, vector], call(floats, [i32(floatNumber(op)), a, b, imm]));
  const done = { result: fn.get(result, V128), vector: fn.get(vector) };
  const quick = quickFloat(op, fn, a, b);
  const straight = quick ?? fastFloat(op, fn, a, b, imm)?.compute();
  if (!straight) {
    slow();
    return done;
  }
  const sticky = quick || straight.inexact ? PE : 0;
  const mode = op32('and', load('i32', i32(0), S.mxcsr), i32(STRAIGHT_BITS | sticky));
  fn.set(vector, i32(0));
  fn.if(
    op32('and', op32('eq', mode, i32(MXCSR_MASKS | sticky)), op32('ne', straight.plain, i32(0))),
    () => fn.set(result, straight.result),
    slow,
  );
  return done;
}

/** Returns the straight result when nothing but PE can come of it. */
function emitFast(fn: FunctionBuilder, fast: FastFloat): void {
  const mxcsr = fn.bind(load('i32', i32(0), S.mxcsr));
  const straight = op32('eq', op32('and', mxcsr, i32(STRAIGHT_BITS)), i32(MXCSR_MASKS));
  fn.if(straight, () => {
    const { result, plain, inexact } = fast.compute();
    fn.if(plain, () => {
      if (!inexact) {
        fn.ret(result, i32(0));
        return;
      }
      fn.if(op32('and', mxcsr, i32(PE)), () => fn.ret(result, i32(0)));
      const precise = inexact();
      fn.if(precise.known ?? i32(1), () => {
        fn.if(precise.any, () => fn.store('i32', i32(0), op32('or', mxcsr, i32(PE)), S.mxcsr));
        fn.ret(result, i32(0));
      });
    });
  });
}

/** Returns the result, of numbers of any kind. */
function emitSpecial(fn: FunctionBuilder, mxcsr: Expr, { result, holds, raised, rounds }: Special): void {
  const sticky = rounds ? PE : 0;
  const mode = op32('and', mxcsr, i32(STRAIGHT_BITS | sticky));
  fn.if(op32('and', op32('eq', mode, i32(MXCSR_MASKS | sticky)), op32('ne', holds, i32(0))), () => {
    fn.store('i32', i32(0), op32('or', mxcsr, raised), S.mxcsr);
    fn.ret(result, i32(0));
  });
}
