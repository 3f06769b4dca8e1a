/** Attributes changed: the chmod, chown, utime, truncate and fallocate families, and umask. */

import { CAP_CHOWN, CAP_FSETID } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW, O_ACCMODE, O_RDONLY } from '../abi/fcntl.ts';
import { IN_ATTRIB, IN_MODIFY } from '../abi/inotify.ts';
import { isDirectory, isRegular, isSymlink, S_ISGID, S_ISUID } from '../abi/stat.ts';
import { checkWritable } from '../fs/mounts.ts';
import { notify, notifyHandle } from '../fs/notify.ts';
import { actsAsOwner, capable, checkAccess, isInGroup, MAY_WRITE } from '../fs/permissions.ts';
import { roomFor } from '../fs/regular-file.ts';
import type { AttributeChange, Inode, Path, Time } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import {
  copyIn,
  type FileCall,
  type FileCalls,
  type FileTask,
  findAt,
  signed,
  signed64,
} from './file-task.ts';

/** A file by descriptor or path, with the mount it was reached through if it has one. */
type Target = Path | { readonly inode: Inode; readonly mount?: undefined };

/** Who watches hears of it, if it was done. @returns `result` */
function told(target: Target, mask: number, result: number): number {
  if (result >= 0 && target.mount !== undefined) notify(target, mask);
  return result;
}

function byHandle(task: FileTask, fd: number | undefined): Target | number {
  const handle = task.files.get(signed(fd));
  if (handle === undefined) return -E.BADF;
  if (handle.path !== undefined) return handle.path;
  return handle.inode === undefined ? -E.PERM : { inode: handle.inode };
}

function refuseReadonly(target: Target): number {
  return target.mount === undefined ? 0 : checkWritable(target.mount);
}

function* chmod(task: FileTask, target: Target | number, mode: number): Op<number> {
  if (typeof target === 'number') return target;
  const { inode } = target;
  const { cred } = task.caller;
  const refused = refuseReadonly(target);
  if (refused < 0) return refused;
  if (isSymlink(inode)) return -E.OPNOTSUPP;
  if (!actsAsOwner(inode, cred)) return -E.PERM;
  const keepsGid = capable(cred, CAP_FSETID) || isInGroup(cred, inode.gid);
  const permissions = mode & 0o7777 & (keepsGid ? -1 : ~S_ISGID);
  return told(target, IN_ATTRIB, yield* inode.setAttributes({ permissions }));
}

/** @param uid -1 to leave it, as with gid */
function* chown(task: FileTask, target: Target | number, uid: number, gid: number): Op<number> {
  if (typeof target === 'number') return target;
  const { inode } = target;
  const { cred } = task.caller;
  const refused = refuseReadonly(target);
  if (refused < 0) return refused;
  const newUid = uid === -1 ? inode.uid : uid >>> 0;
  const newGid = gid === -1 ? inode.gid : gid >>> 0;
  if (!capable(cred, CAP_CHOWN)) {
    const owner = cred.fsuid === inode.uid;
    if (newUid !== inode.uid || (uid !== -1 && !owner)) return -E.PERM;
    if (gid !== -1 && (!owner || (newGid !== inode.gid && !isInGroup(cred, newGid)))) return -E.PERM;
  }
  let permissions = inode.mode & 0o7777;
  if (!isDirectory(inode)) {
    permissions &= ~S_ISUID;
    if ((permissions & 0o010) !== 0) permissions &= ~S_ISGID;
  }
  const change = { uid: newUid, gid: newGid, permissions };
  return told(target, IN_ATTRIB, yield* inode.setAttributes(change));
}

const at =
  (follow: boolean) =>
  (task: FileTask, path: number): Op<Path | number> =>
    findAt(task, AT_FDCWD, path, { follow });

/** An id of the 16-bit calls. */
function id16(id: number): number {
  return (id & 0xffff) === 0xffff ? -1 : id & 0xffff;
}

function chownCall(follow: boolean, narrow: boolean): FileCall {
  const id = narrow ? id16 : signed;
  return function* (task, [path, uid, gid]) {
    return yield* chown(task, yield* at(follow)(task, path!), id(uid!), id(gid!));
  };
}

function fchownCall(narrow: boolean): FileCall {
  const id = narrow ? id16 : signed;
  return (task, [fd, uid, gid]) => chown(task, byHandle(task, fd), id(uid!), id(gid!));
}

function* fchownat(task: FileTask, [dirfd, path, uid, gid, flags]: readonly number[]): Op<number> {
  const follow = (flags! & AT_SYMLINK_NOFOLLOW) === 0;
  const emptyPath = (flags! & AT_EMPTY_PATH) !== 0;
  const found = yield* findAt(task, dirfd!, path!, { follow, emptyPath });
  return yield* chown(task, found, signed(uid), signed(gid));
}

/** A time to set: 'now' needs less permission than a time given. Undefined: leave it. */
type NewTime = Time | 'now' | undefined;

function* setTimes(
  task: FileTask,
  target: Target | number,
  times: readonly [NewTime, NewTime] | undefined,
): Op<number> {
  if (typeof target === 'number') return target;
  const [atime, mtime] = times ?? ['now', 'now'];
  if (atime === undefined && mtime === undefined) return 0;
  const { inode } = target;
  const refused = refuseReadonly(target);
  if (refused < 0) return refused;
  const { cred } = task.caller;
  if (!actsAsOwner(inode, cred)) {
    if (atime !== 'now' || mtime !== 'now') return -E.PERM;
    const denied = checkAccess(inode, cred, MAY_WRITE);
    if (denied < 0) return denied;
  }
  const now = task.fs.vfs.now();
  const change: { -readonly [K in keyof AttributeChange]: AttributeChange[K] } = {};
  if (atime !== undefined) change.atime = atime === 'now' ? now : atime;
  if (mtime !== undefined) change.mtime = mtime === 'now' ? now : mtime;
  return told(target, IN_ATTRIB, yield* inode.setAttributes(change));
}

const UTIME_NOW = 0x3fffffff;
const UTIME_OMIT = 0x3ffffffe;
const SECOND = 1_000_000_000n;

/** Two times in the user's memory, as `unit` nanoseconds after the seconds. Errors: -EFAULT, -EINVAL */
function* timesAt(
  task: FileTask,
  va: number,
  form: 'seconds' | 'timeval' | 'timespec' | 'timespec64',
): Op<readonly [NewTime, NewTime] | undefined | number> {
  if (va === 0) return undefined;
  const stride = form === 'seconds' ? 4 : form === 'timespec64' ? 16 : 8;
  const raw = new Uint8Array(2 * stride);
  if (!(yield* copyIn(task, va, raw))) return -E.FAULT;
  const view = new DataView(raw.buffer);
  const times: NewTime[] = [];
  for (const offset of [0, stride]) {
    const wide = form === 'timespec64';
    const seconds = wide ? view.getBigInt64(offset, true) : BigInt(view.getInt32(offset, true));
    const fraction = form === 'seconds' ? 0 : view.getInt32(offset + (wide ? 8 : 4), true);
    const special = form === 'timespec' || wide;
    if (special && fraction === UTIME_NOW) times.push('now');
    else if (special && fraction === UTIME_OMIT) times.push(undefined);
    else {
      const limit = form === 'timeval' ? 1_000_000 : 1_000_000_000;
      if (fraction < 0 || fraction >= limit) return -E.INVAL;
      times.push(seconds * SECOND + BigInt(fraction) * (form === 'timeval' ? 1000n : 1n));
    }
  }
  return [times[0], times[1]];
}

function utimesCall(form: 'seconds' | 'timeval'): FileCall {
  return function* (task, [path, va]) {
    const times = yield* timesAt(task, va!, form);
    if (typeof times === 'number') return times;
    return yield* setTimes(task, yield* at(true)(task, path!), times);
  };
}

function utimensatCall(form: 'timespec' | 'timespec64'): FileCall {
  return function* (task, [dirfd, path, va, flags]) {
    const times = yield* timesAt(task, va!, form);
    if (typeof times === 'number') return times;
    if (path === 0) return yield* setTimes(task, byHandle(task, dirfd), times);
    const follow = (flags! & AT_SYMLINK_NOFOLLOW) === 0;
    return yield* setTimes(task, yield* findAt(task, dirfd!, path!, { follow }), times);
  };
}

function* futimesat(task: FileTask, [dirfd, path, va]: readonly number[]): Op<number> {
  const times = yield* timesAt(task, va!, 'timeval');
  if (typeof times === 'number') return times;
  if (path === 0) return yield* setTimes(task, byHandle(task, dirfd), times);
  return yield* setTimes(task, yield* findAt(task, dirfd!, path!, { follow: true }), times);
}

function* resize(task: FileTask, inode: Inode, size: number): Op<number> {
  if (size > inode.size && roomFor(task.caller, size - 1) <= 0) return -E.FBIG;
  const first = Math.floor(size / 4096);
  // What mappings have written to the page that is cut through stays as far as the file goes.
  inode.sharedMapping?.collect(first, first);
  const cut = inode.truncate === undefined ? -E.INVAL : yield* inode.truncate(size);
  if (cut >= 0) inode.sharedMapping?.changed(first, Number.MAX_SAFE_INTEGER);
  return cut;
}

function* truncate(task: FileTask, path: number, size: number): Op<number> {
  if (size < 0) return -E.INVAL;
  const found = yield* at(true)(task, path);
  if (typeof found === 'number') return found;
  if (isDirectory(found.inode)) return -E.ISDIR;
  if (!isRegular(found.inode)) return -E.INVAL;
  const denied = checkAccess(found.inode, task.caller.cred, MAY_WRITE);
  if (denied < 0) return denied;
  if ((found.inode.executors ?? 0) > 0) return -E.TXTBSY;
  const refused = refuseReadonly(found);
  return refused < 0 ? refused : told(found, IN_MODIFY, yield* resize(task, found.inode, size));
}

function* ftruncate(task: FileTask, fd: number, size: number): Op<number> {
  const handle = task.files.get(fd);
  if (handle === undefined) return -E.BADF;
  const writable = (handle.flags & O_ACCMODE) !== O_RDONLY;
  if (size < 0 || !writable || handle.kind !== 'file' || handle.inode === undefined) return -E.INVAL;
  const cut = yield* resize(task, handle.inode, size);
  if (cut >= 0) notifyHandle(handle, IN_MODIFY);
  return cut;
}

function* fallocate(
  task: FileTask,
  [fd, mode, low, high, lengthLow, lengthHigh]: readonly number[],
): Op<number> {
  const handle = task.files.get(signed(fd));
  if (handle === undefined || (handle.flags & O_ACCMODE) === O_RDONLY) return -E.BADF;
  const pos = signed64(low, high);
  const length = signed64(lengthLow, lengthHigh);
  if (pos < 0 || length <= 0) return -E.INVAL;
  if (handle.kind === 'pipe') return -E.SPIPE;
  if (handle.kind !== 'file') return -E.NODEV;
  const { inode } = handle;
  if (inode?.allocate === undefined) return -E.OPNOTSUPP;
  const done = yield* inode.allocate(pos, length, mode!);
  if (done >= 0) notifyHandle(handle, IN_MODIFY);
  return done;
}

function* fchmodat(task: FileTask, dirfd: number, path: number, mode: number, flags: number): Op<number> {
  const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
  const found = yield* findAt(task, dirfd, path, { follow, emptyPath: (flags & AT_EMPTY_PATH) !== 0 });
  return yield* chmod(task, found, mode);
}

function umask(task: FileTask, [mask]: readonly number[]): number {
  const old = task.fs.umask;
  task.fs.umask = mask! & 0o777;
  return old;
}

export const attributeCalls: FileCalls = {
  umask,
  chmod: (task, [path, mode]) => fchmodat(task, AT_FDCWD, path!, mode!, 0),
  fchmod: (task, [fd, mode]) => chmod(task, byHandle(task, fd), mode!),
  fchmodat: (task, [dirfd, path, mode]) => fchmodat(task, dirfd!, path!, mode!, 0),
  fchmodat2: (task, [dirfd, path, mode, flags]) => fchmodat(task, dirfd!, path!, mode!, flags!),
  chown: chownCall(true, true),
  lchown: chownCall(false, true),
  fchown: fchownCall(true),
  chown32: chownCall(true, false),
  lchown32: chownCall(false, false),
  fchown32: fchownCall(false),
  fchownat,
  utime: utimesCall('seconds'),
  utimes: utimesCall('timeval'),
  futimesat,
  utimensat: utimensatCall('timespec'),
  utimensat_time64: utimensatCall('timespec64'),
  truncate: (task, [path, size]) => truncate(task, path!, signed(size)),
  truncate64: (task, [path, low, high]) => truncate(task, path!, signed64(low, high)),
  ftruncate: (task, [fd, size]) => ftruncate(task, signed(fd), signed(size)),
  ftruncate64: (task, [fd, low, high]) => ftruncate(task, signed(fd), signed64(low, high)),
  fallocate,
};
