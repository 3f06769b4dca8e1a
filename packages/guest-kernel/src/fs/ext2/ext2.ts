/** ext2, ext3 and ext4: mounting, and making inodes. */
import { E } from '../../abi/errno.ts';
import { EXT2_SUPER_MAGIC } from '../../abi/mount.ts';
import { isDirectory, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../../abi/stat.ts';
import type { Op } from '../../task/wait.ts';
import type { DiskNode } from '../block/disks.ts';
import type { PageCache } from '../block/page-cache.ts';
import type { FileSystem, FsStatistics, Time } from '../types.ts';
import { BLOCK_SLOTS } from './block-map.ts';
import { Ext2Directory } from './directory.ts';
import { EXT4_EXTENTS_FL, initialiseRoot } from './extent-node.ts';
import { Ext2File } from './file.ts';
import type { Ext2Home, Ext2Inode } from './inode.ts';
import { type InodeFields, readInode, recordMatches } from './inode-record.ts';
import { openVolume } from './open-volume.ts';
import type { ExtOptions } from './options.ts';
import { Ext2Node, Ext2Symlink } from './special.ts';
import type { Volume } from './volume.ts';

const ROOT_INO = 2;
/** Inodes that are kept though nobody holds them. */
const IDLE_INODES = 2048;

export class Ext2 implements FileSystem, Ext2Home {
  readonly type: string;
  readonly dev: number;
  readonly nameMax = 255;
  readonly volume: Volume;
  readonly #inodes = new Map<number, Ext2Inode>();
  #root: Ext2Inode | undefined;

  private constructor(type: string, dev: number, volume: Volume) {
    this.type = type;
    this.dev = dev;
    this.volume = volume;
  }

  /**
   * Mounts what is on a disk.
   * Errors: -EINVAL no ext2, or features that are not known; -EROFS, -EACCES not for writing; -EIO
   */
  static *mount(
    node: DiskNode,
    parts: {
      readonly type: string;
      readonly dev: number;
      readonly cache: PageCache;
      readonly now: () => Time;
      readonly options: ExtOptions;
      /** A line for the kernel's log. */
      readonly log: (text: string) => void;
    },
    readonly: boolean,
  ): Op<Ext2 | number> {
    yield* node.sync();
    node.pages.clear();
    const log = (text: string) => parts.log(`EXT4-fs (${node.name}): ${text}`);
    const wanted = { options: parts.options, pageCache: parts.cache, now: parts.now, log };
    const volume = yield* openVolume(node, wanted, readonly);
    if (typeof volume === 'number') return volume;
    const fs = new Ext2(parts.type, parts.dev, volume);
    const root = yield* fs.inode(ROOT_INO);
    if (typeof root === 'number') return root;
    if (!isDirectory(root) || root.size === 0) return -E.INVAL;
    fs.#root = root;
    root.hold();
    if (!readonly) {
      const begun = yield* fs.#beginWriting();
      if (begun < 0) return begun;
    }
    node.mounted = true;
    return fs;
  }

  get root(): Ext2Inode {
    if (this.#root === undefined) throw new Error('the root is read before anything else');
    return this.#root;
  }

  get options(): string {
    return this.volume.options;
  }

  get readonly(): boolean {
    return this.volume.readonly;
  }

  statistics(): FsStatistics {
    const { sb } = this.volume;
    return {
      magic: EXT2_SUPER_MAGIC,
      blockBytes: sb.blockBytes,
      blocks: sb.blocks - sb.overheadBlocks,
      blocksFree: sb.freeBlocks,
      blocksAvailable: Math.max(0, sb.freeBlocks - sb.reservedBlocks),
      files: sb.inodes,
      filesFree: sb.freeInodes,
      nameMax: this.nameMax,
    };
  }

  *sync(): Op<number> {
    const { volume } = this;
    if (volume.readonly) return 0;
    let result = 0;
    for (const inode of [...this.#inodes.values()]) {
      inode.sharedMapping?.collect(0, Number.POSITIVE_INFINITY);
      const written = inode.hasDirtyPages ? yield* inode.writeBack() : 0;
      if (written < 0 && result === 0) result = written;
    }
    yield* volume.catchUp();
    const committed = yield* volume.transactions.commit();
    return result < 0 ? result : committed;
  }

  *unmount(): Op<number> {
    const result = yield* this.#endWriting();
    this.volume.node.mounted = false;
    this.volume.node.pages.clear();
    return result;
  }

  *remount(readonly: boolean): Op<number> {
    if (readonly === this.volume.readonly) return 0;
    if (!readonly && this.volume.onlyReadable) return -E.ROFS;
    if (readonly) {
      const ended = yield* this.#endWriting();
      this.volume.readonly = true;
      return ended;
    }
    this.volume.readonly = false;
    return yield* this.#beginWriting();
  }

  *inode(ino: number): Op<Ext2Inode | number> {
    const held = this.#inodes.get(ino);
    if (held !== undefined && !held.freed) return this.#keep(held);
    const inode = yield* this.#read(ino);
    if (typeof inode === 'number') return inode;
    return inode.mode === 0 || inode.nlink === 0 ? -E.STALE : this.#keep(inode);
  }

  /** An inode as it is on the disk. */
  *#read(ino: number): Op<Ext2Inode | number> {
    const { sb, blockBytes } = this.volume;
    const record = yield* this.volume.record(ino);
    if (typeof record === 'number') return record;
    const fields = readInode(record.bytes, blockBytes);
    if (sb.hasChecksums) {
      const seed = sb.checksums.ofInode(ino, fields.generation);
      if (!recordMatches(record.bytes, sb.checksums, seed)) return fields.mode === 0 ? -E.STALE : -E.IO;
    }
    return this.#make(ino, fields, false);
  }

  *newInode(
    parent: Ext2Inode,
    mode: number,
    rdev: number,
    owner: { uid: number; gid: number },
  ): Op<Ext2Inode | number> {
    const { sb, groups } = this.volume;
    const near = Math.floor((parent.ino - 1) / sb.inodesPerGroup);
    const ino = yield* groups.allocateInode(near, (mode & S_IFMT) === S_IFDIR);
    if (ino < 0) return ino;
    const now = this.volume.now();
    const fields: InodeFields = {
      mode,
      uid: owner.uid,
      gid: owner.gid,
      nlink: 1,
      size: 0,
      blocks512: 0,
      flags: 0,
      aclBlock: 0,
      generation: Number(now & 0xffffffffn),
      atime: now,
      mtime: now,
      ctime: now,
      dtime: 0,
      slots: new Uint32Array(BLOCK_SLOTS),
    };
    const kind = mode & S_IFMT;
    if (sb.hasExtents && (kind === S_IFREG || kind === S_IFDIR)) {
      fields.flags |= EXT4_EXTENTS_FL;
      initialiseRoot(fields.slots);
    }
    const inode = this.#make(ino, fields, true);
    if (inode instanceof Ext2Node) inode.setDevice(rdev);
    return this.#keep(inode);
  }

  #make(ino: number, fields: InodeFields, isNew: boolean): Ext2Inode {
    switch (fields.mode & S_IFMT) {
      case S_IFREG:
        return new Ext2File(this, ino, fields, isNew);
      case S_IFDIR:
        return new Ext2Directory(this, ino, fields, isNew);
      case S_IFLNK:
        return new Ext2Symlink(this, ino, fields, isNew);
      default:
        return new Ext2Node(this, ino, fields, isNew);
    }
  }

  #keep(inode: Ext2Inode): Ext2Inode {
    this.#inodes.delete(inode.ino);
    this.#inodes.set(inode.ino, inode);
    if (this.#inodes.size > 2 * IDLE_INODES) {
      for (const [ino, idle] of this.#inodes) {
        if (this.#inodes.size <= IDLE_INODES) break;
        if (idle !== inode && !idle.isHeld && idle.isIdle) {
          idle.discardPages();
          this.#inodes.delete(ino);
        }
      }
    }
    return inode;
  }

  *#beginWriting(): Op<number> {
    const begun = yield* this.volume.beginWriting();
    if (begun < 0) return begun;
    return yield* this.#freeOrphans();
  }

  *#endWriting(): Op<number> {
    if (this.volume.readonly) return 0;
    const synced = yield* this.sync();
    const ended = yield* this.volume.endWriting();
    return synced < 0 ? synced : ended;
  }

  /** Inodes that were in use without a name, or were being shortened, when the power went. */
  *#freeOrphans(): Op<number> {
    const { volume } = this;
    const seen = new Set<number>();
    const held: Ext2Inode[] = [];
    for (let ino = volume.sb.lastOrphan; ino !== 0; ino = volume.sb.lastOrphan) {
      const next = seen.has(ino) ? -E.IO : yield* volume.locked(this.#freeOrphan(ino, held));
      seen.add(ino);
      if (next >= 0) continue;
      volume.log(`orphan list is damaged at inode ${ino}`);
      return yield* volume.locked(this.#dropOrphans());
    }
    if (held.length > 0) yield* volume.locked(this.#keepOrphans(held));
    if (seen.size > held.length) volume.log(`${seen.size - held.length} orphan inodes deleted`);
    return 0;
  }

  *#dropOrphans(): Op<number> {
    this.volume.sb.lastOrphan = 0;
    return 0;
  }

  *#keepOrphans(held: readonly Ext2Inode[]): Op<number> {
    for (const inode of held) this.volume.orphans?.add(inode);
    return 0;
  }

  /** @param held gets it if it is in use: the file system was not unmounted, but read only for a time */
  *#freeOrphan(ino: number, held: Ext2Inode[]): Op<number> {
    const { sb } = this.volume;
    if (ino < sb.firstInode) return -E.IO;
    const inode = this.#inodes.get(ino) ?? (yield* this.#read(ino));
    if (typeof inode === 'number') return inode;
    if (inode.mode === 0) return -E.IO;
    sb.lastOrphan = inode.fields.dtime;
    inode.fields.dtime = 0;
    if (inode.isHeld) {
      held.push(inode);
      return 0;
    }
    if (inode.nlink === 0) return Math.min(0, yield* inode.freeUnheld());
    inode.changed();
    return inode instanceof Ext2File ? yield* inode.shorten() : 0;
  }
}
