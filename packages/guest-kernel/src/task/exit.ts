/** How threads and processes end, and what is left of them. Source for the rules: linux kernel/exit.c. */
import { CLD_EXITED, CLD_KILLED, SA_NOCLDWAIT, SIG_IGN, SIGCHLD, SIGCONT, SIGHUP } from '../abi/signals.ts';
import type { Kernel } from '../kernel.ts';
import type { Process, Usage } from './process.ts';
import type { Task } from './task.ts';

/** Ends a thread; with the last one the process becomes a zombie. */
export function endThread(kernel: Kernel, task: Task): void {
  const { process } = task;
  task.state = 'dead';
  task.forgetSleep();
  if (task.clearChildTid !== 0 && process.memory.users > 1) {
    kernel.user.write32(task.clearChildTid, 0);
    kernel.futexes.wake(process.memory, task.clearChildTid, 1);
  }
  kernel.fpu.release(task);
  if (kernel.fileShares.leave(task.files)) task.files.closeAll();
  if (kernel.fsShares.leave(task.fs)) task.fs.release();
  leaveUndo(kernel, task);
  process.lastUid = task.cred.uid;
  process.threads.delete(task);
  kernel.processes.tasks.delete(task.tid);
  process.usage.userNs += task.userNs;
  process.usage.systemNs += task.systemNs;
  leaveMemory(process);
  if (process.threads.size === 0) endProcess(kernel, process);
}

/** The last of those who share a list of semaphore adjustments takes them back. */
export function leaveUndo(kernel: Kernel, task: Task): void {
  const { semUndo } = task;
  task.semUndo = null;
  if (semUndo !== null && kernel.undoShares.leave(semUndo)) semUndo.apply(task.pid, kernel.clock.realtime());
}

/** The process stops using its memory: it ends, or begins another program. */
export function leaveMemory(process: Process): void {
  const { memory } = process;
  memory.users--;
  if (memory.users === 0) memory.destroy();
  if (!process.borrowsMemory) return;
  process.borrowsMemory = false;
  process.vforkDone.wakeAll();
}

function endProcess(kernel: Kernel, process: Process): void {
  process.ending = process.dying ?? { status: 0 };
  process.ended.wakeAll();
  process.pending.drop(~0n);
  kernel.timersOf(process).cancelAll();
  process.dropPosixTimers();
  if (process.pid === 1) return kernel.initEnded(process.ending.status);
  adoptChildren(kernel, process);
  if (process.sid === process.pid) endSession(process);
  else if (kernel.processes.isOrphaned(process.pgid)) continueStopped(kernel, process.pgid);
  tellParent(kernel, process);
}

function tellParent(kernel: Kernel, process: Process): void {
  const { parent, exitSignal, ending } = process;
  if (parent === null || ending === null) return;
  const { handler, flags } = parent.actions.get(SIGCHLD);
  const forgotten = exitSignal === SIGCHLD && (handler === SIG_IGN || (flags & SA_NOCLDWAIT) !== 0);
  if (exitSignal !== 0) {
    const signal = ending.status & 0x7f;
    kernel.signals.send(parent, {
      signal: exitSignal,
      code: signal === 0 ? CLD_EXITED : CLD_KILLED,
      pid: process.pid,
      uid: process.lastUid,
      status: signal === 0 ? (ending.status >> 8) & 0xff : signal,
    });
  }
  if (forgotten) reap(kernel, process);
  parent.childChanged.wakeAll();
}

/** Children of an ended process go to init, or to an ancestor that has asked for them. */
function adoptChildren(kernel: Kernel, process: Process): void {
  let heir = process.parent;
  while (heir !== null && (!heir.subreaper || heir.ending !== null)) heir = heir.parent;
  heir ??= kernel.processes.processes.get(1) ?? null;
  for (const child of process.children) {
    child.parent = heir;
    heir?.children.add(child);
    if (child.parentDeathSignal !== 0)
      kernel.signals.send(child, { signal: child.parentDeathSignal, code: 0, pid: process.pid, uid: 0 });
    if (child.ending !== null) tellParent(kernel, child);
  }
  process.children.clear();
}

/** The leader of a session is gone: so is its terminal, unless that has been hung up since and serves others. */
function endSession({ session }: Process): void {
  const { terminal } = session;
  session.terminal = undefined;
  if (terminal?.session === session.id) terminal.hangUp();
}

/** A process group that nobody could continue any more: if it is stopped, it is told so. */
function continueStopped(kernel: Kernel, pgid: number): void {
  const members = [...kernel.processes.group(pgid)];
  if (!members.some(({ stopped }) => stopped !== 0)) return;
  for (const member of members)
    for (const signal of [SIGHUP, SIGCONT]) kernel.signals.send(member, { signal, code: 0x80 });
}

/** Removes a zombie. */
export function reap(kernel: Kernel, process: Process): void {
  const { parent, usage, childUsage } = process;
  if (parent !== null) {
    add(parent.childUsage, usage);
    add(parent.childUsage, childUsage);
    parent.children.delete(process);
  }
  kernel.processes.processes.delete(process.pid);
}

function add(to: Usage, from: Usage): void {
  to.userNs += from.userNs;
  to.systemNs += from.systemNs;
  to.minorFaults += from.minorFaults;
  to.majorFaults += from.majorFaults;
}
