import type { Domain } from './domain.ts';
import type { GuestMemory } from './guest-memory.ts';
import type { Machine } from './machine.ts';
import type { Vcpu } from './vcpu.ts';

/** Who makes a hypercall. One object per vCPU, reused; valid only while that vCPU is the current one. */
export interface Caller {
  readonly machine: Machine;
  readonly domain: Domain;
  readonly vcpu: Vcpu;
  /** The caller's memory by its own linear addresses. */
  readonly mem: GuestMemory;
}

/**
 * A hypercall handler: five unsigned 32-bit arguments; result is a value or `-XEN_E*` and becomes EAX.
 * A handler that has set the caller's registers itself returns `HYPERCALL_KEEP_REGISTERS`; one that has more to do than fits
 * into one call returns what `machine.work.continueAs` returns, `HYPERCALL_CONTINUE`.
 * A handler that blocks calls `machine.scheduler.block(vcpu)` and returns what EAX shall hold after the wake-up.
 */
export type HypercallHandler = (
  caller: Caller,
  a0: number,
  a1: number,
  a2: number,
  a3: number,
  a4: number,
) => number;

/** Outside the 32-bit range, so no handler result can be mistaken for it. */
export const HYPERCALL_KEEP_REGISTERS: number = 2 ** 40;
export const HYPERCALL_CONTINUE: number = 2 ** 41;
