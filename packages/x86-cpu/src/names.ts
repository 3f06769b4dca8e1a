/** Why `Cpu.run` returned. */
export const Exit = {
  /** The budget is used up. */
  Budget: 0,
  /** An exception is pending: `exit.vector`, `exit.errorCode` (-1 when it pushes none), `exit.cr2`. */
  Fault: 1,
  /** `INT n` retired: `exit.vector`, `exit.length`. */
  Interrupt: 2,
  /** HLT at CPL 0. */
  Halt: 3,
  /** A privileged instruction at CPL 0, not executed. */
  Privileged: 4,
  Sysenter: 5,
  Syscall: 6,
} as const;
export type Exit = (typeof Exit)[keyof typeof Exit];

/** Kinds of memory access, for `CpuBus.translate`. A probe asks as for execution, and is refused where that would change anything. */
export const Access = { Read: 0, Write: 1, Execute: 2, Probe: 3 } as const;
export type Access = (typeof Access)[keyof typeof Access];

/** Segment registers in hardware order. */
export const Seg = { ES: 0, CS: 1, SS: 2, DS: 3, FS: 4, GS: 5 } as const;

/** General registers in hardware order. */
export const Reg = { EAX: 0, ECX: 1, EDX: 2, EBX: 3, ESP: 4, EBP: 5, ESI: 6, EDI: 7 } as const;

/** Exception vectors. Source: SDM vol. 3, table 6-1. */
export const Vector = {
  DE: 0,
  DB: 1,
  BP: 3,
  OF: 4,
  BR: 5,
  UD: 6,
  NM: 7,
  TS: 10,
  NP: 11,
  SS: 12,
  GP: 13,
  PF: 14,
  MF: 16,
  AC: 17,
  XM: 19,
} as const;

/** `CpuBus.translate` result bit: a write entry may be installed too. */
export const PAGE_WRITABLE = 1;
