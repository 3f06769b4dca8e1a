/** The door between the platform and a guest kernel that runs as TypeScript. Source: domu's ARCHITECTURE.md, section 1. */
import type { LinearAddr } from './domid.ts';

/**
 * The semihosting instruction: `ud2`, then "dom", then a byte that says which entry of the kernel this is. Executed in ring 1
 * of a domain whose kernel is TypeScript it calls that kernel; anywhere else it is the #UD that it looks like.
 */
export const SEMIHOST_PREFIX: readonly number[] = [0x0f, 0x0b, 0x64, 0x6f, 0x6d];
/** Bytes of the whole instruction. */
export const SEMIHOST_LENGTH = 6;

/** Registers of the guest's vCPU, live: values are unsigned 32 bits (selectors 16). */
export interface GuestRegisters {
  eax: number;
  ecx: number;
  edx: number;
  ebx: number;
  esp: number;
  ebp: number;
  esi: number;
  edi: number;
  eip: number;
  eflags: number;
  readonly cs: number;
  readonly ss: number;
  readonly ds: number;
  readonly es: number;
  readonly fs: number;
  readonly gs: number;
}

/** Why an access to virtual memory failed. */
export interface GuestFault {
  /** Where. */
  readonly address: LinearAddr;
  /** Page-fault error code (bit 0 present, 1 write, 2 user). */
  readonly errorCode: number;
}

/**
 * What a guest kernel in TypeScript may touch: its own registers and virtual memory, and hypercalls. Memory is
 * reached through the vCPU's page tables at CPL 1; a miss reports the fault in `fault` and changes nothing.
 */
export interface GuestPort {
  readonly regs: GuestRegisters;
  /** The last failed access; reused. */
  readonly fault: GuestFault;
  /** @returns the value (unsigned), or -1 on a fault */
  read8(va: number): number;
  read16(va: number): number;
  read32(va: number): number;
  /** @returns false on a fault */
  write8(va: number, value: number): boolean;
  write16(va: number, value: number): boolean;
  write32(va: number, value: number): boolean;
  /** Copies [va, va + into.length). @returns false on a fault; what precedes the faulting page may have been copied */
  readBytes(va: number, into: Uint8Array): boolean;
  writeBytes(va: number, from: Uint8Array): boolean;
  /** Replaces the word at `va` by `value` if it equals `expected`. @returns the word found, or -1 on a fault */
  compareExchange32(va: number, expected: number, value: number): number;
  /**
   * The same path as `int $0x82`.
   * @param nr `__HYPERVISOR_*`
   * @returns what eax would hold, as a signed number (negative: -XEN_E*)
   */
  hypercall(nr: number, a0?: number, a1?: number, a2?: number, a3?: number, a4?: number): number;
}

/**
 * The part of a guest kernel that is TypeScript, as the platform calls it.
 * @param index the last byte of the semihosting instruction; EIP is already behind it. When this returns, the vCPU goes on
 *   with the registers as they are now, after events that have become deliverable
 */
export type SemihostKernel = (port: GuestPort, index: number) => void;
