/** openat2(2). */
import { E } from '../abi/errno.ts';
import {
  O_ACCMODE,
  O_APPEND,
  O_ASYNC,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECT,
  O_DIRECTORY,
  O_DSYNC,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_SYNC,
  O_TMPFILE,
  O_TRUNC,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from '../abi/fcntl.ts';
import type { Op } from '../task/wait.ts';
import { copyIn, type FileTask } from './file-task.ts';

/** struct open_how, as far as there is one. */
export interface OpenHow {
  readonly flags: number;
  readonly mode: number;
  /** RESOLVE_*. */
  readonly resolve: number;
}

const HOW_BYTES = 24;
const MAX_BYTES = 4096;
const FLAGS: number = [
  ...[O_ACCMODE, O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC, O_APPEND, O_NONBLOCK, O_SYNC, O_DSYNC, O_ASYNC],
  ...[O_DIRECT, O_LARGEFILE, O_DIRECTORY, O_NOFOLLOW, O_NOATIME, O_CLOEXEC, O_PATH, O_TMPFILE],
].reduce((all, flag) => all | flag, 0);
const PATH_FLAGS: number = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
const RESOLVE: number =
  RESOLVE_NO_XDEV |
  RESOLVE_NO_MAGICLINKS |
  RESOLVE_NO_SYMLINKS |
  RESOLVE_BENEATH |
  RESOLVE_IN_ROOT |
  RESOLVE_CACHED;

/** Unlike open, openat2 refuses what it does not know. Errors: -E2BIG, -EINVAL, -EFAULT, -EAGAIN */
export function* readHow(task: FileTask, va: number, size: number): Op<OpenHow | number> {
  if (size < HOW_BYTES) return -E.INVAL;
  if (size > MAX_BYTES) return -E.TOOBIG;
  const bytes = new Uint8Array(size);
  if (!(yield* copyIn(task, va, bytes))) return -E.FAULT;
  if (bytes.subarray(HOW_BYTES).some((byte) => byte !== 0)) return -E.TOOBIG;
  const view = new DataView(bytes.buffer);
  const [flags, mode, resolve] = [0, 8, 16].map((at) => view.getUint32(at, true)) as [number, number, number];
  const isWide = [4, 12, 20].some((at) => view.getUint32(at, true) !== 0);
  if (isWide || (flags & ~FLAGS) !== 0 || (resolve & ~RESOLVE) !== 0) return -E.INVAL;
  const makes = (flags & O_CREAT) !== 0 || (flags & O_TMPFILE) === O_TMPFILE;
  if ((mode & ~0o7777) !== 0 || (mode !== 0 && !makes)) return -E.INVAL;
  if ((flags & O_PATH) !== 0 && (flags & ~PATH_FLAGS) !== 0) return -E.INVAL;
  if ((resolve & RESOLVE_BENEATH) !== 0 && (resolve & RESOLVE_IN_ROOT) !== 0) return -E.INVAL;
  // Nothing is known without asking the file system.
  if ((resolve & RESOLVE_CACHED) !== 0) return -E.AGAIN;
  return { flags, mode, resolve };
}
