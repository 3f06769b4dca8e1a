/** Pages of files and disks in memory, with write-back: one bounded pool, shared by all of them. */
import { E } from '../../abi/errno.ts';
import { Lock } from '../../task/lock.ts';
import { type Op, WaitQueue } from '../../task/wait.ts';
import { BUFFER_BYTES, BufferPool } from '../buffer-pool.ts';
import { PAGE_BYTES } from '../types.ts';

/** Where the pages of a file are kept. Runs of pages are transferred at once. */
export interface PageStore {
  /** Fills all of `into`, whole pages from page `first` on: what is beyond the end or a hole with zeros. @returns 0 or -EIO */
  readPages(first: number, into: Uint8Array): Op<number>;
  /**
   * Writes whole pages from page `first` on; what is beyond the end is left out.
   * @param isCurrent whether a page still is the file's when its turn comes; one that was cut off meanwhile is not written
   * @returns 0 or a negative errno
   */
  writePages(first: number, from: Uint8Array, isCurrent: (index: number) => boolean): Op<number>;
}

interface Page {
  readonly owner: FilePages;
  readonly index: number;
  readonly bytes: Uint8Array;
  dirty: boolean;
  /** On its way to the disk: it cannot be read from there yet. */
  inFlight: boolean;
  /** How often it was used of late, up to twice. Pages that are read once go first. */
  uses: number;
}

/** Most pages that one transfer moves. */
const RUN_PAGES: number = BUFFER_BYTES / PAGE_BYTES;
/** Pages that go when there are too many. */
const EVICTED_AT_ONCE = 8;
/** Pages whose memory is taken from the host at once. */
const SLAB_PAGES = 256;

export class PageCache {
  /** Woken when pages become dirty: for whoever writes them back in time. */
  readonly dirtied: WaitQueue = new WaitQueue();
  dirtyPages = 0;
  /** Something else than pages waits to be written: metadata of a file system. */
  #othersChanged = false;
  /** For transfers of whole runs. */
  readonly buffers: BufferPool = new BufferPool();
  readonly #capacity: number;
  readonly #pages = new Set<Page>();
  /** Memory of pages that were dropped, for the next ones. */
  readonly #free: Uint8Array[] = [];

  /** @param capacityBytes pages beyond it are dropped, after being written if need be */
  constructor(capacityBytes: number) {
    this.#capacity = Math.max(2 * RUN_PAGES, Math.floor(capacityBytes / PAGE_BYTES));
  }

  get bytes(): number {
    return this.#pages.size * PAGE_BYTES;
  }

  /** Half of the cache is dirty: writers have to write. */
  get isDirtyEnough(): boolean {
    return this.dirtyPages > this.#capacity / 2;
  }

  get hasChanges(): boolean {
    return this.dirtyPages > 0 || this.#othersChanged;
  }

  /** Metadata changed. */
  changed(): void {
    if (this.#othersChanged) return;
    this.#othersChanged = true;
    this.dirtied.wakeAll();
  }

  /** What changed up to now is about to be written. */
  settled(): void {
    this.#othersChanged = false;
  }

  /** Memory for a page, with any content. */
  takeMemory(): Uint8Array {
    const free = this.#free.pop();
    if (free !== undefined) return free;
    const slab = new Uint8Array(SLAB_PAGES * PAGE_BYTES);
    for (let page = SLAB_PAGES - 1; page > 0; page--) {
      this.#free.push(slab.subarray(page * PAGE_BYTES, (page + 1) * PAGE_BYTES));
    }
    return slab.subarray(0, PAGE_BYTES);
  }

  insert(page: Page): void {
    this.#pages.add(page);
    if (this.#pages.size > this.#capacity) this.#evict();
  }

  remove(page: Page): void {
    this.#pages.delete(page);
    this.#free.push(page.bytes);
    this.markClean(page);
  }

  markDirty(page: Page): void {
    if (page.dirty) return;
    page.dirty = true;
    page.owner.dirty.add(page);
    this.dirtyPages++;
    if (this.dirtyPages === 1) this.dirtied.wakeAll();
  }

  markClean(page: Page): void {
    if (!page.dirty) return;
    page.dirty = false;
    page.owner.dirty.delete(page);
    this.dirtyPages--;
  }

  /** Second chance: a page that was used twice goes round once more; dirty ones stay. */
  #evict(): void {
    let looks = EVICTED_AT_ONCE * 4;
    const goal = this.#capacity - EVICTED_AT_ONCE;
    for (const page of this.#pages) {
      if (this.#pages.size <= goal || looks-- === 0) return;
      this.#pages.delete(page);
      if (page.dirty || page.inFlight || page.uses > 1) {
        page.uses = 0;
        this.#pages.add(page);
      } else {
        page.owner.forget(page.index);
        this.#free.push(page.bytes);
      }
    }
  }
}

/** The cached pages of one file. */
export class FilePages {
  readonly #cache: PageCache;
  readonly #store: PageStore;
  readonly #pages = new Map<number, Page>();
  /** Pages that differ from the disk; the cache keeps it. */
  readonly dirty: Set<Page> = new Set();
  /** One at a time, so that whoever waits for a write-back waits for those under way, too. */
  readonly #flushing = new Lock();
  /** Where reading would go on if it is sequential. */
  #nextRead = -1;

  constructor(cache: PageCache, store: PageStore) {
    this.#cache = cache;
    this.#store = store;
  }

  /** Something differs from the disk, or is on its way there. */
  get hasDirty(): boolean {
    return this.dirty.size > 0 || this.#flushing.isHeld;
  }

  /** Dropped by the cache. */
  forget(index: number): void {
    this.#pages.delete(index);
  }

  /** Reads bytes that lie before `size`. @returns the count or -EIO */
  *read(into: Uint8Array, pos: number, size: number): Op<number> {
    const count = Math.min(into.length, Math.max(0, size - pos));
    for (let done = 0; done < count; ) {
      const index = Math.floor((pos + done) / PAGE_BYTES);
      const offset = (pos + done) % PAGE_BYTES;
      const part = Math.min(PAGE_BYTES - offset, count - done);
      const last = Math.floor((pos + count - 1) / PAGE_BYTES);
      const page = this.#pages.get(index) ?? (yield* this.#load(index, last, Math.ceil(size / PAGE_BYTES)));
      if (typeof page === 'number') return done > 0 ? done : page;
      if (page.uses < 2) page.uses++;
      into.set(part === PAGE_BYTES ? page.bytes : page.bytes.subarray(offset, offset + part), done);
      done += part;
    }
    return count;
  }

  /** A page's bytes as they are. @param pages pages of the file */
  *page(index: number, pages: number): Op<Uint8Array | number> {
    const page = this.#pages.get(index) ?? (yield* this.#load(index, index, pages));
    return typeof page === 'number' ? page : page.bytes;
  }

  /**
   * Writes bytes into the cache. Pages that are only partly written and lie before `size` are read first.
   * @returns the count or -EIO
   */
  *write(from: Uint8Array, pos: number, size: number): Op<number> {
    for (let done = 0; done < from.length; ) {
      const index = Math.floor((pos + done) / PAGE_BYTES);
      const offset = (pos + done) % PAGE_BYTES;
      const part = Math.min(PAGE_BYTES - offset, from.length - done);
      let page: Page | number | undefined = this.#pages.get(index);
      if (page === undefined) {
        if (part === PAGE_BYTES) page = this.#add(index);
        else if (index * PAGE_BYTES >= size) page = this.#addZeros(index);
        else page = yield* this.#load(index, index, index + 1);
      }
      if (typeof page === 'number') return done > 0 ? done : page;
      page.bytes.set(from.subarray(done, done + part), offset);
      this.#cache.markDirty(page);
      done += part;
    }
    return from.length;
  }

  /** Does a page that is in memory begin with these bytes? */
  has(index: number, bytes: Uint8Array): boolean {
    const page = this.#pages.get(index)?.bytes;
    if (page === undefined) return false;
    let at = 0;
    while (at < bytes.length && page[at] === bytes[at]) at++;
    return at === bytes.length;
  }

  /** Replaces the beginning of a page that may not be in memory any more; never sleeps. @returns false if it is not */
  patch(index: number, bytes: Uint8Array): boolean {
    let page = this.#pages.get(index);
    if (page === undefined) {
      if (bytes.length < PAGE_BYTES) return false;
      page = this.#addZeros(index);
    }
    page.bytes.set(bytes);
    this.#cache.markDirty(page);
    return true;
  }

  /** Makes bytes from `start` to `end` zero; wholly covered pages are dropped. */
  *cut(start: number, end: number, size: number): Op<number> {
    const first = Math.floor(start / PAGE_BYTES);
    if (start % PAGE_BYTES !== 0 && start < size) {
      const zeros = new Uint8Array(Math.min(PAGE_BYTES - (start % PAGE_BYTES), end - start));
      const written = yield* this.write(zeros, start, size);
      if (written < 0) return written;
    }
    for (const [index, page] of this.#pages) {
      if (index < first || index * PAGE_BYTES < start || (index + 1) * PAGE_BYTES > end) continue;
      this.#pages.delete(index);
      this.#cache.remove(page);
    }
    return 0;
  }

  /** Writes dirty pages to where they belong, neighbours together. @returns 0 or the first error */
  flush(): Op<number> {
    return this.#flushing.run(this.#flush());
  }

  *#flush(): Op<number> {
    const indices = [...this.dirty].map((page) => page.index).sort((a, b) => a - b);
    let result = 0;
    for (let at = 0; at < indices.length; ) {
      const run = this.#dirtyRun(indices, at);
      at += Math.max(1, run.length);
      if (run.length === 0) continue;
      const buffer = this.#cache.buffers.take();
      const bytes = buffer.subarray(0, run.length * PAGE_BYTES);
      for (const [place, page] of run.entries()) {
        bytes.set(page.bytes, place * PAGE_BYTES);
        this.#cache.markClean(page);
        page.inFlight = true;
      }
      const first = run[0]!.index;
      const isCurrent = (index: number) => this.#pages.get(index) === run[index - first];
      const written = yield* this.#store.writePages(first, bytes, isCurrent);
      for (const page of run) page.inFlight = false;
      this.#cache.buffers.give(buffer);
      if (written < 0 && result === 0) result = written;
    }
    return result;
  }

  /** Neighbours from `at` on that are still dirty: others may have written or dropped pages while this one slept. */
  #dirtyRun(indices: readonly number[], at: number): Page[] {
    const run: Page[] = [];
    while (run.length < RUN_PAGES && indices[at + run.length] === indices[at]! + run.length) {
      const page = this.#pages.get(indices[at]! + run.length);
      if (page === undefined || !page.dirty) break;
      run.push(page);
    }
    return run;
  }

  /** Drops everything, written or not. */
  clear(): void {
    for (const page of this.#pages.values()) this.#cache.remove(page);
    this.#pages.clear();
  }

  /** Brings in a page, and those after it as far as they are wanted or, when reading goes forward, likely to be. */
  *#load(index: number, lastWanted: number, pages: number): Op<Page | number> {
    const sequential = index === this.#nextRead || index === 0;
    let last = sequential ? index + RUN_PAGES - 1 : lastWanted;
    last = Math.max(index, Math.min(last, index + RUN_PAGES - 1, pages - 1));
    let count = 1;
    while (index + count <= last && !this.#pages.has(index + count)) count++;
    const buffer = this.#cache.buffers.take();
    const bytes = buffer.subarray(0, count * PAGE_BYTES);
    const read = yield* this.#store.readPages(index, bytes);
    if (read < 0) return -E.IO;
    this.#nextRead = index + count;
    // The page that is wanted comes last: it must not be the first to go.
    for (let place = count - 1; place >= 0; place--) {
      // Somebody else may have brought it in, or written it, while this one slept.
      if (this.#pages.has(index + place)) continue;
      const page = this.#add(index + place);
      page.bytes.set(bytes.subarray(place * PAGE_BYTES, (place + 1) * PAGE_BYTES));
    }
    this.#cache.buffers.give(buffer);
    return this.#pages.get(index) ?? -E.IO;
  }

  #addZeros(index: number): Page {
    const page = this.#add(index);
    page.bytes.fill(0);
    return page;
  }

  /** A page with any content. */
  #add(index: number): Page {
    const page: Page = {
      owner: this,
      index,
      bytes: this.#cache.takeMemory(),
      dirty: false,
      inFlight: false,
      uses: 0,
    };
    this.#pages.set(index, page);
    this.#cache.insert(page);
    return page;
  }
}
