import { denormals, invalid, type Result, screen } from './arithmetic.ts';
import { BIAS, bitLength, classify, type Extended, exactly, infinity, number80, zero } from './number.ts';
import { C0, C1, C2, C3, type Environment, Rounding, raised, roundExtended, ZE } from './round.ts';

/** Exponent differences from here on are reduced in steps. */
const STEP_LIMIT = 64;

export interface Remainder {
  readonly value: Result;
  /** Condition codes C0 to C3; only C1 and C2 change, to 0, without any. */
  readonly codes: number | null;
}

/**
 * FPREM (`nearest` false) and FPREM1: exact. A large exponent difference D is reduced by between 32 and 63 bits, C2 being
 * set; else C0 C3 C1 are bits 2 1 0 of the quotient.
 */
export function remainder(env: Environment, a: Extended, b: Extended, nearest: boolean): Remainder {
  const plain = (value: Result, codes: number | null = null): Remainder => ({ value, codes });
  const early = screen(env, a, b);
  if (early !== undefined) return plain(early);
  const [ca, cb] = [classify(a), classify(b)];
  if (ca === 'infinity' || cb === 'zero') return plain(invalid(env));
  if (!denormals(env, a, b)) return plain(null);
  if (ca === 'zero' || cb === 'infinity') return plain(exactValue(env, a), 0);
  const [x, y] = [exactly(a), exactly(b)];
  const exponentOf = (v: { mantissa: bigint; scale: number }): number => v.scale + bitLength(v.mantissa);
  const distance = exponentOf(x) - exponentOf(y);
  if (distance < -1) return plain(exactValue(env, a), 0);
  const least = Math.min(x.scale, y.scale);
  const n = x.mantissa << BigInt(x.scale - least);
  const d = y.mantissa << BigInt(y.scale - least);
  if (distance >= STEP_LIMIT) {
    const skip = BigInt(distance - ((distance & 31) | 32));
    const rest = n % (d << skip);
    return { value: roundExtended(env, 64, a.sign, rest, least), codes: C2 };
  }
  let quotient = n / d;
  let rest = n - quotient * d;
  let sign = a.sign;
  if (nearest && (2n * rest > d || (2n * rest === d && quotient & 1n))) {
    quotient++;
    rest = d - rest;
    sign = sign ? 0 : 1;
  }
  const q = Number(quotient & 7n);
  const codes = (q & 4 ? C0 : 0) | (q & 2 ? C3 : 0) | (q & 1 ? C1 : 0);
  return { value: rest === 0n ? zero(a.sign) : roundExtended(env, 64, sign, rest, least), codes };
}

/** An operand that is its own result: a denormal one underflows when that is unmasked. */
function exactValue(env: Environment, v: Extended): Result {
  if (classify(v) === 'infinity' || v.mantissa === 0n) return v;
  const x = exactly(v);
  return roundExtended(env, 64, v.sign, x.mantissa, x.scale);
}

/** Scales beyond this over- or underflow whatever they scale. */
const SCALE_LIMIT = 0x10000;

/** FSCALE: a * 2^trunc(b). */
export function scale(env: Environment, a: Extended, b: Extended): Result {
  const early = screen(env, a, b);
  if (early !== undefined) return early;
  const [ca, cb] = [classify(a), classify(b)];
  if (cb === 'infinity') {
    if (b.sign ? ca === 'infinity' : ca === 'zero') return invalid(env);
    if (!denormals(env, a)) return null;
    return b.sign ? zero(a.sign) : infinity(a.sign);
  }
  if (!denormals(env, a, b)) return null;
  if (ca === 'infinity' || ca === 'zero' || cb === 'zero') return cb === 'zero' ? exactValue(env, a) : a;
  const magnitude =
    b.exponent > BIAS + 16 ? SCALE_LIMIT : Number(b.mantissa >> BigInt(Math.min(64, BIAS + 63 - b.exponent)));
  const x = exactly(a);
  return roundExtended(env, 64, a.sign, x.mantissa, x.scale + (b.sign ? -magnitude : magnitude));
}

/** FXTRACT: the exponent and the significand, in this order. */
export function extract(env: Environment, a: Extended): readonly [Result, Result] {
  const early = screen(env, a);
  if (early !== undefined) return [early, early];
  const c = classify(a);
  if (c === 'infinity') return [infinity(0), a];
  if (c === 'zero') {
    env.flags |= ZE;
    return raised(env, ZE) ? [null, null] : [infinity(1), a];
  }
  if (!denormals(env, a)) return [null, null];
  const x = exactly(a);
  const length = bitLength(x.mantissa);
  const exponent = x.scale + length - 1;
  const exact: Environment = { rounding: Rounding.nearest, precision: 64, masks: 0x3f, flags: 0, up: false };
  const value = roundExtended(exact, 64, exponent < 0 ? 1 : 0, BigInt(Math.abs(exponent)), 0);
  return [value, number80(a.sign, BIAS, x.mantissa << BigInt(64 - length))];
}
