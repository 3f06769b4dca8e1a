/** Names made, removed and moved: the mkdir, unlink, rename, link, symlink and mknod families. */
import { E } from '../abi/errno.ts';
import { AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_FOLLOW } from '../abi/fcntl.ts';
import {
  makeDirectory,
  makeLink,
  makeNode,
  makeSymlink,
  removeDirectory,
  removeName,
  rename,
} from '../fs/tree-changes.ts';
import type { ByteString, Path } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { type FileCalls, type FileTask, findAt, pathArgument, startOf } from './file-task.ts';

/** A path argument and where it starts. */
function* place(task: FileTask, dirfd: number, va: number): Op<{ start: Path; path: ByteString } | number> {
  const path = yield* pathArgument(task, va);
  if (typeof path === 'number') return path;
  const start = path.startsWith('/') ? task.fs.cwd : startOf(task, dirfd);
  return typeof start === 'number' ? start : { start, path };
}

function* mkdirAt(task: FileTask, dirfd: number, va: number, mode: number): Op<number> {
  const at = yield* place(task, dirfd, va);
  return typeof at === 'number' ? at : yield* makeDirectory(task, at.start, at.path, mode);
}

function* mknodAt(task: FileTask, dirfd: number, va: number, mode: number, dev: number): Op<number> {
  const at = yield* place(task, dirfd, va);
  return typeof at === 'number' ? at : yield* makeNode(task, at.start, at.path, mode, dev);
}

function* unlinkAt(task: FileTask, dirfd: number, va: number, flags: number): Op<number> {
  if ((flags & ~AT_REMOVEDIR) !== 0) return -E.INVAL;
  const at = yield* place(task, dirfd, va);
  if (typeof at === 'number') return at;
  return yield* ((flags & AT_REMOVEDIR) !== 0 ? removeDirectory : removeName)(task, at.start, at.path);
}

function* renameAt(
  task: FileTask,
  fromFd: number,
  fromVa: number,
  toFd: number,
  toVa: number,
  flags: number,
): Op<number> {
  const from = yield* place(task, fromFd, fromVa);
  if (typeof from === 'number') return from;
  const to = yield* place(task, toFd, toVa);
  if (typeof to === 'number') return to;
  return yield* rename(task, from.start, from.path, to.start, to.path, flags);
}

function* linkAt(
  task: FileTask,
  fromFd: number,
  fromVa: number,
  toFd: number,
  toVa: number,
  flags: number,
): Op<number> {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -E.INVAL;
  const follow = (flags & AT_SYMLINK_FOLLOW) !== 0;
  const emptyPath = (flags & AT_EMPTY_PATH) !== 0;
  const source = yield* findAt(task, fromFd, fromVa, { follow, emptyPath });
  if (typeof source === 'number') return source;
  const to = yield* place(task, toFd, toVa);
  return typeof to === 'number' ? to : yield* makeLink(task, source, to.start, to.path);
}

function* symlinkAt(task: FileTask, targetVa: number, dirfd: number, va: number): Op<number> {
  const target = yield* pathArgument(task, targetVa);
  if (typeof target === 'number') return target;
  const at = yield* place(task, dirfd, va);
  return typeof at === 'number' ? at : yield* makeSymlink(task, target, at.start, at.path);
}

export const treeCalls: FileCalls = {
  mkdir: (task, [path, mode]) => mkdirAt(task, AT_FDCWD, path!, mode!),
  mkdirat: (task, [dirfd, path, mode]) => mkdirAt(task, dirfd!, path!, mode!),
  mknod: (task, [path, mode, dev]) => mknodAt(task, AT_FDCWD, path!, mode!, dev!),
  mknodat: (task, [dirfd, path, mode, dev]) => mknodAt(task, dirfd!, path!, mode!, dev!),
  unlink: (task, [path]) => unlinkAt(task, AT_FDCWD, path!, 0),
  unlinkat: (task, [dirfd, path, flags]) => unlinkAt(task, dirfd!, path!, flags!),
  rmdir: (task, [path]) => unlinkAt(task, AT_FDCWD, path!, AT_REMOVEDIR),
  rename: (task, [from, to]) => renameAt(task, AT_FDCWD, from!, AT_FDCWD, to!, 0),
  renameat: (task, [fromFd, from, toFd, to]) => renameAt(task, fromFd!, from!, toFd!, to!, 0),
  renameat2: (task, [fromFd, from, toFd, to, flags]) => renameAt(task, fromFd!, from!, toFd!, to!, flags!),
  link: (task, [from, to]) => linkAt(task, AT_FDCWD, from!, AT_FDCWD, to!, 0),
  linkat: (task, [fromFd, from, toFd, to, flags]) => linkAt(task, fromFd!, from!, toFd!, to!, flags!),
  symlink: (task, [target, path]) => symlinkAt(task, target!, AT_FDCWD, path!),
  symlinkat: (task, [target, dirfd, path]) => symlinkAt(task, target!, dirfd!, path!),
};
