/** Advisory locks: flock (owned by open files) and fcntl records (owned by descriptor tables). Source: flock(2), fcntl_locking(2). */
import { E } from '../abi/errno.ts';
import { type Op, WaitQueue } from '../task/wait.ts';
import type { Inode, InodeLocks } from './types.ts';

/** A locked range of bytes: from `start` up to, not including, `end` (Infinity: to the end of the file). */
export interface LockRange {
  readonly owner: object;
  /** For F_GETLK. -1 for locks of open files. */
  readonly pid: number;
  readonly start: number;
  readonly end: number;
  readonly exclusive: boolean;
}

/** The locks of one inode of one of the two kinds: they do not see each other. */
class LockList {
  ranges: LockRange[] = [];

  conflict(wanted: LockRange): LockRange | undefined {
    return this.ranges.find(
      (held) =>
        held.owner !== wanted.owner &&
        (held.exclusive || wanted.exclusive) &&
        held.start < wanted.end &&
        wanted.start < held.end,
    );
  }

  /** Takes the owner's locks off a range, splitting what reaches beyond it. */
  clear(owner: object, start: number, end: number): void {
    this.ranges = this.ranges.flatMap((held) => {
      if (held.owner !== owner || held.end <= start || held.start >= end) return [held];
      const pieces: LockRange[] = [];
      if (held.start < start) pieces.push({ ...held, end: start });
      if (held.end > end) pieces.push({ ...held, start: end });
      return pieces;
    });
  }

  /** Puts a lock in the place of what its owner had there, joined with its neighbours of the same kind. */
  set(lock: LockRange): void {
    this.clear(lock.owner, lock.start, lock.end);
    const touching = this.ranges.filter(
      (held) =>
        held.owner === lock.owner &&
        held.exclusive === lock.exclusive &&
        held.start <= lock.end &&
        lock.start <= held.end,
    );
    const start = Math.min(lock.start, ...touching.map((held) => held.start));
    const end = Math.max(lock.end, ...touching.map((held) => held.end));
    this.ranges = [...this.ranges.filter((held) => !touching.includes(held)), { ...lock, start, end }];
  }
}

export class FileLocks implements InodeLocks {
  readonly #records = new LockList();
  readonly #whole = new LockList();
  readonly #released = new WaitQueue();
  /** Owners that sleep here, with the owners that they sleep for. */
  readonly #waitingFor: Map<object, object>;

  constructor(waitingFor: Map<object, object>) {
    this.#waitingFor = waitingFor;
  }

  /** The lock that would refuse `wanted`. */
  recordConflict(wanted: LockRange): LockRange | undefined {
    return this.#records.conflict(wanted);
  }

  /** fcntl: -EAGAIN if it is held and not `wait`; -ERESTARTSYS; -EDEADLK if the holder waits for us. */
  setRecord(wanted: LockRange, wait: boolean): Op<number> {
    return this.#take(this.#records, wanted, wait);
  }

  clearRecord(owner: object, start: number, end: number): void {
    this.#records.clear(owner, start, end);
    this.#released.wakeAll();
  }

  /** flock: a change from shared to exclusive gives the old lock up first. */
  *setWhole(owner: object, exclusive: boolean, wait: boolean): Op<number> {
    const wanted = { owner, pid: -1, start: 0, end: Number.POSITIVE_INFINITY, exclusive };
    const held = this.#whole.ranges.find((lock) => lock.owner === owner);
    if (held?.exclusive === exclusive) return 0;
    if (held !== undefined) this.clearWhole(owner);
    return yield* this.#take(this.#whole, wanted, wait);
  }

  clearWhole(owner: object): void {
    this.#whole.clear(owner, 0, Number.POSITIVE_INFINITY);
    this.#released.wakeAll();
  }

  releaseOwner(owner: object): void {
    this.clearWhole(owner);
    this.clearRecord(owner, 0, Number.POSITIVE_INFINITY);
  }

  *#take(list: LockList, wanted: LockRange, wait: boolean): Op<number> {
    for (;;) {
      const conflict = list.conflict(wanted);
      if (conflict === undefined) break;
      if (!wait) return -E.AGAIN;
      if (list === this.#records && this.#wouldDeadlock(wanted.owner, conflict.owner)) return -E.DEADLK;
      this.#waitingFor.set(wanted.owner, conflict.owner);
      const wake = yield { queues: [this.#released], interruptible: true };
      this.#waitingFor.delete(wanted.owner);
      if (wake === 'signal') return -E.RESTARTSYS;
    }
    list.set(wanted);
    this.#released.wakeAll();
    return 0;
  }

  #wouldDeadlock(owner: object, holder: object): boolean {
    let at: object | undefined = holder;
    for (let steps = 0; at !== undefined && steps < 1000; steps++) {
      if (at === owner) return true;
      at = this.#waitingFor.get(at);
    }
    return false;
  }
}

/** The locks of an inode, made at the first use. @param waitingFor one per kernel: who waits for whom */
export function locksOf(inode: Inode, waitingFor: Map<object, object>): FileLocks {
  if (inode.locks instanceof FileLocks) return inode.locks;
  const locks = new FileLocks(waitingFor);
  inode.locks = locks;
  return locks;
}
