const FIRST_BYTES = 1 << 20;

/** Where a decompressor writes: grows as needed, never beyond its limit, and is its own dictionary. */
export class ByteSink {
  length: number = 0;
  /** More was written than the limit allows, or copied from before the start. It stays so. */
  failed: boolean = false;
  #bytes: Uint8Array;
  readonly #limit: number;

  /** @param limit most bytes that may be written */
  constructor(limit: number) {
    this.#limit = limit;
    this.#bytes = new Uint8Array(Math.min(limit, FIRST_BYTES));
  }

  /** What has been written: a view, valid until the next write. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  put(byte: number): void {
    if (this.length === this.#bytes.length && !this.#grow(1)) return;
    this.#bytes[this.length++] = byte;
  }

  append(chunk: Uint8Array): void {
    if (!this.#grow(chunk.length)) return;
    this.#bytes.set(chunk, this.length);
    this.length += chunk.length;
  }

  /** The byte that was written `distance` bytes ago (1: the last one); 0 before the start. */
  back(distance: number): number {
    return this.#bytes[this.length - distance] ?? 0;
  }

  /** Repeats `count` bytes from `distance` bytes ago; they may overlap with what is being written. */
  copy(distance: number, count: number): void {
    if (distance > this.length || distance <= 0) this.failed = true;
    if (this.failed || !this.#grow(count)) return;
    const bytes = this.#bytes;
    const end = this.length + count;
    for (let to = this.length; to < end; to++) bytes[to] = bytes[to - distance];
    this.length = end;
  }

  /** Makes room. @returns false at the limit */
  #grow(count: number): boolean {
    const needed = this.length + count;
    if (needed <= this.#bytes.length) return true;
    if (needed > this.#limit) {
      this.failed = true;
      return false;
    }
    const larger = new Uint8Array(Math.min(this.#limit, Math.max(needed, this.#bytes.length * 2)));
    larger.set(this.written);
    this.#bytes = larger;
    return true;
  }
}
