import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MemoryBlockStore } from './memory-block-store.ts';
import { OverlayStore } from './overlay-store.ts';

const SECTORS = 61;

function setUp(): { base: Uint8Array; overlay: OverlayStore; closed: () => number } {
  const base = Uint8Array.from({ length: SECTORS * 512 }, (_, i) => i * 13 + (i >>> 9));
  let closed = 0;
  const close = (): void => void closed++;
  const below = Object.assign(new MemoryBlockStore(base, { readonly: true }), { close });
  return { base, overlay: new OverlayStore(below), closed: () => closed };
}

test('what is written is read, and what lies below stays as it was', () => {
  const { base, overlay, closed } = setUp();
  const before = base.slice();
  const step = fc.record({
    kind: fc.constantFrom('read', 'write', 'discard'),
    sector: fc.nat(SECTORS - 1),
    count: fc.integer({ min: 1, max: 20 }),
    fill: fc.nat(255),
  });
  const model = base.slice();
  const changed = new Set<number>();
  fc.assert(
    fc.property(fc.array(step, { maxLength: 30 }), (steps) => {
      for (const { kind, sector, count, fill } of steps) {
        const sectors = Math.min(count, SECTORS - sector);
        const bytes = new Uint8Array(sectors * 512).fill(fill);
        if (kind === 'write') {
          expect(overlay.write(sector, bytes)).toBe(true);
          model.set(bytes, sector * 512);
          for (let at = sector; at < sector + sectors; at++) changed.add(at >>> 3);
        } else if (kind === 'discard') {
          expect(overlay.discard(sector, sectors)).toBe(true);
          const [first, end] = [Math.ceil(sector / 8), Math.floor((sector + sectors) / 8)];
          for (let chunk = first; chunk < end; chunk++)
            if (changed.has(chunk)) model.fill(0, chunk * 4096, (chunk + 1) * 4096);
        } else {
          expect(overlay.read(sector, bytes)).toBe(true);
          expect(Buffer.compare(bytes, model.subarray(sector * 512, (sector + sectors) * 512))).toBe(0);
        }
      }
    }),
    { numRuns: 60, seed: 1 },
  );
  expect(Buffer.compare(base, before)).toBe(0);
  expect(overlay.changedBytes).toBeLessThanOrEqual(8 * 4096);
  expect([overlay.readonly, overlay.flush(), overlay.sectors]).toEqual([false, true, SECTORS]);
  overlay.close();
  expect(closed()).toBe(1);
});

test('a discard of a huge disk takes neither time nor memory', () => {
  const below = {
    sectors: 2 ** 40,
    readonly: true,
    read: (_sector: number, into: Uint8Array) => into.fill(1).length > 0,
    write: () => false,
    flush: () => true,
    close: () => {},
  };
  const overlay = new OverlayStore(below);
  overlay.write(2 ** 39, new Uint8Array(4096).fill(2));
  expect([overlay.discard(0, 2 ** 40), overlay.changedBytes]).toEqual([true, 4096]);
  const into = new Uint8Array(8192);
  expect([overlay.read(2 ** 39 - 8, into), into[0], into[4096]]).toEqual([true, 1, 0]);
});
