/** unshare and setns: what threads share can be taken apart; there are no namespaces. */
import { CAP_SYS_ADMIN } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { capable } from '../fs/permissions.ts';
import { leaveUndo } from '../task/exit.ts';
import {
  CLONE_FILES,
  CLONE_FS,
  CLONE_NAMESPACES,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VM,
} from '../task/fork.ts';
import type { Task } from '../task/task.ts';
import type { CallHandler } from './calls.ts';

/** CLONE_NEWTIME has the place of a signal in clone's flags. */
const CLONE_NEWTIME = 0x80;
const KNOWN =
  CLONE_FS |
  CLONE_FILES |
  CLONE_SYSVSEM |
  CLONE_VM |
  CLONE_SIGHAND |
  CLONE_THREAD |
  CLONE_NAMESPACES |
  CLONE_NEWTIME;

function unshare(task: Task, [flags]: readonly number[]): number {
  const { kernel } = task;
  if (flags & ~KNOWN) return -E.INVAL;
  const ofThreads = flags & (CLONE_VM | CLONE_SIGHAND | CLONE_THREAD);
  if (ofThreads && task.process.threads.size > 1) return -E.INVAL;
  // As a kernel without namespaces answers, to those who might have them.
  if (flags & (CLONE_NAMESPACES | CLONE_NEWTIME))
    return capable(task.cred, CAP_SYS_ADMIN) ? -E.INVAL : -E.PERM;
  if (flags & CLONE_FILES && kernel.fileShares.users(task.files) > 1) {
    const own = task.files.copy();
    kernel.fileShares.leave(task.files);
    task.files = own;
  }
  if (flags & CLONE_FS && kernel.fsShares.users(task.fs) > 1) {
    const own = task.fs.copy();
    kernel.fsShares.leave(task.fs);
    task.fs = own;
  }
  if (flags & CLONE_SYSVSEM) leaveUndo(kernel, task);
  return 0;
}

export const namespaceCalls: Readonly<Record<string, CallHandler>> = {
  unshare,
  setns: (task, [fd]) => (task.files.get(fd | 0) === undefined ? -E.BADF : -E.INVAL),
};
