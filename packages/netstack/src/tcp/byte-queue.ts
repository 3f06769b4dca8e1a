/** Bytes that come in smaller pieces are gathered in chunks of up to this size, so that bookkeeping stays in proportion. */
const GATHER_BYTES = 4096;
/** The first chunk of an empty queue; each further one is twice as long. */
const FIRST_BYTES = 256;

interface Chunk {
  bytes: Uint8Array;
  /** How much of `bytes` is filled. */
  end: number;
  /** Whether the queue made `bytes` itself, may fill it up and use it again. */
  own: boolean;
}

/** A queue of bytes in chunks: appended at the end, taken from the front, read anywhere. */
export class ByteQueue {
  /** Bytes in the queue. */
  length: number = 0;
  readonly #chunks: Chunk[] = [];
  /** Index of the first chunk in use, and how much of it is gone. */
  #first = 0;
  #gone = 0;
  /** The last place that was looked up: a chunk, and the offset in the queue where its bytes start. */
  #hintChunk = 0;
  #hintOffset = 0;
  /** A first chunk that was emptied: what goes in and out in small pieces needs no other. */
  #spare: Chunk | null = null;

  /** Copies bytes in. */
  append(bytes: Uint8Array): void {
    let rest = bytes;
    const last = this.#last();
    if (last?.own) {
      const fill = Math.min(rest.length, last.bytes.length - last.end);
      last.bytes.set(rest.subarray(0, fill), last.end);
      last.end += fill;
      rest = rest.subarray(fill);
    }
    this.length += bytes.length;
    if (rest.length === 0) return;
    if (last === undefined && rest.length <= FIRST_BYTES) return this.#begin(rest);
    const gather = last ? Math.min(2 * last.bytes.length, GATHER_BYTES) : FIRST_BYTES;
    const chunk = new Uint8Array(Math.max(rest.length, gather));
    chunk.set(rest);
    this.#chunks.push({ bytes: chunk, end: rest.length, own: true });
  }

  #begin(bytes: Uint8Array): void {
    const chunk = this.#spare ?? { bytes: new Uint8Array(FIRST_BYTES), end: 0, own: true };
    this.#spare = null;
    chunk.bytes.set(bytes);
    chunk.end = bytes.length;
    this.#chunks.push(chunk);
  }

  /** Takes over a chunk that the caller will not change any more; small ones are copied. */
  appendOwned(bytes: Uint8Array): void {
    if (bytes.length < GATHER_BYTES / 2) return this.append(bytes);
    this.#chunks.push({ bytes, end: bytes.length, own: false });
    this.length += bytes.length;
  }

  /** Copies out `into.length` bytes that start at `offset`, both inside the queue. */
  copyOut(offset: number, into: Uint8Array): void {
    this.#seek(offset);
    let index = this.#hintChunk;
    let at = offset - this.#hintOffset + (index === this.#first ? this.#gone : 0);
    for (let done = 0; done < into.length; index++) {
      const { bytes, end } = this.#chunks[index]!;
      const count = Math.min(into.length - done, end - at);
      into.set(bytes.subarray(at, at + count), done);
      done += count;
      at = 0;
    }
  }

  /** Drops bytes from the front. */
  drop(count: number): void {
    this.length -= count;
    let left = count;
    while (left > 0) {
      const here = this.#chunks[this.#first]!.end - this.#gone;
      if (left < here) {
        this.#gone += left;
        break;
      }
      left -= here;
      this.#gone = 0;
      const chunk = this.#chunks[this.#first]!;
      if (chunk.own && chunk.bytes.length === FIRST_BYTES) this.#spare = chunk;
      this.#chunks[this.#first++] = EMPTY;
    }
    if (this.#first === this.#chunks.length) this.#reset();
    else if (this.#first >= 64) {
      this.#chunks.splice(0, this.#first);
      this.#first = 0;
    }
    this.#hintChunk = this.#first;
    this.#hintOffset = 0;
  }

  /** Moves bytes from the front to `into`. @returns how many */
  read(into: Uint8Array): number {
    const count = Math.min(into.length, this.length);
    this.copyOut(0, into.subarray(0, count));
    this.drop(count);
    return count;
  }

  /** Takes the first chunk out, without copying; it is the caller's then. Undefined if the queue is empty. */
  take(): Uint8Array | undefined {
    if (this.length === 0) return undefined;
    const chunk = this.#chunks[this.#first]!;
    chunk.own = false;
    const { bytes, end } = chunk;
    const taken = bytes.subarray(this.#gone, end);
    this.drop(taken.length);
    return taken;
  }

  clear(): void {
    this.length = 0;
    this.#reset();
  }

  #last(): Chunk | undefined {
    return this.#chunks.length > this.#first ? this.#chunks.at(-1) : undefined;
  }

  #reset(): void {
    this.#chunks.length = 0;
    this.#first = 0;
    this.#gone = 0;
    this.#hintChunk = 0;
    this.#hintOffset = 0;
  }

  /** Moves the hint to the chunk that holds `offset`. */
  #seek(offset: number): void {
    if (offset < this.#hintOffset || this.#hintChunk < this.#first) {
      this.#hintChunk = this.#first;
      this.#hintOffset = 0;
    }
    for (;;) {
      const chunk = this.#chunks[this.#hintChunk];
      if (chunk === undefined) return;
      const size = chunk.end - (this.#hintChunk === this.#first ? this.#gone : 0);
      if (offset < this.#hintOffset + size) return;
      this.#hintOffset += size;
      this.#hintChunk++;
    }
  }
}

const EMPTY: Chunk = { bytes: new Uint8Array(0), end: 0, own: false };
