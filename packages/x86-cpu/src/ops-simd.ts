import type { FloatOp } from './simd/float-ops.ts';
import type { Expr } from './wasm/expr.ts';
import type { LaneOp, SimdOp } from './wasm/simd.ts';

/** A 128-bit value; MMX values are its low half, the other half being anything. */
export type Vec = Expr;

/** A register or memory operand of MMX or SSE, resolved. */
export interface VectorOperand {
  /** The register, or the bytes in memory with zeros above. */
  vget(): Vec;
  /** Stores all of a register, or the operand's bits of memory. */
  vset(v: Vec): void;
}

/** The part of the algebra that MMX and SSE are written in. */
export interface SimdOps {
  /** Operations of WebAssembly on all lanes. Results of any_true, all_true and bitmask are 32-bit values. */
  simd(op: SimdOp, ...args: Expr[]): Expr;
  /** Operations of WebAssembly on one lane. */
  lane(op: LaneOp, lane: number, ...args: Expr[]): Expr;
  /** Sixteen bytes by number: 0-15 of `a`, 16-31 of `b`. */
  shuffle(bytes: readonly number[], a: Vec, b: Vec): Vec;
  vconst(bytes: readonly number[]): Vec;
  /**
   * A floating-point operation as MXCSR asks for it. Lanes that a scalar operation does not touch are those of `a`.
   * Raises #XM for what is not masked, nothing but MXCSR having changed.
   */
  float(op: FloatOp, a: Vec, b: Vec, imm?: Expr): Vec;
  /** XMM0, which BLENDVPS and the like name without saying so. */
  xmm0(): Vec;
  setXmm0(v: Vec): void;
  /** MXCSR, unchecked. */
  mxcsr(): { get(): Expr; set(v: Expr): void };
  /** All x87 registers become empty (EMMS). */
  emptyMmx(): void;
}
