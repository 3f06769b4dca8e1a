/** Calls about signals. Source: signal(7) and its neighbours, linux kernel/signal.c. */
import { CAP_KILL } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { ERESTARTNOHAND } from '../abi/restart.ts';
import {
  ALL_SIGNALS,
  DEFAULT_ACTION,
  IGNORED_BY_DEFAULT,
  MINSIGSTKSZ,
  NO_SIGNALS,
  NSIG,
  SA_NODEFER,
  SA_RESETHAND,
  SI_TKILL,
  SI_USER,
  SIG_BLOCK,
  SIG_DFL,
  SIG_IGN,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGCONT,
  SIGKILL,
  SIGSTOP,
  type SignalAction,
  type SignalInfo,
  SS_DISABLE,
  SS_ONSTACK,
  signalBit,
  UNBLOCKABLE,
} from '../abi/signals.ts';
import { capable } from '../fs/permissions.ts';
import type { Process } from '../task/process.ts';
import { altStackFlags, encodeSigInfo, isOnAltStack, leaveHandler } from '../task/signal-frame.ts';
import type { Task } from '../task/task.ts';
import { EAX, ESP } from '../task/user-registers.ts';
import { type Op, WaitQueue } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';
import { readTimespec } from './timespec.ts';

const SET_BYTES = 8;

/** A signal set of 8 bytes. @returns undefined on a fault */
export function readSet(task: Task, va: number): bigint | undefined {
  const low = task.user.read32(va);
  const high = task.user.read32(va + 4);
  return low === undefined || high === undefined ? undefined : BigInt(low) | (BigInt(high) << 32n);
}

function writeSet(task: Task, va: number, set: bigint): boolean {
  return (
    task.user.write32(va, Number(set & 0xffff_ffffn)) &&
    task.user.write32(va + 4, Number((set >> 32n) & 0xffff_ffffn))
  );
}

function changeAction(task: Task, signal: number, action: SignalAction): void {
  const { process } = task;
  process.actions.set(signal, action);
  const ignored =
    action.handler === SIG_IGN ||
    (action.handler === SIG_DFL && (IGNORED_BY_DEFAULT & signalBit(signal)) !== NO_SIGNALS);
  if (!ignored) return;
  process.pending.drop(signalBit(signal));
  for (const thread of process.threads) thread.pending.drop(signalBit(signal));
}

const changeable = (signal: number): boolean =>
  signal >= 1 && signal <= NSIG && signal !== SIGKILL && signal !== SIGSTOP;

/** struct sigaction: handler, flags, restorer, mask of 8 bytes. */
function rtSigaction(task: Task, [signal, newVa, oldVa, size]: readonly number[]): number {
  if (size !== SET_BYTES) return -E.INVAL;
  if (signal < 1 || signal > NSIG || (newVa !== 0 && !changeable(signal))) return -E.INVAL;
  const old = task.process.actions.get(signal);
  if (newVa !== 0) {
    const [handler, flags, restorer] = [0, 4, 8].map((at) => task.user.read32(newVa + at));
    const mask = readSet(task, newVa + 12);
    if (handler === undefined || flags === undefined || restorer === undefined || mask === undefined)
      return -E.FAULT;
    changeAction(task, signal, { handler, flags, restorer, mask: mask & ~UNBLOCKABLE });
  }
  if (oldVa === 0) return 0;
  const written =
    task.user.write32(oldVa, old.handler) &&
    task.user.write32(oldVa + 4, old.flags) &&
    task.user.write32(oldVa + 8, old.restorer) &&
    writeSet(task, oldVa + 12, old.mask);
  return written ? 0 : -E.FAULT;
}

/** struct old_sigaction: handler, mask of 4 bytes, flags, restorer. */
function sigaction(task: Task, [signal, newVa, oldVa]: readonly number[]): number {
  if (signal < 1 || signal > NSIG || (newVa !== 0 && !changeable(signal))) return -E.INVAL;
  const old = task.process.actions.get(signal);
  if (newVa !== 0) {
    const [handler, mask, flags, restorer] = [0, 4, 8, 12].map((at) => task.user.read32(newVa + at));
    if (handler === undefined || flags === undefined || restorer === undefined || mask === undefined)
      return -E.FAULT;
    changeAction(task, signal, { handler, flags, restorer, mask: BigInt(mask) & ~UNBLOCKABLE });
  }
  if (oldVa === 0) return 0;
  const words = [old.handler, Number(old.mask & 0xffff_ffffn), old.flags, old.restorer];
  return words.every((word, i) => task.user.write32(oldVa + 4 * i, word)) ? 0 : -E.FAULT;
}

function changeMask(task: Task, how: number, set: bigint): number {
  const { blocked } = task;
  const { signals } = task.kernel;
  if (how === SIG_BLOCK) signals.setBlocked(task, blocked | set);
  else if (how === SIG_UNBLOCK) signals.setBlocked(task, blocked & ~set);
  else if (how === SIG_SETMASK) signals.setBlocked(task, set);
  else return -E.INVAL;
  return 0;
}

function rtSigprocmask(task: Task, [how, newVa, oldVa, size]: readonly number[]): number {
  if (size !== SET_BYTES) return -E.INVAL;
  const old = task.blocked;
  if (newVa !== 0) {
    const set = readSet(task, newVa);
    if (set === undefined) return -E.FAULT;
    const rc = changeMask(task, how, set);
    if (rc < 0) return rc;
  }
  return oldVa === 0 || writeSet(task, oldVa, old) ? 0 : -E.FAULT;
}

function sigprocmask(task: Task, [how, newVa, oldVa]: readonly number[]): number {
  const old = Number(task.blocked & 0xffff_ffffn);
  if (newVa !== 0) {
    const low = task.user.read32(newVa);
    if (low === undefined) return -E.FAULT;
    const kept = how === SIG_SETMASK ? task.blocked & ~0xffff_ffffn : NO_SIGNALS;
    const rc = changeMask(task, how, BigInt(low) | kept);
    if (rc < 0) return rc;
  }
  return oldVa === 0 || task.user.write32(oldVa, old) ? 0 : -E.FAULT;
}

/** Waits with another mask until a signal has been handled. */
function* suspend(task: Task, mask: bigint): Op<number> {
  task.maskToRestore = task.blocked;
  task.kernel.signals.setBlocked(task, mask);
  while ((yield { queues: [], interruptible: true }) !== 'signal');
  return -ERESTARTNOHAND;
}

function rtSigsuspend(task: Task, [va, size]: readonly number[]): Op<number> | number {
  if (size !== SET_BYTES) return -E.INVAL;
  const set = readSet(task, va);
  return set === undefined ? -E.FAULT : suspend(task, set);
}

const rtSigtimedwait =
  (bits: 32 | 64): CallHandler =>
  (task, args) =>
    waitForSignal(task, args, bits);

function* waitForSignal(
  task: Task,
  [setVa, infoVa, timeoutVa, size]: readonly number[],
  bits: 32 | 64,
): Op<number> {
  if (size !== SET_BYTES) return -E.INVAL;
  const set = readSet(task, setVa);
  if (set === undefined) return -E.FAULT;
  let deadline: bigint | undefined;
  if (timeoutVa !== 0) {
    const timeout = readTimespec(task.user, timeoutVa, bits);
    if (typeof timeout === 'number') return timeout;
    deadline = task.kernel.clock.now() + timeout;
  }
  const wanted = set & ~UNBLOCKABLE;
  task.signalQueue ??= new WaitQueue();
  for (;;) {
    const info = task.pending.take(wanted) ?? task.process.pending.take(wanted);
    if (info !== null) {
      task.kernel.signals.recompute(task);
      if (infoVa !== 0 && !task.user.write(infoVa, encodeSigInfo(info))) return -E.FAULT;
      return info.signal;
    }
    if (deadline !== undefined && task.kernel.clock.now() >= deadline) return -E.AGAIN;
    const sleep = { queues: [task.signalQueue], interruptible: true };
    const why = yield deadline === undefined ? sleep : { ...sleep, deadline };
    if (why === 'signal') {
      const late = task.pending.take(wanted) ?? task.process.pending.take(wanted);
      if (late === null) return -E.INTR;
      task.kernel.signals.recompute(task);
      return infoVa === 0 || task.user.write(infoVa, encodeSigInfo(late)) ? late.signal : -E.FAULT;
    }
  }
}

/** May `task` send to `target`? */
/** Root, the same user, or SIGCONT within a session. */
export function maySignal(task: Task, target: Process, signal: number): boolean {
  const { cred } = task;
  const leader = target.leader;
  if (capable(cred, CAP_KILL) || leader === null) return true;
  if (signal === SIGCONT && target.sid === task.process.sid) return true;
  const { uid, suid } = leader.cred;
  return [uid, suid].some((id) => id === cred.euid || id === cred.uid);
}

function kill(task: Task, [pid, signal]: readonly number[]): number {
  if (signal > NSIG) return -E.INVAL;
  const { processes, signals } = task.kernel;
  const to = pid | 0;
  const targets: Process[] = [];
  if (to > 0) {
    const process = processes.processes.get(to) ?? processes.tasks.get(to)?.process;
    if (process !== undefined) targets.push(process);
  } else if (to === -1) {
    for (const process of processes.processes.values())
      if (process.pid > 1 && process !== task.process) targets.push(process);
  } else targets.push(...processes.group(to === 0 ? task.process.pgid : -to));
  if (targets.length === 0) return -E.SRCH;
  const allowed = targets.filter((process) => maySignal(task, process, signal));
  if (allowed.length === 0) return -E.PERM;
  const info: SignalInfo = { signal, code: SI_USER, pid: task.pid, uid: task.cred.uid };
  for (const process of allowed) signals.send(process, info);
  return 0;
}

function tgkill(task: Task, tgid: number, tid: number, signal: number): number {
  if ((tid | 0) <= 0 || signal > NSIG) return -E.INVAL;
  const target = task.kernel.processes.tasks.get(tid);
  if (target === undefined || (tgid !== 0 && target.process.pid !== tgid)) return -E.SRCH;
  if (!maySignal(task, target.process, signal)) return -E.PERM;
  const info = { signal, code: SI_TKILL, pid: task.pid, uid: task.cred.uid };
  return task.kernel.signals.sendTask(target, info) ? 0 : -E.AGAIN;
}

/** siginfo_t of the user's. Errors: -EINVAL, -EFAULT */
export function queueInfo(task: Task, signal: number, infoVa: number): SignalInfo | number {
  if (signal > NSIG) return -E.INVAL;
  const words = [8, 12, 16, 20].map((at) => task.user.read32(infoVa + at));
  if (words.includes(undefined)) return -E.FAULT;
  const [code, pid, uid, value] = words.map((word) => (word ?? 0) | 0);
  return { signal, code, pid, uid, value };
}

function rtSigqueueinfo(task: Task, [pid, signal, infoVa]: readonly number[]): number {
  const info = queueInfo(task, signal, infoVa);
  if (typeof info === 'number') return info;
  const target = task.kernel.processes.processes.get(pid | 0);
  if (target === undefined) return -E.SRCH;
  if (info.code >= 0 && target !== task.process) return -E.PERM;
  if (!maySignal(task, target, signal)) return -E.PERM;
  return task.kernel.signals.send(target, info) ? 0 : -E.AGAIN;
}

function rtTgsigqueueinfo(task: Task, [tgid, tid, signal, infoVa]: readonly number[]): number {
  const info = queueInfo(task, signal, infoVa);
  if (typeof info === 'number') return info;
  const target = task.kernel.processes.tasks.get(tid | 0);
  if (target === undefined || target.process.pid !== tgid) return -E.SRCH;
  if (info.code >= 0 && target.process !== task.process) return -E.PERM;
  if (!maySignal(task, target.process, signal)) return -E.PERM;
  return task.kernel.signals.sendTask(target, info) ? 0 : -E.AGAIN;
}

function sigaltstack(task: Task, [newVa, oldVa]: readonly number[]): number {
  const esp = task.regs[ESP];
  const { sp, size } = task.altStack;
  const old = [sp, altStackFlags(task, esp), size];
  if (newVa !== 0) {
    const [at, flags, bytes] = [0, 4, 8].map((offset) => task.user.read32(newVa + offset));
    if (at === undefined || flags === undefined || bytes === undefined) return -E.FAULT;
    if (isOnAltStack(task, esp)) return -E.PERM;
    const mode = flags & ~0x8000_0000;
    if (mode !== 0 && mode !== SS_DISABLE && mode !== SS_ONSTACK) return -E.INVAL;
    if (mode === SS_DISABLE) task.altStack = { sp: 0, size: 0, flags: SS_DISABLE };
    else if (bytes < MINSIGSTKSZ) return -E.NOMEM;
    else task.altStack = { sp: at, size: bytes, flags: 0 };
  }
  if (oldVa === 0) return 0;
  return old.every((word, i) => task.user.write32(oldVa + 4 * i, word)) ? 0 : -E.FAULT;
}

/** The registers come from the frame: so does the result. */
function comeBack(task: Task, rt: boolean): number {
  if (!leaveHandler(task, rt)) {
    task.kernel.signals.force(task, { signal: 11, code: 0x80 });
    return 0;
  }
  task.call = -1;
  return task.regs[EAX] | 0;
}

function pendingSet(task: Task): bigint {
  return (task.pending.set | task.process.pending.set) & task.blocked;
}

export const signalCalls: Readonly<Record<string, CallHandler>> = {
  rt_sigaction: rtSigaction,
  sigaction,
  signal: (task, [signal, handler]) => {
    if (!changeable(signal)) return -E.INVAL;
    const old = task.process.actions.get(signal).handler;
    changeAction(task, signal, { ...DEFAULT_ACTION, handler, flags: (SA_RESETHAND | SA_NODEFER) >>> 0 });
    return old | 0;
  },
  rt_sigprocmask: rtSigprocmask,
  sigprocmask,
  sgetmask: (task) => Number(task.blocked & 0xffff_ffffn) | 0,
  ssetmask: (task, [mask]) => {
    const old = Number(task.blocked & 0xffff_ffffn) | 0;
    task.kernel.signals.setBlocked(task, (task.blocked & ~0xffff_ffffn) | BigInt(mask));
    return old;
  },
  rt_sigpending: (task, [va, size]) => {
    if (size > SET_BYTES) return -E.INVAL;
    return writeSet(task, va, pendingSet(task)) ? 0 : -E.FAULT;
  },
  sigpending: (task, [va]) => (task.user.write32(va, Number(pendingSet(task) & 0xffff_ffffn)) ? 0 : -E.FAULT),
  rt_sigsuspend: rtSigsuspend,
  sigsuspend: (task, [, , mask]) => suspend(task, BigInt(mask) | (task.blocked & (ALL_SIGNALS << 32n))),
  pause: (task) => suspend(task, task.blocked),
  rt_sigtimedwait: rtSigtimedwait(32),
  rt_sigtimedwait_time64: rtSigtimedwait(64),
  kill,
  tkill: (task, [tid, signal]) => tgkill(task, 0, tid, signal),
  tgkill: (task, [tgid, tid, signal]) => ((tgid | 0) <= 0 ? -E.INVAL : tgkill(task, tgid, tid, signal)),
  rt_sigqueueinfo: rtSigqueueinfo,
  rt_tgsigqueueinfo: rtTgsigqueueinfo,
  sigaltstack,
  sigreturn: (task) => comeBack(task, false),
  rt_sigreturn: (task) => comeBack(task, true),
};
