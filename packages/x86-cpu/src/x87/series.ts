import { sqrtFloor } from './arithmetic.ts';

/** Fractional bits of the constants below. */
export const CONSTANT_BITS = 320;
export const LN2 = 0xb17217f7d1cf79abc9e3b39803f2f6af40f343267298b62d8a0d175b8baafa2be7b876206debac98n;
export const PI = 0x3243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89452821e638d01377n;

/** `constant` with `bits` fractional bits. */
export const constant = (value: bigint, bits: number): bigint => value >> BigInt(CONSTANT_BITS - bits);

const shift = (v: bigint, bits: number): bigint => v >> BigInt(bits);

/** exp(x) - 1 in fixed point with `bits` fractional bits, |x| < 1. */
export function expMinusOne(x: bigint, bits: number): bigint {
  let term = x;
  let sum = x;
  for (let n = 2n; term !== 0n && term !== -1n; n++) {
    term = shift(term * x, bits) / n;
    sum += term;
  }
  return sum;
}

/** sin x and cos x, |x| < 1. */
export function sinCos(x: bigint, bits: number): { sin: bigint; cos: bigint } {
  const square = shift(x * x, bits);
  const series = (first: bigint, from: bigint): bigint => {
    let [term, sum] = [first, first];
    for (let n = from; term !== 0n && term !== -1n; n += 2n) {
      term = -shift(term * square, bits) / (n * (n + 1n));
      sum += term;
    }
    return sum;
  };
  return { sin: series(x, 2n), cos: series(1n << BigInt(bits), 1n) };
}

/** artanh z, |z| < 1; the series is short when z is small. */
export function artanh(z: bigint, bits: number): bigint {
  if (z < 0n) return -artanh(-z, bits);
  return oddSeries(z, shift(z * z, bits), bits);
}

function oddSeries(z: bigint, ratio: bigint, bits: number): bigint {
  let [power, sum] = [z, z];
  for (let n = 3n; power !== 0n && power !== -1n; n += 2n) {
    power = shift(power * ratio, bits);
    sum += power / n;
  }
  return sum;
}

/** arctan t, 0 <= t <= 1: the angle is halved twice first. */
export function arctan(t: bigint, bits: number): bigint {
  const one = 1n << BigInt(bits);
  let x = t;
  for (let i = 0; i < 2; i++) x = (x << BigInt(bits)) / (one + sqrtFloor((one << BigInt(bits)) + x * x));
  return 4n * oddSeries(x, -shift(x * x, bits), bits);
}
