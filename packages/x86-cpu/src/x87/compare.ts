import { denormals } from './arithmetic.ts';
import { classify, type Extended, exactly, isNan } from './number.ts';
import { C0, C2, C3, type Environment, IE } from './round.ts';

const UNORDERED_CODES: number = C3 | C2 | C0;

/** Condition codes of a compared with b. */
export function compare(env: Environment, a: Extended, b: Extended, quiet: boolean): number {
  const [ca, cb] = [classify(a), classify(b)];
  const bad = (c: typeof ca): boolean => c === 'unsupported' || c === 'signaling';
  if (isNan(ca) || isNan(cb) || ca === 'unsupported' || cb === 'unsupported') {
    if (!quiet || bad(ca) || bad(cb)) env.flags |= IE;
    return UNORDERED_CODES;
  }
  denormals(env, a, b);
  const order = difference(a, b);
  return order === 0 ? C3 : order < 0 ? C0 : 0;
}

/** Sign of a - b. */
function difference(a: Extended, b: Extended): number {
  if (a.mantissa === 0n && b.mantissa === 0n) return 0;
  const side = (v: Extended): number => (v.mantissa === 0n ? 0 : v.sign ? -1 : 1);
  if (side(a) !== side(b)) return side(a) - side(b);
  return magnitude(a, b) * (a.sign ? -1 : 1);
}

function magnitude(a: Extended, b: Extended): number {
  if (a.exponent === b.exponent || Math.max(a.exponent, b.exponent) <= 1) {
    return a.mantissa === b.mantissa ? 0 : a.mantissa > b.mantissa ? 1 : -1;
  }
  if (Math.min(a.exponent, b.exponent) > 0) return a.exponent - b.exponent;
  const [x, y] = [exactly(a), exactly(b)];
  const distance = x.scale - y.scale;
  const [m, n] =
    distance > 0
      ? [x.mantissa << BigInt(distance), y.mantissa]
      : [x.mantissa, y.mantissa << BigInt(-distance)];
  return m === n ? 0 : m > n ? 1 : -1;
}
