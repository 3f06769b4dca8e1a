/** mount, umount, pivot_root, ioctl, and calls that need no more than an answer. */

import { toByteString } from '../abi/bytes.ts';
import { CAP_SYS_ADMIN } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { AT_FDCWD, O_CLOEXEC, O_NONBLOCK, O_PATH } from '../abi/fcntl.ts';
import { FIOASYNC, FIOCLEX, FIONBIO, FIONCLEX } from '../abi/ioctl.ts';
import { MNT_DETACH, MNT_FORCE } from '../abi/mount.ts';
import { mount as mountFs, pivotRoot, unmount } from '../fs/mounting.ts';
import { capable } from '../fs/permissions.ts';
import type { ByteString } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { copyIn, type FileCalls, type FileTask, findAt, pathArgument, signed } from './file-task.ts';

const MS_MGC_VAL = 0xc0ed0000;

/** A string argument that may be null. */
function* optionalString(task: FileTask, va: number): Op<ByteString | number> {
  return va === 0 ? '' : yield* pathArgument(task, va);
}

/** The data argument: text up to a NUL, at most a page. */
function* mountData(task: FileTask, va: number): Op<ByteString | number> {
  if (va === 0) return '';
  const text = yield* pathArgument(task, va);
  return text === -E.NAMETOOLONG ? '' : text;
}

function* mount(
  task: FileTask,
  [sourceVa, targetVa, typeVa, flagsArg, dataVa]: readonly number[],
): Op<number> {
  const source = yield* optionalString(task, sourceVa!);
  if (typeof source === 'number') return source;
  const type = yield* optionalString(task, typeVa!);
  if (typeof type === 'number') return type;
  const data = yield* mountData(task, dataVa!);
  if (typeof data === 'number') return data;
  const target = yield* findAt(task, AT_FDCWD, targetVa!, { follow: true });
  if (typeof target === 'number') return target;
  if (!capable(task.caller.cred, CAP_SYS_ADMIN)) return -E.PERM;
  const flags = (flagsArg! & 0xffff0000) >>> 0 === MS_MGC_VAL ? flagsArg! & 0xffff : flagsArg!;
  return yield* mountFs(task, { source, target, type, flags, data });
}

function* umount2(task: FileTask, [targetVa, flags]: readonly number[]): Op<number> {
  const target = yield* findAt(task, AT_FDCWD, targetVa!, { follow: (flags! & 8) === 0 });
  if (typeof target === 'number') return target;
  if (!capable(task.caller.cred, CAP_SYS_ADMIN)) return -E.PERM;
  if ((flags! & ~(MNT_FORCE | MNT_DETACH | 8)) !== 0) return -E.INVAL;
  return yield* unmount(task, target, (flags! & MNT_DETACH) !== 0);
}

function* pivotRootCall(task: FileTask, [newVa, oldVa]: readonly number[]): Op<number> {
  const root = yield* findAt(task, AT_FDCWD, newVa!, { follow: true });
  if (typeof root === 'number') return root;
  const old = yield* findAt(task, AT_FDCWD, oldVa!, { follow: true });
  if (typeof old === 'number') return old;
  if (!capable(task.caller.cred, CAP_SYS_ADMIN)) return -E.PERM;
  return pivotRoot(task, root, old);
}

function* ioctl(task: FileTask, [fdArg, cmd, arg]: readonly number[]): Op<number> {
  const fd = signed(fdArg);
  const handle = task.files.get(fd);
  if (handle === undefined || (handle.flags & O_PATH) !== 0) return -E.BADF;
  switch (cmd) {
    case FIOCLEX:
    case FIONCLEX:
      task.files.setCloseOnExec(fd, cmd === FIOCLEX);
      return 0;
    case FIONBIO:
    case FIOASYNC: {
      const raw = new Uint8Array(4);
      if (!(yield* copyIn(task, arg!, raw))) return -E.FAULT;
      const on = toByteString(raw) !== '\0\0\0\0';
      if (cmd === FIONBIO) handle.flags = on ? handle.flags | O_NONBLOCK : handle.flags & ~O_NONBLOCK;
      return 0;
    }
    default:
      return yield* handle.ioctl(cmd!, arg!, task.user, task.caller);
  }
}

/** Advice is taken note of, no more. */
function fadvise(task: FileTask, [fd]: readonly number[]): number {
  const handle = task.files.get(signed(fd));
  if (handle === undefined) return -E.BADF;
  return handle.kind === 'pipe' ? -E.SPIPE : 0;
}

function* syncFileRange(task: FileTask, [fd]: readonly number[]): Op<number> {
  const handle = task.files.get(signed(fd));
  if (handle === undefined) return -E.BADF;
  return handle.sync === undefined ? -E.SPIPE : yield* handle.sync();
}

export const mountingCalls: FileCalls = {
  mount,
  umount: (task, [target]) => umount2(task, [target!, 0]),
  umount2,
  pivot_root: pivotRootCall,
  ioctl,
  fadvise64: fadvise,
  fadvise64_64: fadvise,
  readahead: fadvise,
  sync_file_range: syncFileRange,
  inotify_init: () => -E.NOSYS,
  inotify_init1: (_task, [flags]) => ((flags! & ~(O_CLOEXEC | O_NONBLOCK)) !== 0 ? -E.INVAL : -E.NOSYS),
};
