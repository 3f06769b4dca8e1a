import { S, SEG, SEG_BYTES } from '../state.ts';

/** Byte offset of a field of segment register `i`. */
export function segField(i: number, field: keyof typeof SEG): number {
  return S.segs + i * SEG_BYTES + SEG[field];
}
