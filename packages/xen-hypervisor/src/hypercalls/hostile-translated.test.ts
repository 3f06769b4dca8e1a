import {
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_mmu_update,
  __HYPERVISOR_mmuext_op,
  __HYPERVISOR_set_gdt,
  __HYPERVISOR_update_descriptor,
  __HYPERVISOR_update_va_mapping,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_xen_version,
  DOMID_SELF,
  GNTTABOP_copy,
  GNTTABOP_map_grant_ref,
  GNTTABOP_unmap_grant_ref,
} from '@domu/xen-abi';
import fc from 'fast-check';
import { afterEach, expect, it } from 'vitest';
import { CallBench, type CallingGuest, DATA, GUEST_PAGES } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

const LIST = DATA + 0x800;
const FIRST_LENT = 20;
const LENT = 8;

/** Frame numbers: mostly the domain's own, some of Xen's window for grants, some anything. */
const gfn = fc.oneof(
  { weight: 8, arbitrary: fc.nat(GUEST_PAGES + 12) },
  { weight: 2, arbitrary: fc.constantFrom(0x100, 0x101, 0xe_0000, 0xe_0001) },
  { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
);
const small = fc.oneof({ weight: 6, arbitrary: fc.nat(16) }, fc.nat(0xffff_ffff));
const entry = fc
  .tuple(gfn, fc.constantFrom(0, 1, 3, 7, 0x67, 0xfff))
  .map(([frame, flags]) => ((frame << 12) | flags) >>> 0);
/** Most of the guest's tables and data; 40 to 43 are where grants are mapped. */
const va = fc.oneof(
  { weight: 6, arbitrary: fc.integer({ min: 40, max: 43 }).map((page) => page << 12) },
  { weight: 2, arbitrary: fc.nat(GUEST_PAGES).map((page) => page << 12) },
  { weight: 1, arbitrary: fc.nat(0xffff_ffff) },
);

interface Call {
  readonly nr: number;
  readonly words: readonly number[];
  readonly list: readonly number[];
  readonly args: readonly number[];
}

const call = (
  nr: number,
  args: readonly number[],
  words: readonly number[] = [],
  list: readonly number[] = [],
): Call => ({
  nr,
  args,
  words,
  list,
});

const hostileCall: fc.Arbitrary<Call> = fc.oneof(
  fc
    .tuple(gfn, fc.nat(4095), entry, fc.nat(3))
    .map(([frame, offset, value, hi]) =>
      call(__HYPERVISOR_mmu_update, [DATA, 1, 0, DOMID_SELF], [(frame << 12) | offset, 0, value, hi]),
    ),
  fc
    .tuple(fc.nat(20), gfn, small)
    .map(([cmd, arg1, arg2]) => call(__HYPERVISOR_mmuext_op, [DATA, 1, 0, DOMID_SELF], [cmd, arg1, arg2])),
  fc
    .tuple(va, entry, fc.nat(7))
    .map(([at, value, flags]) => call(__HYPERVISOR_update_va_mapping, [at, value, 0, flags])),
  fc.tuple(gfn, gfn, fc.nat(1100)).map(([a, b, n]) => call(__HYPERVISOR_set_gdt, [LIST, n], [], [a, b])),
  fc
    .tuple(gfn, fc.nat(4095), small, small)
    .map(([frame, offset, lo, hi]) =>
      call(__HYPERVISOR_update_descriptor, [(frame << 12) | offset, 0, lo, hi]),
    ),
  // Reservations and exchange.
  fc
    .tuple(fc.constantFrom(0, 1, 6), fc.array(gfn, { minLength: 3, maxLength: 3 }), fc.nat(2))
    .map(([cmd, frames, order]) =>
      call(__HYPERVISOR_memory_op, [cmd, DATA], [LIST, 3, order, 0, DOMID_SELF], frames),
    ),
  fc
    .tuple(gfn, gfn)
    .map(([a, b]) =>
      call(
        __HYPERVISOR_memory_op,
        [11, DATA],
        [LIST, 1, 0, 0, DOMID_SELF, LIST + 4, 1, 0, 0, DOMID_SELF, 0],
        [a, b],
      ),
    ),
  fc
    .tuple(fc.nat(3), fc.nat(5), gfn)
    .map(([space, index, frame]) =>
      call(__HYPERVISOR_memory_op, [7, DATA], [DOMID_SELF, space, index, frame]),
    ),
  fc
    .tuple(fc.nat(20), gfn)
    .map(([cmd, frame]) => call(__HYPERVISOR_memory_op, [cmd, DATA], [DOMID_SELF, frame])),
  fc
    .tuple(va, fc.nat(31), fc.nat(LENT), fc.nat(3))
    .map(([at, flags, ref, domid]) =>
      call(__HYPERVISOR_grant_table_op, [GNTTABOP_map_grant_ref, DATA, 1], [at, 0, flags, ref, domid]),
    ),
  fc
    .tuple(va, fc.nat(5))
    .map(([at, handle]) =>
      call(__HYPERVISOR_grant_table_op, [GNTTABOP_unmap_grant_ref, DATA, 1], [at, 0, 0, 0, handle]),
    ),
  fc
    .tuple(fc.nat(LENT), fc.nat(3), gfn)
    .map(([ref, domid, own]) =>
      call(
        __HYPERVISOR_grant_table_op,
        [GNTTABOP_copy, DATA, 1],
        [ref, domid, own, DOMID_SELF, 16 | (1 << 16)],
      ),
    ),
  fc
    .tuple(
      fc.constantFrom(
        __HYPERVISOR_grant_table_op,
        __HYPERVISOR_vcpu_op,
        __HYPERVISOR_event_channel_op,
        __HYPERVISOR_xen_version,
      ),
      fc.array(small, { minLength: 3, maxLength: 3 }),
      fc.array(small, { minLength: 6, maxLength: 6 }),
    )
    .map(([nr, [cmd, x, y], words]) => call(nr, [cmd, nr === __HYPERVISOR_vcpu_op ? x & 1 : DATA, y], words)),
);
const step = fc.record({
  who: fc.nat(1),
  request: hostileCall,
  // A store of the guest's own, anywhere in its memory.
  store: fc.tuple(va, entry),
});

function lendPages(from: CallingGuest, to: CallingGuest): void {
  for (let i = 0; i < LENT; i++) {
    from.domain.grants.preset(i, { domid: to.domain.id, gfn: from.p2m[FIRST_LENT + i], readonly: i > 5 });
  }
}

function checkPhysmap({ domain }: CallingGuest): void {
  const { paging, machine } = domain;
  for (let frame = 0; frame <= paging.highestGfn(); frame++) {
    const mfn = paging.toMfn(frame);
    if (mfn < 0) continue;
    const named = { frame, owner: machine.frames.owner(mfn), gfn: machine.m2p.get(mfn) };
    if (named.owner !== domain.id || named.gfn !== frame)
      expect(named).toEqual({ frame, owner: domain.id, gfn: frame });
  }
}

it('translated domains that ask for anything and store anything harm only themselves', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80, size: 'max' }), (steps) => {
      const guests = [1, 2].map((domid) => bench.guest({ domid, vcpus: 2, translated: true }));
      const bystander = bench.guest({ domid: 3 });
      const { u8 } = bench.machine.memory;
      for (const mfn of bystander.p2m) u8.fill(0x5a, mfn * 4096, mfn * 4096 + 4096);
      lendPages(guests[0], guests[1]);
      lendPages(guests[1], guests[0]);
      for (const { who, request, store } of steps) {
        const g = guests[who];
        g.writeWords(request.words);
        g.writeWords(request.list, LIST);
        g.call(request.nr, ...request.args);
        g.write32(store[0] & ~3, store[1]);
        checkPhysmap(g);
      }
      for (const mfn of bystander.p2m) {
        const frame = u8.subarray(mfn * 4096, mfn * 4096 + 4096);
        if (frame.some((byte) => byte !== 0x5a)) expect(`frame ${mfn} of the bystander`).toBe('unchanged');
      }
      bench.clear();
    }),
    { numRuns: 80, seed: 20060718 },
  );
});
