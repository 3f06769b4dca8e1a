import type { ControllingTerminal } from '../fs/types.ts';
import type { AddressSpace } from '../mm/address-space.ts';
import type { PosixTimer } from '../time/posix-timers.ts';
import { PendingSignals, type SignalActions } from './signal-state.ts';
import type { Task } from './task.ts';
import { WaitQueue } from './wait.ts';

/** What became of a process, for its parent. */
export interface Ending {
  /** As wait4 reports it: status << 8, or the signal; cores are not dumped. */
  readonly status: number;
}

/** A session: process groups that share a controlling terminal. */
export interface Session {
  readonly id: number;
  terminal: ControllingTerminal | undefined;
}

/** Times of a process and of its children that were waited for, in nanoseconds. */
export interface Usage {
  userNs: bigint;
  systemNs: bigint;
  minorFaults: number;
  majorFaults: number;
}

export const noUsage = (): Usage => ({ userNs: 0n, systemNs: 0n, minorFaults: 0, majorFaults: 0 });

/** Soft and hard limits by RLIMIT_ number; Infinity is RLIM_INFINITY. */
export type Limits = [soft: number, hard: number][];

/** A process: threads that share an id, memory, signal actions and fate. */
export class Process {
  readonly pid: number;
  parent: Process | null;
  readonly children: Set<Process> = new Set();
  readonly threads: Set<Task> = new Set();
  pgid: number;
  session: Session;
  memory: AddressSpace;
  actions: SignalActions;
  readonly pending: PendingSignals = new PendingSignals();
  /** Sent to the parent at the end; SIGCHLD, or what clone asked for, or 0. */
  exitSignal: number;
  /** Set when the last thread has ended: a zombie until somebody waits. */
  ending: Ending | null = null;
  /** Set when the process is to end; every thread follows. */
  dying: Ending | null = null;
  /** The signal that stopped it, or 0. `reported` once a parent has heard of it. */
  stopped = 0;
  stopReported = true;
  continuedReported = true;
  /** Woken when a child ends, stops or goes on. */
  readonly childChanged: WaitQueue = new WaitQueue();
  /** Woken when it has ended. */
  readonly ended: WaitQueue = new WaitQueue();
  /** Woken when this process leaves the memory that it borrowed by vfork. */
  readonly vforkDone: WaitQueue = new WaitQueue();
  borrowsMemory = false;
  /** Signals without a handler do nothing, even SIGKILL: the first process, as long as it does not fault. */
  unkillable = false;
  hasExeced = false;
  limits: Limits;
  readonly usage: Usage = noUsage();
  readonly childUsage: Usage = noUsage();
  readonly startedNs: bigint;
  /** Timers of timer_create, by number. */
  readonly posixTimers: Map<number, PosixTimer> = new Map();
  /** User of the thread that ended last. */
  lastUid = 0;
  /** Path and arguments of the program, for /proc. */
  program = '';
  /** PR_SET_DUMPABLE and friends. */
  subreaper = false;
  dumpable = 1;
  parentDeathSignal = 0;
  /** -20 to 19, inherited. */
  nice = 0;
  /** Class << 13 | level; at first no class, level 4. */
  ioPriority = 4;

  constructor(
    pid: number,
    parent: Process | null,
    parts: {
      readonly memory: AddressSpace;
      readonly actions: SignalActions;
      readonly session: Session;
      readonly pgid: number;
      readonly limits: Limits;
      readonly exitSignal: number;
      readonly startedNs: bigint;
    },
  ) {
    this.pid = pid;
    this.parent = parent;
    this.memory = parts.memory;
    this.actions = parts.actions;
    this.session = parts.session;
    this.pgid = parts.pgid;
    this.limits = parts.limits;
    this.exitSignal = parts.exitSignal;
    this.startedNs = parts.startedNs;
    parent?.children.add(this);
  }

  get sid(): number {
    return this.session.id;
  }

  /** The process ends or begins another program: its timers are gone. */
  dropPosixTimers(): void {
    for (const timer of this.posixTimers.values()) timer.set(null, 0n);
    this.posixTimers.clear();
  }

  /** The thread whose id is the process's, or any other. */
  get leader(): Task | null {
    for (const task of this.threads) if (task.tid === this.pid) return task;
    for (const task of this.threads) return task;
    return null;
  }
}
