import {
  bitLength,
  classify,
  type Exact,
  type Extended,
  exactly,
  INDEFINITE,
  infinity,
  isNan,
  type NumberClass,
  negate,
  quieted,
  zero,
} from './number.ts';
import { DE, type Environment, IE, Rounding, raised, roundExtended, ZE } from './round.ts';

/** An operation's result, or null when an unmasked exception keeps the operands as they are. */
export type Result = Extended | null;

/** Raises IE. */
export function invalid(env: Environment): Result {
  env.flags |= IE;
  return raised(env, IE) ? null : INDEFINITE;
}

/** Which NaN two operands give, at least one being a NaN. Source: SDM vol. 1, table 4-7 */
function chooseNan(a: Extended, b: Extended, ca: NumberClass, cb: NumberClass): Extended {
  if (!isNan(cb)) return a;
  if (!isNan(ca)) return b;
  if (ca !== cb) return ca === 'quiet' ? a : b;
  if (a.mantissa !== b.mantissa) return a.mantissa > b.mantissa ? a : b;
  return a.sign ? b : a;
}

/**
 * What every operation does first: unsupported encodings, NaNs, then denormals.
 * @returns undefined to go on with the operation
 */
export function screen(env: Environment, a: Extended, b?: Extended): Result | undefined {
  const ca = classify(a);
  const cb = b ? classify(b) : ca;
  if (ca === 'unsupported' || cb === 'unsupported') return invalid(env);
  if (isNan(ca) || isNan(cb)) {
    if (ca === 'signaling' || cb === 'signaling') {
      env.flags |= IE;
      if (raised(env, IE)) return null;
    }
    return quieted(b ? chooseNan(a, b, ca, cb) : a);
  }
  return undefined;
}

/** Raises DE for denormal operands. @returns false when it is unmasked */
export function denormals(env: Environment, ...operands: readonly Extended[]): boolean {
  if (operands.some((v) => v.denormal || classify(v) === 'denormal')) env.flags |= DE;
  return !raised(env, DE);
}

function sum(a: Exact, b: Exact): Exact {
  const scale = Math.min(a.scale, b.scale);
  const signed = (v: Exact): bigint => {
    const m = v.mantissa << BigInt(v.scale - scale);
    return v.sign ? -m : m;
  };
  const total = signed(a) + signed(b);
  return { sign: total < 0n ? 1 : 0, mantissa: total < 0n ? -total : total, scale };
}

export function add(env: Environment, a: Extended, b: Extended): Result {
  const early = screen(env, a, b);
  if (early !== undefined) return early;
  const [ia, ib] = [classify(a) === 'infinity', classify(b) === 'infinity'];
  if (ia && ib && a.sign !== b.sign) return invalid(env);
  if (!denormals(env, a, b)) return null;
  if (ia) return a;
  if (ib) return b;
  const r = sum(exactly(a), exactly(b));
  if (r.mantissa !== 0n) return roundExtended(env, env.precision, r.sign, r.mantissa, r.scale);
  const bothZero = a.mantissa === 0n && b.mantissa === 0n;
  if (bothZero && a.sign === b.sign) return zero(a.sign);
  return zero(env.rounding === Rounding.down ? 1 : 0);
}

/** a - b; a NaN keeps its sign. */
export function subtract(env: Environment, a: Extended, b: Extended): Result {
  const early = screen(env, a, b);
  return early === undefined ? add(env, a, negate(b)) : early;
}

export function multiply(env: Environment, a: Extended, b: Extended): Result {
  const early = screen(env, a, b);
  if (early !== undefined) return early;
  const [ca, cb] = [classify(a), classify(b)];
  const sign = a.sign === b.sign ? 0 : 1;
  const infinite = ca === 'infinity' || cb === 'infinity';
  if (infinite && (ca === 'zero' || cb === 'zero')) return invalid(env);
  if (!denormals(env, a, b)) return null;
  if (infinite) return infinity(sign);
  const [x, y] = [exactly(a), exactly(b)];
  return roundExtended(env, env.precision, sign, x.mantissa * y.mantissa, x.scale + y.scale);
}

const QUOTIENT_BITS = 130n;

export function divide(env: Environment, a: Extended, b: Extended): Result {
  const early = screen(env, a, b);
  if (early !== undefined) return early;
  const [ca, cb] = [classify(a), classify(b)];
  const sign = a.sign === b.sign ? 0 : 1;
  if (ca === cb && (ca === 'infinity' || ca === 'zero')) return invalid(env);
  if (cb === 'zero' && ca !== 'infinity') {
    env.flags |= ZE;
    return raised(env, ZE) ? null : infinity(sign);
  }
  if (!denormals(env, a, b)) return null;
  if (ca === 'infinity') return infinity(sign);
  if (cb === 'infinity' || ca === 'zero') return zero(sign);
  const [x, y] = [exactly(a), exactly(b)];
  const numerator = x.mantissa << QUOTIENT_BITS;
  const quotient = numerator / y.mantissa;
  const sticky = quotient * y.mantissa !== numerator;
  const scale = x.scale - y.scale - Number(QUOTIENT_BITS);
  return roundExtended(env, env.precision, sign, quotient, scale, sticky);
}

/** Integer square root, rounded down. */
export function sqrtFloor(n: bigint): bigint {
  if (n < 2n) return n;
  let x = 1n << BigInt((n.toString(2).length + 1) >> 1);
  for (;;) {
    const y = (x + n / x) >> 1n;
    if (y >= x) return x;
    x = y;
  }
}

/** Bits of the radicand, or one less: two bits more than the result needs come out. */
const RADICAND_BITS = 132;

/** Integer square root of a number of some 132 bits: one step of Newton's from a double's 53 bits. */
function root66(n: bigint): bigint {
  const seed = BigInt(Math.floor(Math.sqrt(Number(n))));
  let x = (seed + n / seed) >> 1n;
  while (x * x > n) x--;
  while ((x + 1n) * (x + 1n) <= n) x++;
  return x;
}

export function squareRoot(env: Environment, a: Extended): Result {
  const early = screen(env, a);
  if (early !== undefined) return early;
  const c = classify(a);
  if (c === 'zero') return a;
  if (a.sign) return invalid(env);
  if (!denormals(env, a)) return null;
  if (c === 'infinity') return a;
  const x = exactly(a);
  const widest = RADICAND_BITS - bitLength(x.mantissa);
  const shift = widest - (Math.abs(x.scale - widest) & 1);
  const radicand = x.mantissa << BigInt(shift);
  const root = root66(radicand);
  const sticky = root * root !== radicand;
  return roundExtended(env, env.precision, 0, root, (x.scale - shift) / 2, sticky);
}
