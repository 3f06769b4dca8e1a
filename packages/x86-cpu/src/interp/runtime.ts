import type { FloatRoutines } from './x87-routines.ts';

/** Function indices that generated code calls: imports from TypeScript, and shared routines of the module itself. */
export interface Runtime {
  /** (linear, write) -> 0, or 1 with a page fault pending: fills the TLB. */
  readonly miss: number;
  /** (linear, sizeBytes, write) -> 0, or 1 with a fault pending: alignment checks and data breakpoints. */
  readonly watch: number;
  /** (helper, a, b, c) -> status */
  readonly helper: number;
  /** (linear) -> host address of instruction bytes, or 0 with a fault pending: misses and page ends. */
  readonly fetch: number;
  /** () -> (): recomputes MODE_* after EFLAGS.TF or AC changed. */
  readonly modeChanged: number;
  /** (offset, segment, sizeBytes) -> host address to read from, or 0 with a fault pending. */
  readonly resolveRead: number;
  /** (offset, segment, sizeBytes) -> host address to read and write, or 0 with a fault pending. */
  readonly resolveWrite: number;
  /** (sizeBytes) -> (): writes back what a store put into the scratch operand. */
  readonly writeBack: number;
  /** () -> EFLAGS */
  readonly eflags: number;
  /** Function (a, b, imm) -> (result, vector of an exception or 0) of a floating-point operation. */
  readonly simdFloat: (op: string) => number;
  /** (mask, value) -> () */
  readonly setEflags: number;
  readonly x87: FloatRoutines;
  /** Absent in modules whose rows have nothing to do with segments. */
  readonly segments?: SegmentRoutines;
}

/** Common cases of instructions that helpers do else. */
export interface SegmentRoutines {
  /** (segment register, selector) -> status */
  readonly loadSegment: number;
  /** () -> status */
  readonly iret: number;
  /** (vector) -> 1 when the interrupt has been delivered, 0 when the embedder is to do it */
  readonly interrupt: number;
}

/** What `step` and the fast loop return: 0 to go on, or 1 + the Exit that is pending. */
export const STATUS_FAULT = 2;
/** A trap: a fault's exit whose instruction has retired. */
export const STATUS_TRAP = 16;
/** The fast loop came to a branch target that is worth compiling, or compiled. */
export const STATUS_HOT = 512;
/** A region wants one instruction run by `step`: it has undone nothing and begun nothing of it. */
export const STATUS_STEP = 256;
/** Control of compiled code is elsewhere than its callers expect, or the world has changed: they return, and nothing else is due. */
export const STATUS_LEFT = 1024;
/** A region asks to be compiled without a stack window; nothing of it has run. */
export const STATUS_PLAIN = 2048;
