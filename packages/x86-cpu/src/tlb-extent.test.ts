import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CPU_RESERVED_BYTES, EXTENT, EXTENT_USER } from './state.ts';
import { Tlb } from './tlb.ts';

const PAGE = 4096;
const pageNumber = fc.integer({ min: 0, max: 11 });
const step = fc.oneof(
  { weight: 8, arbitrary: fc.record({ fill: pageNumber, host: pageNumber, writable: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ flushPage: pageNumber }) },
  { weight: 2, arbitrary: fc.record({ protect: pageNumber }) },
  { weight: 1, arbitrary: fc.constant({ flush: true }) },
);

function extentOf(words: Int32Array, user: boolean): { low: number; bytes: number; delta: number } {
  const at = (offset: number): number => (words[(offset + (user ? EXTENT_USER : 0)) >> 2] ?? 0) >>> 0;
  return { low: at(EXTENT.low), bytes: at(EXTENT.bytes), delta: at(EXTENT.delta) | 0 };
}

test('every page of the extent has read and write entries with its delta, whatever came and went', () => {
  const words = new Int32Array(CPU_RESERVED_BYTES >> 2);
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), fc.boolean(), (steps, user) => {
      const tlb = new Tlb(words);
      for (const one of steps) {
        if ('fill' in one) {
          // Neighbours in machine memory more often than not.
          const host = (one.host < 9 ? one.fill + 100 : one.host) * PAGE;
          tlb.fill(one.fill * PAGE, user, host, one.writable);
        } else if ('flushPage' in one) tlb.flushPage(one.flushPage * PAGE);
        else if ('protect' in one) tlb.protect((one.protect + 100) * PAGE);
        else tlb.flush();
        const { low, bytes, delta } = extentOf(words, user);
        for (let page = low; page < low + bytes; page += PAGE) {
          expect(tlb.lookup(page, user, true)).toBe(delta);
          expect(tlb.lookup(page, user, false)).toBe(delta);
        }
      }
    }),
    { seed: 20261122, numRuns: 40 },
  );
});

test('pages that come in from both ends make one extent, and a hole leaves the longer part', () => {
  const words = new Int32Array(CPU_RESERVED_BYTES >> 2);
  const tlb = new Tlb(words);
  for (const page of [3, 9, 4, 8, 5, 7, 6]) tlb.fill(page * PAGE, false, (page + 50) * PAGE, true);
  expect(extentOf(words, false)).toEqual({ low: 3 * PAGE, bytes: 7 * PAGE, delta: 50 * PAGE });
  tlb.protect(55 * PAGE);
  expect(extentOf(words, false)).toEqual({ low: 6 * PAGE, bytes: 4 * PAGE, delta: 50 * PAGE });
  expect(extentOf(words, true).bytes).toBe(0);
});
