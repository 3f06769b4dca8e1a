import {
  __HYPERVISOR_event_channel_op,
  DOMID_SELF,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_expand_array,
  EVTCHNOP_init_control,
  EVTCHNOP_reset,
  EVTCHNOP_send,
  EVTCHNOP_set_priority,
  EVTCHNOP_unmask,
  EvtchnAllocUnbound,
  EvtchnBindInterdomain,
  EvtchnBindIpi,
  EvtchnBindVcpu,
  EvtchnBindVirq,
  EvtchnClose,
  EvtchnExpandArray,
  EvtchnInitControl,
  EvtchnReset,
  EvtchnSend,
  EvtchnSetPriority,
  EvtchnUnmask,
  type GuestPort,
  hypercallOn,
  type LinearAddr,
} from '@domu/xen-abi';

/**
 * HYPERVISOR_event_channel_op as a guest calls it. Results are ports (>= 0), 0, or -errno, as Xen returns them.
 * Source: xen/include/public/event_channel.h @ RELEASE-4.18.0
 */
export class EventPorts {
  private readonly guest: GuestPort;
  private readonly scratch: LinearAddr;

  /** @param scratch 24 bytes of the kernel's own memory, used during calls only */
  constructor(guest: GuestPort, scratch: LinearAddr) {
    this.guest = guest;
    this.scratch = scratch;
  }

  /** A port that `remoteDomid` may bind to. */
  allocUnbound(remoteDomid: number): number {
    const op = argument(EvtchnAllocUnbound.size);
    EvtchnAllocUnbound.dom.set(op, 0, DOMID_SELF);
    EvtchnAllocUnbound.remote_dom.set(op, 0, remoteDomid);
    return this.call(EVTCHNOP_alloc_unbound, op) || EvtchnAllocUnbound.port.get(op, 0);
  }

  bindInterdomain(remoteDomid: number, remotePort: number): number {
    const op = argument(EvtchnBindInterdomain.size);
    EvtchnBindInterdomain.remote_dom.set(op, 0, remoteDomid);
    EvtchnBindInterdomain.remote_port.set(op, 0, remotePort);
    return this.call(EVTCHNOP_bind_interdomain, op) || EvtchnBindInterdomain.local_port.get(op, 0);
  }

  bindVirq(virq: number, vcpu: number): number {
    const op = argument(EvtchnBindVirq.size);
    EvtchnBindVirq.virq.set(op, 0, virq);
    EvtchnBindVirq.vcpu.set(op, 0, vcpu);
    return this.call(EVTCHNOP_bind_virq, op) || EvtchnBindVirq.port.get(op, 0);
  }

  bindIpi(vcpu: number): number {
    const op = argument(EvtchnBindIpi.size);
    EvtchnBindIpi.vcpu.set(op, 0, vcpu);
    return this.call(EVTCHNOP_bind_ipi, op) || EvtchnBindIpi.port.get(op, 0);
  }

  bindVcpu(port: number, vcpu: number): number {
    const op = argument(EvtchnBindVcpu.size);
    EvtchnBindVcpu.port.set(op, 0, port);
    EvtchnBindVcpu.vcpu.set(op, 0, vcpu);
    return this.call(EVTCHNOP_bind_vcpu, op);
  }

  close(port: number): number {
    const op = argument(EvtchnClose.size);
    EvtchnClose.port.set(op, 0, port);
    return this.call(EVTCHNOP_close, op);
  }

  send(port: number): number {
    const op = argument(EvtchnSend.size);
    EvtchnSend.port.set(op, 0, port);
    return this.call(EVTCHNOP_send, op);
  }

  /** Clears the port's mask, and raises its event again if it is pending. */
  unmask(port: number): number {
    const op = argument(EvtchnUnmask.size);
    EvtchnUnmask.port.set(op, 0, port);
    return this.call(EVTCHNOP_unmask, op);
  }

  /** Closes all ports and goes back to the 2-level ABI. */
  reset(): number {
    const op = argument(EvtchnReset.size);
    EvtchnReset.dom.set(op, 0, DOMID_SELF);
    return this.call(EVTCHNOP_reset, op);
  }

  /** @param block frame number by the domain's own count (direct paging: the mfn) and byte offset of the control block */
  initControl(vcpu: number, block: { readonly gfn: number; readonly offset: number }): number {
    const op = argument(EvtchnInitControl.size);
    EvtchnInitControl.control_gfn.setNumber(op, 0, block.gfn);
    EvtchnInitControl.offset.set(op, 0, block.offset);
    EvtchnInitControl.vcpu.set(op, 0, vcpu);
    return this.call(EVTCHNOP_init_control, op);
  }

  expandArray(gfn: number): number {
    const op = argument(EvtchnExpandArray.size);
    EvtchnExpandArray.array_gfn.setNumber(op, 0, gfn);
    return this.call(EVTCHNOP_expand_array, op);
  }

  /** @param priority 0 highest to 15 lowest */
  setPriority(port: number, priority: number): number {
    const op = argument(EvtchnSetPriority.size);
    EvtchnSetPriority.port.set(op, 0, port);
    EvtchnSetPriority.priority.set(op, 0, priority);
    return this.call(EVTCHNOP_set_priority, op);
  }

  private call(command: number, op: DataView): number {
    const { guest, scratch } = this;
    return hypercallOn(guest, __HYPERVISOR_event_channel_op, op, { command, scratch });
  }
}

function argument(lengthBytes: number): DataView {
  return new DataView(new ArrayBuffer(lengthBytes));
}
