/** The tree of files: its mounts and devices, and opening. Source for the rules: open(2), Linux fs/namei.c, fs/open.c. */

import { E } from '../abi/errno.ts';
import {
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOATIME,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
} from '../abi/fcntl.ts';
import { IN_MODIFY, IN_OPEN } from '../abi/inotify.ts';
import { MS_NODEV, PIPEFS_MAGIC } from '../abi/mount.ts';
import {
  isDirectory,
  isRegular,
  isSymlink,
  makeDev,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
} from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import { BufferPool } from './buffer-pool.ts';
import type { DeviceTable } from './devices.ts';
import { openFifo } from './fifo.ts';
import type { Walker } from './fs-context.ts';
import type { Holdings } from './holdings.ts';
import type { FileSystemType } from './mounting.ts';
import { checkWritable, MountTable } from './mounts.ts';
import { notify, notifyCreated } from './notify.ts';
import { PathOnly } from './path-only.ts';
import { actsAsOwner, checkAccess, MAY_EXEC, MAY_READ, MAY_WRITE } from './permissions.ts';
import { pin } from './pins.ts';
import { AnonymousFs } from './pipe-fs.ts';
import { DirectoryFile, RegularFile } from './regular-file.ts';
import type { ByteString, FileHandle, Path, Time } from './types.ts';
import { type LastComponent, Walk } from './walk.ts';

export class Vfs {
  readonly mounts: MountTable = new MountTable();
  readonly devices: DeviceTable;
  /** CLOCK_REALTIME. */
  readonly now: () => Time;
  readonly pipes: AnonymousFs;
  /** For bytes on their way between files and users. */
  readonly buffers: BufferPool = new BufferPool();
  readonly holdings: Holdings;
  /** By the name that mount takes. */
  readonly fileSystemTypes: Map<string, FileSystemType> = new Map();
  /** Who waits for whom at record locks. */
  readonly lockWaiters: Map<object, object> = new Map();
  #moves = 0;
  #nextDev = 1;

  constructor(devices: DeviceTable, now: () => Time, holdings: Holdings) {
    this.devices = devices;
    this.holdings = holdings;
    this.now = now;
    this.pipes = new AnonymousFs('pipefs', PIPEFS_MAGIC, this.anonymousDev(), now);
  }

  /** An st_dev for a file system without a device. */
  anonymousDev(): number {
    return makeDev(0, this.#nextDev++);
  }

  /** A number that joins what is told of a move. */
  nextMove(): number {
    this.#moves = (this.#moves + 1) >>> 0;
    return this.#moves;
  }

  /**
   * open(2).
   * @param start where a relative path begins
   * @param mode permissions for a new file, the umask not yet applied
   * @param resolve RESOLVE_* of openat2
   */
  *open(
    walker: Walker,
    start: Path,
    path: ByteString,
    flags: number,
    mode: number,
    resolve: number = 0,
  ): Op<FileHandle | number> {
    const pathOnly = (flags & O_PATH) !== 0;
    const wanted = pathOnly ? flags & (O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : flags;
    const create = (wanted & O_CREAT) !== 0;
    if (create && (wanted & O_DIRECTORY) !== 0) return -E.INVAL;
    const walk = new Walk(walker, { resolve, start });
    if (!create) {
      const found = yield* walk.find(start, path, (wanted & O_NOFOLLOW) === 0);
      if ((wanted & O_TMPFILE) === O_TMPFILE) return yield* this.#createUnnamed(walker, found, wanted, mode);
      return typeof found === 'number' ? found : yield* this.openPath(walker, found, wanted);
    }
    let last: LastComponent | number = yield* walk.parent(start, path);
    for (;;) {
      if (typeof last === 'number') return last;
      const plain = last.name !== '' && last.name !== '.' && last.name !== '..';
      if (!plain) return (wanted & O_EXCL) !== 0 ? -E.EXIST : -E.ISDIR;
      if (last.slash) return -E.ISDIR;
      const found: Path | number = yield* walk.step(last.parent, last.name);
      if (found === -E.NOENT) return yield* this.#create(walker, last, wanted, mode);
      if (typeof found === 'number') return found;
      if ((wanted & O_EXCL) !== 0) return -E.EXIST;
      if (isDirectory(found.inode)) return -E.ISDIR;
      if (!isSymlink(found.inode)) return yield* this.openPath(walker, found, wanted);
      if ((wanted & O_NOFOLLOW) !== 0) return -E.LOOP;
      const next: LastComponent | Path | number = yield* walk.through(last, found);
      if (typeof next === 'number') return next;
      if ('mount' in next) return yield* this.openPath(walker, next, wanted);
      last = next;
    }
  }

  /** Opens what a walk found: permissions, truncation, and the handle for its kind. */
  *openPath(walker: Walker, path: Path, flags: number): Op<FileHandle | number> {
    const { inode, mount } = path;
    if ((flags & O_PATH) !== 0) {
      if ((flags & O_DIRECTORY) !== 0 && !isDirectory(inode)) return -E.NOTDIR;
      return opened(new PathOnly(inode, flags), path);
    }
    if (isSymlink(inode)) return -E.LOOP;
    if ((flags & O_DIRECTORY) !== 0 && !isDirectory(inode)) return -E.NOTDIR;
    const access = flags & O_ACCMODE;
    const truncate = (flags & O_TRUNC) !== 0 && isRegular(inode);
    const writes = access !== O_RDONLY || truncate;
    if (writes && isDirectory(inode)) return -E.ISDIR;
    const reads = access !== O_WRONLY ? MAY_READ : 0;
    const denied = checkAccess(inode, walker.caller.cred, reads | (writes ? MAY_WRITE : 0));
    if (denied < 0) return denied;
    const type = inode.mode & S_IFMT;
    if ((type === S_IFCHR || type === S_IFBLK) && (mount.flags & MS_NODEV) !== 0) return -E.ACCES;
    if (writes && isRegular(inode)) {
      if ((inode.executors ?? 0) > 0) return -E.TXTBSY;
      const refused = checkWritable(mount);
      if (refused < 0) return refused;
    }
    if ((flags & O_NOATIME) !== 0 && !actsAsOwner(inode, walker.caller.cred)) return -E.PERM;
    return yield* this.#handleFor(walker, path, flags, truncate);
  }

  *#create(walker: Walker, last: LastComponent, flags: number, mode: number): Op<FileHandle | number> {
    const dir = last.parent.inode;
    const refused = checkCreation(last.parent, walker);
    if (refused < 0) return refused;
    if (dir.create === undefined) return -E.ACCES;
    const permissions = mode & 0o7777 & ~walker.fs.umask;
    const inode = yield* dir.create(last.name, S_IFREG | permissions, 0, walker.caller.cred);
    if (typeof inode === 'number') return inode;
    const entry = { name: last.name, parent: last.parent.entry, inode, deleted: false };
    notifyCreated(dir, last.name, inode);
    return opened(new RegularFile(inode, flags), { mount: last.parent.mount, inode, entry });
  }

  /** O_TMPFILE: a file that is in no directory, of the file system of this one. */
  *#createUnnamed(
    walker: Walker,
    found: Path | number,
    flags: number,
    mode: number,
  ): Op<FileHandle | number> {
    if ((flags & O_ACCMODE) === O_RDONLY) return -E.INVAL;
    if (typeof found === 'number') return found;
    const dir = found.inode;
    if (!isDirectory(dir)) return -E.NOTDIR;
    const refused = checkCreation(found, walker);
    if (refused < 0) return refused;
    if (dir.createUnnamed === undefined) return -E.OPNOTSUPP;
    const permissions = mode & 0o7777 & ~walker.fs.umask;
    const inode = yield* dir.createUnnamed(S_IFREG | permissions, walker.caller.cred);
    if (typeof inode === 'number') return inode;
    inode.mayBeNamed = (flags & O_EXCL) === 0;
    const entry = { name: `#${inode.ino}`, parent: found.entry, inode, deleted: true };
    const handle = opened(new RegularFile(inode, flags), { mount: found.mount, inode, entry });
    inode.drop();
    return handle;
  }

  *#handleFor(walker: Walker, path: Path, flags: number, truncate: boolean): Op<FileHandle | number> {
    const { inode } = path;
    const { caller } = walker;
    const type = inode.mode & S_IFMT;
    let handle: FileHandle | number;
    inode.hold();
    if (inode.open !== undefined) handle = yield* inode.open(flags, caller);
    else if (isDirectory(inode)) handle = new DirectoryFile(inode, flags);
    else if (type === S_IFREG) handle = new RegularFile(inode, flags);
    else if (type === S_IFIFO) handle = yield* openFifo(inode, flags, this.holdings);
    else if (type === S_IFCHR || type === S_IFBLK) handle = yield* this.devices.open(inode, flags, caller);
    else handle = -E.NXIO;
    const cuts = truncate && inode.open === undefined ? inode.truncate : undefined;
    if (typeof handle !== 'number' && cuts !== undefined) {
      const cut = yield* cuts.call(inode, 0);
      if (cut < 0) handle = cut;
      else inode.sharedMapping?.changed(0, Number.MAX_SAFE_INTEGER);
    }
    if (typeof handle !== 'number') {
      opened(handle, path);
      if (cuts !== undefined) notify(path, IN_MODIFY);
    }
    inode.drop();
    return handle;
  }
}

/** May something be made in this directory? @returns 0, -EACCES, -EROFS, or -ENOENT for a removed directory */
export function checkCreation(dir: Path, walker: Walker): number {
  if (dir.inode.nlink === 0) return -E.NOENT;
  const denied = checkAccess(dir.inode, walker.caller.cred, MAY_WRITE | MAY_EXEC);
  if (denied < 0) return denied;
  return checkWritable(dir.mount);
}

function opened(handle: FileHandle, path: Path): FileHandle {
  if (handle.path === undefined) {
    handle.path = path;
    pin(path);
  }
  if ((handle.flags & O_PATH) === 0) notify(path, IN_OPEN);
  handle.flags &= ~(O_CREAT | O_EXCL | O_TRUNC | O_CLOEXEC);
  return handle;
}
