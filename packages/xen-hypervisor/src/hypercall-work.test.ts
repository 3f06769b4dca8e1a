import {
  __HYPERVISOR_console_io,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_multicall,
  __HYPERVISOR_set_trap_table,
  __HYPERVISOR_xen_version,
  CONSOLEIO_write,
  DOMID_SELF,
  EVTCHNOP_reset,
  GNTTABOP_copy,
  MMU_MACHPHYS_UPDATE,
  MMU_UPDATE_PREEMPTED,
  XEN_EFAULT,
  XEN_EINVAL,
  XENMEM_decrease_reservation,
  XENMEM_increase_reservation,
} from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import { CODE, DATA, hypercall, SPIN, storeEax, TestGuest } from './testing.ts';

/** Room for long lists: pages 32 to 55. */
const LIST = 0x20000;
const RESULT = 0x9000;
const PDONE = 0x9004;

/** A guest at an `int $0x82`, whose result goes to RESULT. */
function calling(nr: number, ...args: number[]): TestGuest {
  const g = new TestGuest({ maxPages: 1000, maxEventChannels: 1023 });
  g.load([...hypercall(nr, ...args), ...storeEax(RESULT), ...SPIN], CODE);
  g.start();
  g.write32(RESULT, 0xdead);
  return g;
}

/** Runs until the call is done. @returns its result, and how often it was entered */
function finish(g: TestGuest, nr: number): { result: number; entered: number } {
  for (let i = 0; i < 100_000 && g.read32(RESULT) === 0xdead; i++) g.run(100);
  return { result: g.read32(RESULT) | 0, entered: g.machine.counters.hypercalls[nr] };
}

describe('a long hypercall goes on in several entries', () => {
  it('mmu_update counts what is done over all of them', () => {
    const g = calling(__HYPERVISOR_mmu_update, LIST, 2000, PDONE, DOMID_SELF);
    for (let i = 0; i < 2000; i++) {
      g.write32(LIST + 16 * i, ((g.p2m[5] << 12) | MMU_MACHPHYS_UPDATE) >>> 0);
      g.write32(LIST + 16 * i + 8, i);
    }
    expect(finish(g, __HYPERVISOR_mmu_update)).toEqual({ result: 0, entered: 4 });
    expect(g.read32(PDONE)).toBe(2000);
    expect(g.machine.m2p.get(g.p2m[5])).toBe(1999);
  });

  it('mmu_update stops at a bad request in a later entry with the right count', () => {
    const g = calling(__HYPERVISOR_mmu_update, LIST, 1000, PDONE, DOMID_SELF);
    for (let i = 0; i < 1000; i++) {
      g.write32(LIST + 16 * i, ((g.p2m[5] << 12) | MMU_MACHPHYS_UPDATE) >>> 0);
    }
    g.write32(LIST + 16 * 700, 7);
    const { result } = finish(g, __HYPERVISOR_mmu_update);
    expect(result).toBeLessThan(0);
    expect(g.read32(PDONE)).toBe(700);
  });

  it('a guest that sets the continuation bit itself gets what it asks for', () => {
    const g = calling(__HYPERVISOR_mmu_update, LIST, (1 | MMU_UPDATE_PREEMPTED) >>> 0, PDONE, DOMID_SELF);
    g.write32(LIST, ((g.p2m[5] << 12) | MMU_MACHPHYS_UPDATE) >>> 0);
    g.write32(PDONE, 0xffff_ffff);
    expect(finish(g, __HYPERVISOR_mmu_update).result).toBe(0);
    expect(g.read32(PDONE)).toBe(0);
  });

  it('multicall continues the entry under way, and keeps the results of those before', () => {
    const g = calling(__HYPERVISOR_multicall, LIST, 3);
    const entry = (i: number, op: number, ...args: number[]): void => {
      for (const [n, word] of [op, 0xbad, ...args].entries()) g.write32(LIST + 32 * i + 4 * n, word);
    };
    entry(0, __HYPERVISOR_xen_version, 0);
    entry(1, __HYPERVISOR_mmu_update, LIST + 0x1000, 1500, PDONE, DOMID_SELF);
    entry(2, __HYPERVISOR_xen_version, 99);
    for (let i = 0; i < 1500; i++) {
      g.write32(LIST + 0x1000 + 16 * i, ((g.p2m[5] << 12) | MMU_MACHPHYS_UPDATE) >>> 0);
    }
    const { result, entered } = finish(g, __HYPERVISOR_multicall);
    expect([result, entered]).toEqual([0, 3]);
    expect([0, 1, 2].map((i) => g.read32(LIST + 32 * i + 4) | 0)).toEqual([(4 << 16) | 18, 0, -38]);
    expect(g.read32(PDONE)).toBe(1500);
    // The list now shows how far the second entry had come when it was interrupted last.
    expect(g.read32(LIST + 32 + 12) & MMU_UPDATE_PREEMPTED).not.toBe(0);
  });

  it('grant_table_op writes a status for every request', () => {
    const g = calling(__HYPERVISOR_grant_table_op, GNTTABOP_copy, LIST, 1200);
    for (let i = 0; i < 1200; i++) {
      g.write32(LIST + 24 * i, g.p2m[3]);
      g.write32(LIST + 24 * i + 4, DOMID_SELF);
      g.write32(LIST + 24 * i + 8, g.p2m[4]);
      g.write32(LIST + 24 * i + 12, DOMID_SELF);
      g.write32(LIST + 24 * i + 16, i === 1100 ? 0xffff : 4);
      g.write32(LIST + 24 * i + 20, 0x7fff);
    }
    expect(finish(g, __HYPERVISOR_grant_table_op)).toEqual({ result: 0, entered: 3 });
    expect([0, 599, 1100, 1199].map((i) => (g.read32(LIST + 24 * i + 20) << 16) >> 16)).toEqual([
      0, 0, -10, 0,
    ]);
  });

  it('memory_op counts extents above its command', () => {
    const g = calling(__HYPERVISOR_memory_op, XENMEM_increase_reservation, DATA);
    const before = g.domain.totPages;
    for (const [i, word] of [LIST, 800, 0, 0, DOMID_SELF].entries()) g.write32(DATA + 4 * i, word);
    expect(finish(g, __HYPERVISOR_memory_op)).toEqual({ result: 800, entered: 2 });
    expect(g.domain.totPages).toBe(before + 800);
    g.load([
      ...hypercall(__HYPERVISOR_memory_op, XENMEM_decrease_reservation, DATA),
      ...storeEax(RESULT),
      ...SPIN,
    ]);
    g.machine.cpu.eip = CODE;
    g.write32(RESULT, 0xdead);
    expect(finish(g, __HYPERVISOR_memory_op).result).toBe(800);
    expect(g.domain.totPages).toBe(before);
  });

  it('an event channel reset closes everything in the end', () => {
    const g = calling(__HYPERVISOR_event_channel_op, EVTCHNOP_reset, DATA);
    for (let i = 0; i < 1023; i++) g.domain.evtchn.allocUnbound(0);
    g.write32(DATA, DOMID_SELF);
    expect(finish(g, __HYPERVISOR_event_channel_op).result).toBe(0);
    expect(g.domain.evtchn.nrActive).toBe(0);
  });

  it('a trap table far too long ends where it ends; endless console output where it cannot be read', () => {
    const traps = calling(__HYPERVISOR_set_trap_table, LIST);
    for (let va = LIST; va < 0x40000; va += 8) traps.write32(va + 4, 1);
    const { result, entered } = finish(traps, __HYPERVISOR_set_trap_table);
    expect(result).toBe(0);
    expect(entered).toBeGreaterThan(10);
    const output = calling(__HYPERVISOR_console_io, CONSOLEIO_write, 0x7fff_ffff, LIST);
    expect(finish(output, __HYPERVISOR_console_io).result).toBe(-XEN_EFAULT);
  });
});

it('other work gets its turn in between', () => {
  const g = calling(__HYPERVISOR_mmu_update, LIST, 3000, PDONE, DOMID_SELF);
  for (let i = 0; i < 3000; i++) g.write32(LIST + 16 * i, ((g.p2m[5] << 12) | MMU_MACHPHYS_UPDATE) >>> 0);
  let turns = 0;
  while (g.read32(RESULT) === 0xdead) {
    g.run(100);
    turns++;
  }
  expect(turns).toBeGreaterThan(5);
  expect(g.read32(RESULT) | 0).not.toBe(-XEN_EINVAL);
});
