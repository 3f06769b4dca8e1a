import type { FloatKind } from '../simd/float-ops.ts';
import { type Expr, i64, op32, op64 } from '../wasm/expr.ts';
import { type SimdOp, simd, simdLane, v128 } from '../wasm/simd.ts';

/** How a vector is cut into numbers. */
export type Shape = 'f32x4' | 'f64x2';
export const op = (shape: Shape, name: string): SimdOp => `${shape}.${name}` as SimdOp;

export function splat(shape: Shape, value: number): Expr {
  const bytes = new Uint8Array(16);
  if (shape === 'f32x4') new Float32Array(bytes.buffer).fill(value);
  else new Float64Array(bytes.buffer).fill(value);
  return v128([...bytes]);
}

export const LEAST: Record<Shape, number> = { f32x4: 2 ** -126, f64x2: 2 ** -1022 };
export const and = (...masks: Expr[]): Expr => masks.reduce((a, b) => simd('v128.and', a, b));
export const or = (a: Expr, b: Expr): Expr => simd('v128.or', a, b);
export const isZero = (shape: Shape, v: Expr): Expr => simd(op(shape, 'eq'), v, splat(shape, 0));
export const magnitude = (shape: Shape, v: Expr): Expr => simd(op(shape, 'abs'), v);
export const below = (shape: Shape, v: Expr, bound: number): Expr =>
  simd(op(shape, 'lt'), magnitude(shape, v), splat(shape, bound));

/** Which lanes an operation looks at. */
export type Extent = FloatKind | 'low64';

export function all(extent: Extent, mask: Expr): Expr {
  if (extent === 'ps') return simd('i32x4.all_true', mask);
  if (extent === 'pd') return simd('i64x2.all_true', mask);
  if (extent === 'low64') return op64('eq', simdLane('i64x2.extract_lane', 0, mask), i64(-1n));
  return simdLane('i32x4.extract_lane', 0, mask);
}
export function any(extent: Extent, mask: Expr): Expr {
  if (extent === 'ps' || extent === 'pd') return simd('v128.any_true', mask);
  if (extent === 'low64') return op32('eqz', op64('eqz', simdLane('i64x2.extract_lane', 0, mask)));
  return simdLane('i32x4.extract_lane', 0, mask);
}

export const shapeOf = (kind: FloatKind): Shape => (kind.endsWith('s') ? 'f32x4' : 'f64x2');

/** A scalar result keeps the other lanes of the first operand. */
export function merge(kind: FloatKind, a: Expr, r: Expr): Expr {
  if (kind === 'ss') return simdLane('f32x4.replace_lane', 0, a, simdLane('f32x4.extract_lane', 0, r));
  if (kind === 'sd') return simdLane('f64x2.replace_lane', 0, a, simdLane('f64x2.extract_lane', 0, r));
  return r;
}
