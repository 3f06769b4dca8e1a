import { DE, FLOAT_KINDS, IE, MXCSR_DAZ, MXCSR_FZ, OE, PE, UE, ZE } from '../simd/float-ops.ts';
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

/** A computation with numbers of any kind, rounding to nearest, all exceptions masked. */
export interface Special {
  readonly result: Expr;
  /** 1 when it holds. */
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

const or32 = (a: Expr, b: Expr): Expr => op32('or', op32('ne', a, i32(0)), op32('ne', b, i32(0)));

const UNORDERED = 0x45;

/** The lanes of one operation. */
class Lanes {
  readonly shape: Shape;
  readonly extent: Extent;
  readonly nanA: Expr;
  readonly nanB: Expr;
  readonly #fn: FunctionBuilder;
  readonly #mxcsr: Expr;
  readonly #a: Expr;
  readonly #b: Expr;

  constructor(fn: FunctionBuilder, mxcsr: Expr, shape: Shape, extent: Extent, a: Expr, b: Expr) {
    this.shape = shape;
    this.extent = extent;
    this.#fn = fn;
    this.#mxcsr = mxcsr;
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

  #denormal(v: Expr): Expr {
    return and(below(this.shape, v, LEAST[this.shape]), this.nonZero(v));
  }

  #isSet(bits: number): Expr {
    return op32('ne', op32('and', this.#mxcsr, i32(bits)), i32(0));
  }

  /**
   * What denormal numbers do, where they are not taken for zero. An exception of a higher rank hides theirs: not told here.
   * @param special lanes with such an exception or a NaN
   * @param tiny lanes with a result that may be denormal
   * @param lost of those, the ones that may have lost digits by it
   */
  denormals(special: Expr, tiny: Expr | null, lost: Expr | null): { raised: Expr; holds: Expr } {
    const operands = this.#fn.bind(or(this.#denormal(this.#a), this.#denormal(this.#b)));
    const near = tiny ? or(operands, tiny) : operands;
    const clear = or32(this.none(and(operands, special)), this.#isSet(DE));
    const kept = lost ? op32('and', clear, or32(this.none(lost), this.#isSet(UE))) : clear;
    const holds = select(this.#isSet(MXCSR_DAZ | MXCSR_FZ), this.none(near), kept);
    return { raised: this.flag(operands, DE), holds };
  }

  /** Denormal, or so small that rounding may have saved it from that. */
  #small(v: Expr): Expr {
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

  arithmetic(name: string): { r: Expr; raised: Expr; holds: Expr } {
    const [fn, a, b] = [this.#fn, this.#a, this.#b];
    const r = fn.bind(name === 'sqrt' ? simd(op(this.shape, 'sqrt'), b) : this.lanewise(name, a, b));
    const nanR = fn.bind(this.#isNan(r));
    const invalid = this.flag(or(this.signalling, and(nanR, not(this.nan))), IE);
    const result = fn.bind(pick(nanR, this.quietNan(), r));
    if (name === 'sqrt') {
      const { raised, holds } = this.denormals(nanR, null, null);
      return { r: result, raised: op32('or', invalid, raised), holds };
    }
    const infinite = and(not(this.finite(r)), not(nanR), this.finite(a));
    const isDivision = name === 'div';
    const overflow = and(infinite, isDivision ? this.nonZero(b) : this.finite(b));
    const byZero = isDivision ? fn.bind(and(infinite, isZero(this.shape, b))) : null;
    const vanished = and(
      isZero(this.shape, r),
      this.nonZero(a),
      isDivision ? this.finite(b) : this.nonZero(b),
    );
    // Sums that small are exact.
    const small = fn.bind(this.#small(r));
    const lost = name === 'mul' || isDivision ? fn.bind(or(small, vanished)) : null;
    const { raised, holds } = this.denormals(byZero ? or(nanR, byZero) : nanR, lost ?? small, lost);
    const flags = [invalid, this.flag(overflow, OE | PE), raised, ...(byZero ? [this.flag(byZero, ZE)] : [])];
    return { r: result, raised: flags.reduce((x, y) => op32('or', x, y)), holds };
  }
}

/**
 * How an operation goes with numbers of any kind; null when it always takes the slow way then.
 * @param mxcsr bound to a local
 */
export function specialFloat(
  name: string,
  fn: FunctionBuilder,
  mxcsr: Expr,
  [a, b, imm]: readonly [Expr, Expr, Expr],
): Special | null {
  const compares = /^(u?)comis([sd])$/.exec(name);
  if (compares) {
    const single = compares[2] === 's';
    const lanes = new Lanes(fn, mxcsr, single ? 'f32x4' : 'f64x2', single ? 'ss' : 'sd', a, b);
    return compareFlags(lanes, compares[1] === 'u', a, b);
  }
  const kind = FLOAT_KINDS.find((k) => name.endsWith(k));
  const base = name.slice(0, -2);
  if (!kind) return null;
  const shape = shapeOf(kind);
  if (['add', 'sub', 'mul', 'div', 'sqrt'].includes(base)) {
    const lanes = new Lanes(fn, mxcsr, shape, kind, base === 'sqrt' ? b : a, b);
    const { r, ...rest } = lanes.arithmetic(base);
    return { result: merge(kind, a, r), ...rest, rounds: true };
  }
  if (base === 'cmp') return comparison(new Lanes(fn, mxcsr, shape, kind, a, b), kind, a, b, imm);
  if (base !== 'min' && base !== 'max') return null;
  const lanes = new Lanes(fn, mxcsr, shape, kind, a, b);
  const r = fn.bind(lanes.lanewise(base === 'min' ? 'pmin' : 'pmax', b, a));
  const { raised, holds } = lanes.denormals(lanes.nan, null, null);
  const flags = op32('or', raised, lanes.flag(lanes.nan, IE));
  return { result: merge(kind, a, r), holds, raised: flags, rounds: false };
}

/** Predicates EQ LT LE UNORD and their negations; LT and LE also signal for quiet NaNs. */
function comparison(lanes: Lanes, kind: (typeof FLOAT_KINDS)[number], a: Expr, b: Expr, imm: Expr): Special {
  const predicate = op32('and', imm, i32(3));
  const is = (n: number): Expr => op32('eq', predicate, i32(n));
  const test = (name: string): Expr => lanes.lanewise(name, a, b);
  const base = select(is(0), test('eq'), select(is(1), test('lt'), select(is(2), test('le'), lanes.nan)));
  const negate = simd('i32x4.splat', op32('sub', i32(0), op32('and', op32('shr_u', imm, i32(2)), i32(1))));
  const signals = select(op32('or', is(1), is(2)), lanes.nan, lanes.signalling);
  const result = merge(kind, a, simd('v128.xor', base, negate));
  const { raised, holds } = lanes.denormals(lanes.nan, null, null);
  return { result, holds, raised: op32('or', raised, lanes.flag(signals, IE)), rounds: false };
}

/** ZF, PF and CF of EFLAGS in the first lane. */
function compareFlags(lanes: Lanes, quiet: boolean, a: Expr, b: Expr): Special {
  const bit = (mask: Expr, flag: number): Expr => select(any(lanes.extent, mask), i32(flag), i32(0));
  const ordered = op32('or', bit(lanes.lanewise('eq', a, b), 0x40), bit(lanes.lanewise('lt', a, b), 1));
  const flags = op32('or', ordered, bit(lanes.nan, UNORDERED));
  const { raised, holds } = lanes.denormals(lanes.nan, null, null);
  return {
    result: simd('i32x4.splat', flags),
    holds,
    raised: op32('or', raised, lanes.flag(quiet ? lanes.signalling : lanes.nan, IE)),
    rounds: false,
  };
}
