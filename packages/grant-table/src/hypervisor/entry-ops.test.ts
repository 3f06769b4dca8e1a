import {
  GNTMAP_device_map,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_page,
  GNTST_eagain,
  GNTST_general_error,
  GNTST_okay,
  GNTTAB_CACHE_CLEAN,
  GNTTAB_CACHE_INVAL,
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_transfer_committed,
  GTF_transfer_completed,
  XEN_EINVAL,
  XEN_EOPNOTSUPP,
  XEN_EPERM,
} from '@domu/xen-abi';
import { beforeEach, describe, expect, it } from 'vitest';
import { cacheFlush, swapGrantRefs } from './entry-ops.ts';
import type { GrantTable } from './grant-table.ts';
import { HostGrants } from './host-grants.ts';
import { mapGrantRef } from './map-ops.ts';
import { FakeGrantWorld } from './testing.ts';
import { transferGrant } from './transfer-op.ts';
import { setVersion } from './version-op.ts';

let world: FakeGrantWorld;
let a: GrantTable;
let b: GrantTable;

/** Domain 1 owns frames 4 to 7, domain 2 frames 8 to 11. */
beforeEach(() => {
  world = new FakeGrantWorld();
  a = world.domain(1);
  b = world.domain(2);
});

const owner = (mfn: number): number => world.frames.state[mfn].owner;

describe('transfer', () => {
  it.each([1, 2])('gives the frame to a domain that waits for it (version %d)', (version) => {
    setVersion(b, version);
    if (version === 1) world.write(b, 9, { flags: GTF_accept_transfer, domid: 1, frame: 77 });
    else world.writeV2(b, 9, [(GTF_accept_transfer | (1 << 16)) >>> 0, 0, 77, 0]);
    world.frames.u8[5 * 4096] = 42;
    expect(transferGrant(a, { gfn: 5, domid: 2, ref: 9 })).toBe(GNTST_okay);
    expect(owner(5)).toBe(2);
    expect(world.frames.u8[5 * 4096]).toBe(42);
    expect(b.entries.gfn(9)).toBe(5);
    expect(world.entryFlags(b, 9)).toBe(
      GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed,
    );
    expect(transferGrant(a, { gfn: 6, domid: 2, ref: 9 })).toBe(GNTST_general_error);
  });

  it('a frame that is not the caller’s, or in use, stays where it is', () => {
    world.write(b, 9, { flags: GTF_accept_transfer, domid: 1, frame: 0 });
    world.frames.getPage(1, 5);
    for (const gfn of [5, 8, 127, 0xffffffff])
      expect(transferGrant(a, { gfn, domid: 2, ref: 9 })).toBe(GNTST_bad_page);
    expect([owner(5), owner(8)]).toEqual([1, 2]);
    expect(world.entryFlags(b, 9)).toBe(GTF_accept_transfer);
  });

  it('a frame that the receiver does not take is lost, as in Xen', () => {
    world.write(b, 9, { flags: GTF_accept_transfer, domid: 3, frame: 0 });
    world.write(b, 10, { flags: GTF_permit_access, domid: 1, frame: 0 });
    const statuses = [9, 10, 5000].map((ref, i) => transferGrant(a, { gfn: 4 + i, domid: 2, ref }));
    expect(statuses).toEqual([GNTST_general_error, GNTST_general_error, GNTST_general_error]);
    expect([4, 5, 6].map(owner)).toEqual([-1, -1, -1]);
    expect(transferGrant(a, { gfn: 7, domid: 9, ref: 9 })).toBe(GNTST_bad_domain);
    expect(owner(7)).toBe(-1);
  });

  it('the host gives frames out of free memory, and keeps none that is not taken', () => {
    const host = new HostGrants(world.domain(0, { maxFrames: 0 }));
    world.write(b, 9, { flags: GTF_accept_transfer, domid: 0, frame: 77 });
    expect(host.transfer(2, 9, Uint8Array.of(1, 2, 3))).toBe(GNTST_okay);
    const mfn = b.entries.gfn(9);
    expect(owner(mfn)).toBe(2);
    expect([...world.frames.u8.subarray(mfn * 4096, mfn * 4096 + 4)]).toEqual([1, 2, 3, 0]);
    const free = world.frames.state.filter((frame) => frame.owner === -1).length;
    expect(host.transfer(2, 9, new Uint8Array(4))).toBe(GNTST_general_error);
    expect(host.transfer(9, 9, new Uint8Array(4))).toBe(GNTST_bad_domain);
    expect(world.frames.state.filter((frame) => frame.owner === -1).length).toBe(free);
  });

  it('a receiver at its limit takes nothing', () => {
    world.frames.maxPages = 4;
    world.write(b, 9, { flags: GTF_accept_transfer, domid: 1, frame: 0 });
    expect(transferGrant(a, { gfn: 5, domid: 2, ref: 9 })).toBe(GNTST_general_error);
    expect(world.entryFlags(b, 9)).toBe(GTF_accept_transfer);
  });
});

describe('swap_grant_ref', () => {
  it.each([1, 2])('exchanges two entries that nobody uses (version %d)', (version) => {
    setVersion(a, version);
    a.entries.write(9, [GTF_permit_access, 4]);
    a.entries.write(10, [GTF_accept_transfer, 5]);
    expect(swapGrantRefs(a, 9, 10)).toBe(GNTST_okay);
    expect([a.entries.read(9).slice(0, 2), a.entries.read(10).slice(0, 2)]).toEqual([
      [GTF_accept_transfer, 5],
      [GTF_permit_access, 4],
    ]);
    expect(swapGrantRefs(a, 9, 9)).toBe(GNTST_okay);
  });

  it('refuses refs beyond the table and entries in use', () => {
    world.write(a, 9, { flags: GTF_permit_access, domid: 2, frame: 5 });
    expect([swapGrantRefs(a, 9, 512), swapGrantRefs(a, 0xffffffff, 9)]).toEqual([
      GNTST_bad_gntref,
      GNTST_bad_gntref,
    ]);
    mapGrantRef(b, { hostAddr: 0, flags: GNTMAP_device_map, ref: 9, dom: 1 }, null);
    expect([swapGrantRefs(a, 9, 10), swapGrantRefs(a, 10, 9)]).toEqual([GNTST_eagain, GNTST_eagain]);
  });
});

describe('cache_flush', () => {
  const flush = (mfn: number, part: Partial<Parameters<typeof cacheFlush>[1]> = {}): number =>
    cacheFlush(b, { devBusAddr: mfn * 4096, offset: 0, lengthBytes: 64, op: GNTTAB_CACHE_CLEAN, ...part });

  it('is for own frames and mapped ones', () => {
    world.write(a, 9, { flags: GTF_permit_access, domid: 2, frame: 5 });
    expect([flush(8), flush(5), flush(40), flush(9999)]).toEqual([0, -XEN_EINVAL, -XEN_EPERM, -XEN_EINVAL]);
    mapGrantRef(b, { hostAddr: 0, flags: GNTMAP_device_map, ref: 9, dom: 1 }, null);
    expect(flush(5)).toBe(0);
  });

  it('checks range and operation', () => {
    expect(flush(8, { offset: 4096, lengthBytes: 0 })).toBe(-XEN_EINVAL);
    expect(flush(8, { offset: 4090, lengthBytes: 7 })).toBe(-XEN_EINVAL);
    expect(flush(8, { op: 4 })).toBe(-XEN_EINVAL);
    expect([flush(9999, { op: 0 }), flush(9999, { lengthBytes: 0 })]).toEqual([0, 0]);
    expect(flush(8, { op: GNTTAB_CACHE_INVAL })).toBe(-XEN_EOPNOTSUPP);
    expect(flush(8, { op: GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN })).toBe(0);
  });
});
