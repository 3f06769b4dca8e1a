/** A growing row of bytes with the integer encodings of the WebAssembly binary format. */
export class Bytes {
  /** Plain numbers: thousands of short functions are made, and typed arrays cost more than that to allocate. */
  readonly #data: number[] = [];

  get length(): number {
    return this.#data.length;
  }

  u8(value: number): void {
    this.#data.push(value);
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
    const from = other.#data;
    for (let i = 0; i < from.length; i++) this.#data.push(from[i]!);
  }

  raw(bytes: ArrayLike<number>): void {
    for (let i = 0; i < bytes.length; i++) this.#data.push(bytes[i]!);
  }

  /** A name in ASCII. */
  name(text: string): void {
    this.leb(text.length);
    for (let i = 0; i < text.length; i++) this.#data.push(text.charCodeAt(i));
  }

  toArray(): Uint8Array<ArrayBuffer> {
    return Uint8Array.from(this.#data);
  }
}
