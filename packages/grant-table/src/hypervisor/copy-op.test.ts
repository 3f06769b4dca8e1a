import {
  DOMID_SELF,
  GNTCOPY_dest_gref,
  GNTCOPY_source_gref,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_page,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
  GTF_permit_access,
  GTF_readonly,
} from '@domu/xen-abi';
import { expect, it } from 'vitest';
import { type CopyEnd, copyGrant } from './copy-op.ts';
import type { GrantTable } from './grant-table.ts';
import { mapGrantRef } from './map-ops.ts';
import { FakeGrantWorld, FakeMapper } from './testing.ts';

const own: CopyEnd = { refOrGfn: 8, domid: DOMID_SELF, offset: 0 };
const theirs: CopyEnd = { refOrGfn: 9, domid: 1, offset: 0 };

/** Domain 1 grants frame 5 to domain 2 at ref 9, read-only at ref 10; domain 2 owns frames 8 to 11. */
function setUp(): {
  world: FakeGrantWorld;
  grantor: GrantTable;
  copy: (op: {
    source?: Partial<CopyEnd>;
    dest?: Partial<CopyEnd>;
    lengthBytes?: number;
    out?: boolean;
  }) => number;
  clean: () => boolean;
} {
  const world = new FakeGrantWorld();
  const grantor = world.domain(1);
  const caller = world.domain(2);
  world.write(grantor, 9, { flags: GTF_permit_access, domid: 2, frame: 5 });
  world.write(grantor, 10, { flags: GTF_permit_access | GTF_readonly, domid: 2, frame: 5 });
  world.frames.u8.fill(0x55, 5 * 4096, 6 * 4096);
  world.frames.u8.fill(0x88, 8 * 4096, 9 * 4096);
  return {
    world,
    grantor,
    copy: ({ source, dest, lengthBytes = 4096, out = false }) =>
      copyGrant(caller, {
        source: { ...(out ? own : theirs), ...source },
        dest: { ...(out ? theirs : own), ...dest },
        lengthBytes,
        flags: out ? GNTCOPY_dest_gref : GNTCOPY_source_gref,
      }),
    clean: () =>
      world.entryFlags(grantor, 9) === GTF_permit_access &&
      world.frames.counts(5).every((n) => n === 0) &&
      world.frames.counts(8).every((n) => n === 0),
  };
}

it('copies out of a grant, and holds nothing afterwards', () => {
  const { world, copy, clean } = setUp();
  expect(copy({ source: { offset: 16 }, dest: { offset: 32 }, lengthBytes: 8 })).toBe(GNTST_okay);
  expect([...world.frames.u8.subarray(8 * 4096 + 31, 8 * 4096 + 41)]).toEqual([
    0x88,
    ...Array(8).fill(0x55),
    0x88,
  ]);
  expect(clean()).toBe(true);
});

it('copies into a grant', () => {
  const { world, copy, clean } = setUp();
  expect(copy({ out: true, dest: { offset: 4095 }, lengthBytes: 1 })).toBe(GNTST_okay);
  expect([world.frames.u8[6 * 4096 - 1], world.frames.u8[6 * 4096 - 2]]).toEqual([0x88, 0x55]);
  expect(clean()).toBe(true);
});

it('refuses bytes beyond the end of either page', () => {
  const { copy, clean } = setUp();
  expect(copy({ source: { offset: 1 } })).toBe(GNTST_bad_copy_arg);
  expect(copy({ dest: { offset: 4095 }, lengthBytes: 2 })).toBe(GNTST_bad_copy_arg);
  expect(copy({ source: { offset: 0xffff }, dest: { offset: 0xffff }, lengthBytes: 0xffff })).toBe(
    GNTST_bad_copy_arg,
  );
  expect(clean()).toBe(true);
});

it('refuses to write into a read-only grant, but reads it', () => {
  const { copy, clean } = setUp();
  expect(copy({ out: true, dest: { refOrGfn: 10 } })).toBe(GNTST_general_error);
  expect(copy({ source: { refOrGfn: 10 } })).toBe(GNTST_okay);
  expect(clean()).toBe(true);
});

it("refuses a bad reference, a bad domain, and another domain's frame by number", () => {
  const { copy, clean } = setUp();
  expect(copy({ source: { refOrGfn: 512 } })).toBe(GNTST_bad_gntref);
  expect(copy({ source: { refOrGfn: 11 } })).toBe(GNTST_general_error);
  expect(copy({ source: { domid: 7 } })).toBe(GNTST_bad_domain);
  expect(copy({ dest: { domid: 1 } })).toBe(GNTST_permission_denied);
  expect(copy({ dest: { refOrGfn: 5 } })).toBe(GNTST_bad_page);
  expect(copy({ dest: { refOrGfn: 0xffffffff } })).toBe(GNTST_bad_page);
  expect(clean()).toBe(true);
});

it('refuses a page table as destination, granted or own', () => {
  const { world, copy, clean } = setUp();
  world.frames.state[5].typed = true;
  world.frames.state[8].typed = true;
  expect(copy({})).toBe(GNTST_general_error);
  expect(copy({ out: true })).toBe(GNTST_general_error);
  expect(clean()).toBe(true);
});

it('after revocation works only while a mapping still pins the grant, and on the frame that was granted', () => {
  const { world, grantor, copy } = setUp();
  const holder = world.tables.get(2)!;
  const op = { hostAddr: 0x1000, flags: GNTMAP_host_map | GNTMAP_readonly, ref: 9, dom: 1 };
  mapGrantRef(holder, op, new FakeMapper());
  world.write(grantor, 9, { flags: 0, domid: 0, frame: 6 });
  expect(copy({})).toBe(GNTST_okay);
  expect(world.frames.u8[8 * 4096]).toBe(0x55);
  holder.destroy();
  expect(copy({})).toBe(GNTST_general_error);
});
