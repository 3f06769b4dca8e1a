import { XEN_EBUSY, XEN_EINVAL, XEN_ENOSYS, XEN_EPERM } from '@domu/xen-abi';
import { beforeEach, describe, expect, it } from 'vitest';
import { checkInvariants } from './invariants.ts';
import { PGT_l1_page_table, PGT_l2_page_table, PGT_none, PGT_writable_page } from './page-type.ts';
import { buildDomain, RO, RW, TABLE, type TestDomain, World } from './testing.ts';

let world: World;
let d: TestDomain;

/** mmu_update of entry `slot` of `table`. */
function update(table: number, slot: number, mfn: number, flags: number, command: number = 0): number {
  return d.paging.mmuUpdate(world.entry(d.paging, table, slot) + command, 0, mfn * 4096 + flags, 0);
}

/** Slot of the L1 table that maps `mfn` in a test domain. */
const pageOf = (mfn: number): number => d.all.indexOf(mfn);
const remap = (mfn: number, flags: number): number =>
  d.paging.updateVaMapping(d.root, pageOf(mfn) * 4096, mfn * 4096 + flags, 0);

function expectSound(roots: readonly number[] = [d.root]): void {
  const held = roots.map((mfn) => ({ mfn, type: d.paging.rootType }));
  expect(checkInvariants(world.frames, { domains: [d.paging], held, isGranted: () => false })).toEqual([]);
}

beforeEach(() => {
  world = new World(64);
  d = buildDomain(world, { domid: 1, mode: 'pae', nrData: 12 });
});

describe('L1 entries', () => {
  it('a table frame cannot be mapped writable (-XEN_EBUSY), a data frame can', () => {
    expect(update(d.l1, 20, d.l1, RW)).toBe(-XEN_EBUSY);
    expect(update(d.l1, 20, d.l2[3], RW)).toBe(-XEN_EBUSY);
    expect(update(d.l1, 20, d.l2[3], RO)).toBe(0);
    expect(update(d.l1, 21, d.data[0], RW)).toBe(0);
    expectSound();
  });

  it('caching bits and INVALID_MFN are -XEN_EINVAL, memory that is not there -XEN_EPERM, foreign frames -XEN_EBUSY', () => {
    for (const bit of [0x08, 0x10, 0x80]) expect(update(d.l1, 20, d.data[0], RO | bit)).toBe(-XEN_EINVAL);
    expect(d.paging.mmuUpdate(world.entry(d.paging, d.l1, 20), 0, 0xffff_f000 | RO, 0xf_ffff)).toBe(
      -XEN_EINVAL,
    );
    expect(d.paging.mmuUpdate(world.entry(d.paging, d.l1, 20), 0, d.data[0] * 4096 + RO, 1)).toBe(-XEN_EPERM);
    expect(update(d.l1, 20, 0xf_0000, RO)).toBe(-XEN_EPERM);
    expect(update(d.l1, 20, world.frames.alloc(2), RO)).toBe(-XEN_EBUSY);
    expect(update(d.l1, 20, world.m2p.firstMfn, RO)).toBe(-XEN_EBUSY);
    expect(update(d.l1, 20, 60, RO)).toBe(-XEN_EBUSY);
    expectSound();
  });

  it('a frame of Xen that is shared with the domain can be mapped writable, but never become a table', () => {
    const shared = world.frames.allocXen();
    world.frames.shareXenFrame(shared, 1);
    expect(update(d.l1, 20, shared, RW)).toBe(0);
    expect(d.paging.pin(1, shared)).toBe(-XEN_EINVAL);
    expect(d.paging.releaseFrame(shared)).toBe(-XEN_EINVAL);
    expectSound();
  });

  it('the command PRESERVE_AD keeps accessed and dirty bits, even of an entry made not present', () => {
    world.poke(d.paging, d.l1, 0, d.data[0], 0x63);
    expect(update(d.l1, 0, d.data[0], 0x001, 2)).toBe(0);
    expect(world.peek(d.paging, d.l1, 0) & 0xfff).toBe(0x061);
    expect(update(d.l1, 0, 0, 0, 2)).toBe(0);
    expect(world.peek(d.paging, d.l1, 0)).toBe(0x060);
    expectSound();
  });
});

describe('page types', () => {
  it('a frame becomes a page table only after its writable mapping is gone, and can be written again after unpin', () => {
    const table = d.data[0];
    expect(d.paging.pin(1, table)).toBe(-XEN_EINVAL);
    expect(remap(table, RO)).toBe(0);
    expect(d.paging.pin(1, table)).toBe(0);
    expect(d.paging.pin(1, table)).toBe(-XEN_EINVAL);
    expect(remap(table, RW)).toBe(-XEN_EBUSY);
    expect(d.paging.unpin(table)).toBe(0);
    expect(d.paging.unpin(table)).toBe(-XEN_EINVAL);
    expect(remap(table, RW)).toBe(0);
    expectSound();
  });

  it('a table whose 500th entry is bad is refused, with everything given back', () => {
    const table = world.frames.alloc(1);
    for (let slot = 0; slot < 499; slot++) world.poke(d.paging, table, slot, d.data[1], RW);
    world.poke(d.paging, table, 499, d.l1, RW);
    expect(d.paging.pin(1, table)).toBe(-XEN_EBUSY);
    expect([world.frames.type(table), world.frames.typeCount(table)]).toEqual([PGT_none, 0]);
    expect(world.frames.typeCount(d.data[1])).toBe(1);
    expectSound();
  });

  it('a failure deep below a new root leaves no reference anywhere', () => {
    const [root, l2, xenL2, goodL1, badL1] = world.alloc(1, 5);
    world.poke(d.paging, root, 0, l2, RO);
    world.poke(d.paging, root, 3, xenL2, RO);
    world.poke(d.paging, l2, 0, goodL1, TABLE);
    world.poke(d.paging, goodL1, 0, d.data[2], RW);
    world.poke(d.paging, xenL2, 5, goodL1, TABLE);
    world.poke(d.paging, xenL2, 6, badL1, TABLE);
    world.poke(d.paging, badL1, 7, d.root, RW);
    expect(d.paging.pin(3, root)).toBe(-XEN_EBUSY);
    for (const mfn of [root, l2, xenL2, goodL1, badL1]) {
      expect([world.frames.typeCount(mfn), world.frames.refcount(mfn)]).toEqual([0, 1]);
    }
    expect(world.peek(d.paging, root, 0) & 0xfff).toBe(0x01);
    expectSound();
  });

  it('mmu_update writes a frame that is no table as plain memory, whatever the entry says', () => {
    expect(update(d.data[3], 1, d.root, RW)).toBe(0);
    expect(world.peek(d.paging, d.data[3], 1)).toBe(d.root * 4096 + RW);
    const unmapped = world.frames.alloc(1);
    expect(update(unmapped, 1, d.root, RW)).toBe(0);
    expect(world.frames.typeCount(unmapped)).toBe(0);
    expectSound();
  });

  it('mmu_update refuses foreign frames, addresses beyond memory and unknown commands', () => {
    expect(update(world.frames.alloc(2), 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(d.paging.mmuUpdate(d.l1 * 4096, 1, 0, 0)).toBe(-XEN_EINVAL);
    for (const command of [4, 5, 6, 7]) expect(update(d.l1, 0, 0, 0, command)).toBe(-XEN_ENOSYS);
  });

  it('MACHPHYS sets the pfn of an own frame only', () => {
    expect(d.paging.mmuUpdate(d.data[0] * 4096 + 1, 0, 1234, 0)).toBe(0);
    expect(world.m2p.get(d.data[0])).toBe(1234);
    expect(d.paging.mmuUpdate(world.m2p.firstMfn * 4096 + 1, 0, 1, 0)).toBe(-XEN_EINVAL);
  });

  it('clear_page and copy_page write data frames only', () => {
    world.memory.u32[d.data[0] * 1024] = 77;
    expect(d.paging.copyPage(d.data[1], d.data[0])).toBe(0);
    expect(world.memory.u32[d.data[1] * 1024]).toBe(77);
    expect(d.paging.clearPage(d.data[1])).toBe(0);
    expect(world.memory.u32[d.data[1] * 1024]).toBe(0);
    expect(d.paging.clearPage(d.l1)).toBe(-XEN_EINVAL);
    expect(d.paging.copyPage(d.root, d.data[0])).toBe(-XEN_EINVAL);
    expect(d.paging.copyPage(d.data[0], d.root)).toBe(0);
    expectSound();
  });
});

describe('L2 entries', () => {
  it("Xen's slots are cleared when a table is checked and refuse explicit writes with -XEN_EPERM", () => {
    expect(update(d.l2[3], 428, d.l1, TABLE)).toBe(-XEN_EPERM);
    expect(update(d.l2[3], 511, 0, 0)).toBe(-XEN_EPERM);
    expect(update(d.l2[3], 427, d.l1, TABLE)).toBe(0);
    expect(update(d.l2[2], 428, d.l1, TABLE)).toBe(0);
    const [root, xenL2] = world.alloc(1, 2);
    world.poke(d.paging, root, 3, xenL2, RO);
    world.poke(d.paging, xenL2, 428, d.root, 0xe7);
    expect(d.paging.pin(3, root)).toBe(0);
    expect(world.peek(d.paging, xenL2, 428)).toBe(0);
    expectSound();
  });

  it('large pages and global entries are refused', () => {
    expect(update(d.l2[0], 3, 0, 0xe3)).toBe(-XEN_EINVAL);
    expect(update(d.l2[0], 3, d.l1, TABLE | 0x100)).toBe(-XEN_EINVAL);
  });

  it('a change flushes the TLB', () => {
    const before = world.tlb.flushes;
    expect(update(d.l2[0], 1, d.l1, TABLE)).toBe(0);
    expect(world.tlb.flushes).toBeGreaterThan(before);
  });

  it('a table maps itself read-only without holding itself, and shows its own entries there', () => {
    expect(update(d.l2[0], 9, d.l2[0], TABLE)).toBe(-XEN_EINVAL);
    expect(update(d.l2[0], 9, d.l2[0], 0x65)).toBe(0);
    const linear = (9 << 21) | (9 << 12);
    expect(d.paging.translate(d.root, linear, 0, false)).toBe(d.l2[0] * 4096);
    expect(d.paging.translate(d.root, linear, 1, false)).toBe(-1 - 3);
    expect(d.paging.updateVaMapping(d.root, linear, d.data[0] * 4096 + RW, 0)).toBe(-XEN_EINVAL);
    expectSound();
    expect(update(d.l2[0], 9, 0, 0)).toBe(0);
    expectSound();
  });

  it('linear tables do not chain: a table with linear entries cannot be one, nor the other way round (XSA-240)', () => {
    const [a, b, c] = world.alloc(1, 3);
    for (const table of [a, b, c]) expect(d.paging.pin(2, table)).toBe(0);
    expect(update(a, 0, b, RO)).toBe(0);
    expect(update(c, 0, a, RO)).toBe(-XEN_EINVAL);
    expect(update(b, 0, c, RO)).toBe(-XEN_EINVAL);
    expect(world.frames.type(b)).toBe(PGT_l2_page_table);
    expect(d.paging.unpin(b)).toBe(0);
    expect(d.paging.unpin(a)).toBe(0);
    expect([a, b].map((mfn) => world.frames.typeCount(mfn))).toEqual([0, 0]);
    expectSound();
  });
});

describe('L3 entries', () => {
  it('slot 3 must be present, and its L2 table can serve no other root', () => {
    const root = world.frames.alloc(1);
    expect(d.paging.pin(3, root)).toBe(-XEN_EINVAL);
    world.poke(d.paging, root, 3, d.l2[3], RO);
    expect(d.paging.pin(3, root)).toBe(-XEN_EINVAL);
    world.poke(d.paging, root, 3, d.l2[2], RO);
    expect(d.paging.pin(3, root)).toBe(-XEN_EINVAL);
    expect(d.paging.pin(2, d.l2[3])).toBe(-XEN_EINVAL);
    expectSound();
  });

  it('slot 3 and everything after it cannot be changed', () => {
    expect(update(d.root, 3, d.l2[3], RO)).toBe(-XEN_EINVAL);
    expect(update(d.root, 4, 0, 0)).toBe(-XEN_EINVAL);
  });

  it('what stands after slot 3 is cleared, and accepted entries show RW and US', () => {
    const [root, xenL2] = world.alloc(1, 2);
    world.poke(d.paging, root, 3, xenL2, 0x01);
    world.poke(d.paging, root, 4, d.root, 0xfff);
    expect(d.paging.pin(3, root)).toBe(0);
    expect(world.peek(d.paging, root, 4)).toBe(0);
    expect(world.peek(d.paging, root, 3) & 0xfff).toBe(0x07);
    expect(d.paging.unpin(root)).toBe(0);
    expect(world.peek(d.paging, root, 3) & 0xfff).toBe(0x01);
  });

  it('xsa-185: an L3 table cannot contain itself', () => {
    expect(update(d.root, 2, d.root, 0x01)).toBe(-XEN_EINVAL);
    expect(update(d.root, 2, d.l1, 0x01)).toBe(-XEN_EINVAL);
    expectSound();
  });

  it('flags outside P, RW, US, A, D, AVL are refused, NX too', () => {
    const entry = world.entry(d.paging, d.root, 1);
    for (const bit of [0x08, 0x10, 0x80, 0x100])
      expect(update(d.root, 1, d.l2[1], 1 | bit)).toBe(-XEN_EINVAL);
    expect(d.paging.mmuUpdate(entry, 0, d.l2[1] * 4096 + 1, 0x8000_0000)).toBe(-XEN_EINVAL);
    expect(update(d.root, 1, 0, 0)).toBe(0);
    expect(update(d.root, 1, d.l2[1], 0xe21)).toBe(0);
    expectSound();
  });

  it('xsa-286: after a slot changes, update_va_mapping reaches the new L1 table', () => {
    const [l2, l1] = world.alloc(1, 2);
    world.poke(d.paging, l2, 0, l1, TABLE);
    expect(d.paging.pin(2, l2)).toBe(0);
    expect(update(d.root, 0, l2, 0x01)).toBe(0);
    expect(d.paging.updateVaMapping(d.root, 0x5000, d.data[0] * 4096 + RW, 0)).toBe(0);
    expect(world.peek(d.paging, l1, 5)).toBe(d.data[0] * 4096 + RW);
    expectSound();
  });
});

describe('roots', () => {
  it('a new base pointer holds its table and lets go of the old one', () => {
    const [root, xenL2] = world.alloc(1, 2);
    world.poke(d.paging, root, 3, xenL2, RO);
    expect(d.paging.newBaseptr(d.root, root)).toBe(0);
    expect(d.paging.unpin(d.root)).toBe(0);
    expect([d.root, d.l1].map((mfn) => world.frames.typeCount(mfn))).toEqual([0, 0]);
    expectSound([root]);
    expect(d.paging.newBaseptr(root, xenL2)).toBe(-XEN_EINVAL);
    expectSound([root]);
  });

  it('loading the same root again only flushes', () => {
    const before = world.tlb.flushes;
    expect(d.paging.newBaseptr(d.root, d.root)).toBe(0);
    expect(world.tlb.flushes).toBe(before + 1);
    expectSound();
  });

  it('pins of levels that the mode lacks are ignored; L4 always', () => {
    expect(d.paging.pin(4, d.data[0])).toBe(0);
    expect(world.frames.isPinned(d.data[0])).toBe(false);
  });

  it('in 2-level tables the L2 is the root, and its last 16 slots are Xen’s', () => {
    d = buildDomain(world, { domid: 2, mode: 'classic', nrData: 4 });
    expect(update(d.root, 1008, d.l1, TABLE)).toBe(-XEN_EPERM);
    expect(update(d.root, 1007, d.l1, TABLE)).toBe(0);
    expect(update(d.root, 1, d.root, 0x65)).toBe(0);
    expect(d.paging.translate(d.root, 0x40_0000 + 1007 * 4096, 0, false)).toBe(d.l1 * 4096);
    expect(d.paging.pin(3, d.data[0])).toBe(0);
    expect(world.frames.type(d.l1)).toBe(PGT_l1_page_table);
    expect(world.frames.type(d.data[0])).toBe(PGT_writable_page);
  });
});
