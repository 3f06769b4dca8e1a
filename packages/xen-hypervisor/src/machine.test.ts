import { assemble } from '@domu/testkit';
import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_xen_version,
  EVTCHNOP_send,
  FLAT_KERNEL_CS,
  SCHEDOP_block,
  SCHEDOP_shutdown,
  SHUTDOWN_reboot,
  VIRQ_TIMER,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { VirtualClock } from './clock.ts';
import { Machine } from './machine.ts';
import {
  CallBench,
  CallingGuest,
  CODE,
  DATA,
  hypercall,
  SPIN,
  STACK_TOP,
  storeEax,
  type TestGuest,
} from './testing.ts';

const HANDLER = 0x11000;
const UPCALLS = DATA + 4;
const UNMAPPED = 0x20_0000;
const block = hypercall(__HYPERVISOR_sched_op, SCHEDOP_block, 0);
const shutdown = hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, DATA);

const bench = new CallBench();
afterEach(() => bench.clear());

/** Counts upcalls, then asks for the shutdown that DATA names. */
function takeEvents(guest: TestGuest): void {
  const count = assemble(`inc dword ptr [${UPCALLS}]`, { origin: HANDLER }).bytes;
  guest.load([...count, ...shutdown, ...SPIN], HANDLER);
  guest.vcpu.callbacks.event.cs = FLAT_KERNEL_CS;
  guest.vcpu.callbacks.event.address = HANDLER;
}

/** A guest that arms its single shot for `atNs`, sleeps; its upcall asks for a reboot. */
function sleeper(atNs: number, machine: Machine): CallingGuest {
  const guest = new CallingGuest({ machine });
  guest.domain.evtchn.bindVirq(VIRQ_TIMER, 0);
  guest.load([...hypercall(__HYPERVISOR_set_timer_op, atNs, 0), ...block, ...SPIN]);
  takeEvents(guest);
  guest.write32(DATA, SHUTDOWN_reboot);
  return guest;
}

describe('running a guest', () => {
  it('a hypercall returns its result in eax', () => {
    const guest = bench.guest();
    const before = guest.machine.counters.hypercalls[__HYPERVISOR_xen_version];
    guest.load([...hypercall(__HYPERVISOR_xen_version, 0, 0), ...storeEax(DATA), ...SPIN]);
    expect(guest.run(100)).toEqual({ state: 'running' });
    expect(guest.read32(DATA)).toBe((4 << 16) | 18);
    expect(guest.machine.counters.hypercalls[__HYPERVISOR_xen_version]).toBe(before + 1);
  });

  it("a machine whose domains have all stopped says so, and tells the domain's owner once", () => {
    const guest = bench.guest();
    const codes: number[] = [];
    guest.domain.onShutdown = (code) => codes.push(code);
    guest.load([...shutdown, ...SPIN]);
    guest.write32(DATA, SHUTDOWN_reboot);
    expect(guest.run()).toEqual({ state: 'stopped' });
    expect(guest.run()).toEqual({ state: 'stopped' });
    expect([codes, guest.domain.state]).toEqual([[1], { state: 'shutdown', code: 1 }]);
  });

  it('a sleeping guest without a timer is idle without an end', () => {
    const guest = bench.guest();
    guest.load([...block, ...SPIN]);
    expect(guest.run()).toEqual({ state: 'idle', untilNs: null });
  });

  it('a guest that only faults does not hold the machine, until its stack is used up', () => {
    const guest = bench.guest();
    guest.vcpu.traps.set(14, FLAT_KERNEL_CS, UNMAPPED, 0);
    guest.load(assemble(`mov eax, [${UNMAPPED}]`, { origin: CODE }).bytes);
    expect(guest.run(100).state).toBe('running');
    expect(guest.run(100_000).state).toBe('stopped');
    expect(guest.domain.crash?.reason).toMatch(/cannot write the exception frame/);
  });
});

describe('time', () => {
  it('virtual time jumps to the timer of a sleeping guest, whose upcall runs', () => {
    const start = bench.machine.clock.nowNs();
    const guest = sleeper(start + 50_000_000, bench.machine);
    expect(guest.run(100_000)).toEqual({ state: 'stopped' });
    const slept = bench.machine.clock.nowNs() - start;
    expect(slept).toBeGreaterThanOrEqual(50_000_000);
    expect(slept).toBeLessThan(50_001_000);
    expect(guest.read32(UPCALLS)).toBe(1);
  });

  it('the periodic tick interrupts a running guest every 10 ms, exactly', () => {
    const guest = bench.guest();
    guest.load(SPIN);
    takeEvents(guest);
    guest.load(SPIN, HANDLER);
    guest.run(1);
    guest.domain.evtchn.bindVirq(VIRQ_TIMER, 0);
    guest.vcpu.timers.setPeriod(10_000_000);
    guest.vcpu.upcallMask = false;
    guest.run(9_999_999);
    expect(guest.machine.cpu.eip).toBe(CODE);
    guest.run(2);
    expect(guest.machine.cpu.eip).toBe(HANDLER);
    expect(guest.read32(STACK_TOP - 12)).toBe(CODE);
  });

  it('two runs of the same guest retire the same instructions', () => {
    const counts = [1, 2].map(() => {
      const machine = new Machine({ memoryMiB: 4, clock: new VirtualClock() });
      const guest = sleeper(1_234_567, machine);
      while (guest.run(777).state === 'running');
      return [machine.cpu.retired, machine.clock.nowNs(), guest.read32(UPCALLS)];
    });
    expect(counts[0]).toEqual(counts[1]);
  });
});

describe('the host domain', () => {
  it("a handler runs after the guest's send, once at binding and once per round of events", () => {
    const guest = bench.guest();
    const port = guest.domain.evtchn.allocUnbound(0);
    const seen: number[] = [];
    const note = (): number => seen.push(guest.read32(DATA + 8));
    const bound = guest.machine.host.bindInterdomain(guest.domain.id, port, note);
    if (typeof bound === 'number') throw new Error(`bind: ${bound}`);
    guest.write32(DATA, port);
    const send = hypercall(__HYPERVISOR_event_channel_op, EVTCHNOP_send, DATA);
    const mark = assemble(`mov dword ptr [${DATA + 8}], 1`).bytes;
    guest.load([...send, ...mark, ...SPIN]);
    guest.run(100);
    expect(seen).toEqual([0, 0]);
    bound.close();
    expect(bound.notify()).toBeLessThan(0);
  });

  it('a grant is mapped as bytes and given back', () => {
    const guest = bench.guest();
    guest.domain.grants.preset(9, { domid: 0, gfn: guest.p2m[8] });
    const mapped = guest.machine.host.grants.map(guest.domain.id, 9, { readonly: false });
    if (typeof mapped === 'number') throw new Error(`map: ${mapped}`);
    mapped.bytes[0] = 0x5a;
    expect(guest.vcpu.mem.readU8(0x8000)).toBe(0x5a);
    mapped.release();
    expect(typeof guest.machine.host.grants.map(guest.domain.id, 10, { readonly: false })).toBe('number');
  });
});

describe('life of a domain', () => {
  it('destroying one gives all its memory back, whatever it was doing', () => {
    const guest = sleeper(1000, bench.machine);
    guest.run(5);
    const { id } = guest.domain;
    bench.clear();
    expect(bench.machine.frames.totPages(id)).toBe(0);
    expect(bench.machine.run(100)).toEqual({ state: 'stopped' });
  });

  it('a recorded shutdown code goes before the one of the shutdown itself', () => {
    const guest = bench.guest();
    guest.domain.shutdownCode = 1;
    bench.machine.shutdownDomain(guest.domain, 0);
    expect(guest.domain.state).toEqual({ state: 'shutdown', code: 1 });
  });

  it('two domains take turns', () => {
    const guests = [bench.guest(), bench.guest()];
    const before = bench.machine.counters.contextSwitches;
    for (const guest of guests) {
      guest.load([...assemble(`inc dword ptr [${DATA}]`, { origin: CODE }).bytes, 0xeb, 0xf8]);
    }
    bench.machine.run(21_000_000);
    for (const guest of guests) expect(guest.read32(DATA)).toBeGreaterThan(100_000);
    expect(bench.machine.counters.contextSwitches - before).toBeGreaterThanOrEqual(2);
  });
});
