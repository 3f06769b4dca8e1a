/** An inode of ext2, ext3 or ext4 in memory: what all types have in common. */
import { E } from '../../abi/errno.ts';
import { isDirectory, S_IALLUGO, S_IFMT } from '../../abi/stat.ts';
import type { Op } from '../../task/wait.ts';
import type {
  AttributeChange,
  FileSystem,
  Inode,
  InodeLocks,
  InodeWatch,
  SharedMapping,
  Time,
} from '../types.ts';
import type { Block } from './block-cache.ts';
import { EXT4_EXTENTS_FL } from './extent-node.ts';
import type { MappedFile } from './file-map.ts';
import { type InodeFields, sealRecord, writeInode } from './inode-record.ts';
import type { ChangedInode } from './transactions.ts';
import type { Volume } from './volume.ts';

/** Beyond the end of every file. */
export const ALL_BLOCKS: number = Number.MAX_SAFE_INTEGER;
const XATTR_CHECKSUM_AT = 16;

/** What an inode needs of its file system. */
export interface Ext2Home extends FileSystem {
  readonly volume: Volume;
  inode(ino: number): Op<Ext2Inode | number>;
  /** Makes an inode of the type in `mode` without a name; under the lock. */
  newInode(
    parent: Ext2Inode,
    mode: number,
    rdev: number,
    owner: { uid: number; gid: number },
  ): Op<Ext2Inode | number>;
}

export class Ext2Inode implements Inode, MappedFile, ChangedInode {
  readonly fs: Ext2Home;
  readonly ino: number;
  readonly fields: InodeFields;
  sharedMapping: SharedMapping | undefined;
  locks: InodeLocks | undefined;
  watches: Set<InodeWatch> | undefined;
  mayBeNamed = false;
  goal: number;
  /** Its number may belong to another file already. */
  freed = false;
  /** Transactions that it changed in last: in any way, and in more than its times. */
  protected changedIn = 0;
  protected contentsChangedIn = 0;
  #holders = 0;
  #isNew: boolean;
  #checksumSeed: number | undefined;

  constructor(fs: Ext2Home, ino: number, fields: InodeFields, isNew: boolean) {
    this.fs = fs;
    this.ino = ino;
    this.fields = fields;
    this.goal = fs.volume.groups.firstBlockFor(ino);
    this.#isNew = isNew;
    if (isNew) this.changed();
  }

  get volume(): Volume {
    return this.fs.volume;
  }

  get mode(): number {
    return this.fields.mode;
  }

  get uid(): number {
    return this.fields.uid;
  }

  get gid(): number {
    return this.fields.gid;
  }

  get nlink(): number {
    return this.fields.nlink;
  }

  get size(): number {
    return this.fields.size;
  }

  get atime(): Time {
    return this.fields.atime;
  }

  get mtime(): Time {
    return this.fields.mtime;
  }

  get ctime(): Time {
    return this.fields.ctime;
  }

  get rdev(): number {
    return 0;
  }

  get hasExtents(): boolean {
    return (this.fields.flags & EXT4_EXTENTS_FL) !== 0;
  }

  get slots(): Uint32Array {
    return this.fields.slots;
  }

  get checksumSeed(): number {
    this.#checksumSeed ??= this.volume.sb.checksums.ofInode(this.ino, this.fields.generation);
    return this.#checksumSeed;
  }

  get blocks512(): number {
    return this.fields.blocks512;
  }

  get blockBytes(): number {
    return this.volume.blockBytes;
  }

  get blockCount(): number {
    return this.fields.blocks512 / (this.blockBytes / 512);
  }

  set blockCount(count: number) {
    this.fields.blocks512 = Math.max(0, count * (this.blockBytes / 512));
  }

  /** The size that the inode table says: a file's may be ahead of it, by what has no place on the disk yet. */
  get diskSize(): number {
    return this.fields.size;
  }

  get isHeld(): boolean {
    return this.#holders > 0;
  }

  hold(): void {
    this.#holders++;
  }

  drop(): void {
    this.#holders--;
    if (this.#holders === 0 && this.nlink === 0) this.volume.later(() => this.freeUnheld());
  }

  setAttributes(change: AttributeChange): Op<number> {
    return this.volume.locked(this.#setAttributes(change));
  }

  /** On return it is on the disk, with everything that leads to it. @param dataOnly not times that nothing depends on */
  *sync(dataOnly = false): Op<number> {
    const written = yield* this.writeBack();
    const { transactions } = this.volume;
    const certain = yield* transactions.commit(dataOnly ? this.contentsChangedIn : this.changedIn);
    return written < 0 ? written : certain;
  }

  /** Drops cached contents, written or not. */
  discardPages(): void {}

  /** Nothing of it is in memory only. */
  get isIdle(): boolean {
    return !this.volume.transactions.has(this);
  }

  /** Writes its pages. Not under the lock. */
  *writeBack(): Op<number> {
    return 0;
  }

  get hasDirtyPages(): boolean {
    return false;
  }

  /** The record in the inode table is behind; it follows when the transaction is committed. */
  changed(): void {
    const { transactions } = this.volume;
    transactions.add(this);
    this.changedIn = transactions.running;
    this.contentsChangedIn = transactions.running;
  }

  /** Contents changed: both times. */
  touch(): void {
    this.fields.mtime = this.volume.now();
    this.fields.ctime = this.fields.mtime;
    this.timesChanged();
  }

  /** As {@link changed}, for what fdatasync leaves out. */
  protected timesChanged(): void {
    const { transactions } = this.volume;
    transactions.add(this);
    this.changedIn = transactions.running;
  }

  *put(): Op<number> {
    const { volume } = this;
    const record = yield* volume.record(this.ino);
    if (typeof record === 'number') return record;
    const fields = { ...this.fields, size: this.diskSize };
    writeInode(record.bytes, fields, this.#isNew ? volume.sb.extraInodeBytes : undefined);
    if (volume.sb.hasChecksums) sealRecord(record.bytes, volume.sb.checksums, this.checksumSeed);
    this.#isNew = false;
    record.block.changed();
    return 0;
  }

  /** One name fewer; under the lock. Without names and holders it is freed. */
  *unlinked(count = 1): Op<number> {
    this.fields.nlink = Math.max(0, this.fields.nlink - count);
    this.fields.ctime = this.volume.now();
    this.changed();
    if (this.fields.nlink > 0) return 0;
    if (this.isHeld) this.volume.orphans?.add(this);
    return yield* this.freeUnheld();
  }

  /** Frees blocks and inode, unless somebody has it open; under the lock. */
  *freeUnheld(): Op<number> {
    // What is on the list of orphans of a file system that is read only now is freed when it is written again.
    if (this.isHeld || this.freed || this.nlink > 0 || this.volume.readonly) return 0;
    this.freed = true;
    this.discardPages();
    const { volume, fields } = this;
    volume.orphans?.remove(this);
    if (this.hasBlocks) yield* volume.maps.of(this).remove(this, 0, ALL_BLOCKS);
    if (fields.aclBlock !== 0) yield* this.#dropAcl();
    fields.size = 0;
    fields.blocks512 = 0;
    fields.dtime = Math.max(1, volume.seconds());
    const stored = yield* this.put();
    volume.transactions.remove(this);
    const freed = yield* volume.groups.freeInode(this.ino, isDirectory(this));
    return stored < 0 ? stored : freed;
  }

  /** The slots hold block numbers, not a device number or a short link. */
  protected get hasBlocks(): boolean {
    return true;
  }

  *#setAttributes(change: AttributeChange): Op<number> {
    const { fields } = this;
    if (this.freed) return -E.STALE;
    if (change.permissions !== undefined)
      fields.mode = (fields.mode & S_IFMT) | (change.permissions & S_IALLUGO);
    if (change.uid !== undefined) fields.uid = change.uid;
    if (change.gid !== undefined) fields.gid = change.gid;
    if (change.atime !== undefined) fields.atime = change.atime;
    if (change.mtime !== undefined) fields.mtime = change.mtime;
    fields.ctime = this.volume.now();
    this.changed();
    return 0;
  }

  /** Extended attributes lie in a block that inodes may share. */
  *#dropAcl(): Op<number> {
    const { fields, volume } = this;
    if (fields.aclBlock >= volume.sb.blocks || volume.groups.system.overlaps(fields.aclBlock, 1))
      return -E.IO;
    const block = yield* volume.cache.read(fields.aclBlock);
    if (typeof block === 'number') return block;
    const users = block.view.getUint32(4, true);
    fields.aclBlock = 0;
    if (users <= 1) return yield* volume.groups.freeBlock(block.number);
    block.view.setUint32(4, users - 1, true);
    if (volume.sb.hasChecksums) block.seal = (sealed) => this.#sealAcl(sealed);
    block.changed();
    return 0;
  }

  #sealAcl(block: Block): void {
    const { checksums } = this.volume.sb;
    const seed = checksums.blockNumber(checksums.seed, block.number);
    const sum = checksums.around(seed, block.bytes, XATTR_CHECKSUM_AT, 4);
    block.view.setUint32(XATTR_CHECKSUM_AT, sum, true);
  }
}
