/** Pages of files and disks in memory, with write-back: one bounded pool, shared by all of them. */
import { E } from '../../abi/errno.ts';
import { type Op, WaitQueue } from '../../task/wait.ts';
import { PAGE_BYTES } from '../types.ts';

/** Where the pages of a file are kept. Runs of pages are transferred at once. */
export interface PageStore {
  /** Fills whole pages from page `first` on; what is beyond the end or a hole becomes zero. @returns 0 or -EIO */
  readPages(first: number, into: Uint8Array): Op<number>;
  /** Writes whole pages from page `first` on; what is beyond the end is left out. @returns 0 or a negative errno */
  writePages(first: number, from: Uint8Array): Op<number>;
}

interface Page {
  readonly owner: FilePages;
  readonly index: number;
  readonly bytes: Uint8Array;
  dirty: boolean;
  referenced: boolean;
}

/** Most pages that one transfer moves. */
const RUN_PAGES = 64;

export class PageCache {
  /** Woken when pages become dirty: for whoever writes them back in time. */
  readonly dirtied: WaitQueue = new WaitQueue();
  dirtyPages = 0;
  readonly #capacity: number;
  readonly #pages = new Set<Page>();

  /** @param capacityBytes pages beyond it are dropped, after being written if need be */
  constructor(capacityBytes: number) {
    this.#capacity = Math.max(16, Math.floor(capacityBytes / PAGE_BYTES));
  }

  get bytes(): number {
    return this.#pages.size * PAGE_BYTES;
  }

  /** Half of the cache is dirty: writers have to write. */
  get isDirtyEnough(): boolean {
    return this.dirtyPages > this.#capacity / 2;
  }

  insert(page: Page): void {
    this.#pages.add(page);
    if (this.#pages.size > this.#capacity) this.#evict();
  }

  remove(page: Page): void {
    this.#pages.delete(page);
    if (page.dirty) this.dirtyPages--;
  }

  markDirty(page: Page): void {
    page.referenced = true;
    if (page.dirty) return;
    page.dirty = true;
    this.dirtyPages++;
    if (this.dirtyPages === 1) this.dirtied.wakeAll();
  }

  markClean(page: Page): void {
    if (!page.dirty) return;
    page.dirty = false;
    this.dirtyPages--;
  }

  /** Second chance: a page that was used goes round once more; dirty ones stay. */
  #evict(): void {
    let looks = 64;
    for (const page of this.#pages) {
      if (this.#pages.size <= this.#capacity || looks-- === 0) return;
      this.#pages.delete(page);
      if (page.dirty || page.referenced) {
        page.referenced = false;
        this.#pages.add(page);
      } else page.owner.forget(page.index);
    }
  }
}

/** The cached pages of one file. */
export class FilePages {
  readonly #cache: PageCache;
  readonly #store: PageStore;
  readonly #pages = new Map<number, Page>();
  /** Where reading would go on if it is sequential. */
  #nextRead = -1;

  constructor(cache: PageCache, store: PageStore) {
    this.#cache = cache;
    this.#store = store;
  }

  get hasDirty(): boolean {
    for (const page of this.#pages.values()) if (page.dirty) return true;
    return false;
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
      page.referenced = true;
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
        const whole = part === PAGE_BYTES || index * PAGE_BYTES >= size;
        page = whole
          ? this.#add(index, new Uint8Array(PAGE_BYTES))
          : yield* this.#load(index, index, index + 1);
      }
      if (typeof page === 'number') return done > 0 ? done : page;
      page.bytes.set(from.subarray(done, done + part), offset);
      this.#cache.markDirty(page);
      done += part;
    }
    return from.length;
  }

  /** Replaces the beginning of a page that may not be in memory any more; never sleeps. @returns false if it is not */
  patch(index: number, bytes: Uint8Array): boolean {
    let page = this.#pages.get(index);
    if (page === undefined) {
      if (bytes.length < PAGE_BYTES) return false;
      page = this.#add(index, new Uint8Array(PAGE_BYTES));
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
  *flush(): Op<number> {
    const dirty = [...this.#pages.values()].filter((page) => page.dirty).sort((a, b) => a.index - b.index);
    let result = 0;
    for (let at = 0; at < dirty.length; ) {
      let length = 1;
      while (
        length < RUN_PAGES &&
        at + length < dirty.length &&
        dirty[at + length]!.index === dirty[at]!.index + length
      ) {
        length++;
      }
      const run = dirty.slice(at, at + length);
      const bytes = new Uint8Array(length * PAGE_BYTES);
      for (const [place, page] of run.entries()) {
        bytes.set(page.bytes, place * PAGE_BYTES);
        this.#cache.markClean(page);
      }
      const written = yield* this.#store.writePages(run[0]!.index, bytes);
      if (written < 0 && result === 0) result = written;
      at += length;
    }
    return result;
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
    const bytes = new Uint8Array(count * PAGE_BYTES);
    const read = yield* this.#store.readPages(index, bytes);
    if (read < 0) return -E.IO;
    this.#nextRead = index + count;
    for (let place = 0; place < count; place++) {
      // Somebody else may have brought it in, or written it, while this one slept.
      if (this.#pages.has(index + place)) continue;
      this.#add(index + place, bytes.subarray(place * PAGE_BYTES, (place + 1) * PAGE_BYTES));
    }
    return this.#pages.get(index) ?? this.#add(index, bytes.subarray(0, PAGE_BYTES));
  }

  #add(index: number, bytes: Uint8Array): Page {
    const page: Page = { owner: this, index, bytes, dirty: false, referenced: true };
    this.#pages.set(index, page);
    this.#cache.insert(page);
    return page;
  }
}
