import fc from 'fast-check';
import { expect, it } from 'vitest';
import type { EventChannels } from './event-channels.ts';
import { FakeDomain, FakeWorld, FIRST_FREE_PAGE } from './testing.ts';

const port = fc.oneof(
  { weight: 8, arbitrary: fc.nat(12) },
  fc.constantFrom(63, 64, 1023, 1024, 0x7fffffff, 0xffffffff),
);
const domid = fc.oneof({ weight: 6, arbitrary: fc.nat(2) }, fc.constantFrom(3, 0x7ff0, 0xffff));
const vcpu = fc.constantFrom(0, 1, 2, 0xffffffff);
const virq = fc.oneof({ weight: 6, arbitrary: fc.nat(23) }, fc.constantFrom(24, 0xffffffff));

const call: fc.Arbitrary<(c: EventChannels) => unknown> = fc.oneof(
  domid.map((d) => (c: EventChannels) => c.allocUnbound(d)),
  fc.tuple(domid, port).map(
    ([d, p]) =>
      (c: EventChannels) =>
        c.bindInterdomain(d, p),
  ),
  fc.tuple(virq, vcpu).map(
    ([q, v]) =>
      (c: EventChannels) =>
        c.bindVirq(q, v),
  ),
  vcpu.map((v) => (c: EventChannels) => c.bindIpi(v)),
  port.map((p) => (c: EventChannels) => c.close(p)),
  port.map((p) => (c: EventChannels) => c.send(p)),
  port.map((p) => (c: EventChannels) => c.status(p)),
  fc.tuple(port, vcpu).map(
    ([p, v]) =>
      (c: EventChannels) =>
        c.bindVcpu(p, v),
  ),
  port.map((p) => (c: EventChannels) => c.unmask(p)),
  { weight: 1, arbitrary: fc.constant((c: EventChannels) => c.reset()) },
);

it('no sequence of calls by two domains and the host breaks the tables or throws', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(2), call), { maxLength: 120 }), (steps) => {
      const world = new FakeWorld();
      const domains = [new FakeDomain(world, { domid: 1, maxPort: 9 }), new FakeDomain(world, { domid: 2 })];
      const tables = [world.host, ...domains.map((d) => d.channels)];
      for (const [who, act] of steps) {
        act(tables[who]);
        for (const table of tables) table.checkInvariants();
      }
      for (const d of domains) {
        d.channels.reset();
        expect(d.channels.allocUnbound(0)).toBe(1);
        expect(d.channels.allocUnbound(0)).toBe(2);
      }
    }),
    { numRuns: 150, seed: 1 },
  );
});

it('an event is never lost: what was sent to a bound, unmasked port is pending and selected', () => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.integer({ min: 1, max: 60 }), fc.boolean()), { maxLength: 60 }),
      (sends) => {
        const d = new FakeDomain(new FakeWorld(), { domid: 1 });
        for (let p = 1; p <= 60; p++) d.channels.bindIpi(p & 1);
        for (const [p, masked] of sends) {
          d.setMask(p, masked);
          d.channels.send(p);
          if (!masked) d.channels.unmask(p);
        }
        for (const [p] of sends) expect(d.pending(p)).toBe(true);
        for (const [i, [p, masked]] of sends.entries()) {
          const first = sends.findIndex(([q]) => q === p) === i;
          if (first && !masked) expect((d.pendingSel(p & 1) >>> (p >>> 5)) & 1).toBe(1);
        }
      },
    ),
    { numRuns: 100, seed: 1 },
  );
});

const scribble = fc.tuple(fc.integer({ min: 0, max: 1023 }), fc.oneof(fc.nat(0xffffffff), fc.nat(20)));
const fifoStep: fc.Arbitrary<(d: FakeDomain) => unknown> = fc.oneof(
  { weight: 4, arbitrary: call.map((act) => (d: FakeDomain) => act(d.channels)) },
  fc.tuple(vcpu, fc.nat(70), fc.constantFrom(0, 8, 4, 4032)).map(
    ([v, gfn, offset]) =>
      (d: FakeDomain) =>
        d.channels.initControl(v, { gfn, offset }),
  ),
  fc.nat(70).map((gfn) => (d: FakeDomain) => d.channels.expandArray(gfn)),
  fc.tuple(port, fc.nat(17)).map(
    ([p, priority]) =>
      (d: FakeDomain) =>
        d.channels.setPriority(p, priority),
  ),
  fc.tuple(fc.nat(3), scribble).map(([page, [index, value]]) => (d: FakeDomain) => {
    d.u32[(FIRST_FREE_PAGE + page) * 1024 + (index & 31)] = value;
  }),
);

it('a guest that scribbles over its FIFO words harms nobody but itself', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat(1), fifoStep), { maxLength: 120 }), (steps) => {
      const world = new FakeWorld();
      const domains = [1, 2].map((domid) => new FakeDomain(world, { domid, maxPort: 40 }));
      for (const d of domains) {
        d.channels.initControl(0, { gfn: FIRST_FREE_PAGE, offset: 0 });
        d.channels.expandArray(FIRST_FREE_PAGE + 1);
      }
      for (const [who, act] of steps) {
        act(domains[who]);
        for (const d of domains) d.channels.checkInvariants();
      }
      for (const d of domains) {
        d.channels.destroy();
        expect(Math.max(...d.held)).toBe(0);
        expect(d.channels.nrActive).toBe(0);
      }
    }),
    { numRuns: 150, seed: 1 },
  );
});
