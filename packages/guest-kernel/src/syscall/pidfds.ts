/** pidfd_open, pidfd_send_signal, pidfd_getfd. Source: their manual pages. */
import { E } from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fcntl.ts';
import { NSIG, SI_USER } from '../abi/signals.ts';
import { PidFile } from '../events/pidfd.ts';
import { letGo, retain } from '../fs/file-handle.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import type { CallHandler } from './calls.ts';
import { mayTrace } from './process-memory.ts';
import { maySignal, queueInfo } from './signals.ts';

/** The process behind a pidfd. Errors: -EBADF */
function processOfFd(task: Task, fd: number): Process | number {
  const handle = task.files.get(fd | 0);
  return handle instanceof PidFile ? handle.process : -E.BADF;
}

function pidfdOpen(task: Task, [pid, flags]: readonly number[]): number {
  if (flags & ~O_NONBLOCK || (pid | 0) <= 0) return -E.INVAL;
  const process = task.kernel.processes.processes.get(pid);
  if (process === undefined) return task.kernel.processes.tasks.has(pid) ? -E.INVAL : -E.SRCH;
  return task.files.add(new PidFile(process, (flags & O_NONBLOCK) !== 0), true);
}

function pidfdSendSignal(task: Task, [fd, signal, infoVa, flags]: readonly number[]): number {
  if (flags !== 0) return -E.INVAL;
  const target = processOfFd(task, fd);
  if (typeof target === 'number') return target;
  if (signal > NSIG) return -E.INVAL;
  const info =
    infoVa === 0
      ? { signal, code: SI_USER, pid: task.pid, uid: task.cred.uid }
      : queueInfo(task, signal, infoVa);
  if (typeof info === 'number') return info;
  if (infoVa !== 0 && info.code >= 0 && target !== task.process) return -E.PERM;
  if (target.ending !== null) return -E.SRCH;
  if (!maySignal(task, target, signal)) return -E.PERM;
  return signal === 0 || task.kernel.signals.send(target, info) ? 0 : -E.AGAIN;
}

function pidfdGetfd(task: Task, [fd, targetFd, flags]: readonly number[]): number {
  if (flags !== 0) return -E.INVAL;
  const target = processOfFd(task, fd);
  if (typeof target === 'number') return target;
  const { leader } = target;
  if (target.ending !== null || leader === null) return -E.SRCH;
  if (!mayTrace(task, target)) return -E.PERM;
  const handle = leader.files.get(targetFd | 0);
  if (handle === undefined) return -E.BADF;
  const own = task.files.add(retain(handle), true);
  if (own < 0) letGo(handle);
  return own;
}

export const pidfdCalls: Readonly<Record<string, CallHandler>> = {
  pidfd_open: pidfdOpen,
  pidfd_send_signal: pidfdSendSignal,
  pidfd_getfd: pidfdGetfd,
};
