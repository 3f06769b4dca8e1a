/** open, dup, pipe, fcntl and what else makes or changes descriptors. */
import { CAP_SYS_RESOURCE } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import {
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_GETFD,
  F_GETFL,
  F_GETOWN,
  F_GETPIPE_SZ,
  F_SETFD,
  F_SETFL,
  F_SETOWN,
  F_SETPIPE_SZ,
  FD_CLOEXEC,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_LARGEFILE,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_SETTABLE,
  O_TRUNC,
  O_WRONLY,
  RESOLVE_IN_ROOT,
} from '../abi/fcntl.ts';
import { keepPipe } from '../fs/fifo.ts';
import { letGo, retain } from '../fs/file-handle.ts';
import { capable } from '../fs/permissions.ts';
import { Pipe, PipeEnd } from '../fs/pipe.ts';
import type { FileHandle } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { copyOut, type FileCalls, type FileTask, pathArgument, signed, startOf } from './file-task.ts';
import { lockCommand } from './locking.ts';
import { type OpenHow, readHow } from './open-how.ts';

/** Gives a new handle a descriptor, or lets it go if there is none left. */
export function install(task: FileTask, handle: FileHandle | number, closeOnExec: boolean): number {
  if (typeof handle === 'number') return handle;
  const fd = task.files.add(handle, closeOnExec);
  if (fd < 0) letGo(handle);
  return fd;
}

function* openAt(
  task: FileTask,
  dirfd: number,
  pathVa: number,
  { flags, mode, resolve }: OpenHow,
): Op<number> {
  const path = yield* pathArgument(task, pathVa);
  if (typeof path === 'number') return path;
  const isScoped = (resolve & RESOLVE_IN_ROOT) !== 0;
  const start = path.startsWith('/') && !isScoped ? task.fs.cwd : startOf(task, dirfd);
  if (typeof start === 'number') return start;
  const handle = yield* task.fs.vfs.open(task, start, path, flags, mode, resolve);
  return install(task, handle, (flags & O_CLOEXEC) !== 0);
}

const AT_CWD = -100;
const how = (flags: number, mode: number): OpenHow => ({ flags, mode, resolve: 0 });

function* openat2(task: FileTask, [dirfd, path, va, size]: readonly number[]): Op<number> {
  const asked = yield* readHow(task, va!, size!);
  return typeof asked === 'number' ? asked : yield* openAt(task, dirfd!, path!, asked);
}

function* pipe2(task: FileTask, [va, flags]: readonly number[]): Op<number> {
  if ((flags! & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) return -E.INVAL;
  const inode = task.fs.vfs.pipes.makeInode(task.caller.cred);
  const pipe = new Pipe(task.fs.vfs.holdings);
  keepPipe(inode, pipe);
  const status = flags! & O_NONBLOCK;
  const closeOnExec = (flags! & O_CLOEXEC) !== 0;
  const reader = install(task, new PipeEnd(pipe, inode, O_RDONLY | status), closeOnExec);
  if (reader < 0) return reader;
  const writer = install(task, new PipeEnd(pipe, inode, O_WRONLY | status), closeOnExec);
  if (writer < 0) {
    task.files.close(reader);
    return writer;
  }
  const pair = new Uint8Array(8);
  new DataView(pair.buffer).setInt32(0, reader, true);
  new DataView(pair.buffer).setInt32(4, writer, true);
  if (yield* copyOut(task, va!, pair)) return 0;
  task.files.close(reader);
  task.files.close(writer);
  return -E.FAULT;
}

function duplicate(task: FileTask, fd: number, from: number, closeOnExec: boolean): number {
  const handle = task.files.get(fd);
  if (handle === undefined) return -E.BADF;
  if (from < 0 || from >= task.files.limit) return -E.INVAL;
  const copy = task.files.add(retain(handle), closeOnExec, from);
  if (copy < 0) letGo(handle);
  return copy;
}

function duplicateTo(task: FileTask, fd: number, to: number, closeOnExec: boolean): number {
  const handle = task.files.get(fd);
  if (handle === undefined || to < 0 || to >= task.files.limit) return -E.BADF;
  const rc = task.files.put(to, retain(handle), closeOnExec);
  if (rc < 0) letGo(handle);
  return rc;
}

function* fcntl64(task: FileTask, [fdArg, cmd, arg]: readonly number[]): Op<number> {
  const fd = signed(fdArg);
  const handle = task.files.get(fd);
  if (handle === undefined) return -E.BADF;
  const permitted = [F_DUPFD, F_DUPFD_CLOEXEC, F_GETFD, F_SETFD, F_GETFL];
  if ((handle.flags & O_PATH) !== 0 && !permitted.includes(cmd!)) return -E.BADF;
  switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return duplicate(task, fd, signed(arg), cmd === F_DUPFD_CLOEXEC);
    case F_GETFD:
      return task.files.isCloseOnExec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      task.files.setCloseOnExec(fd, (arg! & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return handle.flags;
    case F_SETFL:
      handle.flags = (handle.flags & ~O_SETTABLE) | (arg! & O_SETTABLE);
      return 0;
    case F_GETOWN:
    case F_SETOWN:
      return 0;
    case F_GETPIPE_SZ:
      return handle instanceof PipeEnd ? handle.pipe.capacity : -E.BADF;
    case F_SETPIPE_SZ:
      return handle instanceof PipeEnd
        ? handle.pipe.resize(arg!, capable(task.caller.cred, CAP_SYS_RESOURCE))
        : -E.BADF;
    default:
      return yield* lockCommand(task, handle, cmd!, arg!);
  }
}

function closeRange(task: FileTask, [first, last, flags]: readonly number[]): number {
  if (first! > last! || (flags! & ~6) !== 0) return -E.INVAL;
  for (const { fd } of [...task.files.open()]) {
    if (fd < first! || fd > last!) continue;
    if ((flags! & 4) !== 0) task.files.setCloseOnExec(fd, true);
    else task.files.close(fd);
  }
  return 0;
}

export const openingCalls: FileCalls = {
  open: (task, [path, flags, mode]) => openAt(task, AT_CWD, path!, how(flags!, mode!)),
  openat: (task, [dirfd, path, flags, mode]) => openAt(task, dirfd!, path!, how(flags!, mode!)),
  openat2,
  creat: (task, [path, mode]) =>
    openAt(task, AT_CWD, path!, how(O_CREAT | O_WRONLY | O_TRUNC | O_LARGEFILE, mode!)),
  dup: (task, [fd]) => duplicate(task, signed(fd), 0, false),
  dup2: (task, [fd, to]) => {
    if (signed(fd) === signed(to)) return task.files.get(signed(fd)) === undefined ? -E.BADF : signed(fd);
    return duplicateTo(task, signed(fd), signed(to), false);
  },
  dup3: (task, [fd, to, flags]) => {
    if (signed(fd) === signed(to) || (flags! & ~O_CLOEXEC) !== 0) return -E.INVAL;
    return duplicateTo(task, signed(fd), signed(to), (flags! & O_CLOEXEC) !== 0);
  },
  pipe: (task, [va]) => pipe2(task, [va!, 0]),
  pipe2,
  fcntl: fcntl64,
  fcntl64,
  close_range: closeRange,
};
