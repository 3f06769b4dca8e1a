/** What a system call about files knows of the task that makes it, and how it moves bytes. */
import { E } from '../abi/errno.ts';
import { AT_FDCWD, PATH_MAX } from '../abi/fcntl.ts';
import type { FdTable } from '../fs/fd-table.ts';
import type { FsContext } from '../fs/fs-context.ts';
import type { ByteString, Caller, Path, UserMemory } from '../fs/types.ts';
import { Walk } from '../fs/walk.ts';
import type { Op } from '../task/wait.ts';

export interface FileTask {
  readonly caller: Caller;
  readonly files: FdTable;
  readonly fs: FsContext;
  readonly user: UserMemory;
  /** CLOCK_MONOTONIC, for timeouts. */
  monotonicNs(): bigint;
}

/** A system call: its arguments as unsigned 32-bit numbers. @returns the value for eax, or a negative errno */
export type FileCall = (task: FileTask, args: readonly number[]) => Op<number> | number;

/** System calls by the name that Linux gives them. */
export type FileCalls = Readonly<Record<string, FileCall>>;

/** Copies to the user, bringing pages in where they are not present. */
export function* copyOut(task: FileTask, va: number, from: Uint8Array): Op<boolean> {
  if (from.length === 0 || task.user.write(va, from)) return true;
  if (task.user.populate === undefined) return false;
  return (yield* task.user.populate(va, from.length, true)) && task.user.write(va, from);
}

/** Copies from the user; see {@link copyOut}. */
export function* copyIn(task: FileTask, va: number, into: Uint8Array): Op<boolean> {
  if (into.length === 0 || task.user.read(va, into)) return true;
  if (task.user.populate === undefined) return false;
  return (yield* task.user.populate(va, into.length, false)) && task.user.read(va, into);
}

/** A path argument. Errors: -EFAULT, -ENAMETOOLONG */
export function* pathArgument(task: FileTask, va: number): Op<ByteString | number> {
  const text = task.user.readString(va, PATH_MAX);
  if (text !== -E.FAULT || task.user.populate === undefined) return text;
  yield* task.user.populate(va, 1, false);
  return task.user.readString(va, PATH_MAX);
}

/** Where a relative path of an *at call begins. Errors: -EBADF; -ENOTDIR is left to the walk */
export function startOf(task: FileTask, dirfd: number): Path | number {
  if ((dirfd | 0) === AT_FDCWD) return task.fs.cwd;
  return task.files.get(dirfd)?.path ?? -E.BADF;
}

/** The path argument of an *at call, looked up. An empty path with `emptyPath` names `dirfd` itself. */
export function* findAt(
  task: FileTask,
  dirfd: number,
  pathVa: number,
  options: { readonly follow: boolean; readonly emptyPath?: boolean },
): Op<Path | number> {
  const text = yield* pathArgument(task, pathVa);
  if (typeof text === 'number') return text;
  const start = text.startsWith('/') ? task.fs.cwd : startOf(task, dirfd);
  if (typeof start === 'number') return start;
  if (text === '' && options.emptyPath === true) return start;
  return yield* new Walk(task).find(start, text, options.follow);
}

/** A signed 32-bit argument. */
export function signed(value: number | undefined): number {
  return (value ?? 0) | 0;
}

/** A signed 64-bit argument in two words. Exact up to 2^53. */
export function signed64(low: number | undefined, high: number | undefined): number {
  return ((high ?? 0) | 0) * 2 ** 32 + ((low ?? 0) >>> 0);
}
