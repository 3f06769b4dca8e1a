import { TI_DPL_MASK, TI_IF } from '@domu/xen-abi';

/**
 * A guest's virtual IDT (struct trap_info per vector). A vector that was never set still has the flat kernel selector
 * and address 0, as Xen's start of day leaves it.
 * Source: xen/include/public/arch-x86/xen.h, "Send an array of these to HYPERVISOR_set_trap_table()" @ RELEASE-4.18.0
 */
export class TrapTable {
  readonly cs: Uint16Array = new Uint16Array(256);
  readonly address: Uint32Array = new Uint32Array(256);
  readonly flags: Uint8Array = new Uint8Array(256);

  /** Registers a handler. `cs` has been fixed up (RPL >= 1) by the caller. */
  set(vector: number, cs: number, address: number, flags: number): void {
    this.cs[vector] = cs;
    this.address[vector] = address;
    this.flags[vector] = flags;
  }

  /** set_trap_table(NULL). */
  clear(): void {
    this.cs.fill(0);
    this.address.fill(0);
    this.flags.fill(0);
  }

  /** Least privileged ring that may use `int n` for this vector. */
  dpl(vector: number): number {
    return this.flags[vector] & TI_DPL_MASK;
  }

  /** Delivery masks events. */
  masksEvents(vector: number): boolean {
    return (this.flags[vector] & TI_IF) !== 0;
  }
}
