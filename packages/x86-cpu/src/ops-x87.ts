import type { Cell, Val, Wide } from './ops.ts';

/** A register of the x87 stack: mantissa, and sign << 15 | exponent. */
export interface FloatVal {
  readonly m: Wide;
  readonly se: Val;
  /** When given: it is zero or normal, and its exponent is at most so far from that of 1. */
  readonly bound?: number;
}

/** What a rounding did. */
export interface Rounding {
  /** Not zero when the result is inexact. */
  readonly rest: Wide;
  /** 1 when it went away from zero. */
  readonly up: Val;
}

export interface FloatResult extends FloatVal, Rounding {}

/** A mutable 64-bit local of the generated code. */
export interface WideCell {
  get(): Wide;
  set(v: Wide): void;
}

export type FloatOperation = 'add' | 'mul' | 'div' | 'sqrt';
export type X87Word = 'fcw' | 'fsw' | 'ftop' | 'ftags' | 'fip' | 'fcare';
/** Gives the straight path up when the condition holds. */
export type Unless = (cond: Val) => void;

/** The part of the operations algebra that x87 instructions are written in. Registers are counted from TOP at entry. */
export interface X87Ops {
  wsub(a: Wide, b: Wide): Wide;
  wxor(a: Wide, b: Wide): Wide;
  /** As a 64-bit value. */
  wclz(a: Wide): Wide;
  weqz(a: Wide): Val;
  wltS(a: Wide, b: Wide): Val;
  wselect(cond: Val, a: Wide, b: Wide): Wide;
  wbig(n: bigint): Wide;
  wcell(init: Wide): WideCell;

  /** As `if`, where neither side touches the arithmetic flags. */
  fif(cond: Val, then: () => void, otherwise?: () => void): void;
  /** The first way, which may give up as long as it changed nothing but locals of its own; then the second. */
  falternative(first: (unless: Unless) => void, second: () => void): void;
  /**
   * The straight path, which may give up at any point before it changed something; then `slow` does all of it. Compiled
   * code has the general interpreter run the instruction instead of `slow`.
   */
  attempt(fast: (unless: Unless) => void, slow: () => void): void;

  /** Raises #NM, and for a waiting instruction #MF. First thing in every row. */
  fenter(waiting: boolean): void;
  fword(name: X87Word): Cell;
  /** A word of the image that helpers build and take apart, at a byte offset. */
  fimage(at: number): Cell;
  fisEmpty(i: Val): Val;
  fget(i: Val): FloatVal;
  /** Writes a register that is in use. */
  fset(i: Val, v: FloatVal): void;
  /** Writes it and marks it as in use, or as empty. */
  fmark(i: Val, v: FloatVal | null): void;
  /** Pushes; the register must be empty. */
  fpush(v: FloatVal): void;
  fpop(): void;
  /** TOP := TOP + by, nothing else. */
  fturn(by: number): void;
  /** Sets PE and C1 from a rounding, or clears C1 after none. */
  frounded(rounding: Rounding | null): void;
  /** Whether something but exponent range and special operands forces the slow path for a precision. */
  fcareless(precision: 53 | 64): Val;
  /** Bits of fcare other than those allowed. */
  fcares(allowed: number): Val;
  /** Precisions that the tier has straight paths for. */
  readonly fprecisions: readonly (53 | 64)[];
  farith(op: FloatOperation, precision: 53 | 64, a: FloatVal, b: FloatVal, unless: Unless): FloatResult;
}
