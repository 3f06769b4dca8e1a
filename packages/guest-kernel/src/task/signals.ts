/** Sending signals and deciding what they do. Source for the rules: signal(7), linux kernel/signal.c. */
import {
  CLD_CONTINUED,
  CLD_STOPPED,
  DEFAULT_ACTION,
  IGNORED_BY_DEFAULT,
  NO_SIGNALS,
  NSIG,
  SA_NOCLDSTOP,
  SA_RESETHAND,
  SIG_DFL,
  SIG_IGN,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIGSTOP,
  type SignalAction,
  type SignalInfo,
  STOPPING,
  signalBit,
  UNBLOCKABLE,
} from '../abi/signals.ts';
import type { Process } from './process.ts';
import type { ProcessTable } from './process-table.ts';
import type { Scheduler } from './scheduler.ts';
import type { Task } from './task.ts';

/** What delivery found to do. */
export type Delivery =
  | { readonly kind: 'none' }
  | { readonly kind: 'handler'; readonly info: SignalInfo; readonly action: SignalAction }
  | { readonly kind: 'end'; readonly status: number }
  | { readonly kind: 'stop'; readonly signal: number };

const NOTHING: Delivery = { kind: 'none' };

export class Signals {
  readonly #scheduler: Scheduler;
  readonly #processes: ProcessTable;

  constructor(scheduler: Scheduler, processes: ProcessTable) {
    this.#scheduler = scheduler;
    this.#processes = processes;
  }

  /** Sends to a process. @returns false when the queue of real-time signals is full */
  send(process: Process, info: SignalInfo): boolean {
    if (process.ending !== null || info.signal < 1 || info.signal > NSIG) return true;
    this.#prepare(process, info.signal);
    if (this.#isIgnored(process, null, info.signal)) return true;
    if (!process.pending.add(info)) return false;
    for (const task of process.threads) if (this.#notify(task, info.signal)) break;
    return true;
  }

  /** Sends to one thread. */
  sendTask(task: Task, info: SignalInfo): boolean {
    const { process } = task;
    if (process.ending !== null || info.signal < 1 || info.signal > NSIG) return true;
    this.#prepare(process, info.signal);
    if (this.#isIgnored(process, task, info.signal)) return true;
    if (!task.pending.add(info)) return false;
    this.#notify(task, info.signal);
    return true;
  }

  /** A fault of the task's own: cannot be ignored or blocked; whoever tries is ended by it. */
  force(task: Task, info: SignalInfo): void {
    const { actions } = task.process;
    const bit = signalBit(info.signal);
    const { handler } = actions.get(info.signal);
    if (handler === SIG_DFL) task.process.unkillable = false;
    if (handler === SIG_IGN || (task.blocked & bit) !== NO_SIGNALS) {
      actions.set(info.signal, DEFAULT_ACTION);
      task.blocked &= ~bit;
    }
    task.pending.add(info);
    task.hasWork = true;
  }

  /** Everybody of a process must end with this status. */
  endProcess(process: Process, status: number): void {
    if (process.dying !== null) return;
    process.dying = { status };
    process.stopped = 0;
    for (const task of process.threads) this.endTask(task);
  }

  /** A thread must end, wherever it is. */
  endTask(task: Task): void {
    task.ending = true;
    task.hasWork = true;
    if (task.interruptible) this.#scheduler.wake(task, 'signal');
  }

  /** Changes the mask; signals that were held back may come now. */
  setBlocked(task: Task, blocked: bigint): void {
    task.blocked = blocked & ~UNBLOCKABLE;
    this.recompute(task);
  }

  /** Whether a signal waits that the task does not block. */
  isPending(task: Task): boolean {
    return ((task.pending.set | task.process.pending.set) & ~task.blocked) !== NO_SIGNALS;
  }

  recompute(task: Task): void {
    task.hasWork =
      task.ending ||
      task.process.stopped !== 0 ||
      task.maskToRestore !== null ||
      ((task.pending.set | task.process.pending.set) & ~task.blocked) !== NO_SIGNALS;
  }

  /** Takes the next signal that is to be acted upon. */
  next(task: Task): Delivery {
    for (;;) {
      const wanted = ~task.blocked;
      const info = task.pending.take(wanted) ?? task.process.pending.take(wanted);
      if (info === null) return NOTHING;
      const delivery = this.#judge(task, info);
      if (delivery.kind !== 'none') return delivery;
    }
  }

  #judge(task: Task, info: SignalInfo): Delivery {
    const { process } = task;
    const { signal } = info;
    const action = process.actions.get(signal);
    const bit = signalBit(signal);
    if (action.handler === SIG_IGN) return NOTHING;
    if (action.handler !== SIG_DFL) {
      if (action.flags & SA_RESETHAND) process.actions.set(signal, DEFAULT_ACTION);
      return { kind: 'handler', info, action };
    }
    if ((IGNORED_BY_DEFAULT & bit) !== NO_SIGNALS) return NOTHING;
    // Init is not ended or stopped by what it has no handler for.
    if (process.unkillable) return NOTHING;
    if ((STOPPING & bit) !== NO_SIGNALS) {
      if (signal !== SIGSTOP && this.#processes.isOrphaned(process.pgid)) return NOTHING;
      return { kind: 'stop', signal };
    }
    return { kind: 'end', status: signal };
  }

  /** Stops all threads; they sleep until SIGCONT. */
  stop(process: Process, signal: number): void {
    process.stopped = signal;
    process.stopReported = false;
    for (const task of process.threads) {
      task.hasWork = true;
      if (task.interruptible) this.#scheduler.wake(task, 'signal');
    }
    this.tellParent(process, { code: CLD_STOPPED, status: signal });
  }

  /** SIGCHLD for a stop or continuation, and whoever waits. */
  tellParent(process: Process, what: { readonly code: number; readonly status: number }): void {
    const { parent } = process;
    if (parent === null) return;
    const { handler, flags } = parent.actions.get(SIGCHLD);
    if (handler !== SIG_IGN && (flags & SA_NOCLDSTOP) === 0)
      this.send(parent, { signal: SIGCHLD, ...what, pid: process.pid, uid: process.leader?.cred.uid ?? 0 });
    parent.childChanged.wakeAll();
  }

  /** What happens at once, blocked or not: continuing and stopping cancel each other. */
  #prepare(process: Process, signal: number): void {
    if (signal === SIGCONT || signal === SIGKILL) {
      this.#dropEverywhere(process, STOPPING);
      if (process.stopped !== 0) {
        process.stopped = 0;
        for (const task of process.threads) if (task.interruptible) this.#scheduler.wake(task, 'signal');
        if (signal === SIGCONT) {
          process.continuedReported = false;
          this.tellParent(process, { code: CLD_CONTINUED, status: SIGCONT });
        }
      }
    } else if (signal === SIGSTOP || (STOPPING & signalBit(signal)) !== NO_SIGNALS) {
      this.#dropEverywhere(process, signalBit(SIGCONT));
    }
  }

  #dropEverywhere(process: Process, signals: bigint): void {
    process.pending.drop(signals);
    for (const task of process.threads) task.pending.drop(signals);
  }

  /** An ignored signal is not even queued, unless it is blocked: the action may change before it is unblocked. */
  #isIgnored(process: Process, task: Task | null, signal: number): boolean {
    if (!process.actions.ignores(signal)) return false;
    const bit = signalBit(signal);
    const tasks = task === null ? process.threads : [task];
    for (const { blocked } of tasks) if ((blocked & bit) !== NO_SIGNALS) return false;
    return true;
  }

  /** @returns whether the thread will take the signal */
  #notify(task: Task, signal: number): boolean {
    if (task.ending || (task.blocked & signalBit(signal)) !== NO_SIGNALS) {
      task.signalQueue?.wakeAll();
      return false;
    }
    task.hasWork = true;
    if (task.interruptible) this.#scheduler.wake(task, 'signal');
    return true;
  }
}
