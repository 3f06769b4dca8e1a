import { describe, expect, it } from 'vitest';
import type { Op } from '../../task/wait.ts';
import { WaitQueue } from '../../task/wait.ts';
import { FilePages, PageCache, type PageStore } from './page-cache.ts';

const PAGE = 4096;

/** A store in memory that can be made to sleep before it writes. */
class SlowStore implements PageStore {
  readonly bytes: Uint8Array;
  readonly go: WaitQueue = new WaitQueue();
  slow = false;
  transfers = 0;

  constructor(pages: number) {
    this.bytes = new Uint8Array(pages * PAGE);
  }

  *readPages(first: number, into: Uint8Array): Op<number> {
    this.transfers++;
    into.set(this.bytes.subarray(first * PAGE, first * PAGE + into.length));
    return 0;
  }

  *writePages(first: number, from: Uint8Array, isCurrent: (index: number) => boolean): Op<number> {
    this.transfers++;
    const copy = from.slice();
    if (this.slow) yield { queues: [this.go], interruptible: false };
    for (let at = 0; at < copy.length; at += PAGE) {
      const index = first + at / PAGE;
      if (isCurrent(index)) this.bytes.set(copy.subarray(at, at + PAGE), index * PAGE);
    }
    return 0;
  }
}

function finish<T>(op: Op<T>): T {
  for (;;) {
    const step = op.next('event');
    if (step.done === true) return step.value;
  }
}

const filled = (length: number, byte: number) => new Uint8Array(length).fill(byte);

describe('page cache', () => {
  it('reads forward in large runs, backward one page at a time', () => {
    const store = new SlowStore(256);
    const pages = new FilePages(new PageCache(1 << 22), store);
    const into = new Uint8Array(PAGE);
    for (let index = 0; index < 256; index++) finish(pages.read(into, index * PAGE, 256 * PAGE));
    expect(store.transfers).toBe(4);
    const other = new FilePages(new PageCache(1 << 22), store);
    for (const index of [200, 150, 100]) finish(other.read(into, index * PAGE, 256 * PAGE));
    expect(store.transfers).toBe(7);
  });

  it('stays within its capacity, and keeps what is not written', () => {
    const cache = new PageCache(128 * PAGE);
    const store = new SlowStore(1024);
    const pages = new FilePages(cache, store);
    finish(pages.write(filled(100, 7), 5 * PAGE, 1024 * PAGE));
    const into = new Uint8Array(PAGE);
    for (let index = 0; index < 1024; index++) finish(pages.read(into, index * PAGE, 1024 * PAGE));
    expect(cache.bytes).toBeLessThanOrEqual(130 * PAGE);
    finish(pages.read(into, 5 * PAGE, 1024 * PAGE));
    expect(into[99]).toBe(7);
    expect(finish(pages.flush())).toBe(0);
    expect([store.bytes[5 * PAGE], cache.dirtyPages]).toEqual([7, 0]);
  });

  it('what is cut off on its way to the disk does not come back', () => {
    const store = new SlowStore(16);
    const pages = new FilePages(new PageCache(1 << 20), store);
    finish(pages.write(filled(2 * PAGE, 7), PAGE, 0));
    store.slow = true;
    const flushed = pages.flush();
    flushed.next('event');
    finish(pages.cut(2 * PAGE, 16 * PAGE, 3 * PAGE));
    finish(pages.write(filled(PAGE, 8), 2 * PAGE, 2 * PAGE));
    finish(flushed);
    expect([store.bytes[PAGE], store.bytes[2 * PAGE]]).toEqual([7, 0]);
    expect(pages.hasDirty).toBe(true);
  });

  it('two write-backs at a time write each page with its own content', () => {
    const cache = new PageCache(128 * PAGE);
    const store = new SlowStore(512);
    const pages = new FilePages(cache, store);
    for (const index of [1, 100]) finish(pages.write(filled(PAGE, index), index * PAGE, 512 * PAGE));
    store.slow = true;
    const first = pages.flush();
    first.next('event');
    // The second waits for the first: what is on its way is not on the disk.
    const second = pages.flush();
    expect([second.next('event').done, pages.hasDirty, store.bytes[PAGE]]).toEqual([false, true, 0]);
    store.slow = false;
    // The pages are clean now, but they do not make room for others before they are written.
    const into = new Uint8Array(PAGE);
    for (let round = 0; round < 2; round++) {
      for (let index = 200; index < 500; index++) finish(pages.read(into, index * PAGE, 512 * PAGE));
    }
    for (let index = 200; index < 300; index++)
      finish(pages.write(filled(PAGE, 9), index * PAGE, 512 * PAGE));
    finish(first);
    finish(second);
    expect([store.bytes[PAGE], store.bytes[100 * PAGE]]).toEqual([1, 100]);
  });
});
