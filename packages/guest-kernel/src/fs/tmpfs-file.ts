/** A regular file of tmpfs: pages in a map, absent ones are holes. */
import { E } from '../abi/errno.ts';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '../abi/fcntl.ts';
import type { Op } from '../task/wait.ts';
import { type InodeSeed, MemoryInode, relatimeDue } from './memory-inode.ts';
import { PAGE_BYTES, type Time } from './types.ts';

/** What a file needs of its tmpfs. */
export interface PageAllowance {
  pages: number;
  inodes: number;
  readonly now: () => Time;
  takePage(): boolean;
}

/** Largest file, in bytes (MAX_LFS_FILESIZE of a 32-bit kernel). */
const MAX_FILE_BYTES = 2 ** 43;

export class TmpFile extends MemoryInode {
  readonly #allowance: PageAllowance;
  readonly #pages = new Map<number, Uint8Array>();
  #size = 0;

  constructor(seed: InodeSeed, allowance: PageAllowance) {
    super(seed);
    this.#allowance = allowance;
  }

  override get size(): number {
    return this.#size;
  }

  override get blocks512(): number {
    return this.#pages.size * (PAGE_BYTES / 512);
  }

  *readAt(into: Uint8Array, pos: number): Op<number> {
    const count = Math.min(into.length, Math.max(0, this.#size - pos));
    for (let done = 0; done < count; ) {
      const offset = (pos + done) % PAGE_BYTES;
      const part = Math.min(PAGE_BYTES - offset, count - done);
      const page = this.#pages.get(Math.floor((pos + done) / PAGE_BYTES));
      if (page === undefined) into.fill(0, done, done + part);
      else into.set(part === PAGE_BYTES ? page : page.subarray(offset, offset + part), done);
      done += part;
    }
    if (count > 0 && relatimeDue(this, this.clock())) this.atime = this.clock();
    return count;
  }

  *writeAt(from: Uint8Array, pos: number | undefined): Op<number> {
    const at = pos ?? this.#size;
    if (at >= MAX_FILE_BYTES) return -E.FBIG;
    const count = Math.min(from.length, MAX_FILE_BYTES - at);
    let done = 0;
    while (done < count) {
      const offset = (at + done) % PAGE_BYTES;
      const part = Math.min(PAGE_BYTES - offset, count - done);
      const page = this.#pageFor(Math.floor((at + done) / PAGE_BYTES));
      if (page === undefined) break;
      page.set(from.subarray(done, done + part), offset);
      done += part;
    }
    if (done === 0 && count > 0) return -E.NOSPC;
    this.#size = Math.max(this.#size, at + done);
    this.#modified();
    return done;
  }

  *truncate(size: number): Op<number> {
    if (size > MAX_FILE_BYTES) return -E.FBIG;
    if (size < this.#size) this.#cut(size, this.#size);
    this.#size = size;
    this.#modified();
    return 0;
  }

  *allocate(pos: number, length: number, mode: number): Op<number> {
    const end = pos + length;
    if (end > MAX_FILE_BYTES) return -E.FBIG;
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) !== 0) return -E.OPNOTSUPP;
    if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) {
      this.#cut(pos, end);
      return 0;
    }
    const last = Math.floor((end - 1) / PAGE_BYTES);
    const made: number[] = [];
    for (let index = Math.floor(pos / PAGE_BYTES); index <= last; index++) {
      if (this.#pages.has(index)) continue;
      if (this.#pageFor(index) === undefined) {
        for (const page of made) this.#pages.delete(page);
        this.#allowance.pages -= made.length;
        return -E.NOSPC;
      }
      made.push(index);
    }
    if ((mode & FALLOC_FL_KEEP_SIZE) === 0) this.#size = Math.max(this.#size, end);
    this.#modified();
    return 0;
  }

  *page(index: number): Op<Uint8Array | number> {
    if (index * PAGE_BYTES >= this.#size) return -E.NXIO;
    return this.#pages.get(index) ?? new Uint8Array(PAGE_BYTES);
  }

  writeMapped(index: number, bytes: Uint8Array): void {
    this.#pageFor(index)?.set(bytes);
    this.#modified();
  }

  *seekData(pos: number, hole: boolean): Op<number> {
    const pages = Math.ceil(this.#size / PAGE_BYTES);
    let index = Math.floor(pos / PAGE_BYTES);
    if (hole) {
      while (index < pages && this.#pages.has(index)) index++;
      return Math.min(this.#size, Math.max(pos, index * PAGE_BYTES));
    }
    let next = Number.POSITIVE_INFINITY;
    if (this.#pages.has(index)) next = index;
    else for (const held of this.#pages.keys()) if (held > index && held < next) next = held;
    index = next;
    return index * PAGE_BYTES >= this.#size ? -E.NXIO : Math.max(pos, index * PAGE_BYTES);
  }

  protected override clock(): Time {
    return this.#allowance.now();
  }

  protected override free(): void {
    this.#allowance.pages -= this.#pages.size;
    this.#allowance.inodes--;
    this.#pages.clear();
  }

  #pageFor(index: number): Uint8Array | undefined {
    let page = this.#pages.get(index);
    if (page === undefined && this.#allowance.takePage()) {
      page = new Uint8Array(PAGE_BYTES);
      this.#pages.set(index, page);
    }
    return page;
  }

  /** Makes bytes zero, and gives back the pages that are wholly in the range. */
  #cut(start: number, end: number): void {
    for (const [index, page] of this.#pages) {
      const first = index * PAGE_BYTES;
      const from = Math.max(start - first, 0);
      const to = Math.min(end - first, PAGE_BYTES);
      if (from >= to) continue;
      const beyond = first + to >= this.#size;
      if (from === 0 && (to === PAGE_BYTES || beyond)) {
        this.#pages.delete(index);
        this.#allowance.pages--;
      } else page.fill(0, from, to);
    }
  }

  #modified(): void {
    this.mtime = this.clock();
    this.ctime = this.mtime;
  }
}
