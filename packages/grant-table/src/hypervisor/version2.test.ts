import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_domain,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_transitive,
  GTF_writing,
  XEN_EBUSY,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_ERANGE,
} from '@domu/xen-abi';
import { beforeEach, describe, expect, it } from 'vitest';
import { copyGrant } from './copy-op.ts';
import type { GrantTable } from './grant-table.ts';
import { HostGrants } from './host-grants.ts';
import { mapGrantRef, unmapGrantRef } from './map-ops.ts';
import { FakeGrantWorld, FakeMapper } from './testing.ts';
import { setVersion } from './version-op.ts';

let world: FakeGrantWorld;
let grantor: GrantTable;
let holder: GrantTable;
let third: GrantTable;

beforeEach(() => {
  world = new FakeGrantWorld();
  [grantor, holder, third] = [1, 2, 3].map((domid) => world.domain(domid, { maxFrames: 20 }));
});

const header = (flags: number, domid: number): number => (flags | (domid << 16)) >>> 0;

/** Domain 2 reads from `ref` of domain 1 into its own frame 8, or with `out` writes to it. */
function copy(ref: number, part: { offset?: number; lengthBytes?: number; out?: boolean } = {}): number {
  const { offset = 0, lengthBytes = 16, out = false } = part;
  const theirs = { refOrGfn: ref, domid: 1, offset };
  const own = { refOrGfn: 8, domid: DOMID_SELF, offset };
  return copyGrant(holder, {
    source: out ? own : theirs,
    dest: out ? theirs : own,
    lengthBytes,
    flags: out ? GNTCOPY_dest_gref : GNTCOPY_source_gref,
  });
}

function checkClean(): void {
  for (const table of world.tables.values()) table.checkInvariants([...world.tables.values()]);
  for (const mfn of [4, 5, 8, 12, 13]) expect(world.frames.counts(mfn)).toEqual([0, 0]);
}

describe('set_version', () => {
  it('accepts 1 and 2, changes the size of the table, and adds status frames', () => {
    expect([0, 3].map((version) => setVersion(grantor, version))).toEqual([-XEN_EINVAL, -XEN_EINVAL]);
    expect([grantor.version, grantor.nrEntries, grantor.nrStatusFrames]).toEqual([1, 512, 0]);
    expect(setVersion(grantor, 2)).toBe(0);
    expect([grantor.version, grantor.nrEntries, grantor.nrStatusFrames]).toEqual([2, 256, 1]);
    grantor.grow(9);
    expect([grantor.nrEntries, grantor.nrStatusFrames]).toEqual([2304, 2]);
    expect(setVersion(grantor, 2)).toBe(0);
    expect(setVersion(grantor, 1)).toBe(0);
    expect([grantor.version, grantor.nrEntries, grantor.nrStatusFrames]).toEqual([1, 4608, 0]);
    checkClean();
  });

  it('is -ENOSYS where the toolstack allows version 1 only', () => {
    const old = world.domain(4, { maxVersion: 1 });
    expect([setVersion(old, 2), setVersion(old, 1), old.version]).toEqual([-XEN_ENOSYS, 0, 1]);
  });

  it('keeps the reserved entries, in use or not, and clears all others', () => {
    const host = new HostGrants(world.domain(0, { maxFrames: 0 }));
    grantor.preset(0, { domid: 0, gfn: 4 });
    grantor.preset(7, { domid: 0, gfn: 5, readonly: true });
    world.write(grantor, 8, { flags: GTF_permit_access, domid: 2, frame: 5 });
    const console = host.map(1, 0, { readonly: false });
    if (typeof console === 'number') throw new Error(`status ${console}`);
    expect(setVersion(grantor, 2)).toBe(0);
    expect([0, 7, 8].map((ref) => grantor.entries.read(ref))).toEqual([
      [GTF_permit_access, 0, 4, 0],
      [GTF_permit_access | GTF_readonly, 0, 5, 0],
      [0, 0, 0, 0],
    ]);
    expect(grantor.entries.status(0)).toBe(GTF_reading | GTF_writing);
    expect(setVersion(grantor, 1)).toBe(0);
    expect(grantor.entries.read(0)).toEqual([GTF_permit_access | GTF_reading | GTF_writing, 4]);
    setVersion(grantor, 2);
    console.release();
    expect(grantor.entries.status(0)).toBe(0);
    checkClean();
  });

  it('is refused while another entry is in use', () => {
    world.write(grantor, 8, { flags: GTF_permit_access, domid: 2, frame: 5 });
    const op = { hostAddr: 0x1000, flags: GNTMAP_host_map, ref: 8, dom: 1 };
    expect(mapGrantRef(holder, op, new FakeMapper())).toMatchObject({ handle: 0 });
    expect([setVersion(grantor, 2), grantor.version]).toEqual([-XEN_EBUSY, 1]);
  });

  it('back to 1 is refused while a status frame is mapped, or a reserved entry cannot be said in version 1', () => {
    setVersion(grantor, 2);
    world.frames.state[grantor.statusFrame(0)].refs++;
    expect([setVersion(grantor, 1), grantor.version, grantor.nrStatusFrames]).toEqual([-XEN_EBUSY, 2, 1]);
    world.frames.state[grantor.statusFrame(0)].refs--;
    world.writeV2(grantor, 3, [header(GTF_transitive, 2), 3, 9, 0]);
    expect(setVersion(grantor, 1)).toBe(-XEN_ERANGE);
    world.writeV2(grantor, 3, [header(GTF_permit_access, 2), 0, 9, 1]);
    expect(setVersion(grantor, 1)).toBe(-XEN_ERANGE);
    world.writeV2(grantor, 3, [header(GTF_permit_access, 2), 0, 9, 0]);
    expect(setVersion(grantor, 1)).toBe(0);
    expect(grantor.entries.read(3)).toEqual([header(GTF_permit_access, 2), 9]);
  });
});

describe('version 2 entries', () => {
  beforeEach(() => {
    setVersion(grantor, 2);
    setVersion(third, 2);
  });

  it('a whole page is mapped; its status is in the status frame, the flags stay the domain’s', () => {
    world.writeV2(grantor, 9, [header(GTF_permit_access, 2), 0, 5, 0]);
    const mapper = new FakeMapper();
    const op = { hostAddr: 0x1000, flags: GNTMAP_host_map | GNTMAP_device_map, ref: 9, dom: 1 };
    expect(mapGrantRef(holder, op, mapper)).toEqual({ handle: 0, mfn: 5 });
    expect([grantor.entries.status(9), world.entryFlags(grantor, 9)]).toEqual([24, GTF_permit_access]);
    const unmap = { hostAddr: 0x1000, devBusAddr: 5 * 4096, handle: 0, newAddr: 0 };
    expect(unmapGrantRef(holder, unmap, mapper)).toBe(GNTST_okay);
    expect(grantor.entries.status(9)).toBe(0);
    checkClean();
  });

  it('a frame number beyond 32 bits is a bad page', () => {
    world.writeV2(grantor, 9, [header(GTF_permit_access, 2), 0, 5, 1]);
    const op = { hostAddr: 0, flags: GNTMAP_device_map | GNTMAP_readonly, ref: 9, dom: 1 };
    expect(mapGrantRef(holder, op, null)).toBe(GNTST_bad_page);
    expect(copy(9)).toBe(GNTST_bad_page);
    checkClean();
  });

  it('a part of a page can be copied within its bounds, and not be mapped', () => {
    world.writeV2(grantor, 9, [header(GTF_permit_access | GTF_sub_page, 2), 100 | (50 << 16), 5, 0]);
    world.frames.u8.fill(0x55, 5 * 4096, 6 * 4096);
    expect(copy(9, { offset: 100, lengthBytes: 50 })).toBe(GNTST_okay);
    expect(world.frames.u8[8 * 4096 + 149]).toBe(0x55);
    expect(copy(9, { offset: 99, lengthBytes: 10 })).toBe(GNTST_general_error);
    expect(copy(9, { offset: 140, lengthBytes: 11 })).toBe(GNTST_general_error);
    expect(copy(9, { offset: 100, lengthBytes: 50, out: true })).toBe(GNTST_okay);
    const op = { hostAddr: 0, flags: GNTMAP_device_map, ref: 9, dom: 1 };
    expect(mapGrantRef(holder, op, null)).toBe(GNTST_general_error);
    expect(grantor.entries.status(9)).toBe(0);
    checkClean();
  });

  it('a range beyond its page is no way out of it', () => {
    world.writeV2(grantor, 9, [header(GTF_permit_access | GTF_sub_page, 2), 4000 | (0xffff << 16), 5, 0]);
    expect(copy(9, { offset: 4090, lengthBytes: 6 })).toBe(GNTST_okay);
    expect(copy(9, { offset: 4090, lengthBytes: 7 })).toBeLessThan(0);
  });

  it('in version 1 the sub-page flag keeps a grant from being mapped, and a copy has the whole page', () => {
    setVersion(grantor, 1);
    world.write(grantor, 9, { flags: GTF_permit_access | GTF_sub_page, domid: 2, frame: 5 });
    const op = { hostAddr: 0, flags: GNTMAP_device_map, ref: 9, dom: 1 };
    expect(mapGrantRef(holder, op, null)).toBe(GNTST_general_error);
    expect(copy(9, { lengthBytes: 4096 })).toBe(GNTST_okay);
    checkClean();
  });
});

describe('transitive grants', () => {
  beforeEach(() => {
    setVersion(grantor, 2);
    setVersion(third, 2);
    world.writeV2(third, 20, [header(GTF_permit_access, 1), 0, 13, 0]);
    world.writeV2(grantor, 9, [header(GTF_transitive, 2), 3, 20, 0]);
    world.frames.u8.fill(0x77, 13 * 4096, 14 * 4096);
  });

  it('a copy reaches the frame of the domain behind, which sees it in use by the one that passes it on', () => {
    expect(copy(9, { lengthBytes: 4096 })).toBe(GNTST_okay);
    expect(world.frames.u8[8 * 4096]).toBe(0x77);
    expect(copy(9, { out: true })).toBe(GNTST_okay);
    expect([grantor.entries.status(9), third.entries.status(20)]).toEqual([0, 0]);
    checkClean();
  });

  it('the rights are those of both', () => {
    world.writeV2(third, 20, [header(GTF_permit_access | GTF_readonly, 1), 0, 13, 0]);
    expect([copy(9), copy(9, { out: true })]).toEqual([GNTST_okay, GNTST_general_error]);
    world.writeV2(third, 20, [header(GTF_permit_access | GTF_sub_page, 1), 0 | (32 << 16), 13, 0]);
    expect([copy(9, { lengthBytes: 32 }), copy(9, { lengthBytes: 33 })]).toEqual([
      GNTST_okay,
      GNTST_general_error,
    ]);
    world.writeV2(grantor, 9, [header(GTF_transitive | GTF_readonly, 2), 3, 20, 0]);
    expect(copy(9, { out: true })).toBe(GNTST_general_error);
    checkClean();
  });

  it('cannot be mapped', () => {
    for (const flags of [GNTMAP_device_map, GNTMAP_host_map | GNTMAP_readonly])
      expect(mapGrantRef(holder, { hostAddr: 0, flags, ref: 9, dom: 1 }, new FakeMapper())).toBe(
        GNTST_general_error,
      );
    checkClean();
  });

  it('cannot be passed on twice, to oneself, from nobody, or without the grant behind', () => {
    setVersion(holder, 2);
    world.writeV2(third, 20, [header(GTF_transitive, 1), 2, 10, 0]);
    world.writeV2(holder, 10, [header(GTF_permit_access, 3), 0, 8, 0]);
    expect(copy(9)).toBe(GNTST_general_error);
    world.writeV2(grantor, 9, [header(GTF_transitive, 2), 1, 9, 0]);
    expect(copy(9)).toBe(GNTST_general_error);
    world.writeV2(grantor, 9, [header(GTF_transitive, 2), 44, 20, 0]);
    expect(copy(9)).toBe(GNTST_general_error);
    world.writeV2(grantor, 9, [header(GTF_transitive, 2), 3, 9999, 0]);
    expect(copy(9)).toBeLessThan(0);
    expect([grantor.entries.status(9), third.entries.status(20)]).toEqual([0, 0]);
    checkClean();
  });

  it('both ends of one copy may be the same grant', () => {
    const end = { refOrGfn: 9, domid: 1, offset: 0 };
    const flags = GNTCOPY_source_gref | GNTCOPY_dest_gref;
    const op = { source: end, dest: { ...end, offset: 64 }, lengthBytes: 16, flags };
    expect(copyGrant(holder, op)).toBe(GNTST_okay);
    world.frames.u8[13 * 4096] = 9;
    checkClean();
  });

  it('an entry that changes its kind while it is held is not trusted', () => {
    world.writeV2(grantor, 10, [header(GTF_permit_access, 2), 0, 5, 0]);
    const op = { hostAddr: 0, flags: GNTMAP_device_map, ref: 10, dom: 1 };
    expect(mapGrantRef(holder, op, null)).toEqual({ handle: 0, mfn: 5 });
    world.writeV2(grantor, 10, [header(GTF_transitive, 2), 3, 20, 0]);
    expect(copy(10)).toBeLessThan(0);
    expect(third.entries.status(20)).toBe(0);
    expect(unmapGrantRef(holder, { hostAddr: 0, devBusAddr: 5 * 4096, handle: 0, newAddr: 0 }, null)).toBe(0);
    checkClean();
  });

  it('a domain that is gone takes its grants along', () => {
    world.tables.delete(3);
    expect(copy(9)).toBe(GNTST_general_error);
    world.tables.delete(1);
    expect(copy(9)).toBe(GNTST_bad_domain);
  });
});

it('both halves are given back when the other end of a copy fails', () => {
  setVersion(grantor, 2);
  world.writeV2(grantor, 9, [header(GTF_permit_access | GTF_sub_page, 2), 64 << 16, 5, 0]);
  world.frames.state[8].typed = true;
  expect(copy(9, { lengthBytes: 8 })).toBe(GNTST_general_error);
  world.frames.state[8].typed = false;
  expect(GTF_writing & grantor.entries.status(9)).toBe(0);
  checkClean();
});
