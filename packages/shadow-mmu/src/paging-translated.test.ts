import { Access } from '@domu/x86-cpu';
import {
  INVALID_M2P_ENTRY,
  MMU_MACHPHYS_UPDATE,
  type PagingMode,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENXIO,
} from '@domu/xen-abi';
import { beforeEach, describe, expect, it } from 'vitest';
import { PGT_writable_page } from './page-type.ts';
import type { TranslatedPaging } from './paging-translated.ts';
import { FIRST_GRANT_GFN } from './physmap.ts';
import { buildTranslated, FRESH, peekGuest, pokeGuest, type TranslatedDomain, World } from './testing.ts';

const { Read: READ, Write: WRITE, Execute: EXECUTE } = Access;
const NR_DATA = 8;
const NOT_PRESENT = -1;
const NOT_WRITABLE = -1 - 3;
const CODE_SEGMENT = [0x0000_ffff, 0x00cf_9a00];

let world: World;
let d: TranslatedDomain;
let paging: TranslatedPaging;

function setUp(mode: PagingMode): void {
  world = new World(64);
  d = buildTranslated(world, { domid: 1, mode, nrData: NR_DATA });
  paging = d.paging;
}

const walk = (linear: number, access: number, user: boolean = false): number =>
  paging.translate(d.root, linear, access, user);
const maddr = (gfn: number): number => paging.toMfn(gfn) * 4096;
const map = (page: number, gfn: number, flags: number = FRESH): void =>
  pokeGuest(world, paging, d.l1Gfn, page, { gfn, flags });

describe.each(['pae', 'classic'] as const)('translated paging with %s tables', (mode) => {
  beforeEach(() => setUp(mode));

  it('reads gfns from the tables, which are memory like any other', () => {
    expect(walk(2 * 4096 + 5, READ)).toBe(maddr(2));
    map(2, 5);
    expect(walk(2 * 4096, WRITE, true)).toBe(maddr(5) + 1);
    expect(walk(d.l1Gfn * 4096, WRITE)).toBe(maddr(d.l1Gfn) + 1);
  });

  it('sets the accessed and dirty bits in the guest tables, D only for writes', () => {
    expect(walk(0, READ)).toBe(maddr(0));
    expect(peekGuest(world, paging, d.l1Gfn, 0) & 0x60).toBe(0x20);
    expect(walk(0, WRITE)).toBe(maddr(0) + 1);
    expect(peekGuest(world, paging, d.l1Gfn, 0) & 0x60).toBe(0x60);
    expect(walk(0, READ)).toBe(maddr(0) + 1);
    expect(peekGuest(world, paging, d.l2Gfn, 0) & 0x60).toBe(0x20);
    if (mode === 'pae') expect(peekGuest(world, paging, d.rootGfn, 0) & 0xfff).toBe(1);
  });

  it('faults as the processor does, and marks nothing then', () => {
    map(0, 0, 0x01);
    expect(walk(0, WRITE)).toBe(NOT_WRITABLE);
    expect(walk(0, READ, true)).toBe(-1 - 5);
    expect(walk(d.nrPages * 4096, READ)).toBe(NOT_PRESENT);
    expect(walk(0x8000_0000, WRITE, true)).toBe(-1 - 6);
    expect(peekGuest(world, paging, d.l1Gfn, 0) & 0xfff).toBe(1);
  });

  it.each([0x3f, FIRST_GRANT_GFN - 1, FIRST_GRANT_GFN, 0xf_ffff])(
    'an entry that names gfn %i, where there is nothing, is not present',
    (gfn) => {
      map(0, gfn);
      expect(walk(0, READ)).toBe(NOT_PRESENT);
      pokeGuest(world, paging, d.l2Gfn, 0, { gfn, flags: FRESH });
      expect(walk(4096, READ)).toBe(NOT_PRESENT);
      expect(paging.updateVaMapping(d.root, 4096, 7, 0)).toBe(-XEN_EINVAL);
    },
  );

  it('shows the machine-to-phys table, which holds gfns', () => {
    const at = walk(paging.hypervisorVirtStart, READ);
    expect(world.memory.view.getUint32(at + paging.toMfn(3) * 4, true)).toBe(3);
    expect(walk(paging.hypervisorVirtStart, WRITE)).toBe(NOT_WRITABLE);
    expect(walk(0xffff_f000, READ)).toBe(NOT_PRESENT);
  });

  it('pins succeed and mean nothing', () => {
    expect([paging.pin(2, 0), paging.pin(9, 12345), paging.unpin(77)]).toEqual([0, 0, 0]);
    expect(world.frames.isPinned(paging.toMfn(0))).toBe(false);
  });

  it('mmu_update stores into the page of a gfn, without a check', () => {
    const size = mode === 'pae' ? 8 : 4;
    expect(paging.mmuUpdate(d.l1Gfn * 4096 + 3 * size, 0, 0xdead_f067, 0xffff)).toBe(0);
    expect(peekGuest(world, paging, d.l1Gfn, 3)).toBe(0xdead_f067);
    expect(paging.mmuUpdate(0x3f * 4096, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(paging.mmuUpdate(0, 1, 0, 0)).toBe(-XEN_EINVAL);
    expect(paging.mmuUpdate(2, 0, 0, 0)).toBe(-XEN_EINVAL);
  });

  it('MACHPHYS_UPDATE gives a machine frame a gfn, and takes its former one', () => {
    const mfn = paging.populateFrame();
    const named = (gfn: number): number => paging.mmuUpdate(mfn * 4096 + MMU_MACHPHYS_UPDATE, 0, gfn, 0);
    expect(paging.toGfn(mfn)).toBe(INVALID_M2P_ENTRY);
    expect([named(0x100), paging.toMfn(0x100), world.m2p.get(mfn)]).toEqual([0, mfn, 0x100]);
    expect([named(0x20), paging.toMfn(0x100), paging.highestGfn()]).toEqual([0, -1, 0x20]);
    expect([named(FIRST_GRANT_GFN), named(0xffff_ffff)]).toEqual([-XEN_EINVAL, -XEN_EINVAL]);
    const displaced = paging.toMfn(0);
    expect([named(0), paging.toMfn(0), paging.toGfn(displaced)]).toEqual([0, mfn, INVALID_M2P_ENTRY]);
    expect(world.frames.owner(displaced)).toBe(1);
  });

  it('update_va_mapping writes the entry and flushes', () => {
    const before = world.tlb.flushes;
    expect(paging.updateVaMapping(d.root, 0, 6 * 4096 + FRESH, 0)).toBe(0);
    expect(walk(0, READ)).toBe(maddr(6));
    expect(world.tlb.flushes).toBeGreaterThan(before);
    expect(paging.updateVaMapping(d.root, paging.hypervisorVirtStart, 0, 0)).toBe(-XEN_EINVAL);
    expect(paging.updateVaMapping(d.root, 0xc000_0000, 0, 0)).toBe(-XEN_EINVAL);
  });

  it('a root is any frame of its own, named by gfn; a frame elsewhere is refused', () => {
    const other = paging.toMfn(4);
    expect(paging.newBaseptr(d.root, other)).toBe(0);
    expect(paging.translate(other, 0, READ, false)).toBe(NOT_PRESENT);
    expect(paging.newBaseptr(other, world.m2p.firstMfn)).toBe(-XEN_EINVAL);
    expect(paging.newBaseptr(other, paging.toMfn(0x3f))).toBe(-XEN_EINVAL);
    expect(paging.releaseFrame(4)).toBe(0);
    expect(world.frames.owner(other)).toBe(1);
    paging.putRoot(other);
    expect(world.frames.isFree(other)).toBe(true);
  });

  it('a released page is out of reach at once', () => {
    const mfn = paging.toMfn(2);
    world.tlb.pages.set('1:2', { mfn, writable: true, owner: 1 });
    expect(paging.releaseFrame(2)).toBe(0);
    expect([walk(2 * 4096, READ), world.tlb.pages.size, world.frames.isFree(mfn)]).toEqual([
      NOT_PRESENT,
      0,
      true,
    ]);
    expect(paging.releaseFrame(2)).toBe(-XEN_ENXIO);
    paging.populateFrame(2);
    expect(walk(2 * 4096, READ)).toBe(maddr(2));
  });

  it('a stolen page leaves the physmap, and comes back under any gfn', () => {
    const mfn = paging.stealFrame(1);
    expect([walk(4096, READ), paging.toMfn(1)]).toEqual([NOT_PRESENT, -1]);
    world.frames.giveTo(mfn, 1);
    expect([paging.addFrame(0x30, mfn), paging.toMfn(0x30)]).toEqual([true, mfn]);
    expect(paging.stealFrame(1)).toBe(-XEN_EINVAL);
  });

  it("one of Xen's frames takes the place of RAM, and moves", () => {
    const shared = world.frames.allocXen();
    world.frames.shareXenFrame(shared, 1);
    const total = world.frames.totPages(1);
    expect(paging.addXenFrame(3, shared)).toBe(0);
    expect(walk(3 * 4096, WRITE)).toBe(shared * 4096 + 1);
    expect(world.frames.totPages(1)).toBe(total - 1);
    expect(paging.addXenFrame(0x40, shared)).toBe(0);
    expect([paging.toMfn(3), paging.toGfn(shared)]).toEqual([-1, 0x40]);
    expect(paging.releaseFrame(0x40)).toBe(-XEN_EINVAL);
    expect([paging.removeGfn(0x40), paging.removeGfn(0x40)]).toEqual([0, -XEN_ENOENT]);
    expect(paging.addXenFrame(FIRST_GRANT_GFN, shared)).toBe(-XEN_EINVAL);
  });

  it('descriptors in use cannot be written, by an entry or as a page table', () => {
    const mfn = paging.toMfn(0);
    world.memory.u32.set(CODE_SEGMENT, mfn * 1024);
    world.tlb.pages.set('1:0', { mfn, writable: true, owner: 1 });
    expect(paging.getSegDescFrame(mfn)).toBe(0);
    expect(world.tlb.pages.size).toBe(0);
    expect(walk(0, WRITE)).toBe(NOT_WRITABLE);
    expect(walk(0, READ)).toBe(mfn * 4096);
    expect(paging.mmuUpdate(0, 0, 0, 0)).toBe(-XEN_EINVAL);
    pokeGuest(world, paging, d.l2Gfn, 0, { gfn: 0, flags: FRESH });
    expect(walk(0, READ)).toBe(NOT_PRESENT);
    expect(paging.updateDescriptor(8, 0, 0, 0)).toBe(0);
    expect(paging.updateDescriptor(9, 0, 0, 0)).toBe(-XEN_EINVAL);
    expect(paging.updateDescriptor(0x3f000, 0, 0, 0)).toBe(-XEN_EINVAL);
  });

  it('descriptors are checked anew each time they come into use', () => {
    const mfn = paging.toMfn(0);
    expect(paging.getSegDescFrame(mfn)).toBe(0);
    paging.putSegDescFrame(mfn);
    world.memory.u32[mfn * 1024 + 1] = 0x8900;
    expect(paging.getSegDescFrame(mfn)).toBe(-XEN_EINVAL);
    world.memory.u32.set(CODE_SEGMENT, mfn * 1024);
    expect(paging.getLdtFrame(d.root, 0)).toBe(mfn);
    expect(world.memory.u32[mfn * 1024 + 1]).toBe(0x00cf_ba00);
    expect(paging.getLdtFrame(d.root, 0x8000_0000)).toBe(-1);
  });

  it('the tables may point at themselves', () => {
    pokeGuest(world, paging, d.l2Gfn, 1, { gfn: d.l2Gfn, flags: FRESH });
    const span = mode === 'pae' ? 0x20_0000 : 0x40_0000;
    expect(walk(span, READ)).toBe(maddr(d.l1Gfn));
    expect(walk(span + 4096, WRITE)).toBe(maddr(d.l2Gfn) + 1);
  });
});

describe('no-execute and high frame bits', () => {
  beforeEach(() => setUp('pae'));

  it('are honoured in PAE entries', () => {
    pokeGuest(world, paging, d.l1Gfn, 0, { gfn: 0, flags: FRESH, hi: 0x8000_0000 });
    expect([walk(0, EXECUTE), walk(0, READ)]).toEqual([-1 - 17, maddr(0)]);
    pokeGuest(world, paging, d.l1Gfn, 0, { gfn: 0, flags: FRESH, hi: 1 });
    expect(walk(0, READ)).toBe(NOT_PRESENT);
  });
});

describe.each(['pae', 'classic'] as const)('grants of translated domains with %s tables', (mode) => {
  let grantor: TranslatedDomain;
  let frame: number;

  beforeEach(() => {
    setUp(mode);
    grantor = buildTranslated(world, { domid: 2, mode, nrData: 4 });
    frame = grantor.paging.toMfn(1);
  });

  const place = (page: number, options: { readonly?: boolean; containsPte?: boolean } = {}) => ({
    root: d.root,
    hostAddrLo: options.containsPte ? d.l1Gfn * 4096 + page * (mode === 'pae' ? 8 : 4) : page * 4096,
    hostAddrHi: 0,
    containsPte: options.containsPte ?? false,
    readonly: options.readonly ?? false,
    frame,
  });
  const mapGrant = (where: ReturnType<typeof place>): boolean =>
    paging.mapGrant({ ...where, owner: 2, applicationMap: false, availBits: 0 });

  it('a mapping shows the frame under a gfn of its own, which ends with it wherever it was copied', () => {
    expect(mapGrant(place(0))).toBe(true);
    const gfn = peekGuest(world, paging, d.l1Gfn, 0) >>> 12;
    expect(gfn).toBeGreaterThanOrEqual(FIRST_GRANT_GFN);
    map(1, gfn);
    expect([walk(0, WRITE), walk(4096, WRITE)]).toEqual([frame * 4096 + 1, frame * 4096 + 1]);
    expect(paging.unmapGrant(place(0))).toBe(true);
    expect([walk(0, READ), walk(4096, READ), world.frames.refcount(frame)]).toEqual([-1, -1, 1]);
    expect(paging.unmapGrant(place(0))).toBe(false);
  });

  it('a read-only mapping cannot be written, whatever the guest makes of its entry', () => {
    expect(mapGrant(place(0, { readonly: true, containsPte: true }))).toBe(true);
    const gfn = peekGuest(world, paging, d.l1Gfn, 0) >>> 12;
    map(0, gfn, 0x67);
    expect([walk(0, READ), walk(0, WRITE)]).toEqual([frame * 4096, NOT_WRITABLE]);
    expect(paging.unmapGrant(place(0))).toBe(false);
    expect(paging.unmapGrant(place(0, { readonly: true }))).toBe(true);
  });

  it("another domain's frame is no page table and has no gfn", () => {
    mapGrant(place(0));
    const gfn = peekGuest(world, paging, d.l1Gfn, 0) >>> 12;
    pokeGuest(world, paging, d.l2Gfn, 1, { gfn, flags: FRESH });
    expect(walk(mode === 'pae' ? 0x20_0000 : 0x40_0000, READ)).toBe(NOT_PRESENT);
    expect([paging.toMfn(gfn), paging.releaseFrame(gfn), paging.stealFrame(gfn)]).toEqual([
      -1,
      -XEN_ENXIO,
      -XEN_EINVAL,
    ]);
    expect(paging.getSegDescFrame(frame)).toBe(-XEN_EINVAL);
    expect(paging.getLdtFrame(d.root, 0)).toBe(-1);
  });

  it('the mapping of another page can move into its place', () => {
    mapGrant(place(0));
    expect(paging.unmapGrant(place(0), 2 * 4096)).toBe(true);
    expect([walk(0, READ), walk(2 * 4096, READ)]).toEqual([maddr(2), NOT_PRESENT]);
  });

  it('is refused without an L1 table, or for writing while the frame holds descriptors', () => {
    expect(mapGrant({ ...place(0), hostAddrLo: 0x8000_0000 })).toBe(false);
    expect(mapGrant({ ...place(0), hostAddrHi: 1 })).toBe(false);
    expect(mapGrant({ ...place(0, { containsPte: true }), hostAddrLo: 0x3f000 })).toBe(false);
    expect(mapGrant({ ...place(0), frame: d.root })).toBe(false);
    grantor.paging.getSegDescFrame(frame);
    expect(mapGrant(place(0))).toBe(false);
    expect(mapGrant(place(0, { readonly: true }))).toBe(true);
  });

  it('mappings hold their frames until the domain ends', () => {
    mapGrant(place(0));
    expect(paging.held()).toEqual([{ mfn: frame, type: PGT_writable_page }]);
    grantor.paging.putRoot(grantor.root);
    expect(grantor.paging.destroy()).toBe(1);
    expect(walk(0, READ)).toBe(frame * 4096 + 1);
    paging.putRoot(d.root);
    expect(paging.destroy()).toBe(0);
    expect(world.frames.freeFrames).toBe(64 - 1 - world.m2p.nrFrames);
  });
});
