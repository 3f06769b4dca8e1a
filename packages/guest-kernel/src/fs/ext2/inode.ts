/** An inode of ext2 in memory: what all types have in common. */
import { E } from '../../abi/errno.ts';
import { isDirectory, S_IALLUGO, S_IFMT } from '../../abi/stat.ts';
import type { Op } from '../../task/wait.ts';
import type { AttributeChange, FileSystem, Inode, InodeLocks, SharedMapping, Time } from '../types.ts';
import type { MappedFile } from './block-map.ts';
import { EXT4_EXTENTS_FL } from './extents.ts';
import { type InodeFields, writeInode } from './inode-record.ts';
import type { Volume } from './volume.ts';

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

export class Ext2Inode implements Inode, MappedFile {
  readonly fs: Ext2Home;
  readonly ino: number;
  readonly fields: InodeFields;
  sharedMapping: SharedMapping | undefined;
  locks: InodeLocks | undefined;
  goal: number;
  /** Its number may belong to another file already. */
  freed = false;
  #holders = 0;
  #isNew: boolean;

  constructor(fs: Ext2Home, ino: number, fields: InodeFields, isNew: boolean) {
    this.fs = fs;
    this.ino = ino;
    this.fields = fields;
    this.goal = fs.volume.groups.firstBlockFor(ino);
    this.#isNew = isNew;
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
    this.fields.blocks512 = count * (this.blockBytes / 512);
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

  sync(): Op<number> {
    return this.#sync();
  }

  /** Drops cached contents, written or not. */
  discardPages(): void {}

  /** Nothing of it is in memory only. */
  get isIdle(): boolean {
    return true;
  }

  /** Writes its pages. Not under the lock. */
  *writeBack(): Op<number> {
    return 0;
  }

  get hasDirtyPages(): boolean {
    return false;
  }

  /** Puts the fields into the inode table; under the lock. */
  *store(): Op<number> {
    const record = yield* this.volume.record(this.ino);
    if (typeof record === 'number') return record;
    writeInode(record.bytes, this.fields, this.#isNew ? this.volume.sb.extraInodeBytes : undefined);
    this.#isNew = false;
    record.block.dirty = true;
    return 0;
  }

  /** Contents changed: both times. */
  touch(): void {
    this.fields.mtime = this.volume.now();
    this.fields.ctime = this.fields.mtime;
  }

  /** One name fewer; under the lock. Without names and holders it is freed. */
  *unlinked(count = 1): Op<number> {
    this.fields.nlink = Math.max(0, this.fields.nlink - count);
    this.fields.ctime = this.volume.now();
    const stored = yield* this.store();
    return this.fields.nlink === 0 ? yield* this.freeUnheld() : stored;
  }

  /** Frees blocks and inode, unless somebody has it open; under the lock. */
  *freeUnheld(): Op<number> {
    if (this.isHeld || this.freed || this.nlink > 0) return 0;
    this.freed = true;
    this.discardPages();
    const { volume, fields } = this;
    if (this.hasBlocks) yield* volume.map.truncate(this, 0);
    if (fields.aclBlock !== 0) yield* this.#dropAcl();
    fields.size = 0;
    fields.blocks512 = 0;
    fields.dtime = Math.max(1, Number(volume.now() / 1_000_000_000n));
    yield* this.store();
    return yield* volume.groups.freeInode(this.ino, isDirectory(this));
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
    return yield* this.store();
  }

  *#sync(): Op<number> {
    const { volume } = this;
    const written = yield* this.writeBack();
    const flushed = yield* volume.locked(volume.flush());
    const settled = yield* volume.device.flush();
    return written < 0 ? written : flushed < 0 ? flushed : settled;
  }

  /** Extended attributes lie in a block that inodes may share. */
  *#dropAcl(): Op<number> {
    const { fields, volume } = this;
    const block = yield* volume.cache.read(fields.aclBlock);
    if (typeof block === 'number') return block;
    const users = block.view.getUint32(4, true);
    fields.aclBlock = 0;
    if (users <= 1) return yield* volume.groups.freeBlock(block.number);
    block.view.setUint32(4, users - 1, true);
    block.dirty = true;
    return 0;
  }
}
