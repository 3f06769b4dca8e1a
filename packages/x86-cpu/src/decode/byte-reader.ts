/** The architectural limit of an instruction's length. */
export const MAX_LENGTH = 15;

/** Reads instruction bytes; running past the end or past 15 bytes is remembered, not thrown. */
export class ByteReader {
  readonly #bytes: Uint8Array;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get length(): number {
    return this.#at;
  }
  /** What went wrong so far. */
  get problem(): 'truncated' | 'too-long' | null {
    if (this.#at > MAX_LENGTH) return 'too-long';
    return this.#at > this.#bytes.length ? 'truncated' : null;
  }

  u8(): number {
    return this.#bytes[this.#at++] ?? 0;
  }
  s8(): number {
    return (this.u8() << 24) >> 24;
  }
  u16(): number {
    return this.u8() | (this.u8() << 8);
  }
  s16(): number {
    return (this.u16() << 16) >> 16;
  }
  s32(): number {
    return this.u16() | (this.u16() << 16);
  }
}
