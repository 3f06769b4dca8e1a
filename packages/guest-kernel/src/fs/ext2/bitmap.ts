/** Bits of a bitmap block, and bits that are not to be used though they are clear. */

/**
 * The first bit in [from, to) that is clear in the bitmap and in each mask, or -1.
 * @param masks as long as the bitmap
 */
export function findClear(bits: Uint8Array, from: number, to: number, masks: readonly Uint8Array[]): number {
  for (let bit = from; bit < to; ) {
    const place = bit >> 3;
    let byte = bits[place]!;
    for (const mask of masks) byte |= mask[place]!;
    if (byte === 0xff) {
      bit = (place + 1) << 3;
      continue;
    }
    for (const end = Math.min(to, (place + 1) << 3); bit < end; bit++) {
      if ((byte & (1 << (bit & 7))) === 0) return bit;
    }
  }
  return -1;
}

/** How many bits from `from` on are clear everywhere, up to `most`. */
export function clearRun(bits: Uint8Array, from: number, most: number, masks: readonly Uint8Array[]): number {
  let count = 0;
  while (count < most) {
    const bit = from + count;
    const place = bit >> 3;
    let byte = bits[place]!;
    for (const mask of masks) byte |= mask[place]!;
    if (byte === 0 && (bit & 7) === 0 && most - count >= 8) count += 8;
    else if ((byte & (1 << (bit & 7))) === 0) count++;
    else break;
  }
  return count;
}

export function setBits(bits: Uint8Array, from: number, count: number): void {
  for (let bit = from; bit < from + count; ) {
    if ((bit & 7) === 0 && from + count - bit >= 8) {
      bits[bit >> 3] = 0xff;
      bit += 8;
    } else {
      bits[bit >> 3]! |= 1 << (bit & 7);
      bit++;
    }
  }
}

/** @returns how many of them were set */
export function clearBits(bits: Uint8Array, from: number, count: number): number {
  let were = 0;
  for (let bit = from; bit < from + count; ) {
    if ((bit & 7) === 0 && from + count - bit >= 8 && bits[bit >> 3] === 0xff) {
      bits[bit >> 3] = 0;
      bit += 8;
      were += 8;
      continue;
    }
    if ((bits[bit >> 3]! & (1 << (bit & 7))) !== 0) were++;
    bits[bit >> 3]! &= ~(1 << (bit & 7));
    bit++;
  }
  return were;
}
