/** A mounted ext2, ext3 or ext4 file system: its parts, its lock, and what makes changes certain. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { DiskNode } from '../block/disks.ts';
import type { PageCache } from '../block/page-cache.ts';
import type { BlockDevice, Time } from '../types.ts';
import type { Block, BlockCache } from './block-cache.ts';
import { FileMaps } from './file-map.ts';
import type { Groups } from './groups.ts';
import { type Journal, journalFormat } from './journal/journal.ts';
import type { ExtOptions } from './options.ts';
import { Orphans } from './orphans.ts';
import type { Superblock } from './superblock.ts';
import { Transactions } from './transactions.ts';

const NS_PER_SECOND = 1_000_000_000n;

/** What a volume is made of; {@link openVolume} reads it. */
export interface VolumeParts {
  readonly node: DiskNode;
  readonly sb: Superblock;
  readonly cache: BlockCache;
  readonly groups: Groups;
  readonly journal: Journal | undefined;
  readonly options: ExtOptions;
  readonly pageCache: PageCache;
  readonly now: () => Time;
  /** A line for the kernel's log; the name of the disk comes before it. */
  readonly log: (text: string) => void;
  /** Only reading is possible, whatever the mount says. */
  readonly onlyReadable: boolean;
}

/** A file with blocks that have no place on the disk yet. */
export interface DelayedFile {
  writeBack(): Op<number>;
}

/** What the parts of the file system share. Everything that changes the disk runs in {@link locked}. */
export class Volume {
  readonly node: DiskNode;
  readonly device: BlockDevice;
  readonly sb: Superblock;
  readonly cache: BlockCache;
  readonly groups: Groups;
  readonly maps: FileMaps;
  readonly transactions: Transactions;
  readonly pageCache: PageCache;
  readonly now: () => Time;
  readonly blockBytes: number;
  readonly onlyReadable: boolean;
  readonly log: (text: string) => void;
  /** Files whose blocks are promised, and how many blocks that are. */
  readonly delayed: Set<DelayedFile> = new Set();
  promised = 0;
  readonly: boolean;
  /** Kept with a journal only. */
  orphans: Orphans | undefined;
  readonly #journal: Journal | undefined;
  readonly #options: ExtOptions;
  /** Operations that free what was deleted while it was in use. */
  readonly #pending: (() => Op<number>)[] = [];
  /** Unmounting does not make a file system clean that was not. */
  #wasClean = true;
  #hasErrors = false;

  constructor(parts: VolumeParts, readonly: boolean) {
    this.node = parts.node;
    this.device = parts.node.device;
    this.sb = parts.sb;
    this.cache = parts.cache;
    this.groups = parts.groups;
    this.maps = new FileMaps(parts.sb, parts.cache, parts.groups);
    this.#journal = parts.journal;
    this.#options = parts.options;
    this.pageCache = parts.pageCache;
    this.now = parts.now;
    this.log = parts.log;
    this.onlyReadable = parts.onlyReadable;
    this.readonly = readonly;
    this.blockBytes = parts.sb.blockBytes;
    this.transactions = new Transactions({
      ...parts,
      device: parts.node.device,
      seconds: () => this.seconds(),
      failed: (what) => this.#broken(what, true),
      begun: () => this.pageCache.changed(),
    });
  }

  get options(): string {
    return this.#options.shown;
  }

  /** Since 1970. */
  seconds(): number {
    return Number(this.now() / NS_PER_SECOND);
  }

  /** Runs an operation on the metadata alone. Not reentrant. */
  *locked<T>(op: Op<T>): Op<T> {
    const { transactions } = this;
    if (transactions.isLarge || transactions.holdsSpace) yield* transactions.commit();
    return yield* transactions.lock.run(this.#inside(op));
  }

  /** Does something under the lock at the next opportunity. */
  later(what: () => Op<number>): void {
    this.#pending.push(what);
    this.pageCache.changed();
  }

  /** Does now what was left for later. */
  catchUp(): Op<number> {
    return this.locked(nothing());
  }

  /** Is there room for `more` blocks of files beside what is promised, with what maps may need for them? */
  hasRoomFor(more: number, byPointers: boolean): boolean {
    const needed = this.promised + more;
    const map = byPointers ? 3 * needed : needed >>> 3;
    return this.sb.freeBlocks - 64 - map >= needed;
  }

  /** The record of an inode in its table. @returns -EIO or -ESTALE for a number that cannot be */
  *record(ino: number): Op<{ block: Block; bytes: Uint8Array } | number> {
    const { sb } = this;
    if (ino < 1 || ino > sb.inodes) return -E.STALE;
    const group = this.groups.all[Math.floor((ino - 1) / sb.inodesPerGroup)]!;
    const place = ((ino - 1) % sb.inodesPerGroup) * sb.inodeBytes;
    const block = yield* this.cache.read(group.inodeTable + Math.floor(place / this.blockBytes));
    if (typeof block === 'number') return block;
    const at = place % this.blockBytes;
    return { block, bytes: block.bytes.subarray(at, at + sb.inodeBytes) };
  }

  /** Before the first change. */
  *beginWriting(): Op<number> {
    const { sb, transactions } = this;
    this.#wasClean = sb.isClean;
    sb.countMount(this.seconds());
    const journal = this.#journal;
    if (journal === undefined) {
      sb.isClean = false;
      return yield* transactions.commit();
    }
    const begun = yield* journal.begin(journalFormat(sb));
    if (begun < 0) return begun;
    sb.needsRecovery = true;
    const noted = yield* transactions.commit();
    if (noted < 0) return noted;
    transactions.journal = journal;
    this.groups.keepsFreed = true;
    this.orphans = new Orphans(sb);
    return 0;
  }

  /** After the last change: everything is where it belongs, and the file system clean if it was. */
  *endWriting(): Op<number> {
    const { sb, transactions } = this;
    const freed = yield* this.catchUp();
    const settled = yield* transactions.settle();
    if (settled < 0) return settled;
    if (this.#journal !== undefined && transactions.journal !== undefined) {
      const ended = yield* this.#journal.end();
      if (ended < 0) return ended;
      transactions.journal = undefined;
      this.groups.keepsFreed = false;
      this.orphans = undefined;
      sb.needsRecovery = false;
    } else if (this.#wasClean && !this.#hasErrors) sb.isClean = true;
    const noted = yield* transactions.commit();
    return freed < 0 ? freed : noted;
  }

  *#inside<T>(op: Op<T>): Op<T> {
    for (let what = this.#pending.shift(); what !== undefined; what = this.#pending.shift()) yield* what();
    const result = yield* op;
    if (result === -E.IO) this.#broken('an operation met damage or an error of the disk', false);
    if (this.cache.isOverfull) this.cache.trim();
    return result;
  }

  /** What is on the disk does not make sense, or cannot be written. */
  #broken(what: string, fatal: boolean): void {
    if (!this.#hasErrors) this.log(`error: ${what}`);
    if (!this.#hasErrors && !this.readonly && !fatal) this.sb.markErrors();
    this.#hasErrors = true;
    const onErrors = this.#options.onErrors ?? (this.sb.onErrors >= 2 ? 'remount-ro' : 'continue');
    if (this.readonly || (!fatal && onErrors === 'continue')) return;
    this.log('Remounting filesystem read-only');
    this.readonly = true;
  }
}

function* nothing(): Op<number> {
  return 0;
}
