import { floatNumber, MXCSR_MASKS, MXCSR_RC, PE } from '../simd/float-ops.ts';
import { S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, I32, i32, load, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { loadVector, storeVector } from '../wasm/simd.ts';
import { type FastFloat, fastFloat } from './simd-fast-float.ts';
import { type Special, specialFloat } from './simd-special-float.ts';

/** MXCSR bits that a straight computation needs to be: all masked, to nearest. FZ and DAZ only matter for denormals. */
export const STRAIGHT_BITS: number = MXCSR_MASKS | MXCSR_RC;

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
