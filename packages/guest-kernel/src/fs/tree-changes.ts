/** Making, removing and moving names: mkdir, mknod, symlink, link, unlink, rmdir, rename. Source: the man pages of section 2, Linux fs/namei.c. */

import { CAP_MKNOD } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { PATH_MAX, RENAME_EXCHANGE, RENAME_NOREPLACE } from '../abi/fcntl.ts';
import {
  isDirectory,
  isSymlink,
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
} from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import type { Walker } from './fs-context.ts';
import { checkWritable } from './mounts.ts';
import { notifyCreated, notifyLinked, notifyMoved, notifyRemoved, notifyReplaced } from './notify.ts';
import { capable, checkAccess, checkRemoval, MAY_WRITE } from './permissions.ts';
import { entryMoved, entryRemoved } from './pins.ts';
import type { ByteString, Caller, Inode, Path } from './types.ts';
import { checkCreation } from './vfs.ts';
import { type LastComponent, Walk } from './walk.ts';

function isPlain(name: ByteString): boolean {
  return name !== '' && name !== '.' && name !== '..';
}

/** The place for a new name. @returns -EEXIST if there is something (also for `.`, `..` and `/`) */
function* newName(
  walker: Walker,
  start: Path,
  path: ByteString,
  directory: boolean,
): Op<LastComponent | number> {
  const walk = new Walk(walker);
  const last = yield* walk.parent(start, path);
  if (typeof last === 'number') return last;
  if (!isPlain(last.name)) return -E.EXIST;
  const found = yield* walk.step(last.parent, last.name);
  if (typeof found !== 'number') return -E.EXIST;
  if (found !== -E.NOENT) return found;
  if (last.slash && !directory) return -E.NOENT;
  const refused = checkCreation(last.parent, walker);
  return refused < 0 ? refused : last;
}

/** @param mode permissions, the umask not yet applied */
export function* makeDirectory(walker: Walker, start: Path, path: ByteString, mode: number): Op<number> {
  const last = yield* newName(walker, start, path, true);
  if (typeof last === 'number') return last;
  const dir = last.parent.inode;
  if (dir.mkdir === undefined) return -E.PERM;
  const made = yield* dir.mkdir(last.name, mode & 0o1777 & ~walker.fs.umask, walker.caller.cred);
  if (typeof made === 'number') return made;
  notifyCreated(dir, last.name, made);
  return 0;
}

/** mknod(2). Errors: -EPERM for devices without privilege and for directories, -EINVAL for other types */
export function* makeNode(
  walker: Walker,
  start: Path,
  path: ByteString,
  mode: number,
  dev: number,
): Op<number> {
  const made = yield* makeNodeInode(walker, start, path, mode, dev);
  return typeof made === 'number' ? made : 0;
}

/** As mknod, for bind(2) of Unix sockets: gives the inode. */
export function* makeNodeInode(
  walker: Walker,
  start: Path,
  path: ByteString,
  mode: number,
  dev: number,
): Op<Inode | number> {
  const type = mode & S_IFMT || S_IFREG;
  if (type === S_IFDIR) return -E.PERM;
  if (![S_IFREG, S_IFCHR, S_IFBLK, S_IFIFO, S_IFSOCK].includes(type)) return -E.INVAL;
  const device = type === S_IFCHR || type === S_IFBLK;
  const last = yield* newName(walker, start, path, false);
  if (typeof last === 'number') return last;
  if (device && !capable(walker.caller.cred, CAP_MKNOD)) return -E.PERM;
  const dir = last.parent.inode;
  if (dir.create === undefined) return -E.PERM;
  const permissions = mode & 0o7777 & ~walker.fs.umask;
  const made = yield* dir.create(last.name, type | permissions, device ? dev : 0, walker.caller.cred);
  if (typeof made !== 'number') notifyCreated(dir, last.name, made);
  return made;
}

export function* makeSymlink(walker: Walker, target: ByteString, start: Path, path: ByteString): Op<number> {
  if (target === '') return -E.NOENT;
  if (target.length >= PATH_MAX) return -E.NAMETOOLONG;
  const last = yield* newName(walker, start, path, false);
  if (typeof last === 'number') return last;
  const dir = last.parent.inode;
  if (dir.symlink === undefined) return -E.PERM;
  const made = yield* dir.symlink(last.name, target, walker.caller.cred);
  if (typeof made === 'number') return made;
  notifyCreated(dir, last.name, made);
  return 0;
}

/** link(2), the source already found. */
export function* makeLink(walker: Walker, source: Path, start: Path, path: ByteString): Op<number> {
  const last = yield* newName(walker, start, path, false);
  if (typeof last === 'number') return last;
  if (last.parent.mount !== source.mount) return -E.XDEV;
  const dir = last.parent.inode;
  if (isDirectory(source.inode) || dir.link === undefined) return -E.PERM;
  if (source.inode.nlink === 0 && source.inode.mayBeNamed !== true) return -E.NOENT;
  const linked = yield* dir.link(last.name, source.inode);
  if (linked >= 0) notifyLinked(dir, last.name, source.inode);
  return linked;
}

/** What is to go: found, permitted, and nothing mounted on it. */
function* victim(walker: Walker, last: LastComponent): Op<Path | number> {
  const found = yield* new Walk(walker).step(last.parent, last.name);
  if (typeof found === 'number') return found;
  const refused = checkWritable(last.parent.mount);
  if (refused < 0) return refused;
  const denied = checkRemoval(last.parent.inode, found.inode, walker.caller.cred);
  if (denied < 0) return denied;
  return found;
}

function isMounted(walker: Walker, last: LastComponent, found: Path): boolean {
  return found.mount !== last.parent.mount || walker.fs.vfs.mounts.covers(found.inode);
}

export function* removeName(walker: Walker, start: Path, path: ByteString): Op<number> {
  const last = yield* new Walk(walker).parent(start, path);
  if (typeof last === 'number') return last;
  if (!isPlain(last.name)) return -E.ISDIR;
  const found = yield* victim(walker, last);
  if (typeof found === 'number') return found;
  if (isDirectory(found.inode)) return -E.ISDIR;
  if (last.slash) return -E.NOTDIR;
  const dir = last.parent.inode;
  if (isMounted(walker, last, found)) return -E.BUSY;
  if (dir.unlink === undefined) return -E.PERM;
  const removed = yield* dir.unlink(last.name);
  if (removed >= 0) removedFrom(walker, dir, last.name, found);
  return removed;
}

export function* removeDirectory(walker: Walker, start: Path, path: ByteString): Op<number> {
  const last = yield* new Walk(walker).parent(start, path);
  if (typeof last === 'number') return last;
  if (last.name === '.') return -E.INVAL;
  if (last.name === '..') return -E.NOTEMPTY;
  if (last.name === '') return -E.BUSY;
  const found = yield* victim(walker, last);
  if (typeof found === 'number') return found;
  if (!isDirectory(found.inode)) return -E.NOTDIR;
  const dir = last.parent.inode;
  if (isMounted(walker, last, found)) return -E.BUSY;
  if (dir.rmdir === undefined) return -E.PERM;
  const removed = yield* dir.rmdir(last.name);
  if (removed >= 0) removedFrom(walker, dir, last.name, found);
  return removed;
}

function removedFrom({ fs }: Walker, dir: Inode, name: ByteString, found: Path): void {
  entryRemoved(fs.vfs.mounts, dir, name);
  notifyRemoved(dir, name, found);
}

/** Is `inode` the directory `path` or above it? */
function isAncestor(inode: Inode, path: Path): boolean {
  if (path.inode === inode) return true;
  for (let entry = path.entry; entry !== undefined; entry = entry.parent) {
    if (entry.inode === inode) return true;
  }
  return path.mount.root === inode;
}

/** renameat2(2). */
export function* rename(
  walker: Walker,
  fromStart: Path,
  from: ByteString,
  toStart: Path,
  to: ByteString,
  flags: number,
): Op<number> {
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  const keep = (flags & RENAME_NOREPLACE) !== 0;
  if ((flags & ~(RENAME_EXCHANGE | RENAME_NOREPLACE)) !== 0 || (exchange && keep)) return -E.INVAL;
  const source = yield* new Walk(walker).parent(fromStart, from);
  if (typeof source === 'number') return source;
  const target = yield* new Walk(walker).parent(toStart, to);
  if (typeof target === 'number') return target;
  if (source.parent.mount !== target.parent.mount) return -E.XDEV;
  if (!isPlain(source.name)) return -E.BUSY;
  if (!isPlain(target.name)) return keep ? -E.EXIST : -E.BUSY;
  const refused = checkWritable(source.parent.mount);
  if (refused < 0) return refused;

  const old = yield* new Walk(walker).step(source.parent, source.name);
  if (typeof old === 'number') return old;
  const present = yield* new Walk(walker).step(target.parent, target.name);
  if (typeof present === 'number' && present !== -E.NOENT) return present;
  const there = typeof present === 'number' ? undefined : present;
  if (keep && there !== undefined) return -E.EXIST;
  if (exchange && there === undefined) return -E.NOENT;
  if (!isDirectory(old.inode) && !exchange && (source.slash || target.slash)) return -E.NOTDIR;
  if (isAncestor(old.inode, target.parent)) return -E.INVAL;
  if (there !== undefined && isAncestor(there.inode, source.parent)) return exchange ? -E.INVAL : -E.NOTEMPTY;
  if (there?.inode === old.inode) return 0;

  const permitted = checkRename(walker, source, old, target, there, exchange);
  if (permitted < 0) return permitted;
  const dir = source.parent.inode;
  if (dir.rename === undefined) return -E.PERM;
  const done = yield* dir.rename(source.name, target.parent.inode, target.name, exchange);
  if (done >= 0) {
    entryMoved(walker.fs.vfs.mounts, source.parent, source.name, target.parent, target.name);
    const [from, to] = [source, target].map(({ parent, name }) => ({ dir: parent.inode, name }));
    const cookie = walker.fs.vfs.nextMove();
    if (from && to) notifyMoved(from, to, old.inode, cookie);
    if (from && to && exchange && there) notifyMoved(to, from, there.inode, walker.fs.vfs.nextMove());
    else if (there) notifyReplaced(there);
  }
  return done;
}

function checkRename(
  walker: Walker,
  source: LastComponent,
  old: Path,
  target: LastComponent,
  there: Path | undefined,
  exchange: boolean,
): number {
  const { cred } = walker.caller;
  let denied = checkRemoval(source.parent.inode, old.inode, cred);
  if (denied < 0) return denied;
  if (there === undefined) denied = checkCreation(target.parent, walker);
  else denied = checkRemoval(target.parent.inode, there.inode, cred);
  if (denied < 0) return denied;
  if (there !== undefined && !exchange) {
    if (isDirectory(old.inode) && !isDirectory(there.inode)) return -E.NOTDIR;
    if (!isDirectory(old.inode) && isDirectory(there.inode)) return -E.ISDIR;
  }
  // A directory that moves gets another `..`, which its own permissions must allow.
  const moves = isDirectory(old.inode) && source.parent.inode !== target.parent.inode;
  if (moves) denied = checkAccess(old.inode, cred, MAY_WRITE);
  if (denied < 0) return denied;
  if (isMounted(walker, source, old)) return -E.BUSY;
  return there !== undefined && isMounted(walker, target, there) ? -E.BUSY : 0;
}

/** The target of a symbolic link. Errors: -EINVAL for anything else */
export function* readLink(path: Path, caller: Caller): Op<ByteString | number> {
  const { inode } = path;
  if (!isSymlink(inode) || inode.readlink === undefined) return -E.INVAL;
  return yield* inode.readlink(caller);
}
