import {
  GNTMAP_device_map,
  GNTMAP_readonly,
  GNTST_okay,
  GNTTAB_NR_RESERVED_ENTRIES,
  GNTTABOP_query_size,
  GNTTABOP_setup_table,
  type GuestPort,
  type LinearAddr,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { GrantTable } from '../hypervisor/grant-table.ts';
import { mapGrantRef, unmapGrantRef } from '../hypervisor/map-ops.ts';
import { FakeGrantWorld } from '../hypervisor/testing.ts';
import { FreeList } from './free-list.ts';
import { GuestGrants } from './grants.ts';

const SCRATCH = 0 as LinearAddr;

/** A guest kernel in domain 1, whose memory is all of the machine's, mapped one to one; domain 2 is its peer. */
function setUp(options: { maxFrames?: number; noQuery?: boolean } = {}): {
  world: FakeGrantWorld;
  table: GrantTable;
  peer: GrantTable;
  grants: GuestGrants;
} {
  const world = new FakeGrantWorld();
  const table = world.domain(1, { maxFrames: options.maxFrames ?? 2 });
  const peer = world.domain(2);
  const view = new DataView(world.frames.u8.buffer);
  const guest = {
    read32: (va: number) => view.getUint32(va, true),
    write32: (va: number, value: number) => {
      view.setUint32(va, value, true);
      return true;
    },
    readBytes: (va: number, into: Uint8Array) => {
      into.set(world.frames.u8.subarray(va, va + into.length));
      return true;
    },
    writeBytes: (va: number, from: Uint8Array) => {
      world.frames.u8.set(from, va);
      return true;
    },
    compareExchange32: (va: number, expected: number, value: number) => {
      const found = view.getUint32(va, true);
      if (found === expected) view.setUint32(va, value, true);
      return found;
    },
    hypercall: (_nr: number, cmd: number, at: number) => {
      if (cmd === GNTTABOP_query_size && !options.noQuery) {
        view.setUint32(at + 8, table.maxFrames, true);
        view.setInt16(at + 12, GNTST_okay, true);
        return 0;
      }
      if (cmd !== GNTTABOP_setup_table) return -XEN_ENOSYS;
      const nrFrames = view.getUint32(at + 4, true);
      const list = view.getUint32(at + 12, true);
      view.setInt16(at + 8, table.grow(nrFrames), true);
      for (let i = 0; i < nrFrames; i++) view.setInt32(list + 4 * i, table.sharedFrame(i), true);
      return 0;
    },
  } as unknown as GuestPort;
  const mapFrame = (_index: number, gfn: number): LinearAddr => (gfn * 4096) as LinearAddr;
  return { world, table, peer, grants: new GuestGrants(guest, { scratch: SCRATCH, mapFrame }) };
}

const frame5 = { domid: 2, gfn: 5, readonly: false };
const map = (peer: GrantTable, ref: number, flags: number = GNTMAP_device_map) =>
  mapGrantRef(peer, { hostAddr: 0, flags, ref, dom: 1 }, null);
const unmap = (peer: GrantTable, handle: number): number =>
  unmapGrantRef(peer, { hostAddr: 0, devBusAddr: 5 * 4096, handle, newAddr: 0 }, null);

describe('GuestGrants', () => {
  it('lends a frame for the time of a call, with the rights that were asked for', () => {
    const { grants, peer } = setUp();
    const result = grants.withGrant({ ...frame5, readonly: true }, (ref) => {
      expect(ref).toBeGreaterThanOrEqual(GNTTAB_NR_RESERVED_ENTRIES);
      expect(map(peer, ref)).toBeLessThan(0);
      expect(map(peer, ref, GNTMAP_device_map | GNTMAP_readonly)).toEqual({ handle: 0, mfn: 5 });
      expect(unmap(peer, 0)).toBe(GNTST_okay);
      return ref;
    });
    expect(map(peer, result!)).toBeLessThan(0);
    expect(grants.nrFree).toBe(512 - GNTTAB_NR_RESERVED_ENTRIES);
  });

  it('ends the grant when the call throws, and when a promise is rejected', async () => {
    const { grants } = setUp();
    const fail = (): never => {
      throw new Error('no');
    };
    expect(() => grants.withGrant(frame5, fail)).toThrow('no');
    await expect(grants.withGrantAsync(frame5, async () => fail())).rejects.toThrow('no');
    await expect(grants.withGrantAsync(frame5, async (ref) => ref)).resolves.toBeGreaterThan(0);
    expect(() => grants.withGrants([frame5, frame5], fail)).toThrow('no');
    expect(grants.nrFree).toBe(512 - GNTTAB_NR_RESERVED_ENTRIES);
  });

  it('does not reuse a reference that the peer still holds', () => {
    const { grants, peer } = setUp();
    const ref = grants.grantAccess(frame5);
    map(peer, ref);
    expect(grants.inUse(ref)).toBe(true);
    expect(grants.endAccess(ref)).toBe(false);
    expect([grants.nrLingering, grants.reclaim()]).toEqual([1, []]);
    const other = grants.grantAccess(frame5);
    expect(other).not.toBe(ref);
    unmap(peer, 0);
    expect(grants.reclaim()).toEqual([ref]);
    expect([grants.nrLingering, map(peer, ref)]).toEqual([0, -1]);
  });

  it('grows the table as it needs to, up to the limit that Xen names, and then says no', () => {
    const { grants, table } = setUp({ maxFrames: 2 });
    const refs: number[] = [];
    for (let ref = grants.grantAccess(frame5); ref >= 0; ref = grants.grantAccess(frame5)) refs.push(ref);
    expect(refs.length).toBe(1024 - GNTTAB_NR_RESERVED_ENTRIES);
    expect(new Set(refs).size).toBe(refs.length);
    expect(table.nrFrames).toBe(2);
    expect(grants.withGrant(frame5, () => 1)).toBeNull();
    expect(grants.withGrants([frame5, frame5], () => 1)).toBeNull();
    for (const ref of refs) grants.endAccess(ref);
    expect(grants.withGrants([frame5, frame5], (two) => two.length)).toBe(2);
  });

  it('a Xen that cannot be asked for the limit has four frames', () => {
    const { grants } = setUp({ maxFrames: 9, noQuery: true });
    let count = 0;
    while (grants.grantAccess(frame5) >= 0) count++;
    expect(count).toBe(4 * 512 - GNTTAB_NR_RESERVED_ENTRIES);
  });
});

describe('FreeList', () => {
  it('never hands out a reference twice, and refuses one that is not in use', () => {
    fc.assert(
      fc.property(fc.array(fc.oneof(fc.constant(-1), fc.nat(40)), { maxLength: 100 }), (steps) => {
        const list = new FreeList();
        list.extend(20, 8);
        const used = new Set<number>();
        for (const ref of steps) {
          if (ref >= 0 && used.delete(ref)) list.put(ref);
          else if (ref >= 0) expect(() => list.put(ref)).toThrow();
          else {
            const taken = list.take();
            if (taken < 0) expect(used.size).toBe(list.end - 8);
            else {
              expect(used.has(taken) || taken < 8 || taken >= list.end).toBe(false);
              used.add(taken);
            }
          }
          if (used.size === list.end - 8 && list.end < 40) list.extend(list.end + 4, 8);
          expect(list.nrFree).toBe(list.end - 8 - used.size);
        }
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});
