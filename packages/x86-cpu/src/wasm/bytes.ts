/** A growing byte buffer with the integer encodings of the WebAssembly binary format. */
export class Bytes {
  #data: Uint8Array = new Uint8Array(128);
  length = 0;

  #reserve(n: number): void {
    if (this.length + n <= this.#data.length) return;
    const grown = new Uint8Array(Math.max(this.#data.length * 2, this.length + n));
    grown.set(this.#data.subarray(0, this.length));
    this.#data = grown;
  }

  u8(value: number): void {
    this.#reserve(1);
    this.#data[this.length++] = value;
  }

  /** Unsigned LEB128 of a 32-bit value. */
  leb(value: number): void {
    if (value >= 0 && value < 0x80) {
      this.u8(value);
      return;
    }
    let v = value >>> 0;
    while (v > 0x7f) {
      this.u8((v & 0x7f) | 0x80);
      v >>>= 7;
    }
    this.u8(v);
  }

  /** Signed LEB128 of a 32-bit value. */
  sleb(value: number): void {
    let v = value | 0;
    if (v >= -64 && v < 64) {
      this.u8(v & 0x7f);
      return;
    }
    for (;;) {
      const low = v & 0x7f;
      v >>= 7;
      if ((v === 0 && (low & 0x40) === 0) || (v === -1 && (low & 0x40) !== 0)) {
        this.u8(low);
        return;
      }
      this.u8(low | 0x80);
    }
  }

  /** Signed LEB128 of a 64-bit value. */
  sleb64(value: bigint): void {
    let v = BigInt.asIntN(64, value);
    for (;;) {
      const low = Number(v & 0x7fn);
      v >>= 7n;
      if ((v === 0n && (low & 0x40) === 0) || (v === -1n && (low & 0x40) !== 0)) {
        this.u8(low);
        return;
      }
      this.u8(low | 0x80);
    }
  }

  append(other: Bytes): void {
    this.#reserve(other.length);
    this.#data.set(other.view(), this.length);
    this.length += other.length;
  }

  raw(bytes: ArrayLike<number>): void {
    this.#reserve(bytes.length);
    this.#data.set(bytes, this.length);
    this.length += bytes.length;
  }

  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.leb(bytes.length);
    this.raw(bytes);
  }

  view(): Uint8Array {
    return this.#data.subarray(0, this.length);
  }
}
