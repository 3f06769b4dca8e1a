import type { EventChannels } from '@domu/event-channel/hypervisor';
import {
  __HYPERVISOR_event_channel_op,
  DOMID_SELF,
  EVTCHN_FIFO_LINK_BITS,
  EVTCHNOP_alloc_unbound,
  EVTCHNOP_bind_interdomain,
  EVTCHNOP_bind_ipi,
  EVTCHNOP_bind_pirq,
  EVTCHNOP_bind_vcpu,
  EVTCHNOP_bind_virq,
  EVTCHNOP_close,
  EVTCHNOP_expand_array,
  EVTCHNOP_init_control,
  EVTCHNOP_reset,
  EVTCHNOP_reset_cont,
  EVTCHNOP_send,
  EVTCHNOP_set_priority,
  EVTCHNOP_status,
  EVTCHNOP_unmask,
  EvtchnAllocUnbound,
  EvtchnBindInterdomain,
  EvtchnBindIpi,
  EvtchnBindPirq,
  EvtchnBindVcpu,
  EvtchnBindVirq,
  EvtchnClose,
  EvtchnExpandArray,
  EvtchnInitControl,
  EvtchnOp,
  EvtchnReset,
  EvtchnSend,
  EvtchnSetPriority,
  EvtchnStatus,
  EvtchnUnmask,
  type NumberField,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';

const PORTS_PER_WORK_UNIT = 4;

/**
 * HYPERVISOR_event_channel_op: copies the argument in, asks the domain's `EventChannels`, copies the result out.
 * @returns 0 or -errno of the operation (see `EventChannels`); -EFAULT, -ENOSYS unknown command
 * Source: xen/common/event_channel.c, "do_event_channel_op" @ RELEASE-4.18.0
 */
export function eventChannelOp(caller: Caller, cmd: number, arg: number): number {
  if (cmd === EVTCHNOP_send) return send(caller, arg);
  const op = OPS[cmd];
  if (op === undefined) return -XEN_ENOSYS;
  const view = caller.mem.readView(arg, op.size);
  return view === null ? -XEN_EFAULT : op.run(caller, view, arg);
}

/** By far the most frequent one. */
function send({ domain, mem }: Caller, arg: number): number {
  const port = mem.readU32(arg + EvtchnSend.port.offset);
  return port < 0 ? -XEN_EFAULT : domain.evtchn.send(port);
}

/** HYPERVISOR_event_channel_op_compat: command and arguments in one structure; the older commands only. */
export function eventChannelOpCompat(caller: Caller, op: number): number {
  const view = caller.mem.readView(op, EvtchnOp.size);
  if (view === null) return -XEN_EFAULT;
  const cmd = EvtchnOp.cmd.get(view, 0);
  return cmd > EVTCHNOP_unmask ? -XEN_ENOSYS : eventChannelOp(caller, cmd, op + EvtchnOp.u.offset);
}

interface Op {
  readonly size: number;
  /** @param arg linear address of the argument, for the results */
  readonly run: (caller: Caller, view: DataView, arg: number) => number;
}

const OPS: Readonly<Record<number, Op | undefined>> = {
  [EVTCHNOP_alloc_unbound]: { size: EvtchnAllocUnbound.size, run: allocUnbound },
  [EVTCHNOP_bind_interdomain]: { size: EvtchnBindInterdomain.size, run: bindInterdomain },
  [EVTCHNOP_bind_virq]: {
    size: EvtchnBindVirq.size,
    run: (caller, view, arg) => {
      const { virq, vcpu, port } = EvtchnBindVirq;
      return portOut(
        caller,
        { arg, port },
        caller.domain.evtchn.bindVirq(virq.get(view, 0), vcpu.get(view, 0)),
      );
    },
  },
  [EVTCHNOP_bind_ipi]: {
    size: EvtchnBindIpi.size,
    run: (caller, view, arg) =>
      portOut(
        caller,
        { arg, port: EvtchnBindIpi.port },
        caller.domain.evtchn.bindIpi(EvtchnBindIpi.vcpu.get(view, 0)),
      ),
  },
  [EVTCHNOP_bind_pirq]: { size: EvtchnBindPirq.size, run: () => -XEN_EPERM },
  [EVTCHNOP_close]: {
    size: EvtchnClose.size,
    run: ({ domain }, view) => domain.evtchn.close(EvtchnClose.port.get(view, 0)),
  },
  [EVTCHNOP_status]: { size: EvtchnStatus.size, run: status },
  [EVTCHNOP_bind_vcpu]: {
    size: EvtchnBindVcpu.size,
    run: ({ domain }, view) =>
      domain.evtchn.bindVcpu(EvtchnBindVcpu.port.get(view, 0), EvtchnBindVcpu.vcpu.get(view, 0)),
  },
  [EVTCHNOP_unmask]: {
    size: EvtchnUnmask.size,
    run: ({ domain }, view) => domain.evtchn.unmask(EvtchnUnmask.port.get(view, 0)),
  },
  [EVTCHNOP_reset]: {
    size: EvtchnReset.size,
    run: (caller, view, arg) => reset(caller, view, { arg, resuming: false }),
  },
  [EVTCHNOP_reset_cont]: {
    size: EvtchnReset.size,
    run: (caller, view, arg) => reset(caller, view, { arg, resuming: true }),
  },
  [EVTCHNOP_init_control]: { size: EvtchnInitControl.size, run: initControl },
  [EVTCHNOP_expand_array]: {
    size: EvtchnExpandArray.size,
    run: ({ domain }, view) => domain.evtchn.expandArray(EvtchnExpandArray.array_gfn.getNumber(view, 0)),
  },
  [EVTCHNOP_set_priority]: {
    size: EvtchnSetPriority.size,
    run: ({ domain }, view) =>
      domain.evtchn.setPriority(EvtchnSetPriority.port.get(view, 0), EvtchnSetPriority.priority.get(view, 0)),
  },
};

/** @returns the caller's table; -ESRCH no such domain, -EPERM another one */
function ownChannels(caller: Caller, domid: number): EventChannels | number {
  const { domain, machine } = caller;
  if (domid === DOMID_SELF || domid === domain.id) return domain.evtchn;
  return machine.channelsOf(domid) === undefined ? -XEN_ESRCH : -XEN_EPERM;
}

const resolve = ({ domain }: Caller, domid: number): number => (domid === DOMID_SELF ? domain.id : domid);

/** Hands a new port to the guest. When the copy fails the port stays allocated, as in Xen. */
function portOut(caller: Caller, place: { arg: number; port: NumberField }, port: number): number {
  if (port < 0) return port;
  return caller.mem.writeU32(place.arg + place.port.offset, port) ? 0 : -XEN_EFAULT;
}

function allocUnbound(caller: Caller, view: DataView, arg: number): number {
  const channels = ownChannels(caller, EvtchnAllocUnbound.dom.get(view, 0));
  if (typeof channels === 'number') return channels;
  const remote = resolve(caller, EvtchnAllocUnbound.remote_dom.get(view, 0));
  return portOut(caller, { arg, port: EvtchnAllocUnbound.port }, channels.allocUnbound(remote));
}

function bindInterdomain(caller: Caller, view: DataView, arg: number): number {
  const remote = resolve(caller, EvtchnBindInterdomain.remote_dom.get(view, 0));
  const port = caller.domain.evtchn.bindInterdomain(remote, EvtchnBindInterdomain.remote_port.get(view, 0));
  return portOut(caller, { arg, port: EvtchnBindInterdomain.local_port }, port);
}

function reset(caller: Caller, view: DataView, call: { arg: number; resuming: boolean }): number {
  const { work } = caller.machine;
  const channels = ownChannels(caller, EvtchnReset.dom.get(view, 0));
  if (typeof channels === 'number') return channels;
  const rc = channels.reset(call.resuming, (ports) => {
    work.charge(ports / PORTS_PER_WORK_UNIT);
    return !work.exhausted;
  });
  return rc > 0 ? work.continueAs(__HYPERVISOR_event_channel_op, EVTCHNOP_reset_cont, call.arg) : rc;
}

function status(caller: Caller, view: DataView, arg: number): number {
  const channels = ownChannels(caller, EvtchnStatus.dom.get(view, 0));
  if (typeof channels === 'number') return channels;
  const found = channels.status(EvtchnStatus.port.get(view, 0));
  if (found === null) return -XEN_EINVAL;
  EvtchnStatus.status.set(view, 0, found.status);
  EvtchnStatus.vcpu.set(view, 0, found.vcpu);
  EvtchnStatus.u.virq.set(view, 0, found.u0);
  EvtchnStatus.u.interdomain.port.set(view, 0, found.u1);
  return caller.mem.writeView(arg, view) ? 0 : -XEN_EFAULT;
}

function initControl({ domain, mem }: Caller, view: DataView, arg: number): number {
  const gfn = EvtchnInitControl.control_gfn.getNumber(view, 0);
  const offset = EvtchnInitControl.offset.get(view, 0);
  const rc = domain.evtchn.initControl(EvtchnInitControl.vcpu.get(view, 0), { gfn, offset });
  if (rc !== 0) return rc;
  EvtchnInitControl.link_bits.set(view, 0, EVTCHN_FIFO_LINK_BITS);
  return mem.writeView(arg, view) ? 0 : -XEN_EFAULT;
}
