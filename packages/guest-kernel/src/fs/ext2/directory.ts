/** Directories of ext2. All operations are under the file system's lock. Source: Linux fs/ext2/dir.c, namei.c. */
import { fromByteString } from '../../abi/bytes.ts';
import { E } from '../../abi/errno.ts';
import { DT_UNKNOWN, isDirectory, S_IFDIR, S_IFLNK, S_IFMT } from '../../abi/stat.ts';
import type { Op } from '../../task/wait.ts';
import { ownerInDirectory } from '../memory-inode.ts';
import type { ByteString, Credentials, EntrySink, Inode } from '../types.ts';
import type { Block } from './block-cache.ts';
import { entriesOf, findEntry, insertEntry, putEntry, removeEntry } from './directory-block.ts';
import { Ext2Inode } from './inode.ts';
import { Ext2Symlink } from './special.ts';

/** Most names of one inode. */
const LINK_MAX = 32000;
/** The directory has a hash index, which we do not keep. */
const EXT2_INDEX_FL = 0x1000;

/** EXT2_FT_ numbers by the type bits of a mode (mode >> 12), and back to DT_. */
const FILE_TYPES: Readonly<Record<number, number>> = { 8: 1, 4: 2, 2: 3, 6: 4, 1: 5, 12: 6, 10: 7 };
const DT_TYPES: readonly number[] = [DT_UNKNOWN, 8, 4, 2, 6, 1, 12, 10];

function fileTypeOf(inode: Pick<Inode, 'mode'>): number {
  return FILE_TYPES[(inode.mode & S_IFMT) >>> 12] ?? 0;
}

/** Where a name is. */
interface Found {
  readonly block: Block;
  readonly offset: number;
  readonly ino: number;
}

export class Ext2Directory extends Ext2Inode {
  /** Before this block there was no room for a name when one was last put in. */
  #insertFrom = 0;

  get #hasFileType(): boolean {
    return this.volume.sb.hasFileType;
  }

  lookup(name: ByteString): Op<Inode | number> {
    return this.volume.locked(this.#lookup(name));
  }

  create(name: ByteString, mode: number, rdev: number, cred: Credentials): Op<Inode | number> {
    return this.volume.locked(this.#create(name, mode, rdev, cred));
  }

  mkdir(name: ByteString, mode: number, cred: Credentials): Op<Inode | number> {
    return this.volume.locked(this.#mkdir(name, mode, cred));
  }

  symlink(name: ByteString, target: ByteString, cred: Credentials): Op<Inode | number> {
    return this.volume.locked(this.#symlink(name, target, cred));
  }

  link(name: ByteString, target: Inode): Op<number> {
    return this.volume.locked(this.#link(name, target));
  }

  unlink(name: ByteString): Op<number> {
    return this.volume.locked(this.#unlink(name));
  }

  rmdir(name: ByteString): Op<number> {
    return this.volume.locked(this.#rmdir(name));
  }

  rename(name: ByteString, to: Inode, toName: ByteString, exchange: boolean): Op<number> {
    if (!(to instanceof Ext2Directory)) return refuse(-E.XDEV);
    const op = exchange ? this.#exchange(name, to, toName) : this.#rename(name, to, toName);
    return this.volume.locked(op);
  }

  list(cookie: number, sink: EntrySink): Op<number> {
    return this.volume.locked(this.#list(cookie, sink));
  }

  /** The block that holds `.` and `..` of a new directory. */
  *initialise(parent: number): Op<number> {
    const made = yield* this.volume.map.ensure(this, 0);
    if (typeof made === 'number') return made;
    const { bytes } = this.volume.cache.fresh(made.block);
    const fileType = this.#hasFileType ? fileTypeOf({ mode: S_IFDIR }) : 0;
    putEntry(bytes, 0, { ino: this.ino, length: 12, name: fromByteString('.'), fileType });
    const rest = this.blockBytes - 12;
    putEntry(bytes, 12, { ino: parent, length: rest, name: fromByteString('..'), fileType });
    this.fields.size = this.blockBytes;
    return 0;
  }

  get #blocks(): number {
    return Math.floor(this.size / this.blockBytes);
  }

  /** A block of its contents. @returns 0 for a hole */
  *#block(index: number): Op<Block | number> {
    const number = yield* this.volume.map.find(this, index);
    return number <= 0 ? number : yield* this.volume.cache.read(number);
  }

  *#find(name: ByteString): Op<Found | number> {
    const bytes = fromByteString(name);
    for (let index = 0; index < this.#blocks; index++) {
      const block = yield* this.#block(index);
      if (block === 0) continue;
      if (typeof block === 'number') return block;
      const offset = findEntry(block.bytes, bytes, this.#hasFileType);
      if (offset >= 0) return { block, offset, ino: block.view.getUint32(offset, true) };
    }
    return -E.NOENT;
  }

  *#inodeOf(found: Found): Op<Ext2Inode | number> {
    const inode = yield* this.fs.inode(found.ino);
    return inode === -E.STALE ? -E.IO : inode;
  }

  *#lookup(name: ByteString): Op<Inode | number> {
    const found = yield* this.#find(name);
    return typeof found === 'number' ? found : yield* this.#inodeOf(found);
  }

  /** Puts a name in; the caller has seen that it is free. */
  *#insert(name: ByteString, inode: Ext2Inode): Op<number> {
    if (this.freed || this.nlink === 0) return -E.NOENT;
    const fileType = this.#hasFileType ? fileTypeOf(inode) : 0;
    const entry = { ino: inode.ino, name: fromByteString(name), fileType };
    for (let index = this.#insertFrom; index < this.#blocks; index++) {
      const block = yield* this.#block(index);
      if (block === 0) continue;
      if (typeof block === 'number') return block;
      if (insertEntry(block.bytes, this.#hasFileType, entry)) {
        block.dirty = true;
        this.#insertFrom = index;
        return yield* this.#changed();
      }
    }
    const index = this.#blocks;
    const made = yield* this.volume.map.ensure(this, index);
    if (typeof made === 'number') return made;
    const { bytes } = this.volume.cache.fresh(made.block);
    putEntry(bytes, 0, { ...entry, length: this.blockBytes });
    this.fields.size = (index + 1) * this.blockBytes;
    this.#insertFrom = index;
    return yield* this.#changed();
  }

  *#remove(name: ByteString): Op<number> {
    const found = yield* this.#find(name);
    if (typeof found === 'number') return found;
    removeEntry(found.block.bytes, found.offset);
    found.block.dirty = true;
    this.#insertFrom = 0;
    return yield* this.#changed();
  }

  /** Makes a name mean another inode. */
  *#repoint(name: ByteString, inode: Ext2Inode): Op<number> {
    const found = yield* this.#find(name);
    if (typeof found === 'number') return found;
    found.block.view.setUint32(found.offset, inode.ino, true);
    if (this.#hasFileType) found.block.bytes[found.offset + 7] = fileTypeOf(inode);
    found.block.dirty = true;
    return yield* this.#changed();
  }

  *#changed(): Op<number> {
    this.fields.flags &= ~EXT2_INDEX_FL;
    this.touch();
    return yield* this.store();
  }

  /** Makes an inode, fills it by `prepare` and gives it a name. On failure nothing of it stays. */
  *#make<T extends Ext2Inode>(
    name: ByteString,
    mode: number,
    rdev: number,
    cred: Credentials,
    prepare: (inode: Ext2Inode) => Op<number>,
  ): Op<T | number> {
    const present = yield* this.#find(name);
    if (present !== -E.NOENT) return typeof present === 'number' ? present : -E.EXIST;
    const owner = ownerInDirectory(this, mode, cred);
    const inode = yield* this.fs.newInode(this, owner.mode, rdev, owner);
    if (typeof inode === 'number') return inode;
    let done = yield* prepare(inode);
    if (done >= 0) done = yield* inode.store();
    if (done >= 0) done = yield* this.#insert(name, inode);
    if (done >= 0) return inode as T;
    yield* inode.unlinked(inode.nlink);
    return done;
  }

  *#create(name: ByteString, mode: number, rdev: number, cred: Credentials): Op<Inode | number> {
    return yield* this.#make(name, mode, rdev, cred, ready);
  }

  *#mkdir(name: ByteString, mode: number, cred: Credentials): Op<Inode | number> {
    if (this.nlink >= LINK_MAX) return -E.MLINK;
    const parent = this.ino;
    const made = yield* this.#make<Ext2Directory>(name, S_IFDIR | mode, 0, cred, function* (inode) {
      inode.fields.nlink = 2;
      return inode instanceof Ext2Directory ? yield* inode.initialise(parent) : -E.IO;
    });
    if (typeof made === 'number') return made;
    this.fields.nlink++;
    const stored = yield* this.store();
    return stored < 0 ? stored : made;
  }

  *#symlink(name: ByteString, target: ByteString, cred: Credentials): Op<Inode | number> {
    return yield* this.#make(name, S_IFLNK | 0o777, 0, cred, function* (inode) {
      return inode instanceof Ext2Symlink ? yield* inode.setTarget(target) : -E.IO;
    });
  }

  *#link(name: ByteString, target: Inode): Op<number> {
    if (!(target instanceof Ext2Inode)) return -E.XDEV;
    if (target.nlink >= LINK_MAX) return -E.MLINK;
    if (target.nlink === 0) return -E.NOENT;
    const present = yield* this.#find(name);
    if (present !== -E.NOENT) return typeof present === 'number' ? present : -E.EXIST;
    const inserted = yield* this.#insert(name, target);
    if (inserted < 0) return inserted;
    target.fields.nlink++;
    target.fields.ctime = this.volume.now();
    return yield* target.store();
  }

  *#unlink(name: ByteString): Op<number> {
    const found = yield* this.#find(name);
    if (typeof found === 'number') return found;
    const inode = yield* this.#inodeOf(found);
    if (typeof inode === 'number') return inode;
    const removed = yield* this.#remove(name);
    return removed < 0 ? removed : yield* inode.unlinked();
  }

  *#rmdir(name: ByteString): Op<number> {
    const found = yield* this.#find(name);
    if (typeof found === 'number') return found;
    const inode = yield* this.#inodeOf(found);
    if (typeof inode === 'number') return inode;
    if (!(inode instanceof Ext2Directory)) return -E.NOTDIR;
    const empty = yield* inode.#isEmpty();
    if (empty < 0) return empty;
    const removed = yield* this.#remove(name);
    if (removed < 0) return removed;
    return yield* this.#lost(inode);
  }

  /** A directory below is gone: its `..` was a link to this one. */
  *#lost(child: Ext2Directory): Op<number> {
    this.fields.nlink--;
    const stored = yield* this.store();
    const gone = yield* child.unlinked(child.nlink);
    return stored < 0 ? stored : gone;
  }

  *#rename(name: ByteString, to: Ext2Directory, toName: ByteString): Op<number> {
    const found = yield* this.#find(name);
    if (typeof found === 'number') return found;
    const inode = yield* this.#inodeOf(found);
    if (typeof inode === 'number') return inode;
    const there = yield* to.#find(toName);
    if (typeof there === 'number' && there !== -E.NOENT) return there;
    const victim = typeof there === 'number' ? undefined : yield* this.#inodeOf(there);
    if (typeof victim === 'number') return victim;
    const moves = isDirectory(inode) && to !== this;
    if (moves && victim === undefined && to.nlink >= LINK_MAX) return -E.MLINK;
    if (victim instanceof Ext2Directory) {
      const empty = yield* victim.#isEmpty();
      if (empty < 0) return empty;
    }
    const placed = yield* victim === undefined ? to.#insert(toName, inode) : to.#repoint(toName, inode);
    if (placed < 0) return placed;
    const removed = yield* this.#remove(name);
    if (removed < 0) return removed;
    if (victim !== undefined) {
      const gone = yield* victim instanceof Ext2Directory ? to.#lost(victim) : victim.unlinked();
      if (gone < 0) return gone;
    }
    if (moves && inode instanceof Ext2Directory) yield* inode.#movedTo(to, this);
    inode.fields.ctime = this.volume.now();
    return yield* inode.store();
  }

  *#exchange(name: ByteString, to: Ext2Directory, toName: ByteString): Op<number> {
    const one = yield* this.#lookup(name);
    if (typeof one === 'number') return one;
    const two = yield* to.#lookup(toName);
    if (typeof two === 'number') return two;
    if (!(one instanceof Ext2Inode && two instanceof Ext2Inode)) return -E.IO;
    const first = yield* this.#repoint(name, two);
    if (first < 0) return first;
    const second = yield* to.#repoint(toName, one);
    if (second < 0) return second;
    if (to === this) return 0;
    if (one instanceof Ext2Directory) yield* one.#movedTo(to, this);
    if (two instanceof Ext2Directory) yield* two.#movedTo(this, to);
    return 0;
  }

  /** This directory has another parent. */
  *#movedTo(parent: Ext2Directory, from: Ext2Directory): Op<number> {
    const pointed = yield* this.#repoint('..', parent);
    if (pointed < 0) return pointed;
    parent.fields.nlink++;
    from.fields.nlink--;
    yield* parent.store();
    return yield* from.store();
  }

  /** @returns 0, -ENOTEMPTY or -EIO */
  *#isEmpty(): Op<number> {
    for (let index = 0; index < this.#blocks; index++) {
      const block = yield* this.#block(index);
      if (block === 0) continue;
      if (typeof block === 'number') return block;
      for (const { ino, name } of entriesOf(block.bytes, this.#hasFileType)) {
        if (ino !== 0 && name !== '.' && name !== '..') return -E.NOTEMPTY;
      }
    }
    return 0;
  }

  *#list(cookie: number, sink: EntrySink): Op<number> {
    const { blockBytes } = this;
    for (let index = Math.floor(cookie / blockBytes); index < this.#blocks; index++) {
      const block = yield* this.#block(index);
      if (block === 0) continue;
      if (typeof block === 'number') return block;
      const from = cookie - index * blockBytes;
      for (const { offset, ino, length, name, fileType } of entriesOf(block.bytes, this.#hasFileType, from)) {
        if (ino === 0) continue;
        const next = index * blockBytes + offset + length;
        if (!sink({ name, ino, type: DT_TYPES[fileType] ?? DT_UNKNOWN, next })) return 0;
      }
    }
    return 0;
  }
}

function* refuse(error: number): Op<number> {
  return error;
}

function* ready(): Op<number> {
  return 0;
}
