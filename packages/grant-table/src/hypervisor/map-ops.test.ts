import {
  GNTMAP_device_map,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_dev_addr,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_no_space,
  GNTST_okay,
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_sub_page,
  GTF_writing,
} from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import type { GrantTable } from './grant-table.ts';
import { mapGrantRef, unmapGrantRef } from './map-ops.ts';
import { FakeGrantWorld, FakeMapper } from './testing.ts';

const VA = 0x40000000;
const RO = GNTMAP_host_map | GNTMAP_readonly;

/** Domain 1 grants its frame 5 to domain 2 at ref 9. */
function granted(flags = GTF_permit_access): {
  world: FakeGrantWorld;
  grantor: GrantTable;
  holder: GrantTable;
  mapper: FakeMapper;
  map: (mapFlags: number, ref?: number) => number;
  unmap: (handle: number) => number;
} {
  const world = new FakeGrantWorld();
  const grantor = world.domain(1);
  const holder = world.domain(2);
  const mapper = new FakeMapper();
  world.write(grantor, 9, { flags, domid: 2, frame: 5 });
  const map = (mapFlags: number, ref = 9): number => {
    const mapped = mapGrantRef(holder, { hostAddr: VA, flags: mapFlags, ref, dom: 1 }, mapper);
    return typeof mapped === 'number' ? mapped : mapped.handle;
  };
  const unmap = (handle: number): number =>
    unmapGrantRef(holder, { hostAddr: VA, devBusAddr: 0, handle, newAddr: 0 }, mapper);
  return { world, grantor, holder, mapper, map, unmap };
}

describe('map', () => {
  it('installs the frame, marks the entry, and holds a reference and the writable type', () => {
    const { world, grantor, mapper, map } = granted();
    expect(map(GNTMAP_host_map)).toBe(0);
    expect(mapper.mapped.get(VA)).toEqual({ mfn: 5, flags: GNTMAP_host_map });
    expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access | GTF_reading | GTF_writing);
    expect(world.frames.counts(5)).toEqual([1, 1]);
  });

  it('read-only marks reading alone and takes no writable type', () => {
    const { world, grantor, map } = granted();
    map(RO);
    expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access | GTF_reading);
    expect(world.frames.counts(5)).toEqual([1, 0]);
  });

  it('of both parts takes two references', () => {
    const { world, map } = granted();
    map(GNTMAP_host_map | GNTMAP_device_map);
    expect(world.frames.counts(5)).toEqual([2, 2]);
  });

  it('follows the frame fixed by the first pin, whatever the entry says now', () => {
    const { world, grantor, map } = granted();
    map(RO);
    world.write(grantor, 9, { flags: 0, domid: 77, frame: 6 });
    expect(map(RO)).toBe(1);
    expect(world.frames.counts(5)).toEqual([2, 0]);
    expect(world.frames.counts(6)).toEqual([0, 0]);
  });

  it.each([
    ['a flag word that asks for nothing', 0, 1, 9, GNTST_bad_gntref],
    ['an unknown domain', RO, 3, 9, GNTST_bad_domain],
    ['DOMID_SELF', RO, 0x7ff0, 9, GNTST_bad_domain],
    ['a reference beyond the table', RO, 1, 512, GNTST_bad_gntref],
    ['a huge reference', RO, 1, 0xffffffff, GNTST_bad_gntref],
    ['an entry that is not in use', RO, 1, 10, GNTST_general_error],
  ])('refuses %s', (_name, flags, dom, ref, status) => {
    const { holder, mapper } = granted();
    expect(mapGrantRef(holder, { hostAddr: VA, flags, ref, dom }, mapper)).toBe(status);
    expect(mapper.mapped.size).toBe(0);
  });

  it('refuses a grant for another domain, of another type, or of part of a page', () => {
    const { world, grantor, map } = granted();
    const refused = [
      { flags: GTF_permit_access, domid: 3 },
      { flags: GTF_accept_transfer, domid: 2 },
      { flags: GTF_permit_access | GTF_sub_page, domid: 2 },
    ];
    for (const entry of refused) {
      world.write(grantor, 9, { ...entry, frame: 5 });
      expect(map(RO)).toBe(GNTST_general_error);
      expect(world.entryFlags(grantor, 9)).toBe(entry.flags);
    }
  });

  it('refuses to write through a read-only grant, also beside a reader', () => {
    const { world, grantor, map } = granted(GTF_permit_access | GTF_readonly);
    expect(map(GNTMAP_host_map)).toBe(GNTST_general_error);
    expect(map(RO)).toBe(0);
    expect(map(GNTMAP_host_map)).toBe(GNTST_general_error);
    expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access | GTF_readonly | GTF_reading);
  });

  it("refuses a frame that is not the grantor's, and leaves the entry clean", () => {
    const { world, grantor, map } = granted();
    for (const frame of [8, 100, 0xffffffff]) {
      world.write(grantor, 9, { flags: GTF_permit_access, domid: 2, frame });
      expect(map(GNTMAP_host_map)).toBe(GNTST_bad_page);
      expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access);
    }
    grantor.checkInvariants([grantor]);
  });

  it('refuses to write to a page table, and gives everything back', () => {
    const { world, grantor, holder, map } = granted();
    world.frames.state[5].typed = true;
    expect(map(GNTMAP_host_map | GNTMAP_device_map)).toBe(GNTST_general_error);
    expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access);
    expect(world.frames.counts(5)).toEqual([0, 0]);
    expect(map(RO)).toBe(0);
    grantor.checkInvariants([grantor, holder]);
  });

  it('without an L1 entry gives everything back', () => {
    const { world, grantor, holder, mapper } = granted();
    const op = { hostAddr: 0xbad000, flags: GNTMAP_host_map, ref: 9, dom: 1 };
    expect(mapGrantRef(holder, op, mapper)).toBe(GNTST_general_error);
    expect(world.frames.counts(5)).toEqual([0, 0]);
    expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access);
  });

  it('refuses the 129th pin of a kind, before the 8-bit counter could wrap', () => {
    const { map } = granted();
    for (let i = 0; i < 128; i++) expect(map(RO)).toBe(i);
    expect(map(RO)).toBe(GNTST_general_error);
    expect(map(GNTMAP_device_map | GNTMAP_readonly)).toBe(128);
  });

  it('runs out of handles as GNTST_no_space', () => {
    const world = new FakeGrantWorld();
    const grantor = world.domain(1);
    const holder = world.domain(2, { maxMaptrackFrames: 1 });
    for (let ref = 0; ref < 3; ref++)
      world.write(grantor, ref, { flags: GTF_permit_access, domid: 2, frame: 5 });
    const map = (i: number): unknown =>
      mapGrantRef(holder, { hostAddr: VA, flags: RO, ref: i % 3, dom: 1 }, new FakeMapper());
    for (let i = 0; i < 256; i++) expect(map(i)).toEqual({ handle: i, mfn: 5 });
    expect(map(0)).toBe(GNTST_no_space);
  });
});

describe('unmap', () => {
  it('takes the mapping away and leaves entry and frame as they were', () => {
    const { world, grantor, mapper, map, unmap } = granted();
    expect(unmap(map(GNTMAP_host_map))).toBe(GNTST_okay);
    expect(mapper.mapped.size).toBe(0);
    expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access);
    expect(world.frames.counts(5)).toEqual([0, 0]);
  });

  it('of the only writer leaves a reader reading', () => {
    const { world, grantor, map, unmap, mapper } = granted();
    const reader = map(RO);
    const writer = map(GNTMAP_host_map);
    unmap(writer);
    expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access | GTF_reading);
    mapper.map(VA, 5, RO);
    unmap(reader);
    expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access);
  });

  it('refuses a stale or unknown handle', () => {
    const { map, unmap } = granted();
    const handle = map(RO);
    expect([unmap(handle), unmap(handle), unmap(7), unmap(0xffffffff)]).toEqual([
      GNTST_okay,
      GNTST_bad_handle,
      GNTST_bad_handle,
      GNTST_bad_handle,
    ]);
  });

  it('refuses an address where the grant is not mapped, and keeps the mapping', () => {
    const { world, holder, mapper, map, unmap } = granted();
    const handle = map(RO);
    const elsewhere = { hostAddr: VA + 0x1000, devBusAddr: 0, handle, newAddr: 0 };
    expect(unmapGrantRef(holder, elsewhere, mapper)).toBe(GNTST_general_error);
    expect(world.frames.counts(5)).toEqual([1, 0]);
    expect(unmap(handle)).toBe(GNTST_okay);
  });

  it('of one part keeps the handle for the other', () => {
    const { world, holder, mapper, map, unmap } = granted();
    const handle = map(GNTMAP_host_map | GNTMAP_device_map);
    const device = { hostAddr: 0, devBusAddr: 5 * 4096, handle, newAddr: 0 };
    expect(unmapGrantRef(holder, { ...device, devBusAddr: 4096 }, mapper)).toBe(GNTST_bad_dev_addr);
    expect(unmap(handle)).toBe(GNTST_okay);
    expect(world.frames.counts(5)).toEqual([1, 1]);
    expect(unmapGrantRef(holder, device, mapper)).toBe(GNTST_okay);
    expect(world.frames.counts(5)).toEqual([0, 0]);
    expect(unmap(handle)).toBe(GNTST_bad_handle);
  });

  it('naming neither part is accepted and does nothing', () => {
    const { world, holder, mapper, map } = granted();
    const handle = map(RO);
    expect(unmapGrantRef(holder, { hostAddr: 0, devBusAddr: 0, handle, newAddr: 0 }, mapper)).toBe(
      GNTST_okay,
    );
    expect(world.frames.counts(5)).toEqual([1, 0]);
  });
});

describe('a domain that goes away', () => {
  it('as holder gives back what it mapped', () => {
    const { world, grantor, holder, map } = granted();
    map(GNTMAP_device_map);
    holder.destroy();
    expect(world.frames.counts(5)).toEqual([0, 0]);
    expect(world.entryFlags(grantor, 9)).toBe(GTF_permit_access);
  });

  it('as grantor keeps its entries until the last holder has unmapped', () => {
    const { world, grantor, map, unmap } = granted();
    const shared = grantor.sharedFrame(0);
    const handle = map(RO);
    grantor.destroy();
    world.tables.delete(1);
    expect(world.frames.state[shared].owner).toBe(-1);
    expect(map(RO)).toBe(GNTST_bad_domain);
    expect(unmap(handle)).toBe(GNTST_okay);
    expect(world.frames.state[shared].owner).toBe(-2);
  });
});
