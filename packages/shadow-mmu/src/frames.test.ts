import { DOMID_INVALID, DOMID_XEN, XEN_EINVAL, XEN_ENXIO } from '@domu/xen-abi';
import { beforeEach, describe, expect, it } from 'vitest';
import { PlatformBug } from './bug.ts';
import { PGT_l1_page_table, PGT_seg_desc_page } from './page-type.ts';
import { buildDomain, RO, RW, type TestDomain, World } from './testing.ts';

let world: World;
let a: TestDomain;
let b: TestDomain;
const free = 96 - 2;

beforeEach(() => {
  world = new World(96);
  a = buildDomain(world, { domid: 1, mode: 'pae', nrData: 8 });
  b = buildDomain(world, { domid: 2, mode: 'pae', nrData: 8 });
});

const map = (d: TestDomain, page: number, mfn: number, flags: number): number =>
  d.paging.updateVaMapping(d.root, page * 4096, mfn === 0 ? 0 : mfn * 4096 + flags, 0);

function destroy(d: TestDomain): number {
  d.paging.putRoot(d.root);
  return d.paging.destroy();
}

describe('allocation', () => {
  it('hands out the lowest free frame, never frame 0, zeroed', () => {
    const mfn = world.frames.alloc(3);
    expect(mfn).toBe(Math.max(...b.all) + 1);
    world.memory.frame(mfn).fill(0xff);
    world.frames.putAllocRef(mfn);
    expect([world.frames.owner(mfn), world.frames.isFree(mfn)]).toEqual([DOMID_INVALID, true]);
    expect(world.frames.alloc(4)).toBe(mfn);
    expect(world.memory.frame(mfn).every((byte) => byte === 0)).toBe(true);
  });

  it('gives -1 when memory is full', () => {
    while (world.frames.alloc(3) >= 0);
    expect(world.frames.freeFrames).toBe(0);
    expect(world.frames.allocXen()).toBe(-1);
    expect(world.frames.allocXen(2)).toBe(-1);
    expect(a.paging.populateFrame(1)).toBe(-1);
  });

  it('a count that would fall below 0 is our bug', () => {
    const mfn = world.frames.alloc(3);
    expect(() => world.frames.putPageType(mfn)).toThrow(PlatformBug);
    world.frames.putAllocRef(mfn);
    expect(() => world.frames.putPage(mfn)).toThrow(PlatformBug);
  });
});

describe('ballooning', () => {
  it('a released frame lives on while it is mapped, and its pfn goes with it', () => {
    const mfn = a.data[0];
    expect(a.paging.releaseFrame(mfn)).toBe(0);
    expect(world.frames.owner(mfn)).toBe(1);
    expect(world.frames.totPages(1)).toBe(a.all.length);
    expect(map(a, 0, 0, 0)).toBe(0);
    expect(world.frames.isFree(mfn)).toBe(true);
    expect(world.m2p.get(mfn)).toBe(0xffff_ffff);
    expect(world.frames.totPages(1)).toBe(a.all.length - 1);
    expect(a.paging.releaseFrame(mfn)).toBe(-XEN_ENXIO);
  });

  it('a populated frame belongs to the domain under its pfn', () => {
    const mfn = a.paging.populateFrame(99);
    expect([world.frames.owner(mfn), world.m2p.get(mfn)]).toEqual([1, 99]);
    expect(map(a, 40, mfn, RW)).toBe(0);
  });

  it('a frame moves to another domain with its content, but only when nothing refers to it', () => {
    expect(world.frames.steal(a.data[0], 1)).toBe(-XEN_EINVAL);
    world.memory.u32[a.data[0] * 1024] = 5;
    expect(map(a, 0, 0, 0)).toBe(0);
    expect(world.frames.steal(a.data[0], 2)).toBe(-XEN_EINVAL);
    expect(world.frames.steal(a.data[0], 1)).toBe(0);
    expect(world.frames.owner(a.data[0])).toBe(DOMID_XEN);
    world.frames.giveTo(a.data[0], 2);
    expect(map(b, 40, a.data[0], RW)).toBe(0);
    expect(world.memory.u32[a.data[0] * 1024]).toBe(5);
  });
});

describe('the TLB', () => {
  const cacheWrite = (): void => {
    const at = a.paging.translate(a.root, 0, 1, false);
    world.tlb.pages.set('1:0', { mfn: at >>> 12, writable: true, owner: 1 });
  };

  it('is flushed before a frame that may be cached as writable becomes a table', () => {
    cacheWrite();
    expect(map(a, 0, a.data[0], RO)).toBe(0);
    expect(world.tlb.pages.size).toBe(1);
    expect(a.paging.pin(1, a.data[0])).toBe(0);
    expect(world.tlb.pages.size).toBe(0);
  });

  it('is not flushed a second time when a flush came after the last writable mapping went', () => {
    cacheWrite();
    expect(map(a, 0, a.data[0], RO)).toBe(0);
    world.frames.flushTlb();
    const before = world.tlb.flushes;
    expect(a.paging.pin(1, a.data[0])).toBe(0);
    expect(world.tlb.flushes).toBe(before);
  });

  it('is flushed before a freed frame gets a new owner', () => {
    cacheWrite();
    expect(map(a, 0, 0, 0)).toBe(0);
    expect(a.paging.releaseFrame(a.data[0])).toBe(0);
    expect(world.tlb.pages.size).toBe(1);
    expect(b.paging.populateFrame()).toBe(a.data[0]);
    expect(world.tlb.pages.size).toBe(0);
  });
});

describe('grant mappings', () => {
  const request = (page: number, readonly: boolean) => ({
    root: a.root,
    hostAddrLo: page * 4096,
    hostAddrHi: 0,
    containsPte: false,
    readonly,
    frame: b.data[0],
    owner: 2,
    applicationMap: false,
    availBits: 0,
  });

  it('a mapped frame holds type and reference until unmapped, and the TLB is flushed then', () => {
    expect(a.paging.mapGrant(request(30, false))).toBe(true);
    expect([world.frames.refcount(b.data[0]), world.frames.typeCount(b.data[0])]).toEqual([3, 2]);
    expect(a.paging.translate(a.root, 30 * 4096, 1, false)).toBe(b.data[0] * 4096 + 1);
    const before = world.tlb.flushes;
    expect(a.paging.unmapGrant(request(30, true))).toBe(false);
    expect(a.paging.unmapGrant(request(30, false))).toBe(true);
    expect(world.tlb.flushes).toBeGreaterThan(before);
    expect([world.frames.refcount(b.data[0]), world.frames.typeCount(b.data[0])]).toEqual([2, 1]);
    expect(a.paging.unmapGrant(request(30, false))).toBe(false);
  });

  it('overwriting the entry, or releasing its table, gives the references back', () => {
    expect(a.paging.mapGrant(request(30, false))).toBe(true);
    expect(map(a, 30, 0, 0)).toBe(0);
    expect(world.frames.refcount(b.data[0])).toBe(2);
    expect(a.paging.mapGrant(request(30, false))).toBe(true);
    destroy(a);
    expect([world.frames.refcount(b.data[0]), world.frames.typeCount(b.data[0])]).toEqual([2, 1]);
  });

  it('takes the place of what was mapped there', () => {
    expect(a.paging.mapGrant(request(0, true))).toBe(true);
    expect([world.frames.refcount(a.data[0]), world.frames.typeCount(a.data[0])]).toEqual([1, 0]);
    expect(a.paging.translate(a.root, 0, 1, false)).toBe(-1 - 3);
  });

  it('by entry address: only in an own L1 table and aligned', () => {
    const at = (table: number, offset: number) => ({
      ...request(0, true),
      containsPte: true,
      hostAddrLo: table * 4096 + offset,
    });
    expect(a.paging.mapGrant(at(a.l1, 30 * 8))).toBe(true);
    expect(a.paging.translate(a.root, 30 * 4096, 0, false)).toBe(b.data[0] * 4096);
    expect(a.paging.translate(a.root, 30 * 4096, 2, false)).toBe(-1 - 17);
    for (const [table, offset] of [
      [a.l1, 30 * 8 + 4],
      [a.l2[0], 0],
      [b.l1, 0],
      [a.data[0], 0],
    ]) {
      expect(a.paging.mapGrant(at(table, offset))).toBe(false);
    }
    expect(world.frames.refcount(b.data[0])).toBe(3);
  });

  it('a page table of the grantor cannot be mapped writable', () => {
    expect(a.paging.mapGrant({ ...request(30, false), frame: b.l1 })).toBe(false);
    expect(a.paging.mapGrant({ ...request(30, true), frame: b.l1 })).toBe(true);
  });

  it('unmap_and_replace moves an entry into the slot', () => {
    expect(a.paging.mapGrant(request(30, false))).toBe(true);
    expect(a.paging.unmapGrant(request(30, false), 1 * 4096)).toBe(true);
    expect(a.paging.linearToMfn(a.root, 30 * 4096)).toBe(a.data[1]);
    expect(a.paging.linearToMfn(a.root, 1 * 4096)).toBe(-1);
    expect(world.frames.refcount(a.data[1])).toBe(2);
  });

  it('a granted frame outlives its domain until it is unmapped', () => {
    expect(a.paging.mapGrant(request(30, false))).toBe(true);
    expect(destroy(b)).toBe(1);
    expect(world.frames.isFree(b.data[0])).toBe(false);
    expect(a.paging.unmapGrant(request(30, false))).toBe(true);
    expect(world.frames.isFree(b.data[0])).toBe(true);
    expect(destroy(a)).toBe(0);
    expect(world.frames.freeFrames).toBe(free);
  });
});

describe('the end of a domain', () => {
  it('frees every frame: pinned tables, shared frames of Xen, linear tables', () => {
    const shared = world.frames.allocXen();
    world.frames.shareXenFrame(shared, 1);
    expect(map(a, 30, shared, RW)).toBe(0);
    const l2 = world.frames.alloc(1);
    expect(a.paging.pin(2, l2)).toBe(0);
    expect(a.paging.mmuUpdate(l2 * 4096, 0, a.l2[0] * 4096 + RO, 0)).toBe(0);
    expect(map(a, 1, a.data[1], RO)).toBe(0);
    expect(a.paging.pin(1, a.data[1])).toBe(0);
    expect(world.frames.type(a.data[1])).toBe(PGT_l1_page_table);
    expect([destroy(a), destroy(b)]).toEqual([0, 0]);
    expect(world.frames.freeFrames).toBe(free);
    expect([world.frames.totPages(1), world.frames.totPages(2)]).toEqual([0, 0]);
  });

  it('a descriptor-table frame is held until it is put', () => {
    expect(map(a, 0, a.data[0], RO)).toBe(0);
    expect(a.paging.getSegDescFrame(a.data[0])).toBe(0);
    expect(world.frames.type(a.data[0])).toBe(PGT_seg_desc_page);
    a.paging.putSegDescFrame(a.data[0]);
    expect(destroy(a)).toBe(0);
  });
});
