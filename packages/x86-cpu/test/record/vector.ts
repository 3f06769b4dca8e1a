/** What a vector starts from. */
export interface VectorInput {
  /** Hardware order. */
  readonly regs: readonly number[];
  readonly eip: number;
  /** Arithmetic flags, DF, AC; bit 1 and IF are set. */
  readonly eflags: number;
  /** Index into FS_SEGMENTS. */
  readonly fs: number;
  /** REP: at most so many iterations. 0: run to a breakpoint behind the instruction, not by TF. Else 1. */
  readonly maxSteps: number;
  /** The instruction and the memory it meets, applied in order to the base image. */
  readonly patches: readonly Patch[];
  /** Instruction bytes, once more. */
  readonly code: readonly number[];
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
