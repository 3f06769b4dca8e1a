/** Regular files of ext2, ext3 and ext4: pages in the page cache, blocks on the disk. */
import { E } from '../../abi/errno.ts';
import { FALLOC_FL_KEEP_SIZE, FALLOC_FL_PUNCH_HOLE } from '../../abi/fcntl.ts';
import { Lock } from '../../task/lock.ts';
import type { Op } from '../../task/wait.ts';
import { FilePages, type PageStore } from '../block/page-cache.ts';
import { relatimeDue } from '../memory-inode.ts';
import { PAGE_BYTES } from '../types.ts';
import { type BlockedFile, FileBlocks } from './file-blocks.ts';
import { ALL_BLOCKS, type Ext2Home, Ext2Inode } from './inode.ts';
import type { InodeFields } from './inode-record.ts';

/** Sectors that i_blocks can count. */
const MAX_SECTORS = 2 ** 32;
/** From here on, the file system needs large_file. */
const LARGE_FILE_BYTES = 2 ** 31;

export class Ext2File extends Ext2Inode implements PageStore, BlockedFile {
  readonly #pages: FilePages;
  readonly #blocks: FileBlocks;
  /** One writer or truncation at a time. */
  readonly #lock = new Lock();
  #diskSize: number;
  /** What went wrong when pages were written and nobody waited: the next fsync says so. */
  #failed = 0;

  constructor(fs: Ext2Home, ino: number, fields: InodeFields, isNew: boolean) {
    super(fs, ino, fields, isNew);
    this.#diskSize = fields.size;
    this.#pages = new FilePages(this.volume.pageCache, this);
    this.#blocks = new FileBlocks(this);
  }

  override get hasDirtyPages(): boolean {
    return this.#pages.hasDirty;
  }

  override get diskSize(): number {
    return this.freed ? this.fields.size : this.#diskSize;
  }

  /** What has no place on the disk yet counts, as ext4_file_getattr has it: tar and cp take a file without blocks for a hole. */
  override get blocks512(): number {
    return super.blocks512 + this.#blocks.promised * (this.blockBytes / 512);
  }

  override get isIdle(): boolean {
    const quiet = !this.#pages.hasDirty && this.#blocks.promised === 0 && this.#failed === 0;
    return super.isIdle && quiet && this.sharedMapping === undefined;
  }

  get #maxBytes(): number {
    const blocks = this.volume.maps.of(this).maxBlocks;
    return Math.min(blocks * this.blockBytes, MAX_SECTORS * 512);
  }

  *readAt(into: Uint8Array, pos: number): Op<number> {
    const count = yield* this.#pages.read(into, pos, this.size);
    if (count > 0 && !this.volume.readonly) {
      const now = this.volume.now();
      if (relatimeDue(this, now)) {
        this.fields.atime = now;
        this.timesChanged();
      }
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
    // A page counts as written as long as somebody may write to it.
    if (this.freed || this.#pages.has(index, bytes)) return;
    if (!this.#pages.patch(index, bytes)) {
      const page = new Uint8Array(PAGE_BYTES);
      page.set(bytes);
      this.#pages.patch(index, page);
    }
    this.touch();
  }

  *seekData(pos: number, hole: boolean): Op<number> {
    yield* this.writeBack();
    return yield* this.volume.locked(this.#seekData(pos, hole));
  }

  override *writeBack(): Op<number> {
    if (!this.#pages.hasDirty) return 0;
    const written = yield* this.#pages.flush();
    if (written < 0) this.#failed = written;
    return written;
  }

  override *sync(dataOnly = false): Op<number> {
    const certain = yield* super.sync(dataOnly);
    const failed = this.#failed;
    this.#failed = 0;
    return failed < 0 ? failed : certain;
  }

  readPages(first: number, into: Uint8Array): Op<number> {
    return this.volume.locked(this.freed ? answer(-E.STALE) : this.#blocks.read(first, into));
  }

  writePages(first: number, from: Uint8Array, isCurrent: (index: number) => boolean): Op<number> {
    return this.volume.locked(this.#writePages(first, from, isCurrent));
  }

  override discardPages(): void {
    this.#pages.clear();
    this.#blocks.release(0, ALL_BLOCKS);
    this.#blocks.forget();
  }

  /** Frees what lies beyond its end; under the lock. */
  *shorten(): Op<number> {
    return yield* this.#resize(this.size);
  }

  wrote(size: number): void {
    if (size <= this.#diskSize) return;
    this.#diskSize = size;
    this.changed();
  }

  *#writePages(first: number, from: Uint8Array, isCurrent: (index: number) => boolean): Op<number> {
    if (this.freed) return 0;
    if (this.volume.readonly) return -E.ROFS;
    const count = from.length / PAGE_BYTES;
    let result = 0;
    for (let page = 0; page < count; page++) {
      let length = 0;
      while (page + length < count && isCurrent(first + page + length)) length++;
      if (length === 0) continue;
      const part = from.subarray(page * PAGE_BYTES, (page + length) * PAGE_BYTES);
      const written = yield* this.#blocks.write(first + page, part);
      if (written < 0 && result === 0) result = written;
      page += length;
    }
    return result;
  }

  *#write(from: Uint8Array, pos: number | undefined): Op<number> {
    const at = pos ?? this.size;
    if (this.freed) return -E.STALE;
    const room = this.#maxBytes - at;
    if (room <= 0) return -E.FBIG;
    const wanted = from.length <= room ? from : from.subarray(0, room);
    if (wanted.length === 0) return 0;
    const large = at + wanted.length >= LARGE_FILE_BYTES;
    if (large && !this.volume.sb.allowLargeFiles()) return -E.FBIG;
    const backed = yield* this.#blocks.promise(at, wanted.length);
    if (backed <= 0) return backed;
    const count = yield* this.#pages.write(wanted.subarray(0, backed), at, this.size);
    if (count <= 0) return count;
    this.fields.size = Math.max(this.size, at + count);
    this.touch();
    return count;
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
    return yield* this.volume.locked(this.#resize(size));
  }

  *#resize(size: number): Op<number> {
    const first = Math.ceil(size / this.blockBytes);
    this.#blocks.release(first, ALL_BLOCKS);
    this.#blocks.forget();
    // What was reserved beyond the end goes, too.
    const freed = size <= this.size ? yield* this.volume.maps.of(this).remove(this, first, ALL_BLOCKS) : 0;
    this.fields.size = size;
    this.#diskSize = size;
    this.touch();
    this.changed();
    return freed;
  }

  *#allocate(pos: number, length: number, mode: number): Op<number> {
    const end = pos + length;
    if ((mode & ~(FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE)) !== 0) return -E.OPNOTSUPP;
    if ((mode & FALLOC_FL_PUNCH_HOLE) !== 0) return yield* this.#punch(pos, Math.min(end, this.size));
    const keepsSize = (mode & FALLOC_FL_KEEP_SIZE) !== 0;
    // Without unwritten extents, what is reserved beyond the end would be found there by e2fsck.
    if (!this.hasExtents && keepsSize && end > this.size) return -E.OPNOTSUPP;
    if (end > this.#maxBytes) return -E.FBIG;
    if (end >= LARGE_FILE_BYTES && !this.volume.sb.allowLargeFiles()) return -E.FBIG;
    const reserved = yield* this.#blocks.reserve(pos, length);
    if (reserved < 0) {
      yield* this.volume.locked(this.#dropBeyondEnd());
      return reserved;
    }
    if (!keepsSize && end > this.size) {
      this.fields.size = end;
      this.#diskSize = end;
    }
    this.touch();
    this.changed();
    return 0;
  }

  *#dropBeyondEnd(): Op<number> {
    this.#blocks.forget();
    this.changed();
    const first = Math.ceil(this.size / this.blockBytes);
    return yield* this.volume.maps.of(this).remove(this, first, ALL_BLOCKS);
  }

  *#punch(start: number, end: number): Op<number> {
    if (end <= start) return 0;
    const { blockBytes } = this;
    yield* this.writeBack();
    const firstPage = Math.ceil(start / PAGE_BYTES) * PAGE_BYTES;
    const lastPage = Math.floor(end / PAGE_BYTES) * PAGE_BYTES;
    const edges: readonly (readonly [from: number, to: number])[] =
      firstPage <= lastPage
        ? [
            [start, Math.min(firstPage, end)],
            [lastPage, end],
          ]
        : [[start, end]];
    for (const [from, to] of edges) {
      if (to > from) yield* this.#pages.write(new Uint8Array(to - from), from, this.size);
    }
    if (lastPage > firstPage) yield* this.#pages.cut(firstPage, lastPage, this.size);
    return yield* this.volume.locked(this.#punchBlocks(firstPage / blockBytes, lastPage / blockBytes));
  }

  *#punchBlocks(first: number, end: number): Op<number> {
    this.touch();
    this.changed();
    if (end <= first) return 0;
    this.#blocks.release(first, end);
    this.#blocks.forget();
    return yield* this.volume.maps.of(this).remove(this, first, end);
  }

  *#seekData(pos: number, hole: boolean): Op<number> {
    const { blockBytes } = this;
    const end = Math.ceil(this.size / blockBytes);
    for (let index = Math.floor(pos / blockBytes); index < end; ) {
      const mapping = yield* this.volume.maps.find(this, index, end - index);
      if (typeof mapping === 'number') return mapping;
      if ((mapping.block === 0 || mapping.unwritten) === hole) return Math.max(pos, index * blockBytes);
      index += mapping.count;
    }
    return hole ? this.size : -E.NXIO;
  }
}

function* answer(value: number): Op<number> {
  return value;
}
