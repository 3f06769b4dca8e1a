/** Reads a bit stream from its end, as zstd writes them; before the start it gives zeros, and `position` is negative. */
export class ReverseBits {
  /** Bits that are left; negative: how many zeros were made up. */
  position: number;
  readonly #bytes: Uint8Array;

  /** @param bytes its last byte is not zero: its highest set bit ends the stream */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    const last = bytes[bytes.length - 1] ?? 0;
    this.position = last === 0 ? -1 : bytes.length * 8 - 8 + highestBit(last);
  }

  /** @param count 0 to 31 */
  read(count: number): number {
    if (count > 16) {
      const high = this.read(count - 16);
      return high * 0x1_0000 + this.read(16);
    }
    this.position -= count;
    const at = this.position >> 3;
    const bytes = this.#bytes;
    const word = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    return (word >>> (this.position & 7)) & (2 ** count - 1);
  }
}

/** Number of the highest set bit. @param value not 0 */
export function highestBit(value: number): number {
  return 31 - Math.clz32(value);
}
