const MAX_BYTES = 16;

/** Where requests of a hypercall's list are copied to one after the other, so that none costs an allocation. */
export class ScratchRequest {
  readonly view: DataView = new DataView(new ArrayBuffer(MAX_BYTES));
  readonly #bytes: readonly Uint8Array[] = Array.from(
    { length: MAX_BYTES + 1 },
    (_, length) => new Uint8Array(this.view.buffer, 0, length),
  );

  /** The first bytes of `view`. @param length at most 16 */
  bytesOf(length: number): Uint8Array {
    return this.#bytes[length];
  }
}
