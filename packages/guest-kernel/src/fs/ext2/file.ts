/** Regular files of ext2: pages in the page cache, blocks on the disk. */
import { E } from '../../abi/errno.ts';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '../../abi/fcntl.ts';
import { Lock } from '../../task/lock.ts';
import type { Op } from '../../task/wait.ts';
import { FilePages, type PageStore } from '../block/page-cache.ts';
import { relatimeDue } from '../memory-inode.ts';
import { PAGE_BYTES } from '../types.ts';
import { Ext2Inode } from './inode.ts';

/** Sectors that i_blocks can count. */
const MAX_SECTORS = 2 ** 32;
/** From here on, the file system needs large_file. */
const LARGE_FILE_BYTES = 2 ** 31;

export class Ext2File extends Ext2Inode implements PageStore {
  readonly #pages: FilePages = new FilePages(this.volume.pageCache, this);
  /** One writer or truncation at a time. */
  readonly #lock = new Lock();
  /** Blocks that were allocated and not yet written: the disk holds something else there. */
  readonly #fresh = new Set<number>();
  /** Times that writing through a mapping has changed, not yet in the inode table. */
  #timesChanged = false;

  override get hasDirtyPages(): boolean {
    return this.#pages.hasDirty;
  }

  override get isIdle(): boolean {
    return !this.#pages.hasDirty && this.#fresh.size === 0 && this.sharedMapping === undefined;
  }

  get #maxBytes(): number {
    return Math.min(this.volume.map.maxBlocks * this.blockBytes, MAX_SECTORS * 512);
  }

  *readAt(into: Uint8Array, pos: number): Op<number> {
    const count = yield* this.#pages.read(into, pos, this.size);
    const now = this.volume.now();
    if (count > 0 && !this.volume.readonly && relatimeDue(this, now)) {
      this.fields.atime = now;
      yield* this.volume.locked(this.store());
    }
    return count;
  }

  *writeAt(from: Uint8Array, pos: number | undefined): Op<number> {
    const count = yield* this.#lock.run(this.#write(from, pos));
    if (this.volume.pageCache.isDirtyEnough) yield* this.writeBack();
    return count;
  }

  truncate(size: number): Op<number> {
    return this.#lock.run(this.#truncate(size));
  }

  allocate(pos: number, length: number, mode: number): Op<number> {
    return this.#lock.run(this.#allocate(pos, length, mode));
  }

  *page(index: number): Op<Uint8Array | number> {
    if (index * PAGE_BYTES >= this.size) return -E.NXIO;
    return yield* this.#pages.page(index, Math.ceil(this.size / PAGE_BYTES));
  }

  writeMapped(index: number, bytes: Uint8Array): void {
    if (this.freed) return;
    if (!this.#pages.patch(index, bytes)) {
      const page = new Uint8Array(PAGE_BYTES);
      page.set(bytes);
      this.#pages.patch(index, page);
    }
    this.touch();
    this.#timesChanged = true;
  }

  *seekData(pos: number, hole: boolean): Op<number> {
    yield* this.writeBack();
    return yield* this.volume.locked(this.#seekData(pos, hole));
  }

  override *writeBack(): Op<number> {
    if (!this.#pages.hasDirty) return 0;
    const written = yield* this.#pages.flush();
    if (this.#timesChanged) yield* this.volume.locked(this.store());
    this.#timesChanged = false;
    return written;
  }

  readPages(first: number, into: Uint8Array): Op<number> {
    return this.volume.locked(this.#transfer(first, into, false));
  }

  writePages(first: number, from: Uint8Array): Op<number> {
    return this.volume.locked(this.#transfer(first, from, true));
  }

  override discardPages(): void {
    this.#pages.clear();
    this.#fresh.clear();
  }

  *#write(from: Uint8Array, pos: number | undefined): Op<number> {
    const at = pos ?? this.size;
    if (this.freed) return -E.STALE;
    const room = this.#maxBytes - at;
    if (room <= 0) return -E.FBIG;
    const wanted = from.length <= room ? from : from.subarray(0, room);
    const large = at + wanted.length >= LARGE_FILE_BYTES;
    if (large && !this.volume.sb.allowLargeFiles()) return -E.FBIG;
    const backed = yield* this.volume.locked(this.#back(at, wanted.length));
    if (backed <= 0) return backed;
    const count = yield* this.#pages.write(wanted.subarray(0, backed), at, this.size);
    if (count <= 0) return count;
    this.fields.size = Math.max(this.size, at + count);
    this.touch();
    const stored = yield* this.volume.locked(this.store());
    return stored < 0 ? stored : count;
  }

  /** Allocates the blocks of a range; under the file system's lock. @returns bytes from `at` on that have blocks, or an errno */
  *#back(at: number, length: number): Op<number> {
    const { blockBytes, volume } = this;
    const last = Math.floor((at + length - 1) / blockBytes);
    for (let index = Math.floor(at / blockBytes); index <= last; index++) {
      const made = yield* volume.map.ensure(this, index);
      if (typeof made === 'number') {
        const backed = index * blockBytes - at;
        yield* this.store();
        return backed > 0 ? backed : made;
      }
      if (made.fresh) this.#fresh.add(index);
    }
    return length;
  }

  *#truncate(size: number): Op<number> {
    if (this.freed) return -E.STALE;
    if (size > this.#maxBytes) return -E.FBIG;
    if (size >= LARGE_FILE_BYTES && !this.volume.sb.allowLargeFiles()) return -E.FBIG;
    if (size < this.size) {
      const end = Math.ceil(this.size / PAGE_BYTES) * PAGE_BYTES;
      const cut = yield* this.#pages.cut(size, end, this.size);
      if (cut < 0) return cut;
    }
    return yield* this.volume.locked(this.#shorten(size));
  }

  *#shorten(size: number): Op<number> {
    const first = Math.ceil(size / this.blockBytes);
    const freed = size < this.size ? yield* this.volume.map.truncate(this, first) : 0;
    for (const index of this.#fresh) if (index >= first) this.#fresh.delete(index);
    this.fields.size = size;
    this.touch();
    const stored = yield* this.store();
    return freed < 0 ? freed : stored;
  }

  *#allocate(pos: number, length: number, mode: number): Op<number> {
    const end = pos + length;
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) !== 0) return -E.OPNOTSUPP;
    if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) return yield* this.#punch(pos, Math.min(end, this.size));
    // Without unwritten extents, what is reserved beyond the end would be found there by e2fsck.
    if ((mode & FALLOC_FL_KEEP_SIZE) !== 0 && end > this.size) return -E.OPNOTSUPP;
    if (end > this.#maxBytes) return -E.FBIG;
    const backed = yield* this.volume.locked(this.#back(pos, length));
    if (backed < length) {
      // Blocks beyond the end would be found there by e2fsck.
      yield* this.volume.locked(this.#dropBeyondEnd());
      yield* this.#zeroFresh(pos, this.size);
      return backed < 0 ? backed : -E.NOSPC;
    }
    yield* this.#zeroFresh(pos, end);
    this.fields.size = Math.max(this.size, end);
    this.touch();
    return yield* this.volume.locked(this.store());
  }

  *#dropBeyondEnd(): Op<number> {
    const first = Math.ceil(this.size / this.blockBytes);
    const freed = yield* this.volume.map.truncate(this, first);
    for (const index of this.#fresh) if (index >= first) this.#fresh.delete(index);
    const stored = yield* this.store();
    return freed < 0 ? freed : stored;
  }

  /** Blocks that were only allocated become zero on the disk too. */
  *#zeroFresh(start: number, end: number): Op<number> {
    const { blockBytes } = this;
    for (const index of [...this.#fresh]) {
      const at = index * blockBytes;
      if (at + blockBytes <= start || at >= end) continue;
      yield* this.#pages.write(new Uint8Array(blockBytes), at, Math.max(this.size, at + blockBytes));
    }
    return 0;
  }

  *#punch(start: number, end: number): Op<number> {
    if (end <= start) return 0;
    const { blockBytes } = this;
    const firstPage = Math.ceil(start / PAGE_BYTES) * PAGE_BYTES;
    const lastPage = Math.floor(end / PAGE_BYTES) * PAGE_BYTES;
    const edges =
      firstPage <= lastPage
        ? [
            [start, Math.min(firstPage, end)],
            [lastPage, end],
          ]
        : [[start, end]];
    for (const [from, to] of edges) {
      if (to! > from!) yield* this.#pages.write(new Uint8Array(to! - from!), from!, this.size);
    }
    if (lastPage > firstPage) yield* this.#pages.cut(firstPage, lastPage, this.size);
    return yield* this.volume.locked(this.#punchBlocks(firstPage / blockBytes, lastPage / blockBytes));
  }

  *#punchBlocks(first: number, end: number): Op<number> {
    for (let index = first; index < end; index++) {
      const freed = yield* this.volume.map.punch(this, index);
      if (freed < 0) return freed;
      this.#fresh.delete(index);
    }
    this.touch();
    return yield* this.store();
  }

  *#seekData(pos: number, hole: boolean): Op<number> {
    const { blockBytes } = this;
    for (let index = Math.floor(pos / blockBytes); index * blockBytes < this.size; index++) {
      const block = yield* this.volume.map.find(this, index);
      if (block < 0) return block;
      if ((block === 0) === hole) return Math.max(pos, index * blockBytes);
    }
    return hole ? this.size : -E.NXIO;
  }

  /** Moves pages from or to the disk, blocks that lie together at once; under the file system's lock. */
  *#transfer(firstPage: number, bytes: Uint8Array, writes: boolean): Op<number> {
    if (this.freed) return writes ? 0 : -E.STALE;
    const { blockBytes } = this;
    const start = (firstPage * PAGE_BYTES) / blockBytes;
    const end = Math.min(start + bytes.length / blockBytes, Math.ceil(this.size / blockBytes));
    for (let index = start; index < end; ) {
      const offset = (index - start) * blockBytes;
      const block = yield* this.#blockFor(index, bytes.subarray(offset, offset + blockBytes), writes);
      if (block < 0) return block;
      if (block === 0) {
        if (!writes) bytes.fill(0, offset, offset + blockBytes);
        index++;
        continue;
      }
      let count = 1;
      while (index + count < end) {
        const at = offset + count * blockBytes;
        const next = yield* this.#blockFor(index + count, bytes.subarray(at, at + blockBytes), writes);
        if (next !== block + count) break;
        count++;
      }
      const run = bytes.subarray(offset, offset + count * blockBytes);
      const sector = block * (blockBytes / 512);
      const moved = yield* writes
        ? this.volume.device.write(sector, run)
        : this.volume.device.read(sector, run);
      if (moved < 0) return moved;
      index += count;
    }
    if (!writes) bytes.fill(0, Math.min(bytes.length, Math.max(0, this.size - firstPage * PAGE_BYTES)));
    return 0;
  }

  /** The block to transfer, 0 for none. Writing through a mapping may need new ones. */
  *#blockFor(index: number, bytes: Uint8Array, writes: boolean): Op<number> {
    const block = yield* this.volume.map.find(this, index);
    if (!writes) return this.#fresh.has(index) ? 0 : block;
    this.#fresh.delete(index);
    if (block !== 0 || bytes.every((byte) => byte === 0)) return block;
    const made = yield* this.volume.map.ensure(this, index);
    if (typeof made === 'number') return made;
    yield* this.store();
    return made.block;
  }
}
