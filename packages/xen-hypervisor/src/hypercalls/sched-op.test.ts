import {
  __HYPERVISOR_sched_op,
  __HYPERVISOR_sched_op_compat,
  __HYPERVISOR_set_timer_op,
  SCHEDOP_block,
  SCHEDOP_pin_override,
  SCHEDOP_poll,
  SCHEDOP_remote_shutdown,
  SCHEDOP_shutdown,
  SCHEDOP_shutdown_code,
  SCHEDOP_watchdog,
  SCHEDOP_yield,
  SHUTDOWN_crash,
  SHUTDOWN_reboot,
  SHUTDOWN_watchdog,
  VIRQ_TIMER,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSPC,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, type CallingGuest } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

const UNMAPPED = 0x400000;
const PORTS = 0x9000;

function guest(): { g: CallingGuest; op: (cmd: number, ...words: number[]) => number } {
  const g = bench.guest();
  g.vcpu.timers.setPeriod(0);
  g.vcpu.upcallPending = false;
  return { g, op: (cmd, ...words) => g.callWith(__HYPERVISOR_sched_op, cmd, words) };
}

describe('block', () => {
  it('unmasks events and sleeps', () => {
    const { g, op } = guest();
    g.vcpu.upcallMask = true;
    expect(op(SCHEDOP_block)).toBe(0);
    expect([g.vcpu.upcallMask, g.vcpu.blocked]).toEqual([false, true]);
  });

  it('returns at once when an event is pending, masked or not', () => {
    const { g, op } = guest();
    g.vcpu.upcallMask = true;
    g.vcpu.upcallPending = true;
    op(SCHEDOP_block);
    expect([g.vcpu.upcallMask, g.vcpu.blocked]).toEqual([false, false]);
  });

  it('ends with an event', () => {
    const { g, op } = guest();
    op(SCHEDOP_block);
    g.domain.evtchn.bindIpi(0);
    g.domain.evtchn.unmask(1);
    g.domain.evtchn.send(1);
    expect(g.vcpu.blocked).toBe(false);
  });
});

describe('poll', () => {
  function polling(...ports: number[]): {
    g: CallingGuest;
    poll: (timeoutLo?: number, nr?: number) => number;
  } {
    const { g, op } = guest();
    for (let i = 0; i < 3; i++) g.domain.evtchn.bindIpi(0);
    g.vcpu.upcallMask = true;
    const masks = (g.domain.sharedInfo * 4096 + 0x880) / 4;
    g.machine.memory.u32[masks] = 0xffffffff;
    g.writeWords(ports, PORTS);
    return { g, poll: (timeoutLo = 0, nr = ports.length) => op(SCHEDOP_poll, PORTS, nr, timeoutLo, 0) };
  }

  it('sleeps until a listed port is pending, although it is masked', () => {
    const { g, poll } = polling(2);
    expect(poll()).toBe(0);
    expect(g.vcpu.blocked).toBe(true);
    g.domain.evtchn.send(1);
    expect(g.vcpu.blocked).toBe(true);
    g.domain.evtchn.send(2);
    expect([g.vcpu.blocked, g.vcpu.pollPorts]).toEqual([false, null]);
  });

  it('returns at once when a listed port is pending already', () => {
    const { g, poll } = polling(1, 2);
    g.domain.evtchn.send(2);
    expect([poll(), g.vcpu.blocked]).toEqual([0, false]);
  });

  it('returns at once when an event is deliverable', () => {
    const { g, poll } = polling(1);
    g.vcpu.upcallMask = false;
    g.vcpu.upcallPending = true;
    expect([poll(), g.vcpu.blocked]).toEqual([0, false]);
  });

  it('ends at its timeout', () => {
    const { g, poll } = polling(1);
    expect(poll(5000)).toBe(0);
    g.machine.timers.runDue(4999);
    expect(g.vcpu.blocked).toBe(true);
    g.machine.timers.runDue(5000);
    expect(g.vcpu.blocked).toBe(false);
  });

  it('refuses too many ports, a port beyond the table, and unreadable lists, and does not sleep then', () => {
    const { g, poll } = polling(1, 4000);
    expect(poll(0, 129)).toBe(-XEN_EINVAL);
    expect(poll()).toBe(-XEN_EINVAL);
    expect(g.callWith(__HYPERVISOR_sched_op, SCHEDOP_poll, [UNMAPPED, 1, 0, 0])).toBe(-XEN_EFAULT);
    expect(g.callWith(__HYPERVISOR_sched_op, SCHEDOP_poll, [0xf5800000, 1, 0, 0])).toBe(-XEN_EFAULT);
    expect(g.call(__HYPERVISOR_sched_op, SCHEDOP_poll, UNMAPPED)).toBe(-XEN_EFAULT);
    expect(g.vcpu.blocked).toBe(false);
  });
});

describe('shutdown', () => {
  it('stops the domain with the reason', () => {
    const { g, op } = guest();
    expect(op(SCHEDOP_shutdown, SHUTDOWN_reboot)).toBe(0);
    expect(g.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_reboot });
  });

  it('goes by the code that was recorded first', () => {
    const { g, op } = guest();
    expect(op(SCHEDOP_shutdown_code, SHUTDOWN_crash)).toBe(0);
    expect(op(SCHEDOP_shutdown_code, SHUTDOWN_reboot)).toBe(0);
    expect(g.domain.state.state).toBe('running');
    op(SCHEDOP_shutdown, 0);
    expect(g.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_crash });
  });

  it('in the old form takes the reason by value', () => {
    const { g } = guest();
    expect(g.call(__HYPERVISOR_sched_op_compat, SCHEDOP_poll, 0)).toBe(-XEN_ENOSYS);
    expect(g.call(__HYPERVISOR_sched_op_compat, SCHEDOP_yield, 0)).toBe(0);
    expect(g.call(__HYPERVISOR_sched_op_compat, SCHEDOP_shutdown, SHUTDOWN_reboot)).toBe(0);
    expect(g.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_reboot });
  });

  it('of others is refused', () => {
    const { g, op } = guest();
    expect(op(SCHEDOP_remote_shutdown, 0, 0)).toBe(-XEN_EPERM);
    expect(op(SCHEDOP_remote_shutdown, 55, 0)).toBe(-XEN_ESRCH);
    expect([op(SCHEDOP_pin_override, 0), op(77)]).toEqual([-XEN_EPERM, -XEN_ENOSYS]);
    expect(g.call(__HYPERVISOR_sched_op, SCHEDOP_shutdown, UNMAPPED)).toBe(-XEN_EFAULT);
  });
});

describe('watchdog', () => {
  it('hands out two, re-arms them, and frees them', () => {
    const { op } = guest();
    expect([op(SCHEDOP_watchdog, 0, 5), op(SCHEDOP_watchdog, 0, 5)]).toEqual([1, 2]);
    expect(op(SCHEDOP_watchdog, 0, 5)).toBe(-XEN_ENOSPC);
    expect([op(SCHEDOP_watchdog, 1, 9), op(SCHEDOP_watchdog, 2, 0)]).toEqual([0, 0]);
    expect([op(SCHEDOP_watchdog, 2, 5), op(SCHEDOP_watchdog, 3, 5)]).toEqual([-XEN_EINVAL, -XEN_EINVAL]);
    expect(op(SCHEDOP_watchdog, 0, 5)).toBe(2);
  });

  it('that expires ends the domain', () => {
    const { g, op } = guest();
    op(SCHEDOP_watchdog, 0, 1);
    g.machine.timers.runDue(999_999_999);
    expect(g.domain.state.state).toBe('running');
    g.machine.timers.runDue(1_000_000_000);
    expect(g.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_watchdog });
  });
});

describe('set_timer_op', () => {
  function timerGuest(): { g: CallingGuest; fired: () => boolean; set: (lo: number, hi?: number) => number } {
    const { g } = guest();
    g.domain.evtchn.bindVirq(VIRQ_TIMER, 0);
    return {
      g,
      fired: () => g.domain.evtchn.isPending(1) === true,
      set: (lo, hi = 0) => g.call(__HYPERVISOR_set_timer_op, lo, hi),
    };
  }

  it('fires at the time, and at once for one that has passed', () => {
    const { g, fired, set } = timerGuest();
    expect(set(1000)).toBe(0);
    g.machine.timers.runDue(999);
    expect(fired()).toBe(false);
    g.machine.timers.runDue(1000);
    expect(fired()).toBe(true);
  });

  it('0 stops it', () => {
    const { g, fired, set } = timerGuest();
    set(1000);
    expect(set(0)).toBe(0);
    g.machine.timers.runDue(1e9);
    expect(fired()).toBe(false);
  });

  it.each([
    ['negative', 0xffffffff, 0xffffffff],
    ['13 days away', 0, 1 << 19],
  ])('a %s time fires in 100 ms', (_name, lo, hi) => {
    const { g, fired, set } = timerGuest();
    expect(set(lo, hi)).toBe(0);
    g.machine.timers.runDue(g.machine.clock.nowNs() + 99_000_000);
    expect(fired()).toBe(false);
    g.machine.timers.runDue(g.machine.clock.nowNs() + 101_000_000);
    expect(fired()).toBe(true);
  });
});
