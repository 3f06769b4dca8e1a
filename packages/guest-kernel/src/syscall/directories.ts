/** Listing directories, and where the process is: getdents, chdir, getcwd, chroot. */

import { fromByteString } from '../abi/bytes.ts';
import { CAP_SYS_CHROOT } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { AT_FDCWD } from '../abi/fcntl.ts';
import { IN_ACCESS } from '../abi/inotify.ts';
import { isDirectory } from '../abi/stat.ts';
import { notifyHandle } from '../fs/notify.ts';
import { capable, checkAccess, MAY_EXEC } from '../fs/permissions.ts';
import { tellPath } from '../fs/pins.ts';
import type { DirectoryEntry, Path } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { copyOut, type FileCalls, type FileTask, findAt, signed } from './file-task.ts';

/** Most bytes that one call fills. */
const MAX_LISTING = 1 << 20;

/** Puts an entry at `at`. @returns its length */
type EntryLayout = (view: DataView, at: number, entry: DirectoryEntry) => number;

const entryBytes64 = (entry: DirectoryEntry): number => (19 + entry.name.length + 1 + 7) & ~7;
const entryBytes32 = (entry: DirectoryEntry): number => (10 + entry.name.length + 2 + 3) & ~3;

function putName(view: DataView, at: number, name: string): void {
  for (let index = 0; index < name.length; index++) view.setUint8(at + index, name.charCodeAt(index));
}

/** struct linux_dirent64 */
const put64: EntryLayout = (view, at, entry) => {
  const length = entryBytes64(entry);
  view.setBigUint64(at, BigInt(entry.ino), true);
  view.setBigInt64(at + 8, BigInt(entry.next), true);
  view.setUint16(at + 16, length, true);
  view.setUint8(at + 18, entry.type);
  putName(view, at + 19, entry.name);
  return length;
};

/** struct linux_dirent: the type is in the last byte. */
const put32: EntryLayout = (view, at, entry) => {
  const length = entryBytes32(entry);
  view.setUint32(at, entry.ino, true);
  view.setUint32(at + 4, entry.next, true);
  view.setUint16(at + 8, length, true);
  putName(view, at + 10, entry.name);
  view.setUint8(at + length - 1, entry.type);
  return length;
};

function getdents(layout: EntryLayout, sizeOf: (entry: DirectoryEntry) => number) {
  return function* (task: FileTask, [fd, va, size]: readonly number[]): Op<number> {
    const handle = task.files.get(signed(fd));
    if (handle === undefined) return -E.BADF;
    if (handle.list === undefined) return -E.NOTDIR;
    const buffer = new Uint8Array(Math.min(size!, MAX_LISTING));
    const view = new DataView(buffer.buffer);
    let used = 0;
    let refused = false;
    const from = handle.pos;
    const result = yield* handle.list((entry) => {
      refused = used + sizeOf(entry) > buffer.length;
      if (refused) return false;
      used += layout(view, used, entry);
      return true;
    });
    if (result < 0) return result;
    notifyHandle(handle, IN_ACCESS);
    if (used === 0) return refused ? -E.INVAL : 0;
    if (yield* copyOut(task, va!, buffer.subarray(0, used))) return used;
    handle.pos = from;
    return -E.FAULT;
  };
}

function enter(task: FileTask, path: Path | number): Path | number {
  if (typeof path === 'number') return path;
  if (!isDirectory(path.inode)) return -E.NOTDIR;
  const denied = checkAccess(path.inode, task.caller.cred, MAY_EXEC);
  return denied < 0 ? denied : path;
}

function* chdir(task: FileTask, [va]: readonly number[]): Op<number> {
  const path = enter(task, yield* findAt(task, AT_FDCWD, va!, { follow: true }));
  if (typeof path === 'number') return path;
  task.fs.cwd = path;
  return 0;
}

function fchdir(task: FileTask, [fd]: readonly number[]): number {
  const handle = task.files.get(signed(fd));
  if (handle === undefined) return -E.BADF;
  const path = enter(task, handle.path ?? -E.NOTDIR);
  if (typeof path === 'number') return path;
  task.fs.cwd = path;
  return 0;
}

function* chroot(task: FileTask, [va]: readonly number[]): Op<number> {
  const path = enter(task, yield* findAt(task, AT_FDCWD, va!, { follow: true }));
  if (typeof path === 'number') return path;
  if (!capable(task.caller.cred, CAP_SYS_CHROOT)) return -E.PERM;
  task.fs.root = path;
  return 0;
}

function* getcwd(task: FileTask, [va, size]: readonly number[]): Op<number> {
  const { text, deleted } = tellPath(task.fs.cwd, task.fs.root);
  if (deleted) return -E.NOENT;
  const bytes = fromByteString(`${text}\0`);
  if (bytes.length > size!) return -E.RANGE;
  return (yield* copyOut(task, va!, bytes)) ? bytes.length : -E.FAULT;
}

export const directoryCalls: FileCalls = {
  getdents: getdents(put32, entryBytes32),
  getdents64: getdents(put64, entryBytes64),
  chdir,
  fchdir,
  chroot,
  getcwd,
};
