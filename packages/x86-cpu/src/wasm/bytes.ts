/** A growing byte buffer with the integer encodings of the WebAssembly binary format. */
export class Bytes {
  readonly #data: number[] = [];

  get length(): number {
    return this.#data.length;
  }

  u8(value: number): void {
    this.#data.push(value);
  }

  /** Unsigned LEB128 of a 32-bit value. */
  leb(value: number): void {
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
    this.raw(other.#data);
  }

  raw(bytes: ArrayLike<number>): void {
    const data = this.#data;
    for (let i = 0; i < bytes.length; i++) data.push(bytes[i] ?? 0);
  }

  name(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.leb(bytes.length);
    this.raw(bytes);
  }

  view(): Uint8Array {
    return Uint8Array.from(this.#data);
  }
}
