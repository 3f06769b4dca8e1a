import { bitLength, type Extended, infinity, number80, zero } from './number.ts';

/** Exception flags of the status word, by bit. */
export const IE = 1;
export const DE = 2;
export const ZE = 4;
export const OE = 8;
export const UE = 16;
export const PE = 32;
export const STACK_FAULT = 0x40;
export const C0 = 0x100;
export const C1 = 0x200;
export const C2 = 0x400;
export const C3 = 0x4000;

/** RC of the control word. */
export const Rounding = { nearest: 0, down: 1, up: 2, chop: 3 } as const;

/** What one operation is told by the control word, and what it reports. */
export interface Environment {
  /** One of Rounding. */
  readonly rounding: number;
  /** Mantissa bits: 24, 53 or 64. */
  readonly precision: number;
  /** Exception bits that are masked. */
  readonly masks: number;
  /** Exception bits raised so far. */
  flags: number;
  /** The last rounding went away from zero. */
  up: boolean;
}

export const raised = (env: Environment, bit: number): boolean => (env.flags & ~env.masks & bit) !== 0;

/** A binary format: exponents of normal numbers run from `min` to `max`, unbiased. */
export interface Format {
  readonly bits: number;
  readonly min: number;
  readonly max: number;
  /** Results of unmasked overflow and underflow are delivered, scaled. */
  readonly wraps: boolean;
}

/** Exponent adjustment of unmasked overflow and underflow. Source: SDM vol. 1, 8.5.4 and 8.5.5 */
const WRAP = 24576;

/** `value` / 2^shift rounded to an integer; `sticky` stands for something smaller than any bit given. */
export function roundInteger(
  env: Environment,
  sign: 0 | 1,
  value: bigint,
  shift: number,
  sticky: boolean,
): { quotient: bigint; inexact: boolean; up: boolean } {
  if (shift <= 0) {
    const quotient = value << BigInt(-shift);
    const up = sticky && towards(env.rounding, sign, false, false, false);
    return { quotient: up ? quotient + 1n : quotient, inexact: sticky, up };
  }
  const quotient = value >> BigInt(shift);
  const rest = value - (quotient << BigInt(shift));
  const half = 1n << BigInt(shift - 1);
  const inexact = rest !== 0n || sticky;
  const above = rest > half || (rest === half && sticky);
  const up = inexact && towards(env.rounding, sign, above, rest === half && !sticky, (quotient & 1n) !== 0n);
  return { quotient: up ? quotient + 1n : quotient, inexact, up };
}

/** Whether an inexact magnitude goes up. */
function towards(rounding: number, sign: 0 | 1, above: boolean, tie: boolean, odd: boolean): boolean {
  if (rounding === Rounding.nearest) return above || (tie && odd);
  return rounding === (sign ? Rounding.down : Rounding.up);
}

export interface Rounded {
  /** mantissa * 2^(exponent - bits + 1) with `bits` mantissa bits; fewer in a denormal. */
  readonly mantissa: bigint;
  /** Unbiased; that of the least normal number for a denormal. */
  readonly exponent: number;
  readonly overflow: boolean;
}

/** Rounds mantissa * 2^scale (not zero) to a format, raising UE, OE and PE. Tininess is detected after rounding. */
export function roundTo(
  env: Environment,
  format: Format,
  sign: 0 | 1,
  mantissa: bigint,
  scale: number,
  sticky: boolean,
): Rounded {
  const { bits, min, max } = format;
  const length = bitLength(mantissa);
  let exponent = scale + length - 1;
  let r = roundInteger(env, sign, mantissa, length - bits, sticky);
  const carry = r.quotient >> BigInt(bits) !== 0n;
  if (exponent + (carry ? 1 : 0) < min) {
    if (env.masks & UE) {
      r = roundInteger(env, sign, mantissa, length - bits + (min - exponent), sticky);
      if (r.inexact) env.flags |= UE | PE;
      env.up = r.up;
      return { mantissa: r.quotient, exponent: min, overflow: false };
    }
    env.flags |= UE;
    if (!format.wraps) return { mantissa: 0n, exponent: min, overflow: false };
    exponent += WRAP;
    if (exponent < min) {
      env.flags |= PE;
      env.up = false;
      return { mantissa: 0n, exponent: min, overflow: false };
    }
  }
  if (r.inexact) env.flags |= PE;
  env.up = r.up;
  let { quotient } = r;
  if (carry) {
    quotient >>= 1n;
    exponent++;
  }
  if (exponent > max) {
    env.flags |= OE;
    if (env.masks & OE || exponent - WRAP > max) {
      env.flags |= PE;
      env.up = (env.masks & OE) === 0 || toInfinity(env.rounding, sign);
      return { mantissa: quotient, exponent, overflow: true };
    }
    exponent -= WRAP;
  }
  return { mantissa: quotient, exponent, overflow: false };
}

/** Whether an overflow gives infinity, not the largest number. */
export function toInfinity(rounding: number, sign: 0 | 1): boolean {
  return rounding === Rounding.nearest || rounding === (sign ? Rounding.down : Rounding.up);
}

const MIN = -16382;
const MAX = 16383;

/** Rounds to a register at the given precision. */
export function roundExtended(
  env: Environment,
  precision: number,
  sign: 0 | 1,
  mantissa: bigint,
  scale: number,
  sticky = false,
): Extended {
  if (mantissa === 0n) return zero(sign);
  const format = { bits: precision, min: MIN, max: MAX, wraps: true };
  const r = roundTo(env, format, sign, mantissa, scale, sticky);
  const spare = BigInt(64 - precision);
  if (r.overflow) {
    if (env.up) return infinity(sign);
    return number80(sign, 0x7ffe, ((1n << BigInt(precision)) - 1n) << spare);
  }
  const normal = r.mantissa >> BigInt(precision - 1) !== 0n;
  return number80(sign, normal ? r.exponent - MIN + 1 : 0, r.mantissa << spare);
}
