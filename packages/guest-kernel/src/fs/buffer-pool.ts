/** Buffers that are used again: fresh ones cost more to make than to fill. */

/** Bytes of a buffer. */
export const BUFFER_BYTES = 262144;
/** Buffers that are kept when nobody uses them. */
const KEPT = 8;

export class BufferPool {
  readonly #free: Uint8Array[] = [];

  /** A buffer with any content. */
  take(): Uint8Array {
    return this.#free.pop() ?? new Uint8Array(BUFFER_BYTES);
  }

  /** Gives back what {@link take} gave. One that is not given back is only lost to others. */
  give(buffer: Uint8Array): void {
    if (this.#free.length < KEPT) this.#free.push(buffer);
  }
}
