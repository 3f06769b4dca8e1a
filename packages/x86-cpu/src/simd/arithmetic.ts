import { IE, PE, ZE } from './float-ops.ts';
import {
  bitLength,
  DOUBLE,
  type FloatEnv,
  type Format,
  infinityOf,
  invalid,
  noteDenormals,
  pack,
  propagate,
  Round,
  roundAt,
  SINGLE,
  type Unpacked,
  unpack,
  zeroOf,
} from './soft-float.ts';

/** A lane's operation on two values of a format. */
export type Binary = (a: bigint, b: bigint, f: Format, env: FloatEnv) => bigint;

/** Frames the common part: NaNs first, then the operation's own cases, then denormal operands. */
const binary =
  (special: (u: Unpacked, v: Unpacked, f: Format, env: FloatEnv) => bigint | null, finite: Binary2): Binary =>
  (a, b, f, env) => {
    const u = unpack(a, f, env);
    const v = unpack(b, f, env);
    const nan = propagate([u, v], f, env);
    if (nan !== null) return nan;
    const known = special(u, v, f, env);
    if (known !== null) return known;
    noteDenormals([u, v], env);
    return finite(u, v, f, env);
  };
type Binary2 = (u: Unpacked, v: Unpacked, f: Format, env: FloatEnv) => bigint;

const sum =
  (sign: boolean): Binary =>
  (a, b, f, env) =>
    binary(
      (u, v) => {
        const opposite = (u.negative !== v.negative) !== sign;
        return u.infinite && v.infinite && opposite ? invalid(f, env) : null;
      },
      (u, v) => {
        const negative = v.negative !== sign;
        if (u.infinite) return u.bits;
        if (v.infinite) return infinityOf(f, negative);
        const exponent = Math.min(u.exponent, v.exponent);
        const part = (x: Unpacked, minus: boolean): bigint => {
          const m = x.mantissa << BigInt(x.exponent - exponent);
          return minus ? -m : m;
        };
        const total = part(u, u.negative) + part(v, negative);
        if (total === 0n) {
          const zero = u.zero && v.zero && u.negative === negative;
          return zeroOf(f, zero ? negative : env.rounding === Round.Down);
        }
        return pack(total < 0n, total < 0n ? -total : total, exponent, f, env);
      },
    )(a, b, f, env);

export const add: Binary = sum(false);
export const sub: Binary = sum(true);

export const mul: Binary = binary(
  (u, v, f, env) => ((u.infinite && v.zero) || (u.zero && v.infinite) ? invalid(f, env) : null),
  (u, v, f, env) => {
    const negative = u.negative !== v.negative;
    if (u.infinite || v.infinite) return infinityOf(f, negative);
    return pack(negative, u.mantissa * v.mantissa, u.exponent + v.exponent, f, env);
  },
);

export const div: Binary = binary(
  (u, v, f, env) => {
    if ((u.zero && v.zero) || (u.infinite && v.infinite)) return invalid(f, env);
    if (!v.zero || u.infinite) return null;
    env.before |= ZE;
    return infinityOf(f, u.negative !== v.negative);
  },
  (u, v, f, env) => {
    const negative = u.negative !== v.negative;
    if (u.infinite) return infinityOf(f, negative);
    if (v.infinite || u.zero) return zeroOf(f, negative);
    const shift = Math.max(0, f.precision + 3 + bitLength(v.mantissa) - bitLength(u.mantissa));
    const scaled = u.mantissa << BigInt(shift);
    const quotient = scaled / v.mantissa;
    const sticky = quotient * v.mantissa === scaled ? 0n : 1n;
    return pack(negative, (quotient << 1n) | sticky, u.exponent - v.exponent - shift - 1, f, env);
  },
);

function integerRoot(v: bigint): bigint {
  let x = 1n << BigInt((bitLength(v) + 1) >> 1);
  for (;;) {
    const next = (x + v / x) >> 1n;
    if (next >= x) return x;
    x = next;
  }
}

/** Square root of the second operand. */
export const sqrt: Binary = (_a, b, f, env) => {
  const v = unpack(b, f, env);
  const nan = propagate([v], f, env);
  if (nan !== null) return nan;
  if (v.zero) return v.bits;
  if (v.negative) return invalid(f, env);
  noteDenormals([v], env);
  if (v.infinite) return v.bits;
  const wanted = 2 * f.precision + 4;
  let shift = Math.max(0, wanted - bitLength(v.mantissa));
  if ((v.exponent - shift) % 2 !== 0) shift++;
  const scaled = v.mantissa << BigInt(shift);
  const root = integerRoot(scaled);
  const sticky = root * root === scaled ? 0n : 1n;
  return pack(false, (root << 1n) | sticky, (v.exponent - shift) / 2 - 1, f, env);
};

/** -1, 0 or 1; both are numbers. */
function order(u: Unpacked, v: Unpacked): number {
  if (u.zero && v.zero) return 0;
  const key = (x: Unpacked): bigint => {
    const magnitude = x.zero ? 0n : x.negative ? -(x.bits & ~signBit(x.bits)) : x.bits;
    return magnitude;
  };
  const [a, b] = [key(u), key(v)];
  return a < b ? -1 : a > b ? 1 : 0;
}
const signBit = (bits: bigint): bigint => (bits >> 32n === 0n ? 0x80000000n : 0x8000000000000000n);

/** Either operand a NaN, or both zero or equal: the second one. */
const extremum =
  (sign: number): Binary =>
  (a, b, f, env) => {
    const u = unpack(a, f, env);
    const v = unpack(b, f, env);
    if (u.nan || v.nan) {
      env.before |= IE;
      return v.bits;
    }
    noteDenormals([u, v], env);
    return order(u, v) === sign ? u.bits : v.bits;
  };
export const min: Binary = extremum(-1);
export const max: Binary = extremum(1);

/** How two values compare: -1, 0, 1, or 2 unordered. @param quiet only a signaling NaN is invalid */
export function compare(a: bigint, b: bigint, f: Format, env: FloatEnv, quiet: boolean): number {
  const u = unpack(a, f, env);
  const v = unpack(b, f, env);
  if (u.nan || v.nan) {
    if (!quiet || u.signaling || v.signaling) env.before |= IE;
    return 2;
  }
  noteDenormals([u, v], env);
  return order(u, v);
}

/** CMPccPS and the like: predicates EQ LT LE UNORD NEQ NLT NLE ORD. */
export const comparison =
  (predicate: number): Binary =>
  (a, b, f, env) => {
    const quiet = (predicate & 3) === 0 || (predicate & 3) === 3;
    const found = compare(a, b, f, env, quiet);
    const base =
      [found === 0, found === -1, found === -1 || found === 0, found === 2][predicate & 3] === true;
    return base !== (predicate & 4) > 0 ? f.sign * 2n - 1n : 0n;
  };

/** ROUNDPS and the like: to an integer of the same format. Bit 2 of `control`: by MXCSR; bit 3: without PE. */
export const roundTo =
  (control: number): Binary =>
  (_a, b, f, env) => {
    const v = unpack(b, f, env);
    const nan = propagate([v], f, env);
    if (nan !== null) return nan;
    if (v.infinite || v.zero || v.exponent >= 0) return v.bits;
    const rounding = control & 4 ? env.rounding : control & 3;
    const { value, inexact } = roundAt(v.mantissa, -v.exponent, v.negative, rounding);
    if (inexact && (control & 8) === 0) env.after |= PE;
    if (value === 0n) return zeroOf(f, v.negative);
    const shift = f.precision - bitLength(value);
    return (
      zeroOf(f, v.negative) |
      ((value << BigInt(shift)) + (BigInt(f.precision - 1 - shift - f.emin) << BigInt(f.precision - 1)))
    );
  };

const INTEGER_INDEFINITE = 0x80000000n;

/** To a signed 32-bit integer. */
export function toInteger(b: bigint, f: Format, env: FloatEnv, rounding: number): bigint {
  const v = unpack(b, f, env);
  const bad = (): bigint => {
    env.before |= IE;
    return INTEGER_INDEFINITE;
  };
  if (v.nan || v.infinite) return bad();
  const { value, inexact } = roundAt(v.mantissa, -v.exponent, v.negative, rounding);
  if (value > (v.negative ? 0x80000000n : 0x7fffffffn)) return bad();
  if (inexact) env.after |= PE;
  return BigInt.asUintN(32, v.negative ? -value : value);
}

/** From a signed 32-bit integer to single precision. */
export function fromInteger(bits: bigint, env: FloatEnv): bigint {
  const value = BigInt.asIntN(32, bits);
  return pack(value < 0n, value < 0n ? -value : value, 0, SINGLE, env);
}

export function widen(b: bigint, env: FloatEnv): bigint {
  const v = unpack(b, SINGLE, env);
  const sign = zeroOf(DOUBLE, v.negative);
  if (propagate([v], SINGLE, env) !== null) {
    return sign | DOUBLE.infinity | DOUBLE.quiet | ((v.bits & SINGLE.fraction) << 29n);
  }
  noteDenormals([v], env);
  if (v.infinite) return sign | DOUBLE.infinity;
  return pack(v.negative, v.mantissa, v.exponent, DOUBLE, env);
}

export function narrow(b: bigint, env: FloatEnv): bigint {
  const v = unpack(b, DOUBLE, env);
  const sign = zeroOf(SINGLE, v.negative);
  if (propagate([v], DOUBLE, env) !== null) {
    return sign | SINGLE.infinity | SINGLE.quiet | ((v.bits & DOUBLE.fraction) >> 29n);
  }
  noteDenormals([v], env);
  if (v.infinite) return sign | SINGLE.infinity;
  return pack(v.negative, v.mantissa, v.exponent, SINGLE, env);
}
