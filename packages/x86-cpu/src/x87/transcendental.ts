import { denormals, invalid, type Result, screen } from './arithmetic.ts';
import {
  BIAS,
  bitLength,
  classify,
  type Exact,
  type Extended,
  exactly,
  infinity,
  negate,
  ONE,
  zero,
} from './number.ts';
import { type Environment, PE, raised, roundExtended, ZE } from './round.ts';
import { arctan, artanh, CONSTANT_BITS, constant, expMinusOne, LN2, PI, sinCos } from './series.ts';

/** Fixed-point bits beyond the leading bit of the smallest quantity that matters. */
const GUARD = 140;
/** Quantities below 2^-TINY are their own sine, tangent and so on, but for rounding. */
const TINY = 100;

const exponentOf = (x: Exact): number => x.scale + bitLength(x.mantissa) - 1;
const signed = (x: Exact, bits: number): bigint => {
  const distance = x.scale + bits;
  const m = distance >= 0 ? x.mantissa << BigInt(distance) : x.mantissa >> BigInt(-distance);
  return x.sign ? -m : m;
};
const absolute = (v: bigint): bigint => (v < 0n ? -v : v);

/** An irrational result in fixed point. */
function deliver(env: Environment, value: bigint, bits: number): Extended {
  return roundExtended(env, 64, value < 0n ? 1 : 0, absolute(value), -bits, true);
}

/** A tiny x less (or more, `grow`) a very small part of it. */
function nearly(env: Environment, sign: 0 | 1, mantissa: bigint, scale: number, grow: boolean): Extended {
  const wide = (mantissa << 130n) - (grow ? 0n : 1n);
  return roundExtended(env, 64, sign, wide, scale - 130, true);
}

/** F2XM1 for -1 <= x <= 1; beyond, the operand comes back. */
export function exp2MinusOne(env: Environment, a: Extended): Result {
  const early = screen(env, a);
  if (early !== undefined) return early;
  const c = classify(a);
  if (c === 'zero') return a;
  if (c === 'infinity') return a.sign ? negate(ONE) : a;
  if (!denormals(env, a)) return null;
  const x = exactly(a);
  const exponent = exponentOf(x);
  if (exponent >= 0) {
    if (exponent > 0 || a.mantissa !== ONE.mantissa) {
      env.flags |= PE;
      return a;
    }
    return a.sign ? { sign: 1, exponent: BIAS - 1, mantissa: ONE.mantissa } : a;
  }
  if (exponent < -TINY)
    return roundExtended(env, 64, a.sign, x.mantissa * LN2, x.scale - CONSTANT_BITS, true);
  const bits = GUARD - exponent;
  const y = (signed(x, bits) * constant(LN2, bits)) >> BigInt(bits);
  return deliver(env, expMinusOne(y, bits), bits);
}

/** ln(numerator / denominator) of a ratio near 1, in fixed point. */
function logRatio(numerator: bigint, denominator: bigint, bits: number): bigint {
  const z = ((numerator - denominator) << BigInt(bits)) / (numerator + denominator);
  return 2n * artanh(z, bits);
}

/** y * v / ln 2, where v has `bits` fractional bits. */
function timesLog2e(env: Environment, y: Exact, v: bigint, bits: number): Extended {
  const extra = 260;
  const scaled = (absolute(v) << BigInt(extra)) / constant(LN2, extra);
  const sign = (v < 0n ? 1 : 0) === y.sign ? 0 : 1;
  return roundExtended(env, 64, sign, y.mantissa * scaled, y.scale - bits, true);
}

/** FYL2X: y * log2(x), x >= 0. */
export function yLog2(env: Environment, x: Extended, y: Extended): Result {
  const early = screen(env, x, y);
  if (early !== undefined) return early;
  const [cx, cy] = [classify(x), classify(y)];
  if (x.sign && cx !== 'zero') return invalid(env);
  const isOne = x.exponent === BIAS && x.mantissa === ONE.mantissa;
  const below = x.exponent < BIAS;
  if (cx === 'zero') {
    if (cy === 'zero') return invalid(env);
    if (cy === 'infinity') return infinity(y.sign ? 0 : 1);
    env.flags |= ZE;
    return raised(env, ZE) ? null : infinity(y.sign ? 0 : 1);
  }
  const sign = below === (y.sign === 1) ? 0 : 1;
  if (cx === 'infinity') {
    if (cy === 'zero') return invalid(env);
    return denormals(env, y) ? infinity(sign) : null;
  }
  if (cy === 'infinity') {
    if (isOne) return invalid(env);
    return denormals(env, x) ? infinity(sign) : null;
  }
  if (!denormals(env, x, y)) return null;
  if (isOne || cy === 'zero') return zero(sign);
  const v = exactly(x);
  const length = bitLength(v.mantissa);
  const power = v.scale + length - 1;
  const fraction = v.mantissa - (1n << BigInt(length - 1));
  if (fraction === 0n) {
    const exact = exactly(y);
    return roundExtended(env, 64, sign, exact.mantissa * BigInt(Math.abs(power)), exact.scale);
  }
  // Above sqrt 2 the ratio to the next power of two is nearer to 1.
  const high = v.mantissa >> BigInt(length - 3) >= 6n;
  const reference = 1n << BigInt(high ? length : length - 1);
  const whole = high ? power + 1 : power;
  const distance = v.mantissa - reference;
  const bits = GUARD + length - bitLength(absolute(distance));
  const log = logRatio(v.mantissa, reference, bits) + BigInt(whole) * constant(LN2, bits);
  return timesLog2e(env, exactly(y), log, bits);
}

/** FYL2XP1: y * log2(1 + x), |x| < 1 - sqrt(1/2); beyond that the same function as far as it goes. */
export function yLog2Plus1(env: Environment, x: Extended, y: Extended): Result {
  const early = screen(env, x, y);
  if (early !== undefined) return early;
  const [cx, cy] = [classify(x), classify(y)];
  const sign = x.sign === y.sign ? 0 : 1;
  if (cx === 'infinity') {
    if (x.sign || cy === 'zero') return invalid(env);
    return denormals(env, y) ? infinity(sign) : null;
  }
  if (cy === 'infinity') {
    if (cx === 'zero') return invalid(env);
    return denormals(env, x) ? infinity(sign) : null;
  }
  if (!denormals(env, x, y)) return null;
  if (cx === 'zero' || cy === 'zero') return zero(sign);
  const v = exactly(x);
  const exponent = exponentOf(v);
  if (x.sign && exponent >= 0) return x;
  const w = exactly(y);
  if (exponent < -TINY) {
    const product = w.mantissa * v.mantissa;
    const wide = (product << BigInt(2 * CONSTANT_BITS)) / LN2;
    return roundExtended(env, 64, sign, wide, w.scale + v.scale - CONSTANT_BITS, true);
  }
  const bits = GUARD - Math.min(exponent, 0);
  const one = 1n << BigInt(bits);
  if (exponent > 60) return yLog2(env, x, y);
  const shifted = signed(v, bits);
  if (shifted > one / 2n || shifted < -one / 4n) {
    const total = one + shifted;
    const length = bitLength(total);
    const reference = 1n << BigInt(length - 1);
    const log = logRatio(total, reference, bits) + BigInt(length - 1 - bits) * constant(LN2, bits);
    return timesLog2e(env, w, log, bits);
  }
  return timesLog2e(env, w, logRatio(one + shifted, one, bits), bits);
}

/** FPATAN: the angle of the point (x, y). */
export function angle(env: Environment, x: Extended, y: Extended): Result {
  const early = screen(env, x, y);
  if (early !== undefined) return early;
  const [cx, cy] = [classify(x), classify(y)];
  if (!denormals(env, x, y)) return null;
  /** eighths of pi */
  const fixed = (eighths: bigint): Extended =>
    deliver(env, (y.sign ? -eighths : eighths) * PI, CONSTANT_BITS + 3);
  if (cy === 'zero' || (cx === 'infinity' && cy !== 'infinity')) {
    return x.sign ? fixed(8n) : zero(y.sign);
  }
  if (cy === 'infinity') return fixed(cx === 'infinity' ? (x.sign ? 6n : 2n) : 4n);
  if (cx === 'zero') return fixed(4n);
  const [v, w] = [exactly(x), exactly(y)];
  const distance = exponentOf(w) - exponentOf(v);
  if (distance < -TINY && !x.sign) {
    const quotient = (w.mantissa << 320n) / v.mantissa;
    const exact = quotient * v.mantissa === w.mantissa << 320n;
    return exact
      ? nearly(env, y.sign, quotient, w.scale - v.scale - 320, false)
      : roundExtended(env, 64, y.sign, quotient, w.scale - v.scale - 320, true);
  }
  const bits = GUARD + Math.min(Math.abs(distance), TINY + 20) + 8;
  const ratio = (p: Exact, q: Exact): bigint => {
    const shift = p.scale - q.scale + bits;
    return shift >= 0
      ? (p.mantissa << BigInt(shift)) / q.mantissa
      : p.mantissa / (q.mantissa << BigInt(-shift));
  };
  const steep = ratio(w, v) > 1n << BigInt(bits);
  const acute = steep ? constant(PI, bits) / 2n - arctan(ratio(v, w), bits) : arctan(ratio(w, v), bits);
  const total = x.sign ? constant(PI, bits) - acute : acute;
  return deliver(env, y.sign ? -total : total, bits);
}

/** Pi as the processors' argument reduction has it: 66 bits, in units of 2^-64. */
const PI_REDUCTION = 0x3243f6a8885a308d3n;
/** Operands from 2^63 on are out of range. */
export const TRIGONOMETRIC_LIMIT: number = BIAS + 63;

interface Quadrant {
  /** x less quadrant * pi / 2. */
  readonly rest: bigint;
  readonly bits: number;
  readonly quadrant: number;
}

function reduce(x: Exact): Quadrant {
  // Units of 2^-65 hold pi/2 of the reduction exactly.
  const extra = Math.max(0, -x.scale - 65);
  const half = PI_REDUCTION << BigInt(extra);
  const n = signed(x, 65 + extra);
  const quotient =
    (2n * n + half) / (2n * half) - (2n * n + half < 0n && (2n * n + half) % (2n * half) ? 1n : 0n);
  return { rest: n - quotient * half, bits: 65 + extra, quadrant: Number(((quotient % 4n) + 4n) % 4n) };
}

export interface SineCosine {
  readonly sin: () => Result;
  readonly cos: () => Result;
  readonly tan: () => Result;
}

/** The functions of a finite x other than zero, below 2^63. */
export function trigonometry(env: Environment, a: Extended): SineCosine {
  const x = exactly(a);
  if (exponentOf(x) < -TINY / 2 - 20) {
    const cos = (): Result => nearly(env, 0, ONE.mantissa, -63, false);
    const own = (grow: boolean): Result => nearly(env, a.sign, x.mantissa, x.scale, grow);
    return { cos, sin: () => own(false), tan: () => own(true) };
  }
  const { rest, bits: given, quadrant } = reduce(x);
  const lead = given - bitLength(absolute(rest));
  const bits = GUARD + Math.max(lead, 0) + 8;
  const r = bits >= given ? rest << BigInt(bits - given) : rest >> BigInt(given - bits);
  const { sin, cos } = sinCos(r, bits);
  const [s, c] = [
    [sin, cos],
    [cos, -sin],
    [-sin, -cos],
    [-cos, sin],
  ][quadrant] as [bigint, bigint];
  return {
    sin: () => deliver(env, s, bits),
    cos: () => deliver(env, c, bits),
    tan: () => deliver(env, (s << BigInt(bits)) / c, bits),
  };
}
