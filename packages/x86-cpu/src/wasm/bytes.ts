const FIRST_BLOCK_BYTES = 1 << 10;
const BLOCK_BYTES = 1 << 16;
const FIRST_BYTES = 128;

/**
 * Memory for many short rows of bytes, taken in large blocks: an allocation for each would cost more than its contents. The
 * first block is small, for those who need little.
 */
export class ByteArena {
  #block: Uint8Array = new Uint8Array(0);
  #used = 0;

  take(length: number): Uint8Array {
    if (this.#used + length > this.#block.length) {
      const least = this.#block.length === 0 ? FIRST_BLOCK_BYTES : BLOCK_BYTES;
      this.#block = new Uint8Array(Math.max(least, length));
      this.#used = 0;
    }
    this.#used += length;
    return this.#block.subarray(this.#used - length, this.#used);
  }
}

/** A growing row of bytes with the integer encodings of the WebAssembly binary format. */
export class Bytes {
  readonly #arena: ByteArena;
  #data: Uint8Array;
  #capacity: number;
  length = 0;

  constructor(arena: ByteArena, capacity: number = FIRST_BYTES) {
    this.#arena = arena;
    this.#data = arena.take(capacity);
    this.#capacity = capacity;
  }

  #grow(least: number): void {
    const capacity = Math.max(this.#capacity * 2, least);
    const data = this.#arena.take(capacity);
    data.set(this.#data.subarray(0, this.length));
    this.#data = data;
    this.#capacity = capacity;
  }

  u8(value: number): void {
    if (this.length === this.#capacity) this.#grow(0);
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

  append(other: Bytes, from = 0, to: number = other.length): void {
    this.raw(other.view().subarray(from, to));
  }

  raw(bytes: ArrayLike<number>): void {
    const end = this.length + bytes.length;
    if (end > this.#capacity) this.#grow(end);
    this.#data.set(bytes, this.length);
    this.length = end;
  }

  /** A name in ASCII. */
  name(text: string): void {
    this.leb(text.length);
    for (let i = 0; i < text.length; i++) this.u8(text.charCodeAt(i));
  }

  view(): Uint8Array {
    return this.#data.subarray(0, this.length);
  }
}
