import type { CpuBus } from '../bus.ts';

/** The six segment registers with their hidden parts. */
export interface SegmentFile {
  selector(i: number): number;
  base(i: number): number;
  /** Byte limit, unsigned, granularity applied. */
  limit(i: number): number;
  /** Descriptor bytes 5 and 6: type 0-3, S 4, DPL 5-6, P 7, AVL 12, D/B 14, G 15. Zero: a null segment. */
  attr(i: number): number;
  /** Loads all parts unchecked. Loading CS sets the CPL from the selector's RPL. */
  setRaw(i: number, selector: number, base: number, limit: number, attr: number): void;
  /** The same for one of several changes; setting `HelperCpu.eflags` after the last makes them effective. */
  store(i: number, selector: number, base: number, limit: number, attr: number): void;
}

/** Values that SGDT, SIDT, SLDT and STR store. */
export const SystemRegister = { GdtLimit: 0, GdtBase: 1, IdtLimit: 2, IdtBase: 3, Ldtr: 4, Tr: 5 } as const;

/** Instruction classes of the `fpu` helper: they differ in what CR0 and CR4 make of them. */
export const FpuClass = { X87: 0, Mmx: 1, Sse: 2, Wait: 3 } as const;

/** What a helper returns: 0, or the status that `fault` returned. */
export type HelperStatus = number;

/**
 * The CPU as the helpers see it, in the middle of an instruction. Faults are recorded, not thrown: a helper returns the
 * status and has changed nothing that the program can see.
 */
export interface HelperCpu {
  /** General registers in hardware order. */
  readonly regs: Int32Array;
  /** EIP of this instruction. */
  readonly eip: number;
  /** EIP after this instruction, unsigned; a transfer of control sets it. */
  nextEip: number;
  readonly operandSize: 16 | 32;
  readonly cpl: number;
  /** Architectural EFLAGS; setting it takes effect as POPF or IRET would, without privilege checks. */
  eflags: number;
  readonly seg: SegmentFile;
  /** Words of the state block, by S: those of the FPU belong to its helpers. */
  readonly state: Int32Array;
  readonly cr0: number;
  readonly cr4: number;
  readonly bus: Pick<CpuBus, 'readDescriptor' | 'setAccessed' | 'cpuid' | 'rdtsc'>;
  /** Words that a helper may use while it runs; at least four. */
  readonly scratch: Uint32Array;
  /** Which fast system calls exist; without them SYSENTER raises #GP(0) and SYSCALL #UD. */
  readonly fastSystemCalls: { readonly sysenter: boolean; readonly syscall: boolean };
  /** @param register one of SystemRegister */
  systemRegister(register: number): number;
  /** @returns the value, unsigned; or -1 with a fault recorded */
  readLinear(linear: number, sizeBytes: 1 | 2 | 4, user: boolean): number;
  /** @returns false with a fault recorded */
  writeLinear(linear: number, sizeBytes: 1 | 2 | 4, value: number, user: boolean): boolean;
  /** Whether the bytes could be written now; false with a page fault recorded. */
  probeWrite(linear: number, sizeBytes: number, user: boolean): boolean;
  /** A selector that was loaded with all checks may be loaded without asking the bus the next time. */
  readonly descriptors: { remember(selector: number): void };
  /** Fills a result slot (0..3) for `Ops.result`. */
  setResult(i: number, value: number): void;
  /** Records a fault; errorCode -1 when the vector has none. @returns the status to return */
  fault(vector: number, errorCode: number): HelperStatus;
  /** Records a page fault. */
  pageFault(linear: number, errorCode: number): HelperStatus;
  /** The status of a fault that is already recorded. */
  readonly faulted: HelperStatus;
  /** No single-step or breakpoint trap before the next instruction has run (after MOV SS and POP SS). */
  deferTraps(): void;
  readonly metrics: {
    /** FPU, MMX and SSE instructions refused with #UD. */
    udFpu: number;
  };
}

/** A piece of an instruction that `Ops.helper` calls with up to three values. */
export type Helper = (cpu: HelperCpu, a: number, b: number, c: number) => HelperStatus;
