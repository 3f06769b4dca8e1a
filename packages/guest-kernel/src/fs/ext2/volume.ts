/** A mounted ext2 file system: its parts, its lock, and the inodes in memory. */
import { E } from '../../abi/errno.ts';
import { Lock } from '../../task/lock.ts';
import type { Op } from '../../task/wait.ts';
import type { DiskNode } from '../block/disks.ts';
import type { PageCache } from '../block/page-cache.ts';
import type { BlockDevice, Time } from '../types.ts';
import { type Block, BlockCache } from './block-cache.ts';
import { BlockMap } from './block-map.ts';
import { Groups } from './groups.ts';
import { SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, Superblock } from './superblock.ts';

/** What the parts of ext2 share. Everything that changes the disk runs in {@link locked}. */
export class Volume {
  readonly node: DiskNode;
  readonly device: BlockDevice;
  readonly sb: Superblock;
  readonly cache: BlockCache;
  readonly groups: Groups;
  readonly map: BlockMap;
  readonly pageCache: PageCache;
  readonly now: () => Time;
  readonly blockBytes: number;
  /** Only reading is possible, whatever the mount says. */
  readonly onlyReadable: boolean;
  readonly: boolean;
  readonly #lock = new Lock();
  /** Operations that free what was deleted while it was in use. */
  readonly #pending: (() => Op<number>)[] = [];

  private constructor(
    node: DiskNode,
    sb: Superblock,
    parts: { readonly cache: BlockCache; readonly groups: Groups },
    more: { readonly pageCache: PageCache; readonly now: () => Time; readonly onlyReadable: boolean },
    readonly: boolean,
  ) {
    this.node = node;
    this.device = node.device;
    this.sb = sb;
    this.cache = parts.cache;
    this.groups = parts.groups;
    this.map = new BlockMap(parts.cache, parts.groups, sb.blocks);
    this.pageCache = more.pageCache;
    this.now = more.now;
    this.onlyReadable = more.onlyReadable;
    this.readonly = readonly;
    this.blockBytes = sb.blockBytes;
  }

  /** Reads the superblock and the descriptors. Errors: -EINVAL no ext2, or one that we cannot do; -EROFS; -EIO */
  static *open(
    node: DiskNode,
    pageCache: PageCache,
    now: () => Time,
    readonly: boolean,
  ): Op<Volume | number> {
    const bytes = new Uint8Array(SUPERBLOCK_BYTES);
    const { device } = node;
    if (device.sectors * 512 < SUPERBLOCK_OFFSET + SUPERBLOCK_BYTES) return -E.INVAL;
    if ((yield* device.read(SUPERBLOCK_OFFSET / 512, bytes)) < 0) return -E.IO;
    const sb = new Superblock(bytes);
    const fit = sb.check(device.sectors * 512);
    if (fit < 0 && fit !== -E.ROFS) return fit;
    const onlyReadable = fit === -E.ROFS || device.readonly;
    if (onlyReadable && !readonly) return device.readonly ? -E.ACCES : -E.ROFS;
    const cache = new BlockCache(device, sb.blockBytes);
    const groups = yield* Groups.load(sb, cache);
    if (typeof groups === 'number') return groups;
    return new Volume(node, sb, { cache, groups }, { pageCache, now, onlyReadable }, readonly);
  }

  /** Runs an operation on the metadata alone. Not reentrant. */
  locked<T>(op: Op<T>): Op<T> {
    return this.#lock.run(this.#inside(op));
  }

  /** Does something under the lock at the next opportunity. */
  later(what: () => Op<number>): void {
    this.#pending.push(what);
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

  /** Writes metadata and the superblock. Under the lock. */
  *flush(): Op<number> {
    const written = yield* this.cache.flush();
    if (!this.sb.dirty) return written;
    this.sb.stampWrite(Number(this.now() / 1_000_000_000n));
    this.sb.dirty = false;
    const wroteSuper = yield* this.device.write(SUPERBLOCK_OFFSET / 512, this.sb.bytes);
    return written < 0 ? written : wroteSuper;
  }

  *#inside<T>(op: Op<T>): Op<T> {
    for (let what = this.#pending.shift(); what !== undefined; what = this.#pending.shift()) yield* what();
    const result = yield* op;
    if (this.cache.isOverfull) {
      yield* this.cache.flush();
      this.cache.trim();
    }
    return result;
  }
}
