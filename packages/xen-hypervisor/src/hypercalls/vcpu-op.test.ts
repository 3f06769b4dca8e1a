import {
  __HYPERVISOR_vcpu_op,
  RUNSTATE_blocked,
  RUNSTATE_offline,
  SHUTDOWN_poweroff,
  VCPUOP_down,
  VCPUOP_get_physid,
  VCPUOP_get_runstate_info,
  VCPUOP_initialise,
  VCPUOP_is_up,
  VCPUOP_register_runstate_memory_area,
  VCPUOP_register_runstate_phys_area,
  VCPUOP_register_vcpu_info,
  VCPUOP_register_vcpu_time_memory_area,
  VCPUOP_register_vcpu_time_phys_area,
  VCPUOP_send_nmi,
  VCPUOP_set_periodic_timer,
  VCPUOP_set_singleshot_timer,
  VCPUOP_stop_periodic_timer,
  VCPUOP_stop_singleshot_timer,
  VCPUOP_up,
  VIRQ_TIMER,
  XEN_EACCES,
  XEN_EBUSY,
  XEN_EEXIST,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENOSYS,
  XEN_ENXIO,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, type CallingGuest, DATA } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

const UNMAPPED = 0x400000;
const AREA = 0x9000;

function guest(vcpus = 1): {
  g: CallingGuest;
  op: (cmd: number, vcpu: number, ...words: number[]) => number;
} {
  const g = bench.guest({ vcpus });
  return {
    g,
    op: (cmd, vcpu, ...words) => {
      g.writeWords(words);
      return g.call(__HYPERVISOR_vcpu_op, cmd, vcpu, DATA);
    },
  };
}

describe('the life of a vcpu', () => {
  it('the boot vcpu is up; numbers beyond are -ENOENT', () => {
    const { op } = guest();
    expect([op(VCPUOP_is_up, 0), op(VCPUOP_is_up, 1), op(VCPUOP_is_up, 0xffffffff)]).toEqual([
      1,
      -XEN_ENOENT,
      -XEN_ENOENT,
    ]);
    expect(op(99, 0)).toBe(-XEN_ENOSYS);
  });

  it('a second one is initialised, brought up and taken down', () => {
    const { g, op } = guest(2);
    expect([op(VCPUOP_is_up, 1), op(VCPUOP_up, 1)]).toEqual([0, -XEN_EINVAL]);
    const context = g.context(0x10000);
    g.vcpu.mem.writeView(0xa000, context);
    const initialise = (va: number): number => g.call(__HYPERVISOR_vcpu_op, VCPUOP_initialise, 1, va);
    expect(initialise(UNMAPPED)).toBe(-XEN_EFAULT);
    expect([initialise(0xa000), initialise(0xa000)]).toEqual([0, -XEN_EEXIST]);
    expect([op(VCPUOP_up, 1), op(VCPUOP_is_up, 1)]).toEqual([0, 1]);
    expect([op(VCPUOP_down, 1), op(VCPUOP_is_up, 1)]).toEqual([0, 0]);
    expect(g.domain.state.state).toBe('running');
  });

  it('the last one going down powers the domain off', () => {
    const { g, op } = guest(2);
    expect(op(VCPUOP_down, 0)).toBe(0);
    expect(g.domain.state).toEqual({ state: 'shutdown', code: SHUTDOWN_poweroff });
  });

  it('initialising the boot vcpu again is -EEXIST; a context without a root is -EINVAL', () => {
    const { g } = guest(2);
    const initialise = (vcpu: number): number =>
      g.call(__HYPERVISOR_vcpu_op, VCPUOP_initialise, vcpu, 0xa000);
    expect(initialise(0)).toBe(-XEN_EEXIST);
    expect(initialise(1)).toBe(-XEN_EINVAL);
  });
});

describe('runstate', () => {
  it('is read, and written to a registered area at once and at each change', () => {
    const { g, op } = guest(2);
    expect(op(VCPUOP_get_runstate_info, 1)).toBe(0);
    expect(g.read32(DATA)).toBe(RUNSTATE_offline);
    expect(op(VCPUOP_register_runstate_memory_area, 0, AREA)).toBe(0);
    g.vcpu.runstate.change(1234, RUNSTATE_blocked);
    expect(g.readWords(3, AREA)).toEqual([RUNSTATE_blocked, 1234, 0]);
  });

  it('accepts an address that is not mapped, but none in the hypervisor window', () => {
    const { op } = guest();
    expect(op(VCPUOP_register_runstate_memory_area, 0, UNMAPPED)).toBe(0);
    expect(op(VCPUOP_register_runstate_memory_area, 0, 0xf57ffff0)).toBe(-XEN_EFAULT);
  });
});

describe('timers', () => {
  it('singleshot fires once at its time; one in the past at once, with rc 0', () => {
    const { g, op } = guest();
    op(VCPUOP_stop_periodic_timer, 0);
    g.domain.evtchn.bindVirq(VIRQ_TIMER, 0);
    const fired = (): boolean => g.domain.evtchn.isPending(1) === true;
    expect(op(VCPUOP_set_singleshot_timer, 0, 50_000, 0, 0)).toBe(0);
    g.machine.timers.runDue(49_999);
    expect(fired()).toBe(false);
    g.machine.timers.runDue(50_000);
    expect(fired()).toBe(true);
    g.domain.evtchn.close(1);
    g.domain.evtchn.bindVirq(VIRQ_TIMER, 0);
    expect(op(VCPUOP_set_singleshot_timer, 0, 0, 0, 1)).toBe(0);
    g.machine.timers.runDue(g.machine.clock.nowNs());
    expect(fired()).toBe(true);
  });

  it('stop_singleshot disarms it', () => {
    const { g, op } = guest();
    op(VCPUOP_set_singleshot_timer, 0, 50_000, 0, 0);
    expect(op(VCPUOP_stop_singleshot_timer, 0)).toBe(0);
    expect(g.vcpu.timers.singleshot.armed).toBe(false);
  });

  it('singleshot is for the calling vcpu alone', () => {
    const { op } = guest(2);
    expect(op(VCPUOP_set_singleshot_timer, 1, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(VCPUOP_stop_singleshot_timer, 1)).toBe(-XEN_EINVAL);
  });

  it('a period under 1 ms, or beyond all reason, is refused', () => {
    const { g, op } = guest();
    expect(op(VCPUOP_set_periodic_timer, 0, 999_999, 0)).toBe(-XEN_EINVAL);
    expect(op(VCPUOP_set_periodic_timer, 0, 0, 0x80000000)).toBe(-XEN_EINVAL);
    expect(op(VCPUOP_set_periodic_timer, 0, 1_000_000, 0)).toBe(0);
    expect(op(VCPUOP_stop_periodic_timer, 0)).toBe(0);
    expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_set_periodic_timer, 0, UNMAPPED)).toBe(-XEN_EFAULT);
  });
});

describe('register_vcpu_info', () => {
  it('moves the live record, marks everything pending and keeps time valid', () => {
    const { g, op } = guest();
    g.vcpu.upcallMask = true;
    g.vcpu.upcallPending = false;
    expect(op(VCPUOP_register_vcpu_info, 0, g.p2m[9], 0, 0x40, 0)).toBe(0);
    expect(g.readWords(2, AREA + 0x40)).toEqual([0x0101, 0xffffffff]);
    expect(g.read32(AREA + 0x40 + 32) % 2).toBe(0);
    expect(g.read32(AREA + 0x40 + 32 + 24)).not.toBe(0);
    g.vcpu.upcallMask = false;
    expect(g.read32(AREA + 0x40) & 0xffff).toBe(0x0001);
  });

  it('events then arrive in the new place', () => {
    const { g, op } = guest();
    op(VCPUOP_register_vcpu_info, 0, g.p2m[9], 0, 0, 0);
    g.writeWords([0, 0], AREA);
    g.machine.memory.u32[(g.domain.sharedInfo * 4096 + 0x880) / 4] = 0;
    g.domain.evtchn.bindIpi(0);
    g.domain.evtchn.send(1);
    expect(g.readWords(2, AREA)).toEqual([1, 1]);
  });

  it('works once', () => {
    const { g, op } = guest();
    op(VCPUOP_register_vcpu_info, 0, g.p2m[9], 0, 0, 0);
    expect(op(VCPUOP_register_vcpu_info, 0, g.p2m[9], 0, 64, 0)).toBe(-XEN_EBUSY);
  });

  it.each([
    ['across the end of the page', 9, 4096 - 63, -XEN_ENXIO],
    ['unaligned', 9, 2, -XEN_ENXIO],
    ['an offset beyond the page', 9, 4096, -XEN_EINVAL],
  ])('refuses a place %s', (_name, page, offset, errno) => {
    const { g, op } = guest();
    expect(op(VCPUOP_register_vcpu_info, 0, g.p2m[page], 0, offset, 0)).toBe(errno);
  });

  it("refuses a page table, and a frame that is not the domain's", () => {
    const { g, op } = guest();
    expect(op(VCPUOP_register_vcpu_info, 0, g.tables[0], 0, 0, 0)).toBe(-XEN_EACCES);
    expect(op(VCPUOP_register_vcpu_info, 0, 0, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(VCPUOP_register_vcpu_info, 0, 0xffffffff, 0xffffffff, 0, 0)).toBe(-XEN_EINVAL);
  });

  it('the page cannot become a page table afterwards', () => {
    const { g, op } = guest();
    op(VCPUOP_register_vcpu_info, 0, g.p2m[9], 0, 0, 0);
    expect(g.domain.paging.pin(1, g.p2m[9])).not.toBe(0);
  });
});

describe('the rest', () => {
  it('a second time record is filled at once', () => {
    const { g, op } = guest();
    expect(op(VCPUOP_register_vcpu_time_memory_area, 0, AREA)).toBe(0);
    expect(g.read32(AREA) % 2).toBe(0);
    expect(g.read32(AREA + 24)).not.toBe(0);
    expect(op(VCPUOP_register_vcpu_time_memory_area, 0, 0xf5800000)).toBe(-XEN_EFAULT);
  });

  it('records by physical address are filled at once, follow the state, and can be taken away', () => {
    const { g, op } = guest();
    const at = (page: number, offset: number): [number, number] => [
      ((g.p2m[page] << 12) | offset) >>> 0,
      g.p2m[page] >>> 20,
    ];
    expect(op(VCPUOP_register_vcpu_time_phys_area, 0, ...at(9, 64))).toBe(0);
    expect([g.read32(AREA + 64) % 2, g.read32(AREA + 64 + 24) !== 0]).toEqual([0, true]);
    expect(op(VCPUOP_register_runstate_phys_area, 0, ...at(9, 256))).toBe(0);
    g.writeWords([99], AREA + 256);
    g.vcpu.runstate.change(g.machine.clock.nowNs(), RUNSTATE_blocked);
    expect(g.read32(AREA + 256)).toBe(RUNSTATE_blocked);
    expect(g.domain.paging.pin(1, g.p2m[9])).not.toBe(0);
    expect(op(VCPUOP_register_runstate_phys_area, 0, ...at(10, 0))).toBe(0);
    g.vcpu.runstate.change(g.machine.clock.nowNs(), RUNSTATE_offline);
    expect([g.read32(AREA + 256), g.read32(AREA + 4096)]).toEqual([RUNSTATE_blocked, RUNSTATE_offline]);
    for (const cmd of [VCPUOP_register_runstate_phys_area, VCPUOP_register_vcpu_time_phys_area])
      expect(op(cmd, 0, 0xffffffff, 0xffffffff)).toBe(0);
    expect(g.machine.frames.typeCount(g.p2m[9])).toBe(1);
  });

  it.each([
    ['across the end of the page', 4096 - 31, -XEN_ENXIO],
    ['that is not aligned', 66, -XEN_ENXIO],
  ])('a physical address %s is refused', (_name, offset, errno) => {
    const { g, op } = guest();
    expect(op(VCPUOP_register_vcpu_time_phys_area, 0, ((g.p2m[9] << 12) | offset) >>> 0, 0)).toBe(errno);
    expect(op(VCPUOP_register_vcpu_time_phys_area, 0, (g.tables[0] << 12) >>> 0, 0)).toBe(-XEN_EACCES);
    expect(op(VCPUOP_register_vcpu_time_phys_area, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(op(VCPUOP_register_vcpu_time_phys_area, 0, 0, 0x1000)).toBe(-XEN_EINVAL);
    expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_register_vcpu_time_phys_area, 0, UNMAPPED)).toBe(-XEN_EFAULT);
  });

  it('send_nmi takes no argument; get_physid is not for a domU', () => {
    const { g, op } = guest();
    expect(op(VCPUOP_send_nmi, 0)).toBe(-XEN_EINVAL);
    expect(g.call(__HYPERVISOR_vcpu_op, VCPUOP_send_nmi, 0, 0)).toBe(0);
    expect(g.vcpu.nmiPending).toBe(true);
    expect(op(VCPUOP_get_physid, 0)).toBe(-XEN_EINVAL);
  });
});
