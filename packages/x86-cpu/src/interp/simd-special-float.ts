import { FLOAT_KINDS, IE, OE, PE, ZE } from '../simd/float-ops.ts';
import { type Expr, i32, op32, select } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { type SimdOp, simd, v128 } from '../wasm/simd.ts';
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

/** A computation with infinities and NaNs among operands and results, rounding to nearest, all exceptions masked. */
export interface Special {
  readonly result: Expr;
  /** 1 when it holds: no denormal number is near. */
  readonly holds: Expr;
  /** MXCSR flags that it raises, PE for a rounding apart. */
  readonly raised: Expr;
  /** Whether it rounds, so that only a PE that is set already says all. */
  readonly rounds: boolean;
}

const QUIET: Record<Shape, readonly number[]> = { f32x4: [0, 0, 0x40, 0], f64x2: [0, 0, 0, 0, 0, 0, 8, 0] };
const DEFAULT_NAN: Record<Shape, readonly number[]> = {
  f32x4: [0, 0, 0xc0, 0xff],
  f64x2: [0, 0, 0, 0, 0, 0, 0xf8, 0xff],
};
const repeat = (bytes: readonly number[]): Expr =>
  v128(Array.from({ length: 16 }, (_, i) => bytes[i % bytes.length]!));
const not = (v: Expr): Expr => simd('v128.not', v);
const pick = (mask: Expr, yes: Expr, no: Expr): Expr => simd('v128.bitselect', yes, no, mask);

const UNORDERED = 0x45;

/** The lanes of one operation. */
class Lanes {
  readonly shape: Shape;
  readonly extent: Extent;
  readonly nanA: Expr;
  readonly nanB: Expr;
  readonly #fn: FunctionBuilder;
  readonly #a: Expr;
  readonly #b: Expr;

  constructor(fn: FunctionBuilder, shape: Shape, extent: Extent, a: Expr, b: Expr) {
    this.shape = shape;
    this.extent = extent;
    this.#fn = fn;
    this.#a = a;
    this.#b = b;
    this.nanA = fn.bind(this.#isNan(a));
    this.nanB = fn.bind(this.#isNan(b));
  }

  lanewise(name: string, x: Expr, y: Expr): Expr {
    return simd(op(this.shape, name), x, y);
  }

  #isNan(v: Expr): Expr {
    return this.lanewise('ne', v, v);
  }

  finite(v: Expr): Expr {
    return below(this.shape, v, Infinity);
  }

  nonZero(v: Expr): Expr {
    return this.lanewise('ne', v, splat(this.shape, 0));
  }

  denormal(v: Expr): Expr {
    return and(below(this.shape, v, LEAST[this.shape]), this.nonZero(v));
  }

  /** Denormal, or so small that rounding may have saved it from that. */
  small(v: Expr): Expr {
    const bound = splat(this.shape, LEAST[this.shape]);
    return and(this.lanewise('le', magnitude(this.shape, v), bound), this.nonZero(v));
  }

  get signalling(): Expr {
    const equal: SimdOp = this.shape === 'f32x4' ? 'i32x4.eq' : 'i64x2.eq';
    const quietBit = (v: Expr): Expr => and(v, repeat(QUIET[this.shape]));
    const isSignalling = (v: Expr): Expr => simd(equal, quietBit(v), v128(new Array<number>(16).fill(0)));
    return or(and(this.nanA, isSignalling(this.#a)), and(this.nanB, isSignalling(this.#b)));
  }

  get nan(): Expr {
    return or(this.nanA, this.nanB);
  }

  /** The first operand that is a NaN, made quiet; a new one where there is none. */
  quietNan(): Expr {
    const fresh = repeat(DEFAULT_NAN[this.shape]);
    const quiet = (v: Expr): Expr => or(v, repeat(QUIET[this.shape]));
    return pick(this.nanA, quiet(this.#a), pick(this.nanB, quiet(this.#b), fresh));
  }

  flag(mask: Expr, bits: number): Expr {
    return select(any(this.extent, mask), i32(bits), i32(0));
  }

  none(mask: Expr): Expr {
    return all(this.extent, not(mask));
  }

  /** Arithmetic of which the raw result is `r`. */
  arithmetic(name: string): { r: Expr; raised: Expr; trouble: Expr } {
    const [fn, a, b] = [this.#fn, this.#a, this.#b];
    const r = fn.bind(name === 'sqrt' ? simd(op(this.shape, 'sqrt'), b) : this.lanewise(name, a, b));
    const nanR = fn.bind(this.#isNan(r));
    const invalid = or(this.signalling, and(nanR, not(this.nan)));
    const result = fn.bind(pick(nanR, this.quietNan(), r));
    const denormals = or(this.denormal(a), this.denormal(b));
    const invalidFlag = this.flag(invalid, IE);
    if (name === 'sqrt') return { r: result, raised: invalidFlag, trouble: denormals };
    const infinite = and(not(this.finite(r)), not(nanR), this.finite(a));
    const overflow = name === 'div' ? and(infinite, this.nonZero(b)) : and(infinite, this.finite(b));
    const byZero = and(infinite, isZero(this.shape, b), this.nonZero(a));
    const flags = op32('or', invalidFlag, this.flag(overflow, OE | PE));
    const raised = name === 'div' ? op32('or', flags, this.flag(byZero, ZE)) : flags;
    const vanished = and(isZero(this.shape, r), this.nonZero(a));
    const underflow: Record<string, Expr> = {
      mul: and(vanished, this.nonZero(b)),
      div: and(vanished, this.finite(b)),
    };
    const tiny = or(denormals, this.small(r));
    const lost = underflow[name];
    return { r: result, raised, trouble: lost ? or(tiny, lost) : tiny };
  }
}

/** How an operation goes with infinities and NaNs; null when it always takes the slow way then. */
export function specialFloat(name: string, fn: FunctionBuilder, a: Expr, b: Expr, imm: Expr): Special | null {
  const compares = /^u?comis([sd])$/.exec(name);
  if (compares) {
    const lanes = new Lanes(
      fn,
      compares[1] === 's' ? 'f32x4' : 'f64x2',
      compares[1] === 's' ? 'ss' : 'sd',
      a,
      b,
    );
    return compareFlags(lanes, name.startsWith('u'), a, b);
  }
  const kind = FLOAT_KINDS.find((k) => name.endsWith(k));
  const base = name.slice(0, -2);
  if (!kind) return null;
  const shape = shapeOf(kind);
  if (['add', 'sub', 'mul', 'div', 'sqrt'].includes(base)) {
    const lanes = new Lanes(fn, shape, kind, base === 'sqrt' ? b : a, b);
    const { r, raised, trouble } = lanes.arithmetic(base);
    return { result: merge(kind, a, r), holds: lanes.none(trouble), raised, rounds: true };
  }
  if (base !== 'min' && base !== 'max' && base !== 'cmp') return null;
  const lanes = new Lanes(fn, shape, kind, a, b);
  const holds = lanes.none(or(lanes.denormal(a), lanes.denormal(b)));
  if (base === 'cmp') return { ...comparison(lanes, kind, a, b, imm), holds };
  const r = fn.bind(lanes.lanewise(base === 'min' ? 'pmin' : 'pmax', b, a));
  return { result: merge(kind, a, r), holds, raised: lanes.flag(lanes.nan, IE), rounds: false };
}

/** Predicates EQ LT LE UNORD and their negations; LT and LE also signal for quiet NaNs. */
function comparison(
  lanes: Lanes,
  kind: (typeof FLOAT_KINDS)[number],
  a: Expr,
  b: Expr,
  imm: Expr,
): Omit<Special, 'holds'> {
  const predicate = op32('and', imm, i32(3));
  const is = (n: number): Expr => op32('eq', predicate, i32(n));
  const test = (name: string): Expr => lanes.lanewise(name, a, b);
  const base = select(is(0), test('eq'), select(is(1), test('lt'), select(is(2), test('le'), lanes.nan)));
  const negate = simd('i32x4.splat', op32('sub', i32(0), op32('and', op32('shr_u', imm, i32(2)), i32(1))));
  const signals = select(op32('or', is(1), is(2)), lanes.nan, lanes.signalling);
  const result = merge(kind, a, simd('v128.xor', base, negate));
  return { result, raised: lanes.flag(signals, IE), rounds: false };
}

/** ZF, PF and CF of EFLAGS in the first lane. */
function compareFlags(lanes: Lanes, quiet: boolean, a: Expr, b: Expr): Special {
  const bit = (mask: Expr, flag: number): Expr => select(any(lanes.extent, mask), i32(flag), i32(0));
  const ordered = op32('or', bit(lanes.lanewise('eq', a, b), 0x40), bit(lanes.lanewise('lt', a, b), 1));
  const flags = op32('or', ordered, bit(lanes.nan, UNORDERED));
  return {
    result: simd('i32x4.splat', flags),
    holds: lanes.none(or(lanes.denormal(a), lanes.denormal(b))),
    raised: lanes.flag(quiet ? lanes.signalling : lanes.nan, IE),
    rounds: false,
  };
}
