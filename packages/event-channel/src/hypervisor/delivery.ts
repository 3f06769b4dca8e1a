/**
 * How a port's event reaches the domain that owns the port.
 * One implementation per event ABI: 2-level bitmaps, FIFO queues, host callbacks.
 * Source: xen/include/xen/event.h, "struct evtchn_port_ops" @ RELEASE-4.18.0
 */
export interface PortDelivery {
  /** Number of ports that this ABI can express; port numbers are below it. */
  readonly nrPorts: number;
  /** `port` has just been bound: it starts without what an earlier binding left. */
  bound(port: number): void;
  /** Marks `port` pending and, unless it is masked, makes `vcpu` see it. A port that is already pending stays as it is. */
  setPending(port: number, vcpu: number): void;
  /** Forgets a pending event of `port`, as closing a port does. */
  clearPending(port: number): void;
  /** Clears the mask of `port`; an event that is pending is made visible to `vcpu`. */
  unmask(port: number, vcpu: number): void;
  isPending(port: number): boolean;
  isMasked(port: number): boolean;
  /** A closed port that the guest has not yet taken off its queue; it cannot be handed out. */
  isBusy(port: number): boolean;
  /** EVTCHNOP_set_priority of a bound port. @returns 0; -ENOSYS the ABI has no priorities, -EINVAL no such priority */
  setPriority(port: number, priority: number): number;
}

/** What every event ABI needs of the domain it serves. The hypervisor implements it. */
export interface EventHost {
  /** Machine memory by bytes, from machine address 0. */
  readonly u8: Uint8Array;
  /** The same memory by 32-bit words. */
  readonly u32: Uint32Array;
  /** @returns the machine address of `vcpu`'s vcpu_info, wherever VCPUOP_register_vcpu_info has put it */
  vcpuInfo(vcpu: number): number;
  /** `vcpu`'s upcall_pending went from 0 to 1: wake it if it is blocked. */
  kick(vcpu: number): void;
  /** `port` became pending: wake the vcpus that poll for it. The port's mask has no say in this. */
  wakePollers(port: number): void;
}

const UPCALL_PENDING = 0; // struct vcpu_info

/** Sets a vcpu's upcall_pending, and kicks the vcpu if it was clear. Source: xen/arch/x86/include/asm/event.h, "vcpu_mark_events_pending" */
export function markEventsPending(host: EventHost, vcpu: number): void {
  const at = host.vcpuInfo(vcpu) + UPCALL_PENDING;
  if (host.u8[at] !== 0) return;
  host.u8[at] = 1;
  host.kick(vcpu);
}
