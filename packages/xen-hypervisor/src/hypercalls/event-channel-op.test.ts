import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_event_channel_op_compat,
  DOMID_SELF,
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
  EVTCHNOP_send,
  EVTCHNOP_set_priority,
  EVTCHNOP_status,
  EVTCHNOP_unmask,
  EVTCHNSTAT_closed,
  EVTCHNSTAT_interdomain,
  EVTCHNSTAT_unbound,
  EVTCHNSTAT_virq,
  VIRQ_TIMER,
  XEN_EACCES,
  XEN_EEXIST,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSPC,
  XEN_ENOSYS,
  XEN_EOPNOTSUPP,
  XEN_EPERM,
  XEN_ESRCH,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, type CallingGuest, DATA } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

const UNMAPPED = 0x400000;

function guest(): { g: CallingGuest; op: (cmd: number, ...words: number[]) => number } {
  const g = bench.guest();
  return { g, op: (cmd, ...words) => g.callWith(__HYPERVISOR_event_channel_op, cmd, words) };
}

/** {u16 dom, u16 remote_dom} as one word. */
const pair = (dom: number, remote: number): number => dom | (remote << 16);

describe('event_channel_op', () => {
  it('alloc_unbound gives the port to the caller only', () => {
    const { g, op } = guest();
    expect(op(EVTCHNOP_alloc_unbound, pair(DOMID_SELF, 0), 0)).toBe(0);
    expect(g.read32(DATA + 4)).toBe(1);
    expect(op(EVTCHNOP_alloc_unbound, pair(g.domain.id, 0), 0)).toBe(0);
    expect(g.read32(DATA + 4)).toBe(2);
    expect(op(EVTCHNOP_alloc_unbound, pair(0, 0), 0)).toBe(-XEN_EPERM);
    expect(op(EVTCHNOP_alloc_unbound, pair(99, 0), 0)).toBe(-XEN_ESRCH);
  });

  it('xsa-317: alloc_unbound in a loop ends in -ENOSPC', () => {
    const { op } = guest();
    const results = Array.from({ length: 4100 }, () =>
      op(EVTCHNOP_alloc_unbound, pair(DOMID_SELF, DOMID_SELF), 0),
    );
    expect(new Set(results)).toEqual(new Set([0, -XEN_ENOSPC]));
    expect(results.at(-1)).toBe(-XEN_ENOSPC);
  });

  it('bind_interdomain joins two guests, and a send wakes the other', () => {
    const { g: a, op } = guest();
    const b = bench.guest();
    b.vcpu.upcallPending = false;
    b.callWith(__HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, [pair(DOMID_SELF, a.domain.id), 0]);
    expect(op(EVTCHNOP_bind_interdomain, b.domain.id, 1, 0)).toBe(0);
    expect(a.read32(DATA + 8)).toBe(1);
    expect(op(EVTCHNOP_status, DOMID_SELF, 1, 0, 0, 0, 0)).toBe(0);
    expect(a.readWords(4, DATA + 8)).toEqual([EVTCHNSTAT_interdomain, 0, b.domain.id, 1]);
    const masks = (b.domain.sharedInfo * 4096 + 0x880) / 4;
    b.machine.memory.u32[masks] = 0;
    expect(op(EVTCHNOP_send, 1)).toBe(0);
    expect(b.vcpu.upcallPending).toBe(true);
    expect(op(EVTCHNOP_bind_interdomain, 99, 1, 0)).toBe(-XEN_ESRCH);
    expect(op(EVTCHNOP_bind_interdomain, b.domain.id, 1, 0)).toBe(-XEN_EINVAL);
  });

  it('binds virqs and ipis, and says what a port is', () => {
    const { g, op } = guest();
    expect(op(EVTCHNOP_bind_virq, VIRQ_TIMER, 0, 0)).toBe(0);
    expect(op(EVTCHNOP_bind_virq, VIRQ_TIMER, 0, 0)).toBe(-XEN_EEXIST);
    expect(op(EVTCHNOP_bind_virq, 24, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(EVTCHNOP_bind_virq, VIRQ_TIMER, 5, 0)).toBe(-XEN_ENOENT);
    expect(op(EVTCHNOP_bind_ipi, 0, 0)).toBe(0);
    expect(g.read32(DATA + 4)).toBe(2);
    expect(op(EVTCHNOP_bind_ipi, 1, 0)).toBe(-XEN_ENOENT);
    expect(op(EVTCHNOP_bind_pirq, 9, 0, 0)).toBe(-XEN_EPERM);
    expect(op(EVTCHNOP_bind_vcpu, 2, 0)).toBe(-XEN_EINVAL);
    expect(op(EVTCHNOP_bind_vcpu, 2, 1)).toBe(-XEN_ENOENT);
    expect(op(EVTCHNOP_status, DOMID_SELF, 1, 0, 0, 0, 0)).toBe(0);
    expect(g.readWords(3, DATA + 8)).toEqual([EVTCHNSTAT_virq, 0, VIRQ_TIMER]);
  });

  it('status is of own ports within the table', () => {
    const { op } = guest();
    expect(op(EVTCHNOP_status, DOMID_SELF, 1024, 0, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(EVTCHNOP_status, 0, 1, 0, 0, 0, 0)).toBe(-XEN_EPERM);
    expect(op(EVTCHNOP_status, 77, 1, 0, 0, 0, 0)).toBe(-XEN_ESRCH);
  });

  it('close, unmask and reset', () => {
    const { g, op } = guest();
    op(EVTCHNOP_alloc_unbound, pair(DOMID_SELF, 0), 0);
    op(EVTCHNOP_alloc_unbound, pair(DOMID_SELF, 0), 0);
    expect([op(EVTCHNOP_close, 1), op(EVTCHNOP_close, 1)]).toEqual([0, -XEN_EINVAL]);
    expect([op(EVTCHNOP_unmask, 2), op(EVTCHNOP_unmask, 5000)]).toEqual([0, -XEN_EINVAL]);
    expect([op(EVTCHNOP_reset, 0), op(EVTCHNOP_reset, 88)]).toEqual([-XEN_EPERM, -XEN_ESRCH]);
    expect(op(EVTCHNOP_reset, DOMID_SELF)).toBe(0);
    expect(g.domain.evtchn.status(2)?.status).toBe(EVTCHNSTAT_closed);
  });

  it('refuses unknown commands and unreadable arguments', () => {
    const { g, op } = guest();
    expect(op(99)).toBe(-XEN_ENOSYS);
    expect(g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, UNMAPPED)).toBe(-XEN_EFAULT);
    expect(g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, 0xf5800000)).toBe(-XEN_EFAULT);
    expect(g.call(__HYPERVISOR_event_channel_op, EVTCHNOP_send, 0xfffffffe)).toBe(-XEN_EFAULT);
  });

  it('xsa-188: a bad control block is refused, and leaves no FIFO half enabled', () => {
    const { g, op } = guest();
    expect(op(EVTCHNOP_init_control, 0xfffffffe, 0xffffffff, 0, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(EVTCHNOP_init_control, g.p2m[9], 0, 4088, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(EVTCHNOP_init_control, g.p2m[9], 0, 4, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(EVTCHNOP_init_control, g.tables[0], 0, 0, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(EVTCHNOP_init_control, g.p2m[9], 0, 0, 3, 0, 0)).toBe(-XEN_ENOENT);
    expect(op(EVTCHNOP_expand_array, g.p2m[9], 0)).toBe(-XEN_EOPNOTSUPP);
    expect(op(EVTCHNOP_set_priority, 1, 0)).toBe(-XEN_ENOSYS);
  });

  it('FIFO queues: control block, array, priority, and an event through all of them', () => {
    const { g, op } = guest();
    g.vcpu.upcallPending = false;
    expect(op(EVTCHNOP_init_control, g.p2m[9], 0, 64, 0, 0xff, 0)).toBe(0);
    expect(g.read32(DATA + 16) & 0xff).toBe(17);
    expect(op(EVTCHNOP_expand_array, g.p2m[10], 0)).toBe(0);
    expect(op(EVTCHNOP_expand_array, g.tables[1], 0)).toBe(-XEN_EINVAL);
    expect(op(EVTCHNOP_bind_ipi, 0, 0)).toBe(0);
    expect([op(EVTCHNOP_set_priority, 1, 3), op(EVTCHNOP_set_priority, 1, 16)]).toEqual([0, -XEN_EINVAL]);
    expect([op(EVTCHNOP_set_priority, 2, 3), op(EVTCHNOP_set_priority, 64, 3)]).toEqual([
      -XEN_EACCES,
      -XEN_EINVAL,
    ]);
    expect(op(EVTCHNOP_send, 1)).toBe(0);
    expect(g.read32(10 * 4096 + 4)).toBe(0xa000_0000);
    expect([g.read32(9 * 4096 + 64), g.read32(9 * 4096 + 64 + 8 + 12)]).toEqual([1 << 3, 1]);
    expect(g.vcpu.upcallPending).toBe(true);
    expect(op(EVTCHNOP_reset, DOMID_SELF)).toBe(0);
    expect(op(EVTCHNOP_expand_array, g.p2m[10], 0)).toBe(-XEN_EOPNOTSUPP);
  });

  it('the old form carries command and argument in one structure', () => {
    const { g } = guest();
    const compat = (...words: number[]): number => {
      g.writeWords(words);
      return g.call(__HYPERVISOR_event_channel_op_compat, DATA);
    };
    expect(compat(EVTCHNOP_alloc_unbound, pair(DOMID_SELF, 0), 0, 0, 0, 0, 0)).toBe(0);
    expect(g.read32(DATA + 8)).toBe(1);
    expect(compat(EVTCHNOP_status, DOMID_SELF, 1, 0, 0, 0, 0)).toBe(0);
    expect(g.read32(DATA + 12)).toBe(EVTCHNSTAT_unbound);
    expect(compat(EVTCHNOP_init_control, 0, 0, 0, 0, 0, 0)).toBe(-XEN_ENOSYS);
    expect(g.call(__HYPERVISOR_event_channel_op_compat, UNMAPPED)).toBe(-XEN_EFAULT);
  });
});
