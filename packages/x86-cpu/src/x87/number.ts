/** A number in the double extended format: value (-1)^sign * mantissa * 2^(exponent - 16446), bit 63 being explicit. */
export interface Extended {
  readonly sign: 0 | 1;
  /** Biased, 0..0x7fff. */
  readonly exponent: number;
  /** 64 bits. */
  readonly mantissa: bigint;
  /** Widened from a denormal number in memory. */
  readonly denormal?: boolean;
}

export type NumberClass = 'zero' | 'denormal' | 'normal' | 'infinity' | 'quiet' | 'signaling' | 'unsupported';

export const EXPONENT_MAX = 0x7fff;
export const BIAS = 16383;
export const INTEGER_BIT: bigint = 1n << 63n;
export const QUIET_BIT: bigint = 1n << 62n;

export const number80 = (sign: 0 | 1, exponent: number, mantissa: bigint): Extended => ({
  sign,
  exponent,
  mantissa,
});
/** The real indefinite: what masked invalid operations give. */
export const INDEFINITE: Extended = number80(1, EXPONENT_MAX, INTEGER_BIT | QUIET_BIT);
export const zero = (sign: 0 | 1): Extended => number80(sign, 0, 0n);
export const infinity = (sign: 0 | 1): Extended => number80(sign, EXPONENT_MAX, INTEGER_BIT);
export const ONE: Extended = number80(0, BIAS, INTEGER_BIT);

/** Source: SDM vol. 1, tables 4-3 and 8-3 (unsupported encodings); a pseudo-denormal counts as denormal. */
export function classify({ exponent, mantissa }: Extended): NumberClass {
  if (exponent === 0) return mantissa === 0n ? 'zero' : 'denormal';
  if (mantissa < INTEGER_BIT) return 'unsupported';
  if (exponent < EXPONENT_MAX) return 'normal';
  if (mantissa === INTEGER_BIT) return 'infinity';
  return mantissa & QUIET_BIT ? 'quiet' : 'signaling';
}

export const isNan = (c: NumberClass): boolean => c === 'quiet' || c === 'signaling';
export const negate = (v: Extended): Extended => ({ ...v, sign: v.sign ? 0 : 1 });
export const quieted = (v: Extended): Extended => number80(v.sign, v.exponent, v.mantissa | QUIET_BIT);

/** Number of bits up to the highest one; 0 for 0. */
export function bitLength(v: bigint): number {
  if (v <= 0xffffffffn) return 32 - Math.clz32(Number(v));
  if (v < 1n << 64n) return 64 - Math.clz32(Number(v >> 32n));
  const digits = v.toString(16);
  return 4 * digits.length - Math.clz32(Number.parseInt(digits.slice(0, 1), 16)) + 28;
}

/** A finite number as mantissa * 2^scale. */
export interface Exact {
  readonly sign: 0 | 1;
  readonly mantissa: bigint;
  readonly scale: number;
}

const SCALE = BIAS + 63;

/** @param v zero, denormal or normal */
export function exactly(v: Extended): Exact {
  return { sign: v.sign, mantissa: v.mantissa, scale: Math.max(v.exponent, 1) - SCALE };
}
