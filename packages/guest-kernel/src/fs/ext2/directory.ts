/** Directories: what system calls do with them. All operations are under the file system's lock. Source: Linux fs/ext4/namei.c. */
import { E } from '../../abi/errno.ts';
import { DT_UNKNOWN, isDirectory, S_IFDIR, S_IFLNK, S_IFMT } from '../../abi/stat.ts';
import type { Op } from '../../task/wait.ts';
import { ownerInDirectory } from '../memory-inode.ts';
import type { ByteString, Credentials, EntrySink, Inode } from '../types.ts';
import { DirectoryNames, type Found, type Target } from './directory-names.ts';
import { RO_COMPAT_DIR_NLINK } from './features.ts';
import { Ext2Inode } from './inode.ts';
import { Ext2Symlink } from './special.ts';

/** Most names of one inode. */
const EXT2_LINK_MAX = 32000;
const EXT4_LINK_MAX = 65000;
/** What i_links_count of a directory says when there are more below than it can count. */
const MANY = 1;

/** EXT2_FT_ numbers by the type bits of a mode (mode >> 12), and back to DT_. */
const FILE_TYPES: Readonly<Record<number, number>> = { 8: 1, 4: 2, 2: 3, 6: 4, 1: 5, 12: 6, 10: 7 };
const DT_TYPES: readonly number[] = [DT_UNKNOWN, 8, 4, 2, 6, 1, 12, 10];

function fileTypeOf(inode: Pick<Inode, 'mode'>): number {
  return FILE_TYPES[(inode.mode & S_IFMT) >>> 12] ?? 0;
}

function targetOf(inode: Ext2Inode): Target {
  return { ino: inode.ino, fileType: fileTypeOf(inode) };
}

export class Ext2Directory extends Ext2Inode {
  readonly #names: DirectoryNames = new DirectoryNames(this);

  lookup(name: ByteString): Op<Inode | number> {
    return this.volume.locked(this.#lookup(name));
  }

  create(name: ByteString, mode: number, rdev: number, cred: Credentials): Op<Inode | number> {
    return this.volume.locked(this.#create(name, mode, rdev, cred));
  }

  createUnnamed(mode: number, cred: Credentials): Op<Inode | number> {
    return this.volume.locked(this.#createUnnamed(mode, cred));
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
  initialise(parent: number): Op<number> {
    return this.#names.initialise(parent, fileTypeOf({ mode: S_IFDIR }));
  }

  *#inodeOf(found: Found): Op<Ext2Inode | number> {
    const inode = yield* this.fs.inode(found.ino);
    return inode === -E.STALE ? -E.IO : inode;
  }

  *#lookup(name: ByteString): Op<Inode | number> {
    const found = yield* this.#names.find(name);
    return typeof found === 'number' ? found : yield* this.#inodeOf(found);
  }

  /** Puts a name in; the caller has seen that it is free. */
  *#insert(name: ByteString, inode: Ext2Inode): Op<number> {
    if (this.freed || this.nlink === 0) return -E.NOENT;
    return this.#changed(yield* this.#names.insert(name, targetOf(inode)));
  }

  *#remove(name: ByteString): Op<number> {
    return this.#changed(yield* this.#names.remove(name));
  }

  /** Makes a name mean another inode. */
  *#repoint(name: ByteString, inode: Ext2Inode): Op<number> {
    return this.#changed(yield* this.#names.repoint(name, targetOf(inode)));
  }

  #changed(result: number): number {
    this.touch();
    this.changed();
    return result;
  }

  /** One directory more below this one, unless it is full. */
  #gainsDirectory(): void {
    const { sb } = this.volume;
    const many = (sb.roCompat & RO_COMPAT_DIR_NLINK) !== 0;
    const full = this.nlink === MANY || this.nlink >= this.#linkMax;
    this.fields.nlink = many && full ? MANY : this.nlink + 1;
    this.changed();
  }

  #losesDirectory(): void {
    if (this.nlink > 2) this.fields.nlink--;
    this.changed();
  }

  get #linkMax(): number {
    return this.volume.sb.hasExtents ? EXT4_LINK_MAX : EXT2_LINK_MAX;
  }

  /** No other directory can be put below this one. */
  get #isFull(): boolean {
    const many = (this.volume.sb.roCompat & RO_COMPAT_DIR_NLINK) !== 0;
    return !many && this.nlink >= this.#linkMax;
  }

  /** Makes an inode, fills it by `prepare` and gives it a name. On failure nothing of it stays. */
  *#make<T extends Ext2Inode>(
    name: ByteString,
    mode: number,
    rdev: number,
    cred: Credentials,
    prepare: (inode: Ext2Inode) => Op<number>,
  ): Op<T | number> {
    const present = yield* this.#names.find(name);
    if (present !== -E.NOENT) return typeof present === 'number' ? present : -E.EXIST;
    const owner = ownerInDirectory(this, mode, cred);
    const inode = yield* this.fs.newInode(this, owner.mode, rdev, owner);
    if (typeof inode === 'number') return inode;
    let done = yield* prepare(inode);
    inode.changed();
    if (done >= 0) done = yield* this.#insert(name, inode);
    if (done >= 0) return inode as T;
    yield* inode.unlinked(inode.nlink);
    return done;
  }

  *#create(name: ByteString, mode: number, rdev: number, cred: Credentials): Op<Inode | number> {
    return yield* this.#make(name, mode, rdev, cred, ready);
  }

  *#createUnnamed(mode: number, cred: Credentials): Op<Inode | number> {
    if (this.freed || this.nlink === 0) return -E.NOENT;
    const owner = ownerInDirectory(this, mode, cred);
    const inode = yield* this.fs.newInode(this, owner.mode, 0, owner);
    if (typeof inode === 'number') return inode;
    inode.hold();
    const done = yield* inode.unlinked(inode.nlink);
    return done < 0 ? done : inode;
  }

  *#mkdir(name: ByteString, mode: number, cred: Credentials): Op<Inode | number> {
    if (this.#isFull) return -E.MLINK;
    const parent = this.ino;
    const made = yield* this.#make<Ext2Directory>(name, S_IFDIR | mode, 0, cred, function* (inode) {
      inode.fields.nlink = 2;
      return inode instanceof Ext2Directory ? yield* inode.initialise(parent) : -E.IO;
    });
    if (typeof made === 'number') return made;
    this.#gainsDirectory();
    return made;
  }

  *#symlink(name: ByteString, target: ByteString, cred: Credentials): Op<Inode | number> {
    return yield* this.#make(name, S_IFLNK | 0o777, 0, cred, function* (inode) {
      return inode instanceof Ext2Symlink ? yield* inode.setTarget(target) : -E.IO;
    });
  }

  *#link(name: ByteString, target: Inode): Op<number> {
    if (!(target instanceof Ext2Inode)) return -E.XDEV;
    if (target.nlink >= this.#linkMax) return -E.MLINK;
    if (target.nlink === 0 && !target.mayBeNamed) return -E.NOENT;
    const present = yield* this.#names.find(name);
    if (present !== -E.NOENT) return typeof present === 'number' ? present : -E.EXIST;
    const inserted = yield* this.#insert(name, target);
    if (inserted < 0) return inserted;
    if (target.nlink === 0) {
      this.volume.orphans?.remove(target);
      target.fields.dtime = 0;
      target.mayBeNamed = false;
    }
    target.fields.nlink++;
    target.fields.ctime = this.volume.now();
    target.changed();
    return 0;
  }

  *#unlink(name: ByteString): Op<number> {
    const found = yield* this.#names.find(name);
    if (typeof found === 'number') return found;
    const inode = yield* this.#inodeOf(found);
    if (typeof inode === 'number') return inode;
    const removed = yield* this.#remove(name);
    return removed < 0 ? removed : yield* inode.unlinked();
  }

  *#rmdir(name: ByteString): Op<number> {
    const found = yield* this.#names.find(name);
    if (typeof found === 'number') return found;
    const inode = yield* this.#inodeOf(found);
    if (typeof inode === 'number') return inode;
    if (!(inode instanceof Ext2Directory)) return -E.NOTDIR;
    const empty = yield* inode.#names.isEmpty();
    if (empty < 0) return empty;
    const removed = yield* this.#remove(name);
    if (removed < 0) return removed;
    return yield* this.#lost(inode);
  }

  /** A directory below is gone: its `..` was a link to this one. */
  *#lost(child: Ext2Directory): Op<number> {
    this.#losesDirectory();
    return yield* child.unlinked(child.nlink);
  }

  *#rename(name: ByteString, to: Ext2Directory, toName: ByteString): Op<number> {
    const found = yield* this.#names.find(name);
    if (typeof found === 'number') return found;
    const inode = yield* this.#inodeOf(found);
    if (typeof inode === 'number') return inode;
    const there = yield* to.#names.find(toName);
    if (typeof there === 'number' && there !== -E.NOENT) return there;
    const victim = typeof there === 'number' ? undefined : yield* this.#inodeOf(there);
    if (typeof victim === 'number') return victim;
    const moves = isDirectory(inode) && to !== this;
    if (moves && victim === undefined && to.#isFull) return -E.MLINK;
    if (victim instanceof Ext2Directory) {
      const empty = yield* victim.#names.isEmpty();
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
    inode.changed();
    return 0;
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
    parent.#gainsDirectory();
    from.#losesDirectory();
    return 0;
  }

  #list(cookie: number, sink: EntrySink): Op<number> {
    return this.#names.list(cookie, ({ name, ino, fileType }, next) =>
      sink({ name, ino, type: DT_TYPES[fileType] ?? DT_UNKNOWN, next }),
    );
  }
}

function* refuse(error: number): Op<number> {
  return error;
}

function* ready(): Op<number> {
  return 0;
}
