/** Reads bytes in order; past the end it gives zeros and says so in `failed`. */
export class ByteSource {
  at: number = 0;
  /** More was read than there is. */
  failed: boolean = false;
  readonly #bytes: Uint8Array;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  u8(): number {
    if (this.at < this.#bytes.length) return this.#bytes[this.at++];
    this.failed = true;
    return 0;
  }

  u16be(): number {
    return (this.u8() << 8) | this.u8();
  }

  u32be(): number {
    return this.u16be() * 0x1_0000 + this.u16be();
  }

  u32le(): number {
    return (this.u8() | (this.u8() << 8) | (this.u8() << 16) | (this.u8() << 24)) >>> 0;
  }

  /** The next `count` bytes, as a view; fewer at the end. */
  take(count: number): Uint8Array {
    if (count > this.left) this.failed = true;
    const taken = this.#bytes.subarray(this.at, this.at + count);
    this.at += taken.length;
    return taken;
  }
}
