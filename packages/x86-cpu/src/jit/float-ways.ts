import { fastFloat, type Operands } from '../interp/simd-fast-float.ts';
import { STRAIGHT_BITS } from '../interp/simd-float.ts';
import { type FloatOp, floatNumber, MXCSR_MASKS, PE } from '../simd/float-ops.ts';
import { S } from '../state.ts';
import type { Callee, Expr } from '../wasm/expr.ts';
import { call, i32, load, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';

/** An operation done: its result, and the vector of an exception or 0. */
export interface FloatResult {
  readonly result: Expr;
  readonly vector: Expr;
}

/** A way of doing floating-point operations of SSE. */
export type FloatWay = (op: FloatOp, operands: Operands) => FloatResult;

/** Not 0 unless MXCSR is as straight computations need it: all masked, to nearest, and PE set where results are rounded. */
export function isControlled(rounds: boolean): Expr {
  const sticky = rounds ? PE : 0;
  const bits = op32('and', load('i32', i32(0), S.mxcsr), i32(STRAIGHT_BITS | sticky));
  return op32('xor', bits, i32(MXCSR_MASKS | sticky));
}

/** By a call, which does all there is to it. @param floats (operation, a, b, imm) -> (result, vector) */
export function calledFloats(fn: FunctionBuilder, floats: Callee): FloatWay {
  return (op, { a, b, imm }) => {
    const [result, vector] = [fn.local(V128), fn.local()];
    fn.setMany([result, vector], call(floats, [i32(floatNumber(op)), a, b, imm]));
    return { result: fn.get(result, V128), vector: fn.get(vector) };
  };
}

/** Straight where nothing new can come of it, else by a call. */
export function inlineFloats(fn: FunctionBuilder, floats: Callee): FloatWay {
  const called = calledFloats(fn, floats);
  return (op, operands) => {
    const straight = fastFloat(op, fn, operands.a, operands.b, operands.imm)?.compute();
    if (!straight) return called(op, operands);
    const [result, vector] = [fn.local(V128), fn.local()];
    fn.set(vector, i32(0));
    const isPlain = op32('ne', straight.plain, i32(0));
    fn.if(
      op32('and', op32('eqz', isControlled(straight.inexact !== undefined)), isPlain),
      () => fn.set(result, straight.result),
      () => {
        const slow = called(op, operands);
        fn.set(result, slow.result);
        fn.set(vector, slow.vector);
      },
    );
    return { result: fn.get(result, V128), vector: fn.get(vector) };
  };
}
