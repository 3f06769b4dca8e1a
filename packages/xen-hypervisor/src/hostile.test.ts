import fc from 'fast-check';
import { expect, it } from 'vitest';
import { VirtualClock } from './clock.ts';
import { Machine } from './machine.ts';
import { CallingGuest, CODE, DATA, GUEST_PAGES } from './testing.ts';

const NR_HYPERCALLS = 56;
/** Enough guests that every family is reached, few enough for a quick run. */
const RUNS = 150;
const CALLS = 25;

const machine = new Machine({ memoryMiB: 8, clock: new VirtualClock() });

/** Frees everything; a frame that stays behind is a leak. */
function destroyAll(freeBefore: number): void {
  for (const domain of [...machine.domains.values()]) machine.destroyDomain(domain);
  expect(machine.frames.freeFrames).toBe(freeBefore);
}

/** Values that mean something to some hypercall: small numbers, addresses in and out of the guest, bit patterns. */
const argument = fc.oneof(
  fc.nat(40),
  fc.constantFrom(
    DATA,
    DATA + 0xff8,
    0x45000,
    0x20_0000,
    0xf580_0000,
    0xffff_fff0,
    0x7ff0,
    0x8000_0001,
    0xffff_ffff,
  ),
  fc.nat(0xffff_ffff),
);

it('no sequence of hypercalls throws, and all memory comes back', () => {
  const call = fc.tuple(
    fc.nat(NR_HYPERCALLS),
    fc.array(argument, { minLength: 5, maxLength: 5 }),
    fc.array(argument, { maxLength: 24 }),
  );
  fc.assert(
    fc.property(fc.array(call, { maxLength: CALLS }), (calls) => {
      const free = machine.frames.freeFrames;
      const guest = new CallingGuest({ machine });
      for (const [nr, args, words] of calls) {
        if (!guest.domain.schedulable) break;
        const frames = words.map((word) => (word < GUEST_PAGES ? guest.p2m[word] : word));
        guest.writeWords(frames);
        guest.call(nr, ...args);
      }
      guest.run(50);
      destroyAll(free);
    }),
    { numRuns: RUNS, seed: 1 },
  );
});

it('no sequence of instruction bytes throws', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), fc.boolean(), (code, events) => {
      const free = machine.frames.freeFrames;
      const guest = new CallingGuest({ machine });
      guest.load(code);
      for (let vector = 0; vector < 256; vector++) guest.vcpu.traps.set(vector, 0xe019, CODE, vector & 7);
      guest.vcpu.callbacks.event.cs = 0xe019;
      guest.vcpu.callbacks.event.address = CODE + 1;
      guest.vcpu.viopl = 1;
      guest.vcpu.upcallMask = !events;
      guest.vcpu.upcallPending = events;
      guest.run(500);
      destroyAll(free);
    }),
    { numRuns: RUNS, seed: 2 },
  );
});
