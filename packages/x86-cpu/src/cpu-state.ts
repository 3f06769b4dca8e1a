/** Details of the last exit; the object is reused. */
export interface CpuExit {
  vector: number;
  /** -1 when the exception pushes none. */
  errorCode: number;
  /** Faulting linear address of a #PF. */
  cr2: number;
  /** Bytes of the `INT n` instruction. */
  length: number;
  /** DR6 bits of a #DB. */
  dr6: number;
}

/** A saved architectural state, as `saveContext` leaves it. */
export interface CpuContext {
  readonly integer: Int32Array;
  readonly fpu: Int32Array;
}
