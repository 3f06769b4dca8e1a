/** clone, fork, vfork. Source: clone(2), linux kernel/fork.c. */
import { CAP_SYS_RESOURCE } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { RLIMIT_NPROC } from '../abi/limits.ts';
import { PidFile } from '../events/pidfd.ts';
import { capable } from '../fs/permissions.ts';
import type { Kernel } from '../kernel.ts';
import { readTlsDescriptor } from '../mm/tls.ts';
import { leaveMemory } from './exit.ts';
import { Process } from './process.ts';
import { SignalActions } from './signal-state.ts';
import { NO_ALT_STACK, Task } from './task.ts';
import { EAX, ESP } from './user-registers.ts';
import type { Op } from './wait.ts';

export const CLONE_VM = 0x100;
export const CLONE_FS = 0x200;
export const CLONE_FILES = 0x400;
export const CLONE_SIGHAND = 0x800;
export const CLONE_PIDFD = 0x1000;
export const CLONE_VFORK = 0x4000;
export const CLONE_PARENT = 0x8000;
export const CLONE_THREAD = 0x1_0000;
export const CLONE_SYSVSEM = 0x4_0000;
export const CLONE_SETTLS = 0x8_0000;
export const CLONE_PARENT_SETTID = 0x10_0000;
export const CLONE_CHILD_CLEARTID = 0x20_0000;
export const CLONE_CHILD_SETTID = 0x100_0000;
/** Namespaces: none of them exist here. */
export const CLONE_NAMESPACES = 0x7e02_0000;
/** The signal for the parent, in clone's flags. */
export const CSIGNAL = 0xff;

export interface CloneOptions {
  /** Without CSIGNAL. */
  readonly flags: number;
  /** For the parent when it ends. */
  readonly exitSignal: number;
  /** CLONE_CLEAR_SIGHAND: the child's signals have no handlers. */
  readonly clearHandlers: boolean;
  /** Where the descriptor of CLONE_PIDFD is stored. */
  readonly pidfd: number;
  /** 0: the caller's. */
  readonly stack: number;
  readonly parentTid: number;
  readonly childTid: number;
  readonly tls: number;
}

/**
 * Makes a task that goes on where the caller is, with 0 as result.
 * @returns the new task's number, or -errno
 * Preconditions: the caller's registers are saved, and its FPU state is in memory
 */
export function* clone(kernel: Kernel, caller: Task, options: CloneOptions): Op<number> {
  const { flags } = options;
  if (flags & CLONE_NAMESPACES) return -E.INVAL;
  if (flags & CLONE_THREAD && !(flags & CLONE_SIGHAND)) return -E.INVAL;
  if (flags & CLONE_SIGHAND && (!(flags & CLONE_VM) || options.clearHandlers)) return -E.INVAL;
  if (flags & CLONE_THREAD && flags & CLONE_PIDFD) return -E.INVAL;
  const tid = kernel.processes.newPid();
  if (tid < 0 || kernel.processes.tasks.size >= kernel.maxTasks) return -E.AGAIN;
  if (!mayHaveMore(kernel, caller)) return -E.AGAIN;
  if (kernel.files.vfs.holdings.files >= kernel.files.vfs.holdings.maxFiles) return -E.AGAIN;
  const process = flags & CLONE_THREAD ? caller.process : newProcess(kernel, caller, tid, options);
  if (process === null) return -E.NOMEM;
  const task = new Task(kernel, tid, process, {
    cred: caller.cred,
    files: flags & CLONE_FILES ? kernel.fileShares.share(caller.files) : caller.files.copy(),
    fs: flags & CLONE_FS ? kernel.fsShares.share(caller.fs) : caller.fs.copy(),
  });
  if (flags & CLONE_THREAD) process.memory.users++;
  task.name = caller.name;
  task.regs.set(caller.regs);
  task.regs[EAX] = 0;
  if (options.stack !== 0) task.regs[ESP] = options.stack;
  task.tls.set(caller.tls);
  task.blocked = caller.blocked;
  task.noNewPrivileges = caller.noNewPrivileges;
  task.timerSlackNs = caller.timerSlackNs;
  task.policy = caller.policy;
  task.priority = caller.priority;
  if (!(flags & CLONE_VM) || flags & CLONE_VFORK) task.altStack = caller.altStack;
  else task.altStack = NO_ALT_STACK;
  const fpu = kernel.fpu.read(caller);
  const pidfd = flags & CLONE_PIDFD ? caller.files.add(new PidFile(process, false), true) : 0;
  const ready =
    pidfd >= 0 &&
    (!(flags & CLONE_PIDFD) || kernel.user.write32(options.pidfd, pidfd)) &&
    (fpu === null || kernel.fpu.write(task, fpu)) &&
    (!(flags & CLONE_SETTLS) || readTlsDescriptor(kernel.user, options.tls, task.tls) >= 0);
  if (!ready) {
    abandon(kernel, task);
    if (flags & CLONE_PIDFD && pidfd >= 0) caller.files.close(pidfd);
    return pidfd < 0 ? pidfd : -E.FAULT;
  }
  kernel.processes.tasks.set(tid, task);
  if (flags & CLONE_SYSVSEM) {
    caller.semUndo ??= kernel.ipc.newUndoList();
    task.semUndo = kernel.undoShares.share(caller.semUndo);
  }
  if (flags & CLONE_CHILD_CLEARTID) task.clearChildTid = options.childTid;
  if (flags & CLONE_PARENT_SETTID) kernel.user.write32(options.parentTid, tid);
  if (flags & CLONE_CHILD_SETTID) writeInChild(kernel, task, options.childTid);
  kernel.scheduler.enqueue(task);
  if (flags & CLONE_VFORK)
    while (process.borrowsMemory) yield { queues: [process.vforkDone], interruptible: false };
  return tid;
}

/** RLIMIT_NPROC: threads of the caller's user, who is not root. */
function mayHaveMore(kernel: Kernel, { cred, process }: Task): boolean {
  const [limit] = process.limits[RLIMIT_NPROC];
  if (capable(cred, CAP_SYS_RESOURCE) || kernel.processes.tasks.size < limit) return true;
  let count = 0;
  for (const task of kernel.processes.tasks.values()) if (task.cred.uid === cred.uid) count++;
  return count < limit;
}

function newProcess(kernel: Kernel, caller: Task, pid: number, options: CloneOptions): Process | null {
  const { flags } = options;
  const { process: parent } = caller;
  const shares = (flags & CLONE_VM) !== 0;
  const memory = shares ? parent.memory : parent.memory.fork();
  if (memory === null) return null;
  if (shares) memory.users++;
  const process = new Process(pid, flags & CLONE_PARENT ? parent.parent : parent, {
    memory,
    actions: flags & CLONE_SIGHAND ? parent.actions : new SignalActions(parent.actions),
    session: parent.session,
    pgid: parent.pgid,
    limits: parent.limits.map(([soft, hard]) => [soft, hard]),
    exitSignal: options.exitSignal,
    startedNs: kernel.clock.now(),
  });
  if (options.clearHandlers) process.actions.forExec();
  process.borrowsMemory = (flags & CLONE_VFORK) !== 0;
  process.program = parent.program;
  process.dumpable = parent.dumpable;
  process.nice = parent.nice;
  process.ioPriority = parent.ioPriority;
  kernel.processes.processes.set(pid, process);
  return process;
}

/** Stores the number of the new task in its own memory. */
function writeInChild(kernel: Kernel, task: Task, va: number): void {
  const { mmu, user } = kernel;
  const [space, root] = [user.space, mmu.current];
  user.space = task.process.memory;
  mmu.use(task.process.memory.root);
  user.write32(va, task.tid);
  user.space = space;
  mmu.use(root);
}

/** Undoes the making of a task that has not run. */
function abandon(kernel: Kernel, task: Task): void {
  const { process } = task;
  kernel.fpu.release(task);
  if (kernel.fileShares.leave(task.files)) task.files.closeAll();
  if (kernel.fsShares.leave(task.fs)) task.fs.release();
  process.threads.delete(task);
  if (process.threads.size > 0) {
    process.memory.users--;
    return;
  }
  leaveMemory(process);
  process.parent?.children.delete(process);
  kernel.processes.processes.delete(process.pid);
}
