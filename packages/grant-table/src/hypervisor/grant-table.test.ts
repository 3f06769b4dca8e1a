import {
  GNTST_bad_copy_arg,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_general_error,
  GNTST_okay,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_writing,
} from '@domu/xen-abi';
import { describe, expect, it } from 'vitest';
import type { GrantTable } from './grant-table.ts';
import { HostGrants } from './host-grants.ts';
import { FakeGrantWorld } from './testing.ts';

describe('the table', () => {
  it('starts with one frame, grows on demand, never shrinks and keeps its frames', () => {
    const table = new FakeGrantWorld().domain(1, { maxFrames: 3 });
    const first = table.sharedFrame(0);
    expect([table.nrFrames, table.nrEntries]).toEqual([1, 512]);
    expect([table.grow(3), table.nrFrames, table.grow(0), table.nrFrames]).toEqual([0, 3, 0, 3]);
    expect(table.sharedFrame(0)).toBe(first);
    expect(table.sharedFrame(3)).toBe(-1);
  });

  it('does not grow beyond its maximum', () => {
    const table = new FakeGrantWorld().domain(1, { maxFrames: 3 });
    expect(table.grow(4)).toBe(GNTST_general_error);
    expect(table.nrFrames).toBe(1);
  });

  it('reports a machine without memory as an error of the request', () => {
    const table = new FakeGrantWorld().domain(1, { maxFrames: 64 });
    expect(table.grow(64)).toBe(GNTST_general_error);
  });
});

describe('the host', () => {
  function host(): { world: FakeGrantWorld; guest: GrantTable; grants: HostGrants } {
    const world = new FakeGrantWorld();
    const grants = new HostGrants(world.domain(0, { maxFrames: 0 }));
    const guest = world.domain(1);
    guest.preset(0, { domid: 0, gfn: 5 });
    guest.preset(1, { domid: 0, gfn: 6, readonly: true });
    return { world, guest, grants };
  }

  it('maps a preset grant as bytes, and the grantor sees it until it is released', () => {
    const { world, guest, grants } = host();
    const grant = grants.map(1, 0, { readonly: false });
    if (typeof grant === 'number') throw new Error(`map failed: ${grant}`);
    grant.bytes[7] = 99;
    expect([grant.mfn, grant.bytes.length, world.frames.u8[5 * 4096 + 7]]).toEqual([5, 4096, 99]);
    expect(world.entryFlags(guest, 0)).toBe(GTF_permit_access | GTF_reading | GTF_writing);
    grant.release();
    grant.release();
    expect(world.entryFlags(guest, 0)).toBe(GTF_permit_access);
    expect(world.frames.counts(5)).toEqual([0, 0]);
  });

  it('gets a status code, not an exception, for what it may not have', () => {
    const { grants } = host();
    expect(grants.map(1, 1, { readonly: false })).toBe(GNTST_general_error);
    expect(grants.map(1, 2, { readonly: true })).toBe(GNTST_general_error);
    expect(grants.map(1, 99999, { readonly: true })).toBe(GNTST_bad_gntref);
    expect(grants.map(5, 0, { readonly: true })).toBe(GNTST_bad_domain);
  });

  it('copies in and out by reference', () => {
    const { world, grants } = host();
    const into = new Uint8Array(3);
    expect(grants.copyTo({ domid: 1, ref: 0, offset: 4093 }, Uint8Array.of(1, 2, 3))).toBe(GNTST_okay);
    expect(grants.copyFrom({ domid: 1, ref: 0, offset: 4093 }, into)).toBe(GNTST_okay);
    expect([...into]).toEqual([1, 2, 3]);
    expect(grants.copyFrom({ domid: 1, ref: 0, offset: 4094 }, into)).toBe(GNTST_bad_copy_arg);
    expect(grants.copyTo({ domid: 1, ref: 1, offset: 0 }, into)).toBe(GNTST_general_error);
    expect(grants.copyFrom({ domid: 9, ref: 0, offset: 0 }, into)).toBe(GNTST_bad_domain);
    expect(world.frames.counts(5)).toEqual([0, 0]);
  });

  it('offers no grants of its own', () => {
    const { world } = host();
    expect(world.tables.get(0)!.nrEntries).toBe(0);
  });

  it('a preset entry looks as the domain builder makes it', () => {
    const { world, guest } = host();
    expect(world.entryFlags(guest, 1)).toBe(GTF_permit_access | GTF_readonly);
  });
});
