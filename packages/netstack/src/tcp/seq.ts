/** A sequence number: an unsigned 32-bit number that wraps around. */
export type Seq = number;

/** The distance from b to a, negative if a comes before b. Meaningful if they are less than 2^31 apart. */
export const seqDiff = (a: Seq, b: Seq): number => (a - b) | 0;
export const seqAdd = (a: Seq, delta: number): Seq => (a + delta) >>> 0;
export const seqMax = (a: Seq, b: Seq): Seq => (seqDiff(a, b) > 0 ? a : b);
