/**
 * Makes changes of metadata certain. What was changed since the last commit is the running transaction; a commit takes
 * all of it at once, between two operations, so the disk goes from one consistent state to the next. With a journal the
 * blocks go there first, and to where they belong when the journal fills (checkpoint). Source: Linux fs/jbd2/.
 */
import { E } from '../../abi/errno.ts';
import { Lock } from '../../task/lock.ts';
import type { Op } from '../../task/wait.ts';
import type { BlockDevice } from '../types.ts';
import type { BlockCache, BlockImage } from './block-cache.ts';
import type { Groups } from './groups.ts';
import type { Journal } from './journal/journal.ts';
import type { Superblock } from './superblock.ts';

/** Bytes of blocks that may wait in the journal for a checkpoint. */
const MAX_WAITING_BYTES: number = 16 << 20;
/** Inodes whose records may be behind. */
const MAX_INODES = 1024;
/** Of the journal, what one transaction may take before it is committed. */
const TRANSACTION_SHARE = 4;
/** Blocks that an operation adds to a transaction at most; the long ones look after themselves. */
const OPERATION_BLOCKS = 64;

/** An inode whose record in its table is behind. */
export interface ChangedInode {
  /** Puts it into the inode table; under the lock. */
  put(): Op<number>;
}

/** What a transaction is made of. */
export interface TransactionParts {
  readonly device: BlockDevice;
  readonly sb: Superblock;
  readonly cache: BlockCache;
  readonly groups: Groups;
  /** Seconds since 1970. */
  readonly seconds: () => number;
  /** Something could not be written: what is in memory and what is on the disk differ for good. */
  readonly failed: (what: string) => void;
  /** Called when a transaction begins to have contents: it should be committed in some seconds. */
  readonly begun: () => void;
}

export class Transactions {
  /** Undefined: blocks are written to where they belong. */
  journal: Journal | undefined;
  /** Number of the running transaction. */
  running = 1;
  /** Up to this one, all is on the disk. */
  committed = 0;
  /** After a failure nothing is written any more. */
  aborted = false;
  /** The file system's lock: nobody is amid an operation while it is free. */
  readonly lock: Lock = new Lock();
  readonly #parts: TransactionParts;
  readonly #commitLock = new Lock();
  readonly #inodes = new Set<ChangedInode>();
  readonly #forgotten = new Set<number>();

  constructor(parts: TransactionParts) {
    this.#parts = parts;
    parts.cache.onForget = (number) => {
      if (parts.cache.committed.has(number)) this.#forgotten.add(number);
    };
  }

  get hasChanges(): boolean {
    return this.#inodes.size > 0 || this.#parts.cache.dirtyCount > 0;
  }

  /** An inode belongs to the running transaction. */
  add(inode: ChangedInode): void {
    if (!this.hasChanges) this.#parts.begun();
    this.#inodes.add(inode);
  }

  /** It was put into its table. */
  remove(inode: ChangedInode): void {
    this.#inodes.delete(inode);
  }

  has(inode: ChangedInode): boolean {
    return this.#inodes.has(inode);
  }

  /** The running transaction should be committed before more is added. */
  get isLarge(): boolean {
    const { cache } = this.#parts;
    if (this.aborted || !this.hasChanges) return false;
    if (this.#inodes.size > MAX_INODES) return true;
    if (this.journal === undefined) return cache.isDirtyEnough;
    const blocks = cache.dirtyCount + this.#inodes.size + OPERATION_BLOCKS;
    return this.journal.sizeOf(blocks, this.#forgotten.size) > this.journal.capacity / TRANSACTION_SHARE;
  }

  /** Space that was freed cannot be used before the next commit, and is about to be missed. */
  get holdsSpace(): boolean {
    const { groups, sb } = this.#parts;
    const { freedCount } = groups;
    return freedCount > 0 && !this.aborted && sb.freeBlocks - freedCount < freedCount / 4 + OPERATION_BLOCKS;
  }

  /**
   * Makes what was changed certain. Not under the lock.
   * @param upTo transaction that the caller needs; if it is on the disk already, only the device is flushed
   * @returns 0 or a negative errno
   */
  *commit(upTo: number = this.running): Op<number> {
    return yield* this.#commitLock.run(this.#commit(upTo));
  }

  *#commit(upTo: number): Op<number> {
    const { device } = this.#parts;
    if (this.aborted) return -E.IO;
    if (this.committed >= upTo) return yield* device.flush();
    const done = yield* this.journal === undefined
      ? this.lock.run(this.#writeHome())
      : this.#log(this.journal);
    if (done < 0) this.#fail(`commit failed (${done})`);
    return done;
  }

  /** Everything is where it belongs and the journal is empty. Not under the lock. */
  *settle(): Op<number> {
    const committed = yield* this.commit();
    if (committed < 0 || this.journal === undefined) return committed;
    return yield* this.#commitLock.run(this.#checkpoint(this.journal));
  }

  /** Writes a single block that is not to go through the journal. */
  *writeThrough(image: BlockImage): Op<number> {
    const { cache, device } = this.#parts;
    const written = yield* cache.writeHome([image]);
    return written < 0 ? written : yield* device.flush();
  }

  *#writeHome(): Op<number> {
    const { cache, device } = this.#parts;
    const number = this.running;
    const sealed = yield* this.#seal();
    const written = yield* cache.writeHome(this.#take());
    const settled = yield* device.flush();
    this.committed = number;
    return sealed < 0 ? sealed : written < 0 ? written : settled;
  }

  *#log(journal: Journal): Op<number> {
    const { cache, groups, device, seconds } = this.#parts;
    const needed = journal.sizeOf(cache.dirtyCount + this.#inodes.size, this.#forgotten.size);
    if (needed + OPERATION_BLOCKS > journal.free) {
      const cleared = yield* this.#checkpoint(journal);
      if (cleared < 0) return cleared;
    }
    const taken = yield* this.lock.run(this.#snapshot());
    if (typeof taken === 'number') return taken;
    const { images, revoked, number } = taken;
    const done = yield* images.length + revoked.length === 0
      ? device.flush()
      : journal.commit({ images, revoked, seconds: seconds() });
    if (done < 0) return done;
    this.committed = number;
    groups.commitEnds();
    for (const block of revoked) cache.committed.delete(block);
    const waiting = cache.committed.size * cache.blockBytes;
    if (journal.free > journal.capacity / 2 && waiting <= MAX_WAITING_BYTES) return 0;
    return yield* this.#checkpoint(journal);
  }

  /** Copies of what the running transaction has changed; the next one begins. Under the lock. */
  *#snapshot(): Op<{ images: BlockImage[]; revoked: number[]; number: number } | number> {
    const { cache, groups } = this.#parts;
    const number = this.running;
    const sealed = yield* this.#seal();
    if (sealed < 0) return sealed;
    const revoked = [...this.#forgotten].filter((block) => cache.committed.has(block));
    const images = this.#take().map(([number, bytes]): BlockImage => [number, bytes.slice()]);
    for (const [number, bytes] of images) cache.committed.set(number, bytes);
    groups.commitStarts();
    return { images, revoked, number };
  }

  /** Everything that is kept elsewhere goes into its block, with checksums. */
  *#seal(): Op<number> {
    const { sb, groups, cache, seconds } = this.#parts;
    let result = 0;
    // Times and sizes change without the lock, too: what changes from here on belongs to the next transaction.
    this.running++;
    for (const inode of [...this.#inodes]) {
      this.#inodes.delete(inode);
      const put = yield* inode.put();
      if (put < 0 && result === 0) result = put;
    }
    groups.seal();
    if (cache.dirtyCount > 0) {
      sb.seal(seconds());
      sb.block?.changed();
    }
    return result;
  }

  #take(): BlockImage[] {
    const images = this.#parts.cache.takeDirty().map(({ number, bytes }): BlockImage => [number, bytes]);
    this.#forgotten.clear();
    return images;
  }

  /** Writes what waits in the journal to where it belongs; nothing of the running transaction. */
  *#checkpoint(journal: Journal): Op<number> {
    const { cache, device } = this.#parts;
    const images = [...cache.committed].sort((a, b) => a[0] - b[0]);
    const written = yield* cache.writeHome(images);
    if (written < 0) return written;
    const settled = yield* device.flush();
    if (settled < 0) return settled;
    for (const [number] of images) cache.committed.delete(number);
    return yield* journal.checkpointed();
  }

  #fail(what: string): void {
    this.aborted = true;
    this.#parts.failed(what);
  }
}
