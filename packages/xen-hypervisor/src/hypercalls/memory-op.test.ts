import {
  __HYPERVISOR_memory_op,
  DOMID_SELF,
  E820_RAM,
  XEN_EACCES,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EPERM,
  XEN_ESRCH,
  XENMEM_add_to_physmap,
  XENMEM_claim_pages,
  XENMEM_current_reservation,
  XENMEM_decrease_reservation,
  XENMEM_exchange,
  XENMEM_increase_reservation,
  XENMEM_machine_memory_map,
  XENMEM_machphys_mapping,
  XENMEM_machphys_mfn_list,
  XENMEM_maximum_gpfn,
  XENMEM_maximum_ram_page,
  XENMEM_maximum_reservation,
  XENMEM_memory_map,
  XENMEM_populate_physmap,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, type CallingGuest, DATA, GUEST_PAGES } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

const UNMAPPED = 0x400000;
const LIST = 0x9000;
const OUT = 0xa000;
const PAGES = GUEST_PAGES + 6;

function op(g: CallingGuest, cmd: number, ...words: number[]): number {
  return g.callWith(__HYPERVISOR_memory_op, cmd, words);
}

function reserve(
  g: CallingGuest,
  cmd: number,
  list: number[],
  order = 0,
  domid: number = DOMID_SELF,
): number {
  g.writeWords(list, LIST);
  return op(g, cmd, LIST, list.length, order, 0, domid);
}

/** Takes the mapping of a page away, so that its frame is only the domain's. @returns the frame */
function unmapPage(g: CallingGuest, page: number): number {
  expect(g.domain.paging.updateVaMapping(g.vcpu.rootMfn, page << 12, 0, 0)).toBe(0);
  return g.p2m[page];
}

describe('reservations', () => {
  it('populate gives frames for pfns, writes them back and fills the M2P', () => {
    const g = bench.guest();
    expect(reserve(g, XENMEM_populate_physmap, [500, 501])).toBe(2);
    const [a, b] = g.readWords(2, LIST);
    expect([bench.machine.m2p.get(a), bench.machine.m2p.get(b)]).toEqual([500, 501]);
    expect([bench.machine.frames.owner(a), g.domain.totPages]).toEqual([g.domain.id, PAGES + 2]);
  });

  it('populate stops short at the maximum', () => {
    const g = bench.guest({ maxPages: PAGES + 1 });
    expect(reserve(g, XENMEM_populate_physmap, [500, 501, 502])).toBe(1);
    expect(g.readWords(2, LIST + 4)).toEqual([501, 502]);
  });

  it('an extent of order 3 is eight frames in a row', () => {
    const g = bench.guest();
    expect(reserve(g, XENMEM_populate_physmap, [512], 3)).toBe(1);
    const first = g.read32(LIST);
    expect(Array.from({ length: 8 }, (_, i) => bench.machine.m2p.get(first + i))).toEqual([
      512, 513, 514, 515, 516, 517, 518, 519,
    ]);
    expect(g.domain.totPages).toBe(PAGES + 8);
    expect(reserve(g, XENMEM_decrease_reservation, [first], 3)).toBe(1);
    expect(g.domain.totPages).toBe(PAGES);
  });

  it('increase allocates, with or without a list', () => {
    const g = bench.guest();
    expect(reserve(g, XENMEM_increase_reservation, [0])).toBe(1);
    expect(bench.machine.frames.owner(g.read32(LIST))).toBe(g.domain.id);
    expect(op(g, XENMEM_increase_reservation, 0, 3, 0, 0, DOMID_SELF)).toBe(3);
    expect(g.domain.totPages).toBe(PAGES + 4);
  });

  it('decrease frees a frame once it is unmapped, and stops at one that is not the caller’s', () => {
    const g = bench.guest();
    const other = bench.guest();
    const [a, b] = [unmapPage(g, 40), unmapPage(g, 41)];
    expect(reserve(g, XENMEM_decrease_reservation, [a, other.p2m[3], b])).toBe(1);
    expect([bench.machine.frames.isFree(a), bench.machine.frames.owner(b)]).toEqual([true, g.domain.id]);
    expect(reserve(g, XENMEM_decrease_reservation, [a])).toBe(0);
    expect(reserve(g, XENMEM_decrease_reservation, [0xffffffff])).toBe(0);
  });

  it('a frame that is still mapped lives until the mapping goes', () => {
    const g = bench.guest();
    expect(reserve(g, XENMEM_decrease_reservation, [g.p2m[40]])).toBe(1);
    expect(bench.machine.frames.isFree(g.p2m[40])).toBe(false);
    unmapPage(g, 40);
    expect(bench.machine.frames.isFree(g.p2m[40])).toBe(true);
  });

  it('whatever is wrong with the request, the answer is the number done', () => {
    const g = bench.guest();
    expect(reserve(g, XENMEM_populate_physmap, [500], 10)).toBe(0);
    expect(reserve(g, XENMEM_populate_physmap, [500], 0, 77)).toBe(0);
    expect(reserve(g, XENMEM_populate_physmap, [500], 0, 0)).toBe(0);
    expect(op(g, XENMEM_populate_physmap, UNMAPPED, 1, 0, 0, DOMID_SELF)).toBe(0);
    expect(op(g, XENMEM_populate_physmap, 0xf5800000, 1, 0, 0, DOMID_SELF)).toBe(0);
    expect(op(g, XENMEM_populate_physmap, LIST, 0xffffffff, 0, 0, DOMID_SELF)).toBe(0);
    expect(g.call(__HYPERVISOR_memory_op, XENMEM_populate_physmap, UNMAPPED)).toBe(0);
    expect(g.domain.totPages).toBe(PAGES);
  });

  it('a continued call starts at the extent in its command word', () => {
    const g = bench.guest();
    expect(reserve(g, XENMEM_populate_physmap | (1 << 6), [500, 501])).toBe(2);
    expect([g.read32(LIST), bench.machine.m2p.get(g.read32(LIST + 4))]).toEqual([500, 501]);
  });
});

describe('queries', () => {
  it('tell current and maximum reservation and the highest gpfn of the caller', () => {
    const g = bench.guest();
    bench.machine.memory.view.setUint32(g.domain.sharedInfo * 4096 + 0x90c, 64, true);
    expect(op(g, XENMEM_current_reservation, DOMID_SELF)).toBe(PAGES);
    expect(op(g, XENMEM_maximum_reservation, g.domain.id)).toBe(256);
    expect(op(g, XENMEM_maximum_gpfn, DOMID_SELF)).toBe(63);
    expect(op(g, XENMEM_maximum_ram_page)).toBe(bench.machine.frames.nrFrames);
    expect(op(g, XENMEM_current_reservation, 0)).toBe(-XEN_EPERM);
    expect(op(g, XENMEM_current_reservation, 400)).toBe(-XEN_ESRCH);
    expect(g.call(__HYPERVISOR_memory_op, XENMEM_current_reservation, UNMAPPED)).toBe(-XEN_EFAULT);
  });

  it('tell where the machine-to-phys table is', () => {
    const g = bench.guest();
    expect(op(g, XENMEM_machphys_mapping, 0, 0, 0)).toBe(0);
    expect(g.readWords(3)).toEqual([0xf5800000, 0xffe00000, 0xa600000 / 4 - 1]);
    expect(op(g, XENMEM_machphys_mfn_list, 8, LIST, 0)).toBe(0);
    expect([g.read32(DATA + 8), g.read32(LIST)]).toEqual([1, bench.machine.m2p.firstMfn]);
  });

  it('memory_map has one entry of RAM, or is -ENOSYS when the toolstack gave none', () => {
    const without = bench.guest();
    expect(op(without, XENMEM_memory_map, 8, LIST)).toBe(-XEN_ENOSYS);
    const g = bench.guest({ memoryMapBytes: 0x100000 });
    expect(op(g, XENMEM_memory_map, 8, LIST)).toBe(0);
    expect([g.read32(DATA), ...g.readWords(5, LIST)]).toEqual([1, 0, 0, 0x100000, 0, E820_RAM]);
    expect(op(g, XENMEM_memory_map, 8, UNMAPPED)).toBe(-XEN_EFAULT);
  });

  it('what is for others is refused', () => {
    const g = bench.guest();
    expect(op(g, XENMEM_add_to_physmap, DOMID_SELF, 0, 0, 0)).toBe(-XEN_EACCES);
    expect(op(g, XENMEM_add_to_physmap, 600, 0, 0, 0)).toBe(-XEN_ESRCH);
    expect([op(g, XENMEM_machine_memory_map), op(g, XENMEM_claim_pages)]).toEqual([-XEN_EPERM, -XEN_EPERM]);
    expect([op(g, 8), op(g, 63)]).toEqual([-XEN_ENOSYS, -XEN_ENOSYS]);
    expect(op(g, XENMEM_maximum_ram_page | (1 << 6))).toBe(-XEN_EINVAL);
  });
});

describe('exchange', () => {
  function exchange(
    g: CallingGuest,
    input: { list: number[]; order: number; domid?: number },
    output: { list: number[]; order: number; domid?: number },
  ): { rc: number; done: number } {
    g.writeWords(input.list, LIST);
    g.writeWords(output.list, OUT);
    const rc = op(
      g,
      XENMEM_exchange,
      ...[LIST, input.list.length, input.order, 0, input.domid ?? DOMID_SELF],
      ...[OUT, output.list.length, output.order, 0, output.domid ?? DOMID_SELF],
      0,
    );
    return { rc, done: g.read32(DATA + 40) };
  }

  it('makes four scattered frames into a run of four', () => {
    const g = bench.guest();
    const list = [33, 35, 37, 39].map((page) => unmapPage(g, page));
    expect(exchange(g, { list, order: 0 }, { list: [700], order: 2 })).toEqual({ rc: 0, done: 4 });
    const first = g.read32(OUT);
    expect([0, 1, 2, 3].map((i) => bench.machine.m2p.get(first + i))).toEqual([700, 701, 702, 703]);
    expect(list.map((mfn) => bench.machine.frames.isFree(mfn))).toEqual([true, true, true, true]);
    expect(g.domain.totPages).toBe(PAGES);
  });

  it('leaves a chunk alone when one of its frames is in use', () => {
    const g = bench.guest();
    const list = [unmapPage(g, 33), g.p2m[34]];
    expect(exchange(g, { list, order: 0 }, { list: [700], order: 1 })).toEqual({ rc: -XEN_EINVAL, done: 0 });
    expect([bench.machine.frames.owner(list[0]), g.domain.totPages]).toEqual([g.domain.id, PAGES]);
  });

  it('tells how far it came', () => {
    const g = bench.guest();
    const list = [unmapPage(g, 33), g.p2m[34]];
    expect(exchange(g, { list, order: 0 }, { list: [700, 701], order: 0 })).toEqual({
      rc: -XEN_EINVAL,
      done: 1,
    });
  });

  it('refuses lists that do not match, large extents and other domains', () => {
    const g = bench.guest();
    const one = { list: [g.p2m[33]], order: 0 };
    expect(exchange(g, one, { list: [1, 2], order: 0 }).rc).toBe(-XEN_EINVAL);
    expect(exchange(g, one, { ...one, domid: 0 }).rc).toBe(-XEN_EINVAL);
    expect(exchange(g, one, { list: [1], order: 10 }).rc).toBe(-XEN_EPERM);
    expect(exchange(g, { ...one, domid: 0 }, { ...one, domid: 0 }).rc).toBe(-XEN_EPERM);
    expect(exchange(g, { ...one, domid: 800 }, { ...one, domid: 800 }).rc).toBe(-XEN_ESRCH);
  });
});
