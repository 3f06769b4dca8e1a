/** inotify_init, inotify_add_watch, inotify_rm_watch. */
import { E } from '../abi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK } from '../abi/fcntl.ts';
import {
  IN_ALL_EVENTS,
  IN_DONT_FOLLOW,
  IN_EXCL_UNLINK,
  IN_ISDIR,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_ONESHOT,
  IN_ONLYDIR,
  IN_Q_OVERFLOW,
  IN_UNMOUNT,
} from '../abi/inotify.ts';
import { isDirectory } from '../abi/stat.ts';
import { InotifyFile } from '../events/inotify.ts';
import { checkAccess, MAY_READ } from '../fs/permissions.ts';
import { Walk } from '../fs/walk.ts';
import type { Op } from '../task/wait.ts';
import { type FileCalls, type FileTask, pathArgument, signed } from './file-task.ts';

/** What add_watch takes, beyond events that come unasked. */
const KNOWN: number = [
  ...[IN_ALL_EVENTS, IN_UNMOUNT, IN_Q_OVERFLOW, IN_ONLYDIR, IN_DONT_FOLLOW, IN_EXCL_UNLINK],
  ...[IN_MASK_ADD, IN_MASK_CREATE, IN_ISDIR, IN_ONESHOT],
].reduce((all, bits) => all | bits, 0);

function init(task: FileTask, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK)) !== 0) return -E.INVAL;
  return task.files.add(new InotifyFile((flags & O_NONBLOCK) !== 0), (flags & O_CLOEXEC) !== 0);
}

function queueOf(task: FileTask, fd: number | undefined): InotifyFile | number {
  const handle = task.files.get(signed(fd));
  if (handle === undefined) return -E.BADF;
  return handle instanceof InotifyFile ? handle : -E.INVAL;
}

function* addWatch(task: FileTask, [fd, va, mask]: readonly number[]): Op<number> {
  if ((mask! & KNOWN) === 0 || ((mask! & IN_MASK_ADD) !== 0 && (mask! & IN_MASK_CREATE) !== 0))
    return -E.INVAL;
  const queue = queueOf(task, fd);
  if (typeof queue === 'number') return queue;
  const path = yield* pathArgument(task, va!);
  if (typeof path === 'number') return path;
  const found = yield* new Walk(task).find(task.fs.cwd, path, (mask! & IN_DONT_FOLLOW) === 0);
  if (typeof found === 'number') return found;
  if ((mask! & IN_ONLYDIR) !== 0 && !isDirectory(found.inode)) return -E.NOTDIR;
  const denied = checkAccess(found.inode, task.caller.cred, MAY_READ);
  return denied < 0 ? denied : queue.watch(found.inode, mask!);
}

export const inotifyCalls: FileCalls = {
  inotify_init: (task) => init(task, 0),
  inotify_init1: (task, [flags]) => init(task, flags!),
  inotify_add_watch: addWatch,
  inotify_rm_watch: (task, [fd, wd]) => {
    const queue = queueOf(task, fd);
    return typeof queue === 'number' ? queue : queue.unwatch(signed(wd));
  },
};
