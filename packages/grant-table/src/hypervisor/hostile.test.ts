import { DOMID_SELF, GNTMAP_device_map, GNTMAP_host_map } from '@domu/xen-abi';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { copyGrant } from './copy-op.ts';
import { cacheFlush, swapGrantRefs } from './entry-ops.ts';
import type { GrantTable } from './grant-table.ts';
import { HostGrants } from './host-grants.ts';
import { mapGrantRef, unmapGrantRef } from './map-ops.ts';
import { FakeGrantWorld, FakeMapper } from './testing.ts';
import { transferGrant } from './transfer-op.ts';
import { setVersion } from './version-op.ts';

const ref = fc.oneof({ weight: 8, arbitrary: fc.nat(3) }, fc.constantFrom(511, 512, 0xffffffff));
const domid = fc.oneof({ weight: 8, arbitrary: fc.nat(2) }, fc.constantFrom(9, DOMID_SELF as number));
const address = fc.constantFrom(0, 0x1000, 0x2000, 0xbad000);
const frame = fc.oneof({ weight: 8, arbitrary: fc.nat(12) }, fc.constantFrom(127, 128, 0xffffffff));
const end = fc.record({ refOrGfn: fc.oneof(ref, frame), domid, offset: fc.constantFrom(0, 1, 4095, 0xffff) });

class World extends FakeGrantWorld {
  readonly host: HostGrants = new HostGrants(this.domain(0, { maxFrames: 0 }));
  readonly guests: { table: GrantTable; mapper: FakeMapper }[] = [1, 2].map((d) => ({
    table: this.domain(d, { maxFrames: 2, maxMaptrackFrames: 1 }),
    mapper: new FakeMapper(),
  }));
}

type Step = (world: World, who: number) => void;

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ hostAddr: address, flags: fc.nat(31), ref, dom: domid }).map(
    (op): Step =>
      ({ guests }, who) =>
        void mapGrantRef(guests[who].table, op, guests[who].mapper),
  ),
  fc
    .record({
      hostAddr: address,
      devBusAddr: frame.map((f) => f * 4096),
      handle: fc.nat(9),
      newAddr: fc.constant(0),
    })
    .map(
      (op): Step =>
        ({ guests }, who) =>
          void unmapGrantRef(guests[who].table, op, guests[who].mapper),
    ),
  fc
    .record({ source: end, dest: end, lengthBytes: fc.constantFrom(0, 1, 4096, 0xffff), flags: fc.nat(3) })
    .map(
      (op): Step =>
        ({ guests }, who) =>
          void copyGrant(guests[who].table, op),
    ),
  fc.record({ ref: fc.nat(3), flags: fc.oneof(fc.constantFrom(1, 1, 5), fc.nat(511)), domid, frame }).map(
    (entry): Step =>
      (world, who) =>
        world.write(world.guests[who].table, entry.ref, entry),
  ),
  fc.tuple(domid, ref).map(
    ([d, r]): Step =>
      ({ host }) => {
        const grant = host.map(d, r, { readonly: false });
        if (typeof grant !== 'number') grant.release();
      },
  ),
  fc.tuple(frame, fc.boolean()).map(
    ([f, typed]): Step =>
      ({ frames }) => {
        if (f < 128 && frames.counts(f)[1] === 0) frames.state[f].typed = typed;
      },
  ),
  fc
    .tuple(
      fc.nat(3),
      fc.constantFrom(1, 1, 3, 0x101, 5, 0x105),
      domid,
      fc.oneof(fc.nat(0xffff), fc.constantFrom(1, 2)),
      frame,
      fc.constantFrom(0, 0, 0, 1),
    )
    .map(
      ([r, flags, d, part, f, hi]): Step =>
        (world, who) => {
          const { table } = world.guests[who];
          if (table.version === 2) world.writeV2(table, r, [(flags | (d << 16)) >>> 0, part, f, hi]);
        },
    ),
  fc.constantFrom(1, 2).map(
    (version): Step =>
      ({ guests }, who) =>
        void setVersion(guests[who].table, version),
  ),
  fc.tuple(ref, ref).map(
    ([r1, r2]): Step =>
      ({ guests }, who) =>
        void swapGrantRefs(guests[who].table, r1, r2),
  ),
  fc.tuple(frame, domid, ref, fc.boolean()).map(
    ([gfn, d, r, accepted]): Step =>
      (world, who) => {
        const { guests } = world;
        const other = guests[1 - who].table;
        if (accepted && r < 4) world.write(other, r, { flags: 2, domid: guests[who].table.domid, frame: 0 });
        transferGrant(guests[who].table, { gfn, domid: accepted ? other.domid : d, ref: r });
      },
  ),
  fc.tuple(frame, fc.nat(7)).map(
    ([f, op]): Step =>
      ({ guests }, who) =>
        void cacheFlush(guests[who].table, { devBusAddr: f * 4096, offset: 0, lengthBytes: 8, op }),
  ),
  fc.nat(3).map(
    (n): Step =>
      ({ guests }, who) =>
        void guests[who].table.grow(n),
  ),
);

/** Every frame is held exactly as often as live handles hold it. */
function checkFrameCounts(world: World): void {
  const refs = new Map<number, number>();
  for (const table of world.tables.values()) {
    for (const [, { grantor, ref: r, flags }] of table.maptrack.live()) {
      const { mfn } = grantor.active(r);
      const parts = (flags & GNTMAP_host_map ? 1 : 0) + (flags & GNTMAP_device_map ? 1 : 0);
      refs.set(mfn, (refs.get(mfn) ?? 0) + parts);
    }
  }
  for (const [mfn] of world.frames.state.entries())
    expect(world.frames.counts(mfn)[0]).toBe(refs.get(mfn) ?? 0);
}

it('no sequence of requests and rewritten entries breaks pins, handles or frame counts, or throws', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1), step), { maxLength: 100 }), (steps) => {
      const world = new World();
      const tables = [...world.tables.values()];
      for (const [who, act] of steps) {
        act(world, who);
        for (const table of tables) table.checkInvariants(tables);
      }
      checkFrameCounts(world);
      for (const table of tables) table.destroy();
      expect(world.frames.state.filter(({ refs, writers }) => refs !== 0 || writers !== 0)).toEqual([]);
    }),
    { numRuns: 100, seed: 1 },
  );
});
