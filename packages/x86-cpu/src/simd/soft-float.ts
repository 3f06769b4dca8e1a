import {
  DE,
  IE,
  MXCSR_DAZ,
  MXCSR_FZ,
  MXCSR_MASK_SHIFT,
  MXCSR_RC,
  MXCSR_RC_SHIFT,
  OE,
  PE,
  UE,
} from './float-ops.ts';

/** A binary floating-point format of IEEE 754. */
export interface Format {
  /** Bits of the significand with its leading one. */
  readonly precision: number;
  /** Exponent of the least normal number; the greatest is 1 - emin. */
  readonly emin: number;
  readonly sign: bigint;
  readonly infinity: bigint;
  readonly quiet: bigint;
  readonly fraction: bigint;
}

function format(precision: number, exponentBits: number): Format {
  const stored = BigInt(precision - 1);
  const infinity = ((1n << BigInt(exponentBits)) - 1n) << stored;
  return {
    precision,
    emin: 2 - (1 << (exponentBits - 1)),
    sign: 1n << (stored + BigInt(exponentBits)),
    infinity,
    quiet: 1n << (stored - 1n),
    fraction: (1n << stored) - 1n,
  };
}

export const SINGLE: Format = format(24, 8);
export const DOUBLE: Format = format(53, 11);

/** Rounding control as in MXCSR. */
export const Round = { Nearest: 0, Down: 1, Up: 2, Zero: 3 } as const;

/** MXCSR while one instruction executes: what it asks for, and the exceptions found so far. */
export class FloatEnv {
  readonly mxcsr: number;
  /** Exceptions found before and after computation. */
  before = 0;
  after = 0;
  /** Exceptions of stages that are done. */
  settled = 0;

  constructor(mxcsr: number) {
    this.mxcsr = mxcsr;
  }
  get rounding(): number {
    return (this.mxcsr & MXCSR_RC) >> MXCSR_RC_SHIFT;
  }
  get denormalsAreZero(): boolean {
    return (this.mxcsr & MXCSR_DAZ) !== 0;
  }
  get flushToZero(): boolean {
    return (this.mxcsr & MXCSR_FZ) !== 0;
  }
  /** Ends a stage of an operation in several: its exceptions stay. @returns false when one of them is not masked */
  settle(): boolean {
    const enabled = ~(this.mxcsr >> MXCSR_MASK_SHIFT);
    if (((this.before | this.after) & enabled) !== 0) return false;
    this.settled |= this.before | this.after;
    this.before = 0;
    this.after = 0;
    return true;
  }
  isMasked(flag: number): boolean {
    return ((this.mxcsr >> MXCSR_MASK_SHIFT) & flag) !== 0;
  }
}

/** A value taken apart: a finite one is (-1)^sign * mantissa * 2^exponent. */
export interface Unpacked {
  readonly bits: bigint;
  readonly negative: boolean;
  readonly nan: boolean;
  readonly signaling: boolean;
  readonly infinite: boolean;
  readonly denormal: boolean;
  readonly zero: boolean;
  readonly mantissa: bigint;
  readonly exponent: number;
}

/** Takes bits apart; under DAZ a denormal number is a zero. */
export function unpack(given: bigint, f: Format, env: FloatEnv): Unpacked {
  let bits = given;
  const stored = f.precision - 1;
  const biased = Number((bits & f.infinity) >> BigInt(stored));
  let fraction = bits & f.fraction;
  if (biased === 0 && fraction !== 0n && env.denormalsAreZero) {
    bits &= f.sign;
    fraction = 0n;
  }
  const special = (bits & f.infinity) === f.infinity;
  const nan = special && fraction !== 0n;
  return {
    bits,
    negative: (bits & f.sign) !== 0n,
    nan,
    signaling: nan && (bits & f.quiet) === 0n,
    infinite: special && !nan,
    denormal: biased === 0 && fraction !== 0n,
    zero: biased === 0 && fraction === 0n,
    mantissa: biased === 0 ? fraction : fraction | (1n << BigInt(stored)),
    exponent: Math.max(biased, 1) - 1 + f.emin - stored,
  };
}

export function zeroOf(f: Format, negative: boolean): bigint {
  return negative ? f.sign : 0n;
}
export function infinityOf(f: Format, negative: boolean): bigint {
  return f.infinity | zeroOf(f, negative);
}
/** The NaN that a masked invalid operation gives. */
export function indefinite(f: Format): bigint {
  return f.sign | f.infinity | f.quiet;
}

/** The NaN that operands with one or two NaNs give: the first one, made quiet. */
export function propagate(operands: readonly Unpacked[], f: Format, env: FloatEnv): bigint | null {
  const first = operands.find((o) => o.nan);
  if (!first) return null;
  if (operands.some((o) => o.signaling)) env.before |= IE;
  return first.bits | f.quiet;
}

export function invalid(f: Format, env: FloatEnv): bigint {
  env.before |= IE;
  return indefinite(f);
}

export function noteDenormals(operands: readonly Unpacked[], env: FloatEnv): void {
  if (operands.some((o) => o.denormal)) env.before |= DE;
}

export function bitLength(v: bigint): number {
  return v === 0n ? 0 : v.toString(2).length;
}

/** Drops the low `shift` bits by a rounding direction. */
export function roundAt(
  mantissa: bigint,
  shift: number,
  negative: boolean,
  rounding: number,
): { value: bigint; inexact: boolean } {
  if (shift <= 0) return { value: mantissa << BigInt(-shift), inexact: false };
  const bits = BigInt(shift);
  const value = mantissa >> bits;
  const rest = mantissa - (value << bits);
  if (rest === 0n) return { value, inexact: false };
  const half = 1n << (bits - 1n);
  const nearest = rest > half || (rest === half && (value & 1n) === 1n);
  const away = rounding === Round.Nearest ? nearest : rounding === (negative ? Round.Down : Round.Up);
  return { value: away ? value + 1n : value, inexact: true };
}

/** Rounds (-1)^negative * mantissa * 2^exponent into a format, with the exceptions that this raises. */
export function pack(
  negative: boolean,
  mantissa: bigint,
  exponent: number,
  f: Format,
  env: FloatEnv,
): bigint {
  const sign = zeroOf(f, negative);
  if (mantissa === 0n) return sign;
  const { precision: p, emin } = f;
  const n = bitLength(mantissa);
  const unbounded = roundAt(mantissa, n - p, negative, env.rounding);
  const carried = unbounded.value >> BigInt(p) !== 0n;
  const top = exponent + n - 1 + (carried ? 1 : 0);
  if (top < emin) return packTiny(negative, mantissa, exponent, f, env, unbounded.inexact);
  if (unbounded.inexact) env.after |= PE;
  if (top > 1 - emin) return overflow(negative, f, env);
  const significand = carried ? unbounded.value >> 1n : unbounded.value;
  return sign | (significand + (BigInt(top - emin) << BigInt(p - 1)));
}

/** The unmasked response is never stored: a value stands for it. */
function packTiny(
  negative: boolean,
  mantissa: bigint,
  exponent: number,
  f: Format,
  env: FloatEnv,
  inexact: boolean,
): bigint {
  const sign = zeroOf(f, negative);
  if (!env.isMasked(UE)) {
    env.after |= UE | (inexact ? PE : 0);
    return sign;
  }
  if (env.flushToZero) {
    env.after |= UE | PE;
    return sign;
  }
  const rounded = roundAt(mantissa, f.emin - f.precision + 1 - exponent, negative, env.rounding);
  if (rounded.inexact) env.after |= UE | PE;
  return sign | rounded.value;
}

function overflow(negative: boolean, f: Format, env: FloatEnv): bigint {
  env.after |= OE;
  if (env.isMasked(OE)) env.after |= PE;
  const towardZero = env.rounding === Round.Zero || env.rounding === (negative ? Round.Up : Round.Down);
  return infinityOf(f, negative) - (towardZero ? 1n : 0n);
}
