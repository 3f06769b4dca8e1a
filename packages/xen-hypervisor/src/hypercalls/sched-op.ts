import {
  SCHEDOP_block,
  SCHEDOP_pin_override,
  SCHEDOP_poll,
  SCHEDOP_remote_shutdown,
  SCHEDOP_shutdown,
  SCHEDOP_shutdown_code,
  SCHEDOP_watchdog,
  SCHEDOP_yield,
  SchedPoll,
  SchedRemoteShutdown,
  SchedShutdown,
  SchedWatchdog,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@domu/xen-abi';
import type { Caller } from '../caller.ts';
import { fromU64 } from '../u64.ts';

const MAX_POLL_PORTS = 128;

/**
 * HYPERVISOR_sched_op. @returns 0, or -errno; -ENOSYS unknown command
 * Source: xen/common/sched/core.c, "do_sched_op" @ RELEASE-4.18.0
 */
export function schedOp(caller: Caller, cmd: number, arg: number): number {
  const { machine, vcpu } = caller;
  switch (cmd) {
    case SCHEDOP_yield:
      machine.scheduler.yield(vcpu);
      return 0;
    case SCHEDOP_block:
      return block(caller);
    case SCHEDOP_shutdown:
      return shutdown(caller, arg);
    case SCHEDOP_shutdown_code:
      return recordShutdownCode(caller, arg);
    case SCHEDOP_poll:
      return poll(caller, arg);
    case SCHEDOP_remote_shutdown:
      return remoteShutdown(caller, arg);
    case SCHEDOP_watchdog:
      return watchdog(caller, arg);
    case SCHEDOP_pin_override:
      return -XEN_EPERM;
    default:
      return -XEN_ENOSYS;
  }
}

/** HYPERVISOR_sched_op_compat: yield, block, and shutdown with its reason as the argument itself. */
export function schedOpCompat(caller: Caller, cmd: number, arg: number): number {
  switch (cmd) {
    case SCHEDOP_yield:
    case SCHEDOP_block:
      return schedOp(caller, cmd, 0);
    case SCHEDOP_shutdown:
      return shutdownWith(caller, arg);
    default:
      return -XEN_ENOSYS;
  }
}

/** Unmasks events and sleeps until one is pending; returns at once when one is. */
function block({ machine, vcpu }: Caller): number {
  vcpu.upcallMask = false;
  if (!vcpu.upcallPending) machine.scheduler.block(vcpu);
  return 0;
}

function shutdown(caller: Caller, arg: number): number {
  const reason = caller.mem.readU32(arg + SchedShutdown.reason.offset);
  return reason < 0 ? -XEN_EFAULT : shutdownWith(caller, reason);
}

function shutdownWith({ machine, domain }: Caller, reason: number): number {
  machine.shutdownDomain(domain, reason & 0xff);
  return 0;
}

function recordShutdownCode({ domain, mem }: Caller, arg: number): number {
  const reason = mem.readU32(arg + SchedShutdown.reason.offset);
  if (reason < 0) return -XEN_EFAULT;
  if (domain.shutdownCode < 0) domain.shutdownCode = reason & 0xff;
  return 0;
}

/**
 * Sleeps until one of the ports is pending, masked or not, an event is deliverable, or the time has come.
 * @returns 0; -EINVAL too many ports, or one beyond the table; -EFAULT
 */
function poll({ machine, domain, vcpu, mem }: Caller, arg: number): number {
  const view = mem.readView(arg, SchedPoll.size);
  if (view === null) return -XEN_EFAULT;
  const nrPorts = SchedPoll.nr_ports.get(view, 0);
  const list = SchedPoll.ports.get(view, 0);
  if (nrPorts > MAX_POLL_PORTS) return -XEN_EINVAL;
  if (!mem.accessOk(list, 4 * nrPorts)) return -XEN_EFAULT;
  if (vcpu.eventDeliverable) return 0;
  const ports: number[] = [];
  for (let i = 0; i < nrPorts; i++) {
    const port = mem.readU32(list + 4 * i);
    if (port < 0) return -XEN_EFAULT;
    const pending = domain.evtchn.isPending(port);
    if (pending === null) return -XEN_EINVAL;
    if (pending) return 0;
    ports.push(port);
  }
  const timeoutNs = fromU64(SchedPoll.timeout.getLo(view, 0), SchedPoll.timeout.getHi(view, 0));
  vcpu.pollPorts = ports;
  if (timeoutNs !== 0) vcpu.timers.poll.set(timeoutNs);
  machine.scheduler.block(vcpu);
  return 0;
}

function remoteShutdown({ machine, mem }: Caller, arg: number): number {
  const view = mem.readView(arg, SchedRemoteShutdown.size);
  if (view === null) return -XEN_EFAULT;
  const domid = SchedRemoteShutdown.domain_id.get(view, 0);
  return machine.channelsOf(domid) === undefined ? -XEN_ESRCH : -XEN_EPERM;
}

function watchdog({ machine, domain, mem }: Caller, arg: number): number {
  const view = mem.readView(arg, SchedWatchdog.size);
  if (view === null) return -XEN_EFAULT;
  const { id, timeout } = SchedWatchdog;
  return domain.watchdogs.set(id.get(view, 0), timeout.get(view, 0), machine.clock.nowNs());
}
