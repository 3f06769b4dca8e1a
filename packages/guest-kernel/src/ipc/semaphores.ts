/** Sets of semaphores. Source: semop(2), semctl(2), linux ipc/sem.c. */
import { E } from '../abi/errno.ts';
import { IPC_NOWAIT, SEM_UNDO, SEMVMX } from '../abi/ipc.ts';
import type { Credentials } from '../fs/types.ts';
import type { WaitQueue } from '../task/wait.ts';
import { type IpcBirth, IpcIds, IpcObject } from './ids.ts';
import type { IpcHost } from './shared-memory.ts';
import type { UndoList } from './undo.ts';

/** struct sembuf. */
export interface SemOp {
  readonly num: number;
  readonly op: number;
  readonly flags: number;
}

/** Operations of one semop that wait until they can be done together. */
export interface PendingOps {
  readonly ops: readonly SemOp[];
  readonly pid: number;
  readonly undo: UndoList | null;
  readonly queue: WaitQueue;
  /** What it waits for. */
  blockedOn: SemOp | null;
  /** Set when somebody has done them, or the set has gone. */
  result: number | undefined;
}

const WOULD_BLOCK = 1;

export class SemaphoreSet extends IpcObject {
  readonly values: Int32Array;
  /** Who changed each last. */
  readonly pids: Int32Array;
  opTime = 0n;
  /** In the order in which they came. */
  readonly pending: Set<PendingOps> = new Set();
  /** Who has something to take back here. */
  readonly undoers: Set<UndoList> = new Set();

  constructor(birth: IpcBirth, count: number) {
    super(birth);
    this.values = new Int32Array(count);
    this.pids = new Int32Array(count);
  }

  /** Does all of the operations or none. @returns 0, 1 if they have to wait, or -EAGAIN, -ERANGE, -ENOMEM */
  attempt(what: PendingOps): number {
    const { ops, undo } = what;
    let done = 0;
    let result = 0;
    for (const op of ops) {
      result = this.#apply(op);
      if (result !== 0) {
        if (result === WOULD_BLOCK) what.blockedOn = op;
        break;
      }
      done++;
    }
    if (result === 0 && undo !== null) result = undo.note(this, ops);
    if (result === 0) {
      for (const { num } of ops) this.pids[num] = what.pid;
      return 0;
    }
    while (--done >= 0) this.values[ops[done].num] -= ops[done].op;
    return result === WOULD_BLOCK && (what.blockedOn?.flags ?? 0) & IPC_NOWAIT ? -E.AGAIN : result;
  }

  #apply({ num, op }: SemOp): number {
    const value = this.values[num];
    if (op === 0) return value === 0 ? 0 : WOULD_BLOCK;
    if (value + op < 0) return WOULD_BLOCK;
    if (value + op > SEMVMX) return -E.RANGE;
    this.values[num] = value + op;
    return 0;
  }

  /** A value has changed: does what waiters wait for, in their order, until nobody can go on. */
  settle(now: bigint): void {
    for (let again = true; again; ) {
      again = false;
      for (const waiter of this.pending) {
        const result = this.attempt(waiter);
        if (result === WOULD_BLOCK) continue;
        this.#finish(waiter, result);
        if (result < 0) continue;
        this.opTime = now;
        again ||= waiter.ops.some(({ op }) => op !== 0);
      }
    }
  }

  /** Nobody waits any more: the set goes. */
  giveUp(): void {
    for (const waiter of this.pending) this.#finish(waiter, -E.IDRM);
    for (const undo of this.undoers) undo.forget(this);
    this.undoers.clear();
  }

  #finish(waiter: PendingOps, result: number): void {
    this.pending.delete(waiter);
    waiter.result = result;
    waiter.queue.wakeAll();
  }

  /** How many wait for semaphore `num` to grow, or to become zero. */
  waiters(num: number, forZero: boolean): number {
    let count = 0;
    for (const { blockedOn } of this.pending)
      if (blockedOn?.num === num && (blockedOn.op === 0) === forZero) count++;
    return count;
  }
}

/** Semaphores in one set, in all sets, operations in one call, sets: as /proc/sys/kernel/sem shows them. */
export interface SemaphoreLimits {
  semmsl: number;
  semmns: number;
  semopm: number;
  semmni: number;
}

export class Semaphores {
  readonly ids: IpcIds<SemaphoreSet> = new IpcIds();
  readonly host: IpcHost;
  readonly limits: SemaphoreLimits = { semmsl: 32_000, semmns: 1 << 20, semopm: 500, semmni: 32_000 };
  #count = 0;

  constructor(host: IpcHost) {
    this.host = host;
  }

  /** Semaphores in all sets. */
  get count(): number {
    return this.#count;
  }

  get(key: number, count: number, flags: number, cred: Credentials): number {
    if (count < 0 || count > this.limits.semmsl) return -E.INVAL;
    return this.ids.get({
      ...{ key, flags, cred, now: this.host.now(), max: this.limits.semmni },
      make: (birth) => {
        if (count === 0) return -E.INVAL;
        if (this.#count + count > this.limits.semmns) return -E.NOSPC;
        this.#count += count;
        return new SemaphoreSet(birth, count);
      },
      accept: (set) => (count > set.values.length ? -E.INVAL : 0),
    });
  }

  remove(set: SemaphoreSet): void {
    this.ids.remove(set);
    this.#count -= set.values.length;
    set.giveUp();
  }

  /** A task waits no longer. */
  static withdraw(set: SemaphoreSet, waiter: PendingOps): void {
    set.pending.delete(waiter);
  }

  /** SETVAL, SETALL: what others wanted to take back there is void. */
  assign(set: SemaphoreSet, first: number, values: ArrayLike<number>): void {
    const pid = this.host.currentPid();
    const now = this.host.now();
    for (let i = 0; i < values.length; i++) {
      set.values[first + i] = values[i];
      set.pids[first + i] = pid;
      for (const undo of set.undoers) undo.clear(set, first + i);
    }
    set.ctime = now;
    set.settle(now);
  }
}

/** Whether one of the operations is to be taken back at the end. */
export const wantsUndo = (ops: readonly SemOp[]): boolean =>
  ops.some(({ flags }) => (flags & SEM_UNDO) !== 0);
