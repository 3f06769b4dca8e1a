/** What is known of files and file systems: the stat, statfs, access and readlink families. */

import { fromByteString } from '../abi/bytes.ts';
import { E } from '../abi/errno.ts';
import { AT_EACCESS, AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from '../abi/fcntl.ts';
import { MS_KEPT, MS_RDONLY } from '../abi/mount.ts';
import { isRegular } from '../abi/stat.ts';
import {
  type Attributes,
  stat32,
  stat64,
  statfs32,
  statfs64,
  statx as statxLayout,
} from '../abi/stat-layout.ts';
import { checkWritable } from '../fs/mounts.ts';
import { checkAccess, MAY_EXEC, MAY_WRITE } from '../fs/permissions.ts';
import { readLink } from '../fs/tree-changes.ts';
import type { Credentials, FileHandle, Inode, Path } from '../fs/types.ts';
import { realCredentials } from '../task/capabilities.ts';
import type { Op } from '../task/wait.ts';
import {
  copyOut,
  type FileCall,
  type FileCalls,
  type FileTask,
  findAt,
  pathArgument,
  signed,
} from './file-task.ts';

function attributesOf(inode: Inode): Attributes {
  const { ino, mode, uid, gid, nlink, rdev, size, blocks512, blockBytes, atime, mtime, ctime } = inode;
  return {
    dev: inode.fs.dev,
    ino,
    mode,
    uid,
    gid,
    nlink,
    rdev,
    size,
    blocks512,
    blockBytes,
    atime,
    mtime,
    ctime,
  };
}

function attributesOfHandle(handle: FileHandle): Attributes {
  if (handle.inode !== undefined) return attributesOf(handle.inode);
  const none = { uid: 0, gid: 0, nlink: 1, rdev: 0, size: 0, blocks512: 0, atime: 0n, mtime: 0n, ctime: 0n };
  return { dev: 0, ino: 1, mode: 0o600, blockBytes: 4096, ...none };
}

type Layout = (of: Attributes) => Uint8Array | undefined;

function* answer(task: FileTask, va: number, bytes: Uint8Array | undefined): Op<number> {
  if (bytes === undefined) return -E.OVERFLOW;
  return (yield* copyOut(task, va, bytes)) ? 0 : -E.FAULT;
}

function* statAt(
  task: FileTask,
  layout: Layout,
  dirfd: number,
  path: number,
  into: number,
  flags: number,
): Op<number> {
  const emptyPath = (flags & AT_EMPTY_PATH) !== 0;
  // With an empty path the descriptor may be of anything, a pipe too.
  const handle =
    emptyPath && (yield* pathArgument(task, path)) === '' ? task.files.get(signed(dirfd)) : undefined;
  if (handle !== undefined) return yield* answer(task, into, layout(attributesOfHandle(handle)));
  const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
  const found = yield* findAt(task, dirfd, path, { follow, emptyPath });
  return typeof found === 'number' ? found : yield* answer(task, into, layout(attributesOf(found.inode)));
}

function statCall(layout: Layout, flags: number): FileCall {
  return (task, [path, into]) => statAt(task, layout, AT_FDCWD, path!, into!, flags);
}

function fstatCall(layout: Layout): FileCall {
  return function* (task, [fd, into]) {
    const handle = task.files.get(signed(fd));
    return handle === undefined ? -E.BADF : yield* answer(task, into!, layout(attributesOfHandle(handle)));
  };
}

/** The flags that statfs tells: ST_VALID and those of the mount. */
function statfsFlags(path: Path): number {
  const readonly = checkWritable(path.mount) < 0 ? MS_RDONLY : 0;
  return 0x20 | (path.mount.flags & MS_KEPT & 0x1fffff) | readonly;
}

type FsLayout = typeof statfs64;

function* statfsOf(task: FileTask, path: Path, layout: FsLayout, into: number): Op<number> {
  return yield* answer(task, into, layout(path.mount.fs.statistics(), statfsFlags(path)));
}

/** @param wide statfs64: the size of the structure is the second argument */
function statfsCall(layout: FsLayout, wide: boolean): FileCall {
  return function* (task, [path, second, third]) {
    if (wide && second !== 84 && second !== 88) return -E.INVAL;
    const found = yield* findAt(task, AT_FDCWD, path!, { follow: true });
    return typeof found === 'number' ? found : yield* statfsOf(task, found, layout, wide ? third! : second!);
  };
}

function fstatfsCall(layout: FsLayout, wide: boolean): FileCall {
  return function* (task, [fd, second, third]) {
    if (wide && second !== 84 && second !== 88) return -E.INVAL;
    const handle = task.files.get(signed(fd));
    if (handle === undefined) return -E.BADF;
    const into = wide ? third! : second!;
    if (handle.path !== undefined) return yield* statfsOf(task, handle.path, layout, into);
    const fs = handle.inode?.fs ?? task.fs.vfs.pipes;
    return yield* answer(task, into, layout(fs.statistics(), 0x20));
  };
}

const isSameForFiles = (a: Credentials, b: Credentials): boolean =>
  a.fsuid === b.fsuid && a.fsgid === b.fsgid && a.caps.effective === b.caps.effective;

function* accessAt(task: FileTask, dirfd: number, path: number, mode: number, flags: number): Op<number> {
  if ((mode & ~7) !== 0 || (flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0)
    return -E.INVAL;
  const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
  const emptyPath = (flags & AT_EMPTY_PATH) !== 0;
  const cred = (flags & AT_EACCESS) !== 0 ? task.caller.cred : realCredentials(task.caller.cred);
  const asReal: FileTask = isSameForFiles(cred, task.caller.cred)
    ? task
    : Object.create(task, { caller: { value: Object.create(task.caller, { cred: { value: cred } }) } });
  const found = yield* findAt(asReal, dirfd, path, { follow, emptyPath });
  if (typeof found === 'number') return found;
  if ((mode & MAY_EXEC) !== 0 && isRegular(found.inode) && (found.mount.flags & 8) !== 0) return -E.ACCES;
  const denied = checkAccess(found.inode, cred, mode);
  if (denied < 0) return denied;
  const type = found.inode.mode & 0o170000;
  const plain = type === 0o100000 || type === 0o040000 || type === 0o120000;
  return (mode & MAY_WRITE) !== 0 && plain ? checkWritable(found.mount) : 0;
}

function* readlinkAt(task: FileTask, dirfd: number, path: number, into: number, size: number): Op<number> {
  if (size <= 0) return -E.INVAL;
  const found = yield* findAt(task, dirfd, path, { follow: false, emptyPath: true });
  if (typeof found === 'number') return found;
  const target = yield* readLink(found, task.caller);
  if (typeof target === 'number') return (yield* pathArgument(task, path)) === '' ? -E.NOENT : target;
  const bytes = fromByteString(target.slice(0, size));
  return (yield* copyOut(task, into, bytes)) ? bytes.length : -E.FAULT;
}

export const statCalls: FileCalls = {
  stat64: statCall(stat64, 0),
  lstat64: statCall(stat64, AT_SYMLINK_NOFOLLOW),
  fstat64: fstatCall(stat64),
  fstatat64: (task, [dirfd, path, into, flags]) => statAt(task, stat64, dirfd!, path!, into!, flags!),
  stat: statCall(stat32, 0),
  lstat: statCall(stat32, AT_SYMLINK_NOFOLLOW),
  fstat: fstatCall(stat32),
  statx: (task, [dirfd, path, flags, , into]) => statAt(task, statxLayout, dirfd!, path!, into!, flags!),
  statfs: statfsCall(statfs32, false),
  fstatfs: fstatfsCall(statfs32, false),
  statfs64: statfsCall(statfs64, true),
  fstatfs64: fstatfsCall(statfs64, true),
  access: (task, [path, mode]) => accessAt(task, AT_FDCWD, path!, mode!, 0),
  faccessat: (task, [dirfd, path, mode]) => accessAt(task, dirfd!, path!, mode!, 0),
  faccessat2: (task, [dirfd, path, mode, flags]) => accessAt(task, dirfd!, path!, mode!, flags!),
  readlink: (task, [path, into, size]) => readlinkAt(task, AT_FDCWD, path!, into!, signed(size)),
  readlinkat: (task, [dirfd, path, into, size]) => readlinkAt(task, dirfd!, path!, into!, signed(size)),
};
