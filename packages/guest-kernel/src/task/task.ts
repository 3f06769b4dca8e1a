/** A thread of a user process. */
import { RLIMIT_FSIZE } from '../abi/limits.ts';
import { NO_SIGNALS, type SignalSet, SS_DISABLE, signalBit } from '../abi/signals.ts';
import type { FdTable } from '../fs/fd-table.ts';
import type { FsContext } from '../fs/fs-context.ts';
import type { Caller, ControllingTerminal, Credentials, UserMemory } from '../fs/types.ts';
import type { UndoList } from '../ipc/undo.ts';
import type { Kernel } from '../kernel.ts';
import type { LateWrite } from '../mm/user-space.ts';
import type { NetSide } from '../net/net-side.ts';
import type { Process } from './process.ts';
import { Runnable } from './runnable.ts';
import { PendingSignals } from './signal-state.ts';
import { NR_USER_REGISTERS } from './user-registers.ts';
import type { Op, WaitQueue } from './wait.ts';

export interface AltStack {
  readonly sp: number;
  readonly size: number;
  readonly flags: number;
}

export const NO_ALT_STACK: AltStack = { sp: 0, size: 0, flags: SS_DISABLE };

export const DEFAULT_TIMER_SLACK_NS = 50_000;

export class Task extends Runnable implements Caller {
  readonly tid: number;
  readonly kernel: Kernel;
  process: Process;
  /** Name as in /proc/PID/comm, at most 15 bytes. */
  name = '';
  readonly regs: Uint32Array = new Uint32Array(NR_USER_REGISTERS);
  /** Whether `regs` holds the user registers; else they are in the vCPU. */
  saved = true;
  /** Number of the system call under way, -1 outside of one. */
  call = -1;
  /** `op` is the system call under way, so its result goes to EAX. */
  opIsCall = false;
  /** The three descriptors of set_thread_area, two words each. */
  readonly tls: Uint32Array = new Uint32Array(6);
  cred: Credentials;
  files: FdTable;
  fs: FsContext;
  blocked: SignalSet = NO_SIGNALS;
  /** The mask that comes back when a handler that interrupts sigsuspend, ppoll or pselect has run. */
  maskToRestore: SignalSet | null = null;
  readonly pending: PendingSignals = new PendingSignals();
  /** Woken by signals that are blocked, for sigtimedwait and signalfd. */
  signalQueue: WaitQueue | null = null;
  altStack: AltStack = NO_ALT_STACK;
  /** How an interrupted call with a timeout goes on (restart_syscall). */
  restart: (() => Op<number>) | null = null;
  /** Kernel address of the saved FPU state, 0: it never used the FPU. */
  fpuVa = 0;
  /** Cleared and woken when the thread ends (CLONE_CHILD_CLEARTID). */
  clearChildTid = 0;
  robustList = 0;
  /** What SEM_UNDO takes back at its end. */
  semUndo: UndoList | null = null;
  /** Must leave user mode for good. */
  ending = false;
  /** Something is to be looked at before it goes on in user mode: signals, the end. */
  hasWork = false;
  /** Writes of its system call to pages that are on their way from a disk. */
  readonly late: LateWrite[] = [];
  /** As sched_setscheduler left them. */
  policy = 0;
  priority = 0;
  /** Set-user-ID bits of programs do not count (PR_SET_NO_NEW_PRIVS). */
  noNewPrivileges = false;
  /** PR_SET_TIMERSLACK; timers are exact all the same. */
  timerSlackNs: number = DEFAULT_TIMER_SLACK_NS;
  userNs = 0n;
  systemNs = 0n;
  /** Where the last fault was, for the signal frame. */
  faultAddress = 0;
  faultCode = 0;
  trapNumber = 0;

  constructor(
    kernel: Kernel,
    tid: number,
    process: Process,
    parts: { readonly cred: Credentials; readonly files: FdTable; readonly fs: FsContext },
  ) {
    super();
    this.kernel = kernel;
    this.tid = tid;
    this.process = process;
    this.cred = parts.cred;
    this.files = parts.files;
    this.fs = parts.fs;
    process.threads.add(this);
  }

  /** Goes on with a system call that may sleep. */
  beginCall(op: Op<number>): void {
    this.op = op;
    this.opIsCall = true;
    this.wakeReason = 'event';
  }

  override get interrupted(): boolean {
    return this.hasWork && (this.ending || this.process.stopped !== 0 || this.kernel.signals.isPending(this));
  }

  override get mustEnd(): boolean {
    return this.ending;
  }

  get caller(): Caller {
    return this;
  }

  get user(): UserMemory {
    return this.kernel.user;
  }

  get network(): NetSide {
    return this.kernel.network;
  }

  monotonicNs(): bigint {
    return this.kernel.clock.now();
  }

  // ---- what file operations may know and do ----

  get pid(): number {
    return this.process.pid;
  }

  get maxFileBytes(): number {
    return this.process.limits[RLIMIT_FSIZE][0];
  }

  get pgid(): number {
    return this.process.pgid;
  }

  get sid(): number {
    return this.process.sid;
  }

  get terminal(): ControllingTerminal | undefined {
    return this.process.session.terminal;
  }

  setTerminal(tty: ControllingTerminal | undefined): void {
    this.process.session.terminal = tty;
  }

  isSessionLeader(): boolean {
    return this.process.sid === this.process.pid;
  }

  ignoresOrBlocks(signal: number): boolean {
    return (this.blocked & signalBit(signal)) !== NO_SIGNALS || this.process.actions.ignores(signal);
  }

  inOrphanedGroup(): boolean {
    return this.kernel.processes.isOrphaned(this.process.pgid);
  }

  sessionOfGroup(pgid: number): number | undefined {
    return this.kernel.processes.sessionOfGroup(pgid);
  }

  signal(signal: number): void {
    this.kernel.signals.send(this.process, { signal, code: 0, pid: this.pid, uid: this.cred.uid });
  }

  signalGroup(pgid: number, signal: number): void {
    for (const process of this.kernel.processes.group(pgid))
      this.kernel.signals.send(process, { signal, code: 0x80 });
  }
}
