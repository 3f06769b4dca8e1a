import { FLOAT_KINDS, type FloatKind } from '../simd/float-ops.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, op32, select } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { type SimdOp, shuffle, simd, simdLane, v128 } from '../wasm/simd.ts';
import {
  all,
  and,
  any,
  below,
  type Extent,
  isZero,
  LEAST,
  magnitude,
  merge,
  op,
  or,
  type Shape,
  shapeOf,
  splat,
} from './simd-lanes.ts';

/** A straight computation, rounding to nearest. */
export interface Straight {
  readonly result: Expr;
  /** 1 when no exception but PE arises: no NaN, no denormal number, nothing out of range. */
  readonly plain: Expr;
  /** Only on a plain result: whether it is rounded (`any`), where that can be told (`known`). Absent: it is exact. */
  readonly inexact?: () => { readonly any: Expr; readonly known?: Expr };
}
export interface FastFloat {
  compute(): Straight;
}
/** What an operation works on: its destination, its source, and the immediate of a comparison. */
export interface Operands {
  readonly a: Expr;
  readonly b: Expr;
  readonly imm: Expr;
}

/** Neither a NaN nor denormal. */
const plainInput = (shape: Shape, v: Expr): Expr =>
  or(simd(op(shape, 'ge'), magnitude(shape, v), splat(shape, LEAST[shape])), isZero(shape, v));

/** Finite and above the least normal number, to which something tiny may have been rounded. */
const plainOutput = (shape: Shape, v: Expr): Expr =>
  and(simd(op(shape, 'lt'), splat(shape, LEAST[shape]), magnitude(shape, v)), below(shape, v, Infinity));

const UPPER_HALF = [8, 9, 10, 11, 12, 13, 14, 15, 8, 9, 10, 11, 12, 13, 14, 15];

/** Runs a test on the low and on the high pair of single-precision lanes, widened. */
function widened(kind: FloatKind, values: readonly Expr[], test: (wide: readonly Expr[]) => Expr): Expr {
  const low = test(values.map((v) => simd('f64x2.promote_low_f32x4', v)));
  if (kind === 'ss') return any('sd', low);
  const upper = values.map((v) => simd('f64x2.promote_low_f32x4', shuffle(UPPER_HALF, v, v)));
  return any('pd', or(low, test(upper)));
}

/** The rounding errors of double-precision products, exact while nothing is near the ends of the range (Dekker). */
function productError(fn: FunctionBuilder, a: Expr, b: Expr, p: Expr): Expr {
  const mul = (x: Expr, y: Expr): Expr => simd('f64x2.mul', x, y);
  const sub = (x: Expr, y: Expr): Expr => simd('f64x2.sub', x, y);
  const split = (x: Expr): { high: Expr; low: Expr } => {
    const c = fn.bind(mul(x, splat('f64x2', 2 ** 27 + 1)));
    const high = fn.bind(sub(c, sub(c, x)));
    return { high, low: fn.bind(sub(x, high)) };
  };
  const [u, v] = [split(a), split(b)];
  const rest = sub(sub(sub(p, mul(u.high, v.high)), mul(u.low, v.high)), mul(u.high, v.low));
  return fn.bind(sub(mul(u.low, v.low), rest));
}
/** Where `productError` is exact. */
const inReach = (v: Expr): Expr => below('f64x2', v, 2 ** 900);
const offFloor = (v: Expr): Expr =>
  or(
    simd('f64x2.lt', splat('f64x2', 2 ** -900), magnitude('f64x2', v)),
    simd('f64x2.eq', v, splat('f64x2', 0)),
  );

interface Context {
  readonly fn: FunctionBuilder;
  readonly a: Expr;
  readonly b: Expr;
  readonly kind: FloatKind;
  readonly shape: Shape;
}

/** Knuth's two-sum: the rounding error is a number. */
function sumInexact({ fn, a, kind, shape }: Context, addend: Expr, s: Expr): { any: Expr } {
  const add = (x: Expr, y: Expr): Expr => simd(op(shape, 'add'), x, y);
  const sub = (x: Expr, y: Expr): Expr => simd(op(shape, 'sub'), x, y);
  const t = fn.bind(sub(s, a));
  const error = add(sub(a, sub(s, t)), sub(addend, t));
  return { any: any(kind, simd(op(shape, 'ne'), error, splat(shape, 0))) };
}

/** Whether x * y differs from p: exactly, where it can be told. */
function productInexact(c: Context, x: Expr, y: Expr, p: Expr): { any: Expr; known?: Expr } {
  if (c.shape === 'f32x4') {
    const differs = ([u, v, w]: readonly Expr[]): Expr => simd('f64x2.ne', simd('f64x2.mul', u!, v!), w!);
    return { any: widened(c.kind, [x, y, p], differs) };
  }
  const { fn, kind } = c;
  const rounded = fn.bind(simd('f64x2.mul', x, y));
  const error = productError(fn, x, y, rounded);
  const wrong = or(simd('f64x2.ne', rounded, p), simd('f64x2.ne', error, splat('f64x2', 0)));
  const reach = and(inReach(x), inReach(y), inReach(p), offFloor(x), offFloor(y), offFloor(p));
  return { any: any(kind, wrong), known: all(kind, reach) };
}

function arithmetic(name: string, c: Context): Straight | null {
  const { fn, a, b, kind, shape } = c;
  const inputs = and(plainInput(shape, a), plainInput(shape, b));
  const compute = (): Expr => fn.bind(simd(op(shape, name), a, b));
  const done = (r: Expr, plain: Expr, inexact?: Straight['inexact']): Straight => {
    const straight = { result: merge(kind, a, r), plain: all(kind, plain) };
    return inexact ? { ...straight, inexact } : straight;
  };
  switch (name) {
    case 'add':
    case 'sub': {
      const r = compute();
      const output = or(plainOutput(shape, r), isZero(shape, r));
      const addend = name === 'add' ? b : simd(op(shape, 'neg'), b);
      return done(r, and(inputs, output), () => sumInexact(c, addend, r));
    }
    case 'mul': {
      const r = compute();
      const zero = and(isZero(shape, r), or(isZero(shape, a), isZero(shape, b)));
      return done(r, and(inputs, or(plainOutput(shape, r), zero)), () => productInexact(c, a, b, r));
    }
    case 'div': {
      const r = compute();
      const zero = and(isZero(shape, r), isZero(shape, a), below(shape, b, Infinity));
      const output = or(plainOutput(shape, r), zero);
      return done(r, and(inputs, output), () => productInexact(c, r, b, a));
    }
    case 'sqrt': {
      const r = fn.bind(simd(op(shape, 'sqrt'), b));
      const input = and(
        plainInput(shape, b),
        simd(op(shape, 'ge'), b, splat(shape, 0)),
        below(shape, b, Infinity),
      );
      return done(r, input, () => productInexact(c, r, r, b));
    }
    case 'min':
      return done(simd(op(shape, 'pmin'), b, a), inputs);
    case 'max':
      return done(simd(op(shape, 'pmax'), b, a), inputs);
    default:
      return null;
  }
}

/** Predicates EQ LT LE UNORD, of which the last holds for no plain operands, and their negations. */
function comparison({ fn, a, b, kind, shape }: Context, imm: Expr): Straight & { readonly lanes: Expr } {
  const pick = (n: number): Expr => op32('eq', op32('and', imm, i32(3)), i32(n));
  const test = (name: string): Expr => simd(op(shape, name), a, b);
  const none = v128(new Array<number>(16).fill(0));
  const base = select(pick(0), test('eq'), select(pick(1), test('lt'), select(pick(2), test('le'), none)));
  const negate = simd('i32x4.splat', op32('sub', i32(0), op32('and', op32('shr_u', imm, i32(2)), i32(1))));
  const r = fn.bind(simd('v128.xor', base, negate));
  const plain = and(plainInput(shape, a), plainInput(shape, b));
  return { lanes: r, result: merge(kind, a, r), plain: all(kind, plain) };
}

/** The flags ZF and CF of EFLAGS as an integer in the first lane. */
function flagsOf(shape: Shape, a: Expr, b: Expr): Straight {
  const extent = shape === 'f32x4' ? 'ss' : 'sd';
  const bit = (name: string, flag: number): Expr =>
    op32('and', simdLane('i32x4.extract_lane', 0, simd(op(shape, name), a, b)), i32(flag));
  const plain = all(extent, and(plainInput(shape, a), plainInput(shape, b)));
  return { result: simd('i32x4.splat', op32('or', bit('eq', 0x40), bit('lt', 1))), plain };
}

/** To integers, truncated or rounded to the nearest. */
function integers(fn: FunctionBuilder, shape: Shape, extent: Extent, truncate: boolean, b: Expr): Straight {
  const whole = fn.bind(simd(op(shape, truncate ? 'trunc' : 'nearest'), b));
  const convert: SimdOp = shape === 'f32x4' ? 'i32x4.trunc_sat_f32x4_s' : 'i32x4.trunc_sat_f64x2_s_zero';
  const plain = all(extent, and(plainInput(shape, b), below(shape, b, 2147483647)));
  const inexact = (): { any: Expr } => ({ any: any(extent, simd(op(shape, 'ne'), whole, b)) });
  return { result: simd(convert, whole), plain, inexact };
}

const LOW_PAIR = [16, 17, 18, 19, 20, 21, 22, 23, 8, 9, 10, 11, 12, 13, 14, 15];

/** From integers to single precision: exact when converting back gives the same. */
function fromIntegers(fn: FunctionBuilder, extent: Extent, a: Expr, b: Expr): Straight {
  const r = fn.bind(simd('f32x4.convert_i32x4_s', b));
  const back = simd('i32x4.trunc_sat_f32x4_s', r);
  const differs = or(
    simd('v128.not', simd('i32x4.eq', back, b)),
    simd('f32x4.eq', r, splat('f32x4', 2147483648)),
  );
  const result = extent === 'ss' ? merge('ss', a, r) : extent === 'low64' ? shuffle(LOW_PAIR, a, r) : r;
  return { result, plain: i32(1), inexact: () => ({ any: any(extent, differs) }) };
}

function widen(kind: FloatKind, a: Expr, b: Expr): Straight {
  const plain = all(kind === 'sd' ? 'ss' : 'low64', plainInput('f32x4', b));
  return { result: merge(kind, a, simd('f64x2.promote_low_f32x4', b)), plain };
}

function narrow(fn: FunctionBuilder, kind: FloatKind, a: Expr, b: Expr): Straight {
  const r = fn.bind(simd('f32x4.demote_f64x2_zero', b));
  const back = fn.bind(simd('f64x2.promote_low_f32x4', r));
  const least = simd('f64x2.lt', splat('f64x2', LEAST.f32x4), magnitude('f64x2', back));
  const output = or(and(least, below('f64x2', back, Infinity)), isZero('f64x2', b));
  const extent = kind === 'ss' ? 'sd' : 'pd';
  return {
    result: merge(kind, a, r),
    plain: all(extent, and(plainInput('f64x2', b), output)),
    inexact: () => ({ any: any(extent, simd('f64x2.ne', back, b)) }),
  };
}

/** The result of an operation without any test, in every lane; null for conversions and the like. */
export function bareFloat(
  fn: FunctionBuilder,
  base: string,
  kind: FloatKind,
  operands: Operands,
): Expr | null {
  const { a, b, imm } = operands;
  const shape = shapeOf(kind);
  switch (base) {
    case 'add':
    case 'sub':
    case 'mul':
    case 'div':
      return simd(op(shape, base), a, b);
    case 'sqrt':
      return simd(op(shape, base), b);
    case 'min':
      return simd(op(shape, 'pmin'), b, a);
    case 'max':
      return simd(op(shape, 'pmax'), b, a);
    case 'cmp':
      return comparison({ fn, a, b, kind, shape }, imm).lanes;
    default:
      return null;
  }
}

/** How an operation goes straight; null when it always takes the slow way. */
export function fastFloat(name: string, fn: FunctionBuilder, a: Expr, b: Expr, imm: Expr): FastFloat | null {
  const compute = straight(name, fn, a, b, imm);
  return compute && { compute };
}

function straight(name: string, fn: FunctionBuilder, a: Expr, b: Expr, imm: Expr): (() => Straight) | null {
  const kind = FLOAT_KINDS.find((k) => name.endsWith(k));
  const base = kind ? name.slice(0, -2) : name;
  const conversions: Record<string, () => Straight> = {
    comiss: () => flagsOf('f32x4', a, b),
    ucomiss: () => flagsOf('f32x4', a, b),
    comisd: () => flagsOf('f64x2', a, b),
    ucomisd: () => flagsOf('f64x2', a, b),
    cvtdq2ps: () => fromIntegers(fn, 'ps', a, b),
    cvtpi2ps: () => fromIntegers(fn, 'low64', a, b),
    cvtsi2ss: () => fromIntegers(fn, 'ss', a, b),
    cvtps2pd: () => widen('pd', a, b),
    cvtss2sd: () => widen('sd', a, b),
    cvtpd2ps: () => narrow(fn, 'ps', a, b),
    cvtsd2ss: () => narrow(fn, 'ss', a, b),
    cvtps2dq: () => integers(fn, 'f32x4', 'ps', false, b),
    cvttps2dq: () => integers(fn, 'f32x4', 'ps', true, b),
    cvtps2pi: () => integers(fn, 'f32x4', 'low64', false, b),
    cvttps2pi: () => integers(fn, 'f32x4', 'low64', true, b),
    cvtpd2dq: () => integers(fn, 'f64x2', 'pd', false, b),
    cvttpd2dq: () => integers(fn, 'f64x2', 'pd', true, b),
    cvtss2si: () => integers(fn, 'f32x4', 'ss', false, b),
    cvttss2si: () => integers(fn, 'f32x4', 'ss', true, b),
    cvtsd2si: () => integers(fn, 'f64x2', 'sd', false, b),
    cvttsd2si: () => integers(fn, 'f64x2', 'sd', true, b),
  };
  const conversion = conversions[name];
  if (conversion) return conversion;
  if (!kind) return null;
  const context = { fn, a, b, kind, shape: shapeOf(kind) };
  if (base === 'cmp') return () => comparison(context, imm);
  if (!['add', 'sub', 'mul', 'div', 'sqrt', 'min', 'max'].includes(base)) return null;
  return () => arithmetic(base, context) ?? { result: a, plain: i32(0) };
}
