/** What an SIMD instruction can change. Bytes in the layout of recorder.c. */
export const STATE_BYTES = 40 + 64 + 128 + 64;
export const INPUT_BYTES: number = STATE_BYTES + 4 + 16;
export const OUTPUT_BYTES: number = STATE_BYTES + 12;
/** Offsets in a state. */
export const At = { regs: 0, eflags: 32, mxcsr: 36, mm: 40, xmm: 104, memory: 232 } as const;
/** Bytes of memory that are watched, and how many of them lie before the operand's address. */
export const WINDOW = 64;
export const BEFORE = 16;
/** Pages of data. */
export const DATA = 0x9000;
export const DATA_END = 0xb000;

export interface SimdInput {
  readonly state: Uint8Array;
  /** Address of the memory operand. */
  readonly address: number;
  readonly code: readonly number[];
}

export interface SimdOutput {
  readonly state: Uint8Array;
  /** -1 when the instruction completed. */
  readonly vector: number;
  /** A bit for each MMX register that is not empty. */
  readonly tags: number;
  /** TOP of the x87 stack. */
  readonly top: number;
  readonly cr2: number;
}

export function encodeInput(input: SimdInput): Buffer {
  const bytes = Buffer.alloc(INPUT_BYTES);
  bytes.set(input.state);
  bytes.writeUInt32LE(input.address, STATE_BYTES);
  bytes[STATE_BYTES + 4] = input.code.length;
  bytes.set(input.code, STATE_BYTES + 5);
  return bytes;
}

const EMPTY = 3;

export function decodeOutput(bytes: Buffer): SimdOutput {
  const word = bytes.readUInt16LE(STATE_BYTES + 2);
  let tags = 0;
  for (let i = 0; i < 8; i++) if (((word >> (2 * i)) & 3) !== EMPTY) tags |= 1 << i;
  return {
    state: bytes.subarray(0, STATE_BYTES),
    vector: bytes.readInt16LE(STATE_BYTES),
    tags,
    top: bytes.readUInt16LE(STATE_BYTES + 4),
    cr2: bytes.readUInt32LE(STATE_BYTES + 8),
  };
}
