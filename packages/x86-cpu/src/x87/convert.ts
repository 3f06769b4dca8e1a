import { denormals, type Result, screen } from './arithmetic.ts';
import {
  BIAS,
  classify,
  EXPONENT_MAX,
  type Extended,
  exactly,
  INTEGER_BIT,
  number80,
  zero,
} from './number.ts';
import {
  DE,
  type Environment,
  type Format,
  IE,
  OE,
  PE,
  raised,
  roundInteger,
  roundTo,
  toInfinity,
  UE,
} from './round.ts';

/** Layout of single and double precision numbers. */
interface Interchange extends Format {
  readonly width: number;
  readonly bias: number;
}
export const SINGLE: Interchange = { bits: 24, min: -126, max: 127, wraps: false, width: 32, bias: 127 };
export const DOUBLE: Interchange = { bits: 53, min: -1022, max: 1023, wraps: false, width: 64, bias: 1023 };

/** Widens; a signaling NaN raises IE, a denormal DE. */
export function widen(env: Environment, f: Interchange, image: bigint): Result {
  const fraction = BigInt(f.bits - 1);
  const sign = (image >> BigInt(f.width - 1)) & 1n ? 1 : 0;
  const exponent = Number((image >> fraction) & BigInt(2 * f.bias + 1));
  const rest = (image & ((1n << fraction) - 1n)) << BigInt(64 - f.bits);
  if (exponent === 0) {
    if (rest === 0n) return zero(sign);
    // Loaded even when DE is unmasked.
    env.flags |= DE;
    const shift = 63 - (rest.toString(2).length - 1);
    return number80(sign, BIAS - f.bias + 1 - shift, rest << BigInt(shift));
  }
  const special = exponent === 2 * f.bias + 1;
  const value = number80(sign, special ? EXPONENT_MAX : exponent - f.bias + BIAS, rest | INTEGER_BIT);
  const early = special ? screen(env, value) : undefined;
  return early === undefined ? value : early;
}

/** As `widen`, for an operand of arithmetic: the operation raises what there is to raise. */
export function widenOperand(f: Interchange, image: bigint): Extended {
  const env: Environment = { rounding: 0, precision: 64, masks: 0x3f, flags: 0, up: false };
  const fraction = BigInt(f.bits - 1);
  const exponent = Number((image >> fraction) & BigInt(2 * f.bias + 1));
  if (exponent !== 2 * f.bias + 1) {
    const value = widen(env, f, image) ?? zero(0);
    return env.flags & DE ? { ...value, denormal: true } : value;
  }
  const sign = (image >> BigInt(f.width - 1)) & 1n ? 1 : 0;
  const rest = (image & ((1n << fraction) - 1n)) << BigInt(64 - f.bits);
  return number80(sign, EXPONENT_MAX, rest | INTEGER_BIT);
}

/** Narrows for a store; null when an unmasked exception forbids it. */
export function narrow(env: Environment, f: Interchange, v: Extended): bigint | null {
  const fraction = BigInt(f.bits - 1);
  const pack = (sign: 0 | 1, exponent: number, rest: bigint): bigint =>
    (BigInt(sign) << BigInt(f.width - 1)) | (BigInt(exponent) << fraction) | (rest & ((1n << fraction) - 1n));
  const special = 2 * f.bias + 1;
  const c = classify(v);
  if (c === 'zero') return pack(v.sign, 0, 0n);
  if (c === 'infinity') return pack(v.sign, special, 0n);
  if (c !== 'normal' && c !== 'denormal') {
    const nan = screen(env, v);
    return nan ? pack(nan.sign, special, nan.mantissa >> BigInt(64 - f.bits)) : null;
  }
  const x = exactly(v);
  const r = roundTo(env, f, v.sign, x.mantissa, x.scale, false);
  if (raised(env, OE | UE)) {
    env.flags &= ~PE;
    env.up = false;
    return null;
  }
  if (r.overflow) {
    return toInfinity(env.rounding, v.sign) ? pack(v.sign, special, 0n) : pack(v.sign, special - 1, -1n);
  }
  const normal = r.mantissa >> fraction !== 0n;
  return pack(v.sign, normal ? r.exponent + f.bias : 0, r.mantissa);
}

/** An integer of `bits` bits, exactly. */
export function fromInteger(image: bigint): Extended {
  if (image === 0n) return zero(0);
  const magnitude = image < 0n ? -image : image;
  const length = magnitude.toString(2).length;
  return number80(image < 0n ? 1 : 0, BIAS + length - 1, magnitude << BigInt(64 - length));
}

/** Rounds to an integer for a store; null when it does not fit, with IE raised. */
function integral(env: Environment, v: Extended, limit: bigint, asymmetric: boolean): bigint | null {
  const c = classify(v);
  if (c === 'zero') return 0n;
  if (c === 'normal' || c === 'denormal') {
    const x = exactly(v);
    if (x.scale <= 0 || x.scale < 16) {
      const r = roundInteger(env, v.sign, x.mantissa, -x.scale, false);
      if (r.quotient < limit || (asymmetric && v.sign && r.quotient === limit)) {
        if (r.inexact) env.flags |= PE;
        env.up = r.up;
        return v.sign ? -r.quotient : r.quotient;
      }
    }
  }
  env.flags |= IE;
  return null;
}

/** FIST: the integer indefinite is the least integer. @returns null when an unmasked exception forbids the store */
export function toInteger(env: Environment, v: Extended, bits: number): bigint | null {
  const limit = 1n << BigInt(bits - 1);
  const r = integral(env, v, limit, true);
  if (r !== null) return r;
  return raised(env, IE) ? null : -limit;
}

const BCD_LIMIT = 10n ** 18n;
const BCD_INDEFINITE = 0xffffc000000000000000n;

/** FBSTP: 18 packed decimal digits and a sign byte. */
export function toDecimal(env: Environment, v: Extended): bigint | null {
  const r = integral(env, v, BCD_LIMIT, false);
  if (r === null) return raised(env, IE) ? null : BCD_INDEFINITE;
  const digits = BigInt(`0x${(r < 0n ? -r : r).toString(10)}`);
  return digits | (v.sign ? 1n << 79n : 0n);
}

/** FBLD; digits above 9 count as they are. */
export function fromDecimal(image: bigint): Extended {
  let value = 0n;
  for (let i = 17; i >= 0; i--) value = value * 10n + ((image >> BigInt(4 * i)) & 15n);
  const magnitude = fromInteger(value);
  return number80((image >> 79n) & 1n ? 1 : 0, magnitude.exponent, magnitude.mantissa);
}

/** FRNDINT. */
export function roundToIntegral(env: Environment, v: Extended): Result {
  const early = screen(env, v);
  if (early !== undefined) return early;
  const c = classify(v);
  if (c === 'zero' || c === 'infinity') return v;
  if (!denormals(env, v)) return null;
  const x = exactly(v);
  if (x.scale >= 0) return v;
  const r = roundInteger(env, v.sign, x.mantissa, -x.scale, false);
  if (r.inexact) env.flags |= PE;
  env.up = r.up;
  const whole = fromInteger(r.quotient);
  return number80(v.sign, whole.exponent, whole.mantissa);
}
