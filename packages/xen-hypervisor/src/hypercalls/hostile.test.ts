import {
  __HYPERVISOR_console_io,
  __HYPERVISOR_event_channel_op,
  __HYPERVISOR_event_channel_op_compat,
  __HYPERVISOR_grant_table_op,
  __HYPERVISOR_memory_op,
  __HYPERVISOR_physdev_op,
  __HYPERVISOR_sched_op,
  __HYPERVISOR_set_timer_op,
  __HYPERVISOR_vcpu_op,
  __HYPERVISOR_vm_assist,
  DOMID_SELF,
  GNTTABOP_copy,
  GNTTABOP_map_grant_ref,
  GNTTABOP_unmap_grant_ref,
} from '@domu/xen-abi';
import fc from 'fast-check';
import { afterEach, it } from 'vitest';
import { CallBench, type CallingGuest, DATA } from '../testing.ts';

const bench = new CallBench();
afterEach(() => bench.clear());

/** Numbers that mean something to some call; frames and domains are looked up when the call is made. */
type Word = number | { readonly frameOf: number; readonly page: number } | { readonly domidOf: number };

const domid: fc.Arbitrary<Word> = fc.record({ domidOf: fc.nat(1) });
const word: fc.Arbitrary<Word> = fc.oneof(
  { weight: 6, arbitrary: fc.nat(12) },
  { weight: 4, arbitrary: fc.constant(0) },
  { weight: 2, arbitrary: domid },
  { weight: 3, arbitrary: fc.record({ frameOf: fc.nat(1), page: fc.nat(69) }) },
  { weight: 2, arbitrary: fc.constantFrom(0x7ff0, 0x9000, 0x9ffe, 0xa000, 0x20000000, 0xf57ffffc) },
  { weight: 1, arbitrary: fc.nat(0xffffffff) },
);
const address = fc.oneof(
  { weight: 12, arbitrary: fc.constant(DATA) },
  fc.constantFrom(0, DATA + 0xffe, 0x400000, 0xf5800000, 0xfffffffc),
);
const pageAddress = fc.integer({ min: 40, max: 43 }).map((page) => page << 12);
const mapFlags = fc.oneof({ weight: 3, arbitrary: fc.constantFrom(2, 6, 3, 7) }, fc.nat(31));

/** Grant requests that have a chance: each guest lends its pages 20 to 27 at refs 0 to 7 to the other one. */
const grantRequest: fc.Arbitrary<{ cmd: number; words: readonly Word[] }> = fc.oneof(
  fc
    .tuple(pageAddress, mapFlags, fc.nat(9), domid)
    .map(([va, flags, ref, dom]) => ({ cmd: GNTTABOP_map_grant_ref, words: [va, 0, flags, ref, dom] })),
  fc
    .tuple(pageAddress, fc.nat(4))
    .map(([va, handle]) => ({ cmd: GNTTABOP_unmap_grant_ref, words: [va, 0, 0, 0, handle] })),
  fc
    .tuple(fc.nat(9), domid, word)
    .map(([ref, dom, own]) => ({ cmd: GNTTABOP_copy, words: [ref, dom, own, DOMID_SELF, 16 | (1 << 16)] })),
);
const grantStep = fc.tuple(fc.nat(1), grantRequest).map(([who, request]) => ({
  who,
  nr: __HYPERVISOR_grant_table_op,
  ...request,
  address: DATA,
  count: 1,
}));
const anyStep = fc.record({
  who: fc.nat(1),
  nr: fc.constantFrom(
    __HYPERVISOR_event_channel_op,
    __HYPERVISOR_grant_table_op,
    __HYPERVISOR_memory_op,
    __HYPERVISOR_sched_op,
    __HYPERVISOR_vcpu_op,
    __HYPERVISOR_physdev_op,
    __HYPERVISOR_event_channel_op_compat,
    __HYPERVISOR_set_timer_op,
    __HYPERVISOR_vm_assist,
    __HYPERVISOR_console_io,
  ),
  cmd: fc.nat(15),
  words: fc.array(word, { minLength: 12, maxLength: 12 }),
  address,
  count: fc.constantFrom(0, 1, 2, 3, 0x80000000),
});

const step = fc.oneof(anyStep, grantStep);

function lendPages(from: CallingGuest, to: CallingGuest): void {
  for (let ref = 0; ref < 8; ref++) {
    from.domain.grants.preset(ref, { domid: to.domain.id, gfn: from.p2m[20 + ref], readonly: ref > 5 });
  }
}

it('no hypercall with hostile arguments throws, breaks a table, or leaks a frame', () => {
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 80 }), (steps) => {
      const guests = [bench.guest({ vcpus: 2 }), bench.guest({ vcpus: 2 })];
      lendPages(guests[0], guests[1]);
      lendPages(guests[1], guests[0]);
      const value = (w: Word): number => {
        if (typeof w === 'number') return w;
        if ('domidOf' in w) return guests[w.domidOf].domain.id;
        const { p2m, tables } = guests[w.frameOf];
        return [...p2m, ...tables][w.page];
      };
      for (const { who, nr, cmd, words, address: at, count } of steps) {
        const g = guests[who];
        g.writeWords(words.map(value));
        if (nr === __HYPERVISOR_vcpu_op) g.call(nr, cmd, count & 1, at);
        else if (nr === __HYPERVISOR_event_channel_op_compat) g.call(nr, at);
        else if (nr === __HYPERVISOR_console_io) g.call(nr, cmd & 1, count * 40, at);
        else g.call(nr, cmd, at, count);
        checkTables(guests);
      }
      bench.clear();
    }),
    { numRuns: 60, seed: 1 },
  );
});

function checkTables(guests: readonly CallingGuest[]): void {
  const { host } = bench.machine;
  const grantTables = [host.grantTable, ...guests.map((g) => g.domain.grants)];
  for (const table of grantTables) table.checkInvariants(grantTables);
  for (const channels of [host.channels, ...guests.map((g) => g.domain.evtchn)]) channels.checkInvariants();
}
