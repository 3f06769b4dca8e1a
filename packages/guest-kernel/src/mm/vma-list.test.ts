import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { PageSource, Vma } from './vma.ts';
import { VmaList } from './vma-list.ts';

const PAGE = 4096;

class CountedSource implements PageSource {
  readonly label = '';
  readonly dev = 0;
  readonly ino = 0;
  users = 0;
  *frame(): Generator<never, number> {
    return 0;
  }
  dirtied(): void {}
  hold(): void {
    this.users++;
  }
  drop(): void {
    this.users--;
  }
}

const region = (start: number, end: number, source: PageSource | null = null): Vma => ({
  ...{ start: start * PAGE, end: end * PAGE, prot: 3, shared: false, mayWrite: true, growsDown: false },
  ...{ source, firstPage: start, label: '' },
});

describe('regions', () => {
  it('a heap that grows stays one region', () => {
    const list = new VmaList();
    for (let i = 100; i < 110; i++) list.insert(region(i, i + 1));
    expect([...list].map(({ start, end }) => [start / PAGE, end / PAGE])).toEqual([[100, 110]]);
  });

  it('a hole splits a region; the upper part begins at its own page of the source', () => {
    const list = new VmaList();
    const source = new CountedSource();
    source.hold();
    list.insert(region(100, 110, source));
    for (const removed of list.remove(103 * PAGE, 105 * PAGE)) removed.source?.drop();
    expect([...list].map(({ start, end, firstPage }) => [start / PAGE, end / PAGE, firstPage])).toEqual([
      [100, 103, 100],
      [105, 110, 105],
    ]);
    expect(source.users).toBe(2);
  });

  it('the highest place that is free is found, and none where there is none', () => {
    const list = new VmaList();
    list.insert(region(100, 110));
    list.insert(region(112, 120));
    expect(list.findFree(2 * PAGE, 120 * PAGE)).toBe(110 * PAGE);
    expect(list.findFree(3 * PAGE, 120 * PAGE)).toBe(97 * PAGE);
    expect(list.findFree(100 * PAGE, 120 * PAGE)).toBe(-1);
  });
});

const step = fc.record({
  act: fc.constantFrom('insert', 'remove', 'isolate'),
  start: fc.integer({ min: 16, max: 60 }),
  length: fc.integer({ min: 1, max: 20 }),
});

describe('property', () => {
  it('what is mapped is what a set of pages says, sorted, without overlaps, and every part holds its source once', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
        const list = new VmaList();
        const model = new Set<number>();
        const source = new CountedSource();
        for (const { act, start, length } of steps) {
          const end = start + length;
          if (act === 'isolate') list.isolate(start * PAGE, end * PAGE);
          else {
            for (const removed of list.remove(start * PAGE, end * PAGE)) removed.source?.drop();
            for (let page = start; page < end; page++) model.delete(page);
          }
          if (act !== 'insert') continue;
          source.hold();
          list.insert(region(start, end, source));
          for (let page = start; page < end; page++) model.add(page);
        }
        const pages: number[] = [];
        for (const vma of list)
          for (let page = vma.start / PAGE; page < vma.end / PAGE; page++) {
            pages.push(page);
            expect(vma.firstPage + page - vma.start / PAGE).toBe(page);
            expect(list.find(page * PAGE + 5)).toBe(vma);
          }
        expect(pages).toEqual([...model].sort((a, b) => a - b));
        expect(source.users).toBe(list.size);
      }),
      { numRuns: 200, seed: 1 },
    );
  });
});
