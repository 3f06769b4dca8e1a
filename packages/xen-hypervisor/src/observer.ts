import type { Exit } from '@domu/x86-cpu';
import type { Domain } from './domain.ts';
import type { Vcpu } from './vcpu.ts';

/**
 * Somebody who watches a machine, such as a tracer. Everything is told from inside the machine's loop, in the order in which
 * it happens; what begins ends, and what begins later ends before it. An observer changes nothing of the machine and does not
 * throw; it may read all of it. Without one, none of this costs more than a look at a field.
 */
export interface MachineObserver {
  /** A vCPU runs, waits for the processor, sleeps or is down from now on: `vcpu.runstate.state`. */
  runstateChanged(vcpu: Vcpu): void;
  /**
   * The CPU left the guest, by an exception or a software interrupt: `machine.cpu.exit` tells which, and the CPU's registers
   * where. Not for `int 0x80` that went through the gate of the CPU itself.
   */
  exitBegins(vcpu: Vcpu, exit: Exit): void;
  /** What the exit asked for is done, or the guest has got its exception. */
  exitEnds(vcpu: Vcpu): void;
  /** A hypercall, from the guest or from within `multicall`. @param a0 its first argument, unsigned */
  hypercallBegins(vcpu: Vcpu, nr: number, a0: number): void;
  /** @param result as for the handler: signed, or a value of `caller.ts` */
  hypercallEnds(vcpu: Vcpu, nr: number, result: number): void;
  /** A kernel that is TypeScript is called. @param index of its entry point */
  kernelBegins(vcpu: Vcpu, index: number): void;
  kernelEnds(vcpu: Vcpu): void;
  /** The guest's event callback is about to be entered. */
  upcall(vcpu: Vcpu): void;
  /** A port of a domain that was not pending is now. */
  eventPending(domain: Domain, port: number): void;
  /** Backends and daemons are at work, in the name of domain 0. */
  hostWorkBegins(): void;
  hostWorkEnds(): void;
}
