import { USER_DATA } from './segments.ts';

/** What a vector starts from. */
export interface VectorInput {
  /** Hardware order. */
  readonly regs: readonly number[];
  readonly eip: number;
  /** Arithmetic flags, DF, AC; bit 1 and IF are set. */
  readonly eflags: number;
  readonly segments: StartSegments;
  /** REP: at most so many iterations. 0: run to a breakpoint behind the instruction, not by TF. Else 1. */
  readonly maxSteps: number;
  /** The instruction and the memory it meets, applied in order to the base image. */
  readonly patches: readonly Patch[];
  /** Instruction bytes, once more. */
  readonly code: readonly number[];
}

/** Selectors that vary; DS and ES hold USER_DATA, GS is null. */
export interface StartSegments {
  readonly cs: number;
  readonly ss: number;
  readonly fs: number;
}

export interface Patch {
  readonly address: number;
  readonly bytes: readonly number[];
}

/** What the host CPU answered. */
export interface VectorOutput {
  readonly regs: readonly number[];
  readonly eip: number;
  readonly eflags: number;
  /** ES CS SS DS FS GS */
  readonly selectors: readonly number[];
  /** -1 when the instruction completed. */
  readonly vector: number;
  readonly errorCode: number;
  /** Of a page fault; 0 otherwise. */
  readonly cr2: number;
  /** Instructions (iterations of REP) that completed. */
  readonly steps: number;
  /** Runs of bytes that differ from before. */
  readonly changes: readonly Patch[];
}

/** Selectors at the start, as in VectorOutput. */
export function startSelectors({ segments }: VectorInput): number[] {
  return [USER_DATA, segments.cs, segments.ss, USER_DATA, segments.fs, 0];
}
