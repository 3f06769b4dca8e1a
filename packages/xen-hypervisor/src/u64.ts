/** @returns the unsigned 64-bit value of two halves as a number: exact below 2^53, rounded above */
export function fromU64(lo: number, hi: number): number {
  return (hi >>> 0) * 2 ** 32 + (lo >>> 0);
}
