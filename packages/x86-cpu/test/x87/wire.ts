/** Sizes of native.c's records. */
export const REQUEST_BYTES = 128;
export const RESPONSE_BYTES = 112;

/** What an instruction leaves, as far as it is compared. */
export interface Outcome {
  readonly control: number;
  readonly status: number;
  /** 16-bit tag word. */
  readonly tags: number;
  readonly vector: number;
  readonly flags: number;
  readonly ax: number;
  /** ST(0..7), ten bytes each. */
  readonly registers: Uint8Array;
  readonly memory: Uint8Array;
}

export function readOutcome(bytes: Uint8Array, at: number): Outcome {
  const view = new DataView(bytes.buffer, bytes.byteOffset + at, RESPONSE_BYTES);
  return {
    control: view.getUint16(0, true) & 0x1f3f,
    status: view.getUint16(2, true),
    tags: view.getUint16(4, true),
    vector: view.getUint8(6),
    flags: view.getUint8(7),
    ax: view.getUint16(8, true),
    registers: bytes.subarray(at + 16, at + 96),
    memory: bytes.subarray(at + 96, at + 112),
  };
}
