import type { ParsedSpec } from '../operand-spec.ts';
import type { Row } from '../row.ts';

/** Operand of ModRM in memory, or a moffs: offset = (base + index * scale + disp) mod 2^addressSize. */
export interface MemoryReference {
  /** Hardware number of the base register, or -1. */
  readonly base: number;
  /** Hardware number of the index register, or -1. */
  readonly index: number;
  readonly scale: 1 | 2 | 4 | 8;
  /** Sign-extended from its encoded width; a moffs is unsigned. */
  readonly disp: number;
  /** Segment in force: the override, else SS for a stack base, else DS. */
  readonly segment: number;
}

/** One decoded instruction. */
export interface Insn {
  readonly row: Row;
  /** Index of `row` in the table. */
  readonly rowIndex: number;
  /** The row's operand codes, taken apart. */
  readonly specs: readonly ParsedSpec[];
  /** Bytes, prefixes included: 1..15. */
  readonly length: number;
  readonly operandSize: 16 | 32;
  readonly addressSize: 16 | 32;
  /** Segment override, or -1. The last prefix counts. */
  readonly segmentOverride: number;
  /** 0, 0xf3 or 0xf2. The last prefix counts. */
  readonly rep: 0 | 0xf2 | 0xf3;
  readonly lock: boolean;
  /** The byte, or -1 for an instruction without one. */
  readonly modrm: number;
  /** null for a register form and for an instruction without a memory operand in its encoding. */
  readonly memory: MemoryReference | null;
  /** Immediates in encoding order: `Ib`, `Iw` and a 16-bit `Ap` unsigned, all others sign-extended to 32 bits. */
  readonly immediates: readonly number[];
}

/** Why bytes are not an instruction. */
export type DecodeErrorKind =
  /** More bytes are needed. */
  | 'truncated'
  /** Longer than 15 bytes: #GP(0). */
  | 'too-long'
  /** No row: #UD. */
  | 'undefined'
  /** LOCK before an instruction that does not take it: #UD. */
  | 'lock';

/** Why bytes are no instruction. */
export interface DecodeError {
  readonly error: DecodeErrorKind;
}
