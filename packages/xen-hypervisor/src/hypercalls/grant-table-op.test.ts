import {
  __HYPERVISOR_grant_table_op,
  DOMID_SELF,
  GNTCOPY_source_gref,
  GNTMAP_contains_pte,
  GNTMAP_host_map,
  GNTMAP_readonly,
  GNTST_bad_domain,
  GNTST_bad_gntref,
  GNTST_bad_handle,
  GNTST_bad_page,
  GNTST_bad_virt_addr,
  GNTST_general_error,
  GNTST_okay,
  GNTST_permission_denied,
  GNTTABOP_cache_flush,
  GNTTABOP_copy,
  GNTTABOP_dump_table,
  GNTTABOP_get_status_frames,
  GNTTABOP_get_version,
  GNTTABOP_map_grant_ref,
  GNTTABOP_query_size,
  GNTTABOP_set_version,
  GNTTABOP_setup_table,
  GNTTABOP_swap_grant_ref,
  GNTTABOP_transfer,
  GNTTABOP_unmap_grant_ref,
  GTF_accept_transfer,
  GTF_permit_access,
  GTF_reading,
  GTF_readonly,
  GTF_transfer_committed,
  GTF_transfer_completed,
  GTF_writing,
  XEN_EBUSY,
  XEN_EFAULT,
  XEN_EINVAL,
  XEN_ENOSYS,
  XEN_EOPNOTSUPP,
  XEN_EPERM,
  XEN_ESRCH,
} from '@domu/xen-abi';
import { afterEach, describe, expect, it } from 'vitest';
import { CallBench, type CallingGuest, DATA } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

const UNMAPPED = 0x400000;
const LIST = 0x9000;
/** Page of the holder that a grant is mapped over, and its address. */
const SLOT = 12;
const SLOT_VA = SLOT << 12;

const s16 = (word: number): number => (word << 16) >> 16;

/** Two guests: `grantor` lends its page 20 to `holder` at ref 9, read-only at ref 10, and a page table at ref 11. */
function lend(): { grantor: CallingGuest; holder: CallingGuest; flagsOf: (ref: number) => number } {
  const grantor = bench.guest();
  const holder = bench.guest();
  const entry = (ref: number, flags: number, mfn: number): void => {
    const word = (grantor.domain.grants.sharedFrame(0) * 4096 + ref * 8) / 4;
    const { u32 } = bench.machine.memory;
    u32[word] = flags | (holder.domain.id << 16);
    u32[word + 1] = mfn;
  };
  entry(9, GTF_permit_access, grantor.p2m[20]);
  entry(10, GTF_permit_access | GTF_readonly, grantor.p2m[20]);
  entry(11, GTF_permit_access, grantor.tables[0]);
  const flagsOf = (ref: number): number =>
    bench.machine.memory.u32[(grantor.domain.grants.sharedFrame(0) * 4096 + ref * 8) / 4] & 0xffff;
  return { grantor, holder, flagsOf };
}

/** Calls one request; @returns rc */
function call(g: CallingGuest, cmd: number, words: readonly number[], count = 1): number {
  g.writeWords(words);
  return g.call(__HYPERVISOR_grant_table_op, cmd, DATA, count);
}

function map(
  { grantor, holder }: { grantor: CallingGuest; holder: CallingGuest },
  flags: number,
  options: { ref?: number; address?: number; dom?: number } = {},
): { status: number; handle: number; busAddress: number } {
  const { ref = 9, address = SLOT_VA, dom = grantor.domain.id } = options;
  const rc = call(holder, GNTTABOP_map_grant_ref, [address, 0, flags, ref, dom, 0, 0, 0]);
  expect(rc).toBe(0);
  const [domAndStatus, handle, busAddress] = holder.readWords(3, DATA + 16);
  return { status: domAndStatus >> 16, handle, busAddress };
}

function unmap(holder: CallingGuest, handle: number, address = SLOT_VA): number {
  expect(call(holder, GNTTABOP_unmap_grant_ref, [address, 0, 0, 0, handle, 0])).toBe(0);
  return s16(holder.read32(DATA + 20));
}

describe('map and unmap', () => {
  it("shows the grantor's bytes at the holder's address, both ways, and takes them away again", () => {
    const { grantor, holder, flagsOf } = lend();
    grantor.write32(20 << 12, 0xcafe);
    const { status, handle, busAddress } = map({ grantor, holder }, GNTMAP_host_map);
    expect([status, busAddress]).toEqual([GNTST_okay, grantor.p2m[20] * 4096]);
    expect(holder.read32(SLOT_VA)).toBe(0xcafe);
    holder.write32(SLOT_VA, 0xf00d);
    expect(grantor.read32(20 << 12)).toBe(0xf00d);
    expect(flagsOf(9)).toBe(GTF_permit_access | GTF_reading | GTF_writing);
    expect(unmap(holder, handle)).toBe(GNTST_okay);
    expect(holder.read32(SLOT_VA)).toBe(-1);
    expect(flagsOf(9)).toBe(GTF_permit_access);
  });

  it('read-only maps read-only', () => {
    const { grantor, holder } = lend();
    expect(map({ grantor, holder }, GNTMAP_host_map | GNTMAP_readonly).status).toBe(GNTST_okay);
    expect(holder.vcpu.mem.writeU32(SLOT_VA, 1)).toBe(false);
    expect(map({ grantor, holder }, GNTMAP_host_map, { ref: 10 }).status).toBe(GNTST_general_error);
  });

  it('a handle is good once', () => {
    const { grantor, holder } = lend();
    const { handle } = map({ grantor, holder }, GNTMAP_host_map);
    expect([unmap(holder, handle), unmap(holder, handle)]).toEqual([GNTST_okay, GNTST_bad_handle]);
  });

  it('an address that does not map the grant is refused', () => {
    const { grantor, holder } = lend();
    const { handle } = map({ grantor, holder }, GNTMAP_host_map);
    expect(unmap(holder, handle, SLOT_VA + 0x1000)).toBe(GNTST_general_error);
    expect(unmap(holder, handle)).toBe(GNTST_okay);
  });

  it('the mapped frame cannot become a page table while a writer holds it', () => {
    const { grantor, holder } = lend();
    const { handle } = map({ grantor, holder }, GNTMAP_host_map);
    const frame = grantor.p2m[20];
    grantor.domain.paging.updateVaMapping(grantor.vcpu.rootMfn, 20 << 12, 0, 0);
    expect(grantor.domain.paging.pin(1, frame)).not.toBe(0);
    unmap(holder, handle);
    expect(grantor.domain.paging.pin(1, frame)).toBe(0);
  });

  it('a page table is lent to readers only', () => {
    const { grantor, holder } = lend();
    expect(map({ grantor, holder }, GNTMAP_host_map, { ref: 11 }).status).toBe(GNTST_general_error);
    expect(map({ grantor, holder }, GNTMAP_host_map | GNTMAP_readonly, { ref: 11 }).status).toBe(GNTST_okay);
  });

  it('refuses bad domains, references and places, each in its own status', () => {
    const { grantor, holder } = lend();
    const both = { grantor, holder };
    expect(map(both, GNTMAP_host_map, { dom: 999 }).status).toBe(GNTST_bad_domain);
    expect(map(both, GNTMAP_host_map, { ref: 512 }).status).toBe(GNTST_bad_gntref);
    expect(map(both, GNTMAP_host_map, { ref: 30 }).status).toBe(GNTST_general_error);
    expect(map(both, GNTMAP_host_map, { address: 0x40000000 }).status).toBe(GNTST_general_error);
    expect(map(both, GNTMAP_host_map, { address: 0xf5800000 }).status).toBe(GNTST_general_error);
    expect(map(both, GNTMAP_host_map | GNTMAP_contains_pte, { address: 0x1003 }).status).toBe(
      GNTST_general_error,
    );
    expect(map(both, 0).status).toBe(GNTST_bad_gntref);
  });

  it('maps into an L1 entry named by its machine address, of the own L1 tables only', () => {
    const { grantor, holder } = lend();
    const flags = GNTMAP_host_map | GNTMAP_contains_pte;
    const own = holder.tables[5] * 4096 + SLOT * 8;
    const { status, handle } = map({ grantor, holder }, flags, { address: own });
    expect(status).toBe(GNTST_okay);
    grantor.write32(20 << 12, 77);
    expect(holder.read32(SLOT_VA)).toBe(77);
    expect(unmap(holder, handle, own)).toBe(GNTST_okay);
    for (const frame of [grantor.tables[5], holder.p2m[5], holder.tables[0]]) {
      expect(map({ grantor, holder }, flags, { address: frame * 4096 + SLOT * 8 }).status).toBe(
        GNTST_general_error,
      );
    }
  });

  it('an entry that the holder overwrites leaves the handle behind, and nothing unsafe', () => {
    const { grantor, holder } = lend();
    const { handle } = map({ grantor, holder }, GNTMAP_host_map);
    expect(holder.domain.paging.updateVaMapping(holder.vcpu.rootMfn, SLOT_VA, 0, 0)).toBe(0);
    expect(unmap(holder, handle)).toBe(GNTST_general_error);
    grantor.domain.paging.updateVaMapping(grantor.vcpu.rootMfn, 20 << 12, 0, 0);
    expect(grantor.domain.paging.pin(1, grantor.p2m[20])).not.toBe(0);
  });

  it("a grantor's frames live on until the holder lets go", () => {
    const { grantor, holder } = lend();
    const { handle } = map({ grantor, holder }, GNTMAP_host_map);
    holder.write32(SLOT_VA, 5);
    bench.machine.destroyDomain(grantor.domain);
    expect(holder.read32(SLOT_VA)).toBe(5);
    expect(unmap(holder, handle)).toBe(GNTST_okay);
  });

  it('a list goes on after a failing request, and every request has its status', () => {
    const { grantor, holder } = lend();
    const request = (ref: number): number[] => [SLOT_VA, 0, GNTMAP_host_map, ref, grantor.domain.id, 0, 0, 0];
    expect(call(holder, GNTTABOP_map_grant_ref, [...request(400), ...request(9)], 2)).toBe(0);
    expect(holder.read32(DATA + 16) >> 16).toBe(GNTST_general_error);
    expect(holder.read32(DATA + 48) >> 16).toBe(GNTST_okay);
  });
});

describe('copy', () => {
  const gmfnEnd = (mfn: number, offset: number): number[] => [mfn, DOMID_SELF | (offset << 16)];

  it('brings bytes from a grant into an own frame', () => {
    const { grantor, holder } = lend();
    grantor.write32((20 << 12) + 8, 0x12345678);
    const source = [9, grantor.domain.id | (8 << 16)];
    const words = [...source, ...gmfnEnd(holder.p2m[30], 100), 4 | (GNTCOPY_source_gref << 16), 0];
    expect(call(holder, GNTTABOP_copy, words)).toBe(0);
    expect(s16(holder.read32(DATA + 20))).toBe(GNTST_okay);
    expect(holder.read32((30 << 12) + 100)).toBe(0x12345678);
  });

  it('does not write into a page table', () => {
    const { grantor, holder } = lend();
    const words = [9, grantor.domain.id, ...gmfnEnd(holder.tables[5], 0), 8 | (GNTCOPY_source_gref << 16), 0];
    expect(call(holder, GNTTABOP_copy, words)).toBe(0);
    expect(s16(holder.read32(DATA + 20))).toBe(GNTST_general_error);
  });
});

describe('the table', () => {
  const setup = (g: CallingGuest, nr: number, list = LIST, dom: number = DOMID_SELF): [number, number] => {
    const rc = call(g, GNTTABOP_setup_table, [dom, nr, 0x7777, list]);
    return [rc, s16(g.read32(DATA + 8))];
  };

  it('is set up with as many frames as asked for, which the guest can map', () => {
    const g = bench.guest({ maxGrantFrames: 4 });
    expect(setup(g, 4)).toEqual([0, GNTST_okay]);
    const frames = g.readWords(4, LIST);
    expect(frames).toEqual([0, 1, 2, 3].map((i) => g.domain.grants.sharedFrame(i)));
    const entry = ((frames[0] << 12) | 0x63) >>> 0;
    expect(g.domain.paging.updateVaMapping(g.vcpu.rootMfn, SLOT_VA, entry, 0)).toBe(0);
    expect(g.vcpu.mem.writeU32(SLOT_VA, GTF_permit_access)).toBe(true);
  });

  it('beyond the maximum, for others, or into nowhere has a status and rc 0', () => {
    const g = bench.guest({ maxGrantFrames: 4 });
    expect(setup(g, 5)).toEqual([0, GNTST_general_error]);
    expect(setup(g, 1, LIST, 0)).toEqual([0, GNTST_permission_denied]);
    expect(setup(g, 1, LIST, 500)).toEqual([0, GNTST_bad_domain]);
    expect(setup(g, 1, UNMAPPED)).toEqual([0, GNTST_bad_virt_addr]);
    expect(setup(g, 1, 0xf5800000)[0]).toBe(-XEN_EFAULT);
    expect(call(g, GNTTABOP_setup_table, [DOMID_SELF, 1, 0, LIST], 2)).toBe(-XEN_EINVAL);
  });

  it('tells its size', () => {
    const g = bench.guest({ maxGrantFrames: 7 });
    expect(call(g, GNTTABOP_query_size, [DOMID_SELF, 0, 0, 0])).toBe(0);
    expect(g.readWords(3, DATA + 4)).toEqual([1, 7, 0]);
    call(g, GNTTABOP_query_size, [0, 0, 0, 0]);
    expect(s16(g.read32(DATA + 12))).toBe(GNTST_permission_denied);
  });

  it('changes its version; the status frames of version 2 can be mapped, and then keep it from changing back', () => {
    const g = bench.guest({ maxGrantFrames: 4 });
    expect(call(g, GNTTABOP_set_version, [1])).toBe(0);
    expect([call(g, GNTTABOP_set_version, [2]), g.read32(DATA)]).toEqual([0, 2]);
    expect([call(g, GNTTABOP_set_version, [3]), g.read32(DATA)]).toEqual([-XEN_EINVAL, 2]);
    expect([call(g, GNTTABOP_get_version, [DOMID_SELF, 0]), g.read32(DATA + 4)]).toEqual([0, 2]);
    expect(call(g, GNTTABOP_get_version, [0, 0])).toBe(-XEN_EPERM);
    expect(call(g, GNTTABOP_get_version, [500, 0])).toBe(-XEN_ESRCH);

    const status = (nrFrames: number, domid: number = DOMID_SELF): [number, number] => [
      call(g, GNTTABOP_get_status_frames, [nrFrames, domid, LIST]),
      g.read32(DATA + 4) >> 16,
    ];
    expect(status(1)).toEqual([0, GNTST_okay]);
    expect(g.readWords(2, LIST)).toEqual([g.domain.grants.statusFrame(0), 0]);
    expect(status(2)).toEqual([0, GNTST_general_error]);
    expect([status(1, 0), status(1, 500)]).toEqual([
      [0, GNTST_permission_denied],
      [0, GNTST_bad_domain],
    ]);
    const entry = ((g.read32(LIST) << 12) | 0x63) >>> 0;
    expect(g.domain.paging.updateVaMapping(g.vcpu.rootMfn, SLOT_VA, entry, 0)).toBe(0);
    expect([call(g, GNTTABOP_set_version, [1]), g.read32(DATA)]).toEqual([-XEN_EBUSY, 2]);
    expect(g.domain.paging.updateVaMapping(g.vcpu.rootMfn, SLOT_VA, 0, 0)).toBe(0);
    expect([call(g, GNTTABOP_set_version, [1]), g.read32(DATA)]).toEqual([0, 1]);
  });

  it('swaps entries', () => {
    const g = bench.guest();
    g.domain.grants.preset(9, { domid: 0, gfn: 77 });
    expect([call(g, GNTTABOP_swap_grant_ref, [9, 10, 0xffff]), s16(g.read32(DATA + 8))]).toEqual([
      0,
      GNTST_okay,
    ]);
    expect([9, 10].map((ref) => g.domain.grants.entries.gfn(ref))).toEqual([0, 77]);
    expect([call(g, GNTTABOP_swap_grant_ref, [9, 999, 0]), s16(g.read32(DATA + 8))]).toEqual([
      0,
      GNTST_bad_gntref,
    ]);
  });

  it('flushes no cache that anybody could see, and refuses what Xen refuses', () => {
    const g = bench.guest();
    const flush = (mfn: number, range: number, op: number): number =>
      call(g, GNTTABOP_cache_flush, [(mfn << 12) >>> 0, 0, range, op]);
    expect(flush(g.p2m[3], 64 << 16, 1)).toBe(0);
    expect(flush(g.p2m[3], 64 << 16, 2)).toBe(-XEN_EOPNOTSUPP);
    expect(flush(g.p2m[3], 4095 | (2 << 16), 1)).toBe(-XEN_EINVAL);
    expect(flush(0, 64 << 16, 1)).toBe(-XEN_EPERM);
    expect(call(g, GNTTABOP_cache_flush | (1 << 12), [0, 0, 0, 0])).toBe(-XEN_EINVAL);
  });

  it('knows no other commands, and no negative counts', () => {
    const g = bench.guest();
    for (const cmd of [GNTTABOP_dump_table, 50]) {
      expect(call(g, cmd, [0])).toBe(-XEN_ENOSYS);
    }
    expect(call(g, GNTTABOP_map_grant_ref, [0], 0x80000000)).toBe(-XEN_EINVAL);
    expect(g.call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, UNMAPPED, 1)).toBe(-XEN_EFAULT);
    expect(g.call(__HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, DATA, 0x7fffffff)).toBe(-XEN_EFAULT);
  });
});

describe('transfer', () => {
  it('moves a frame that is no longer mapped; the receiver learns its number, and the M2P the new name', () => {
    const { grantor: from, holder: to } = lend();
    const mfn = from.p2m[40];
    const send = (): [number, number] => [
      call(from, GNTTABOP_transfer, [mfn, to.domain.id, 9, 0xffff]),
      s16(from.read32(DATA + 12)),
    ];
    const word = (to.domain.grants.sharedFrame(0) * 4096 + 9 * 8) / 4;
    const { u32 } = bench.machine.memory;
    u32[word] = GTF_accept_transfer | (from.domain.id << 16);
    u32[word + 1] = 0x123;
    expect(send()).toEqual([0, GNTST_bad_page]);
    from.write32(40 << 12, 0xfeed);
    expect(from.domain.paging.updateVaMapping(from.vcpu.rootMfn, 40 << 12, 0, 0)).toBe(0);
    const pages = [from.domain.totPages, to.domain.totPages];
    expect(send()).toEqual([0, GNTST_okay]);
    expect([from.domain.totPages, to.domain.totPages]).toEqual([pages[0] - 1, pages[1] + 1]);
    expect(u32[word] & 0xffff).toBe(GTF_accept_transfer | GTF_transfer_committed | GTF_transfer_completed);
    expect(u32[word + 1]).toBe(mfn);
    expect(bench.machine.m2p.get(mfn)).toBe(0x123);
    expect(to.domain.paging.updateVaMapping(to.vcpu.rootMfn, SLOT_VA, ((mfn << 12) | 0x63) >>> 0, 0)).toBe(0);
    expect(to.read32(SLOT_VA)).toBe(0xfeed);
    expect(send()).toEqual([0, GNTST_bad_page]);
  });

  it('from the host takes a free frame, as netback gives pages to older guests', () => {
    const { holder: to } = lend();
    const { machine } = bench;
    const word = (to.domain.grants.sharedFrame(0) * 4096 + 9 * 8) / 4;
    const { u32 } = machine.memory;
    u32[word] = GTF_accept_transfer;
    u32[word + 1] = 0x124;
    const pages = to.domain.totPages;
    const give = (): number => machine.host.grants.transfer(to.domain.id, 9, Uint8Array.of(0xed, 0xfe));
    expect(give()).toBe(GNTST_okay);
    const mfn = u32[word + 1];
    expect([to.domain.totPages, machine.m2p.get(mfn)]).toEqual([pages + 1, 0x124]);
    expect(to.domain.paging.updateVaMapping(to.vcpu.rootMfn, SLOT_VA, ((mfn << 12) | 0x63) >>> 0, 0)).toBe(0);
    expect(to.read32(SLOT_VA)).toBe(0xfeed);
    const free = machine.frames.freeFrames;
    expect(give()).toBe(GNTST_general_error);
    expect(machine.frames.freeFrames).toBe(free);
  });
});
