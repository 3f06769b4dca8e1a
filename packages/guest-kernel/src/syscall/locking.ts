/** flock, and the lock commands of fcntl. */
import { E } from '../abi/errno.ts';
import {
  F_GETLK,
  F_GETLK64,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_RDLCK,
  F_SETLK,
  F_SETLK64,
  F_SETLKW,
  F_SETLKW64,
  F_UNLCK,
  F_WRLCK,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_ACCMODE,
  O_RDONLY,
  O_WRONLY,
} from '../abi/fcntl.ts';
import { type LockRange, locksOf } from '../fs/locks.ts';
import type { FileHandle } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { copyIn, copyOut, type FileCalls, type FileTask, signed } from './file-task.ts';

/** struct flock (16 bytes) and flock64 (24 bytes) of i386. */
function parse(raw: Uint8Array): { type: number; whence: number; start: number; length: number } {
  const view = new DataView(raw.buffer);
  const wide = raw.length === 24;
  return {
    type: view.getInt16(0, true),
    whence: view.getInt16(2, true),
    start: wide ? Number(view.getBigInt64(4, true)) : view.getInt32(4, true),
    length: wide ? Number(view.getBigInt64(12, true)) : view.getInt32(8, true),
  };
}

function describe(raw: Uint8Array, lock: LockRange | undefined): void {
  const view = new DataView(raw.buffer);
  if (lock === undefined) {
    view.setInt16(0, F_UNLCK, true);
    return;
  }
  const length = lock.end === Number.POSITIVE_INFINITY ? 0 : lock.end - lock.start;
  view.setInt16(0, lock.exclusive ? F_WRLCK : F_RDLCK, true);
  view.setInt16(2, 0, true);
  if (raw.length === 24) {
    view.setBigInt64(4, BigInt(lock.start), true);
    view.setBigInt64(12, BigInt(length), true);
  } else {
    view.setInt32(4, lock.start, true);
    view.setInt32(8, length, true);
  }
  view.setInt32(raw.length - 4, lock.pid, true);
}

/** Errors: -EINVAL for a command that is not about locks */
export function* lockCommand(task: FileTask, handle: FileHandle, cmd: number, va: number): Op<number> {
  const ofd = [F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW].includes(cmd);
  const wide = ofd || [F_GETLK64, F_SETLK64, F_SETLKW64].includes(cmd);
  if (!wide && ![F_GETLK, F_SETLK, F_SETLKW].includes(cmd)) return -E.INVAL;
  const { inode } = handle;
  if (inode === undefined) return -E.INVAL;
  const raw = new Uint8Array(wide ? 24 : 16);
  if (!(yield* copyIn(task, va, raw))) return -E.FAULT;
  const { type, whence, start, length } = parse(raw);
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) return -E.INVAL;
  if (whence < 0 || whence > 2) return -E.INVAL;
  const base = start + (whence === 1 ? handle.pos : whence === 2 ? inode.size : 0);
  const first = length < 0 ? base + length : base;
  if (first < 0) return -E.INVAL;
  const end = length === 0 ? Number.POSITIVE_INFINITY : length < 0 ? base : base + length;
  const owner: object = ofd ? handle : task.files;
  const locks = locksOf(inode, task.fs.vfs.lockWaiters);
  const wanted = { owner, pid: ofd ? -1 : task.caller.pid, start: first, end, exclusive: type === F_WRLCK };
  if ([F_GETLK, F_GETLK64, F_OFD_GETLK].includes(cmd)) {
    describe(raw, type === F_UNLCK ? undefined : locks.recordConflict(wanted));
    return (yield* copyOut(task, va, raw)) ? 0 : -E.FAULT;
  }
  if (type === F_UNLCK) {
    locks.clearRecord(owner, first, end);
    return 0;
  }
  const access = handle.flags & O_ACCMODE;
  if (access === (type === F_RDLCK ? O_WRONLY : O_RDONLY)) return -E.BADF;
  return yield* locks.setRecord(wanted, [F_SETLKW, F_SETLKW64, F_OFD_SETLKW].includes(cmd));
}

function* flock(task: FileTask, [fd, operation]: readonly number[]): Op<number> {
  const handle = task.files.get(signed(fd));
  if (handle === undefined) return -E.BADF;
  const { inode } = handle;
  const kind = operation! & ~LOCK_NB;
  if (inode === undefined || ![LOCK_SH, LOCK_EX, LOCK_UN].includes(kind)) return -E.INVAL;
  const locks = locksOf(inode, task.fs.vfs.lockWaiters);
  if (kind === LOCK_UN) {
    locks.clearWhole(handle);
    return 0;
  }
  return yield* locks.setWhole(handle, kind === LOCK_EX, (operation! & LOCK_NB) === 0);
}

export const lockingCalls: FileCalls = { flock };
