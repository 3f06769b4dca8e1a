/** What SEM_UNDO takes back when its tasks have ended. Source: semop(2), linux ipc/sem.c (exit_sem). */
import { E } from '../abi/errno.ts';
import { SEM_UNDO, SEMVMX } from '../abi/ipc.ts';
import type { SemaphoreSet, SemOp } from './semaphores.ts';

/** Semaphores that have something to be taken back, of all tasks together. */
const MAX_ADJUSTMENTS = 1 << 20;
const LOWEST = -SEMVMX - 1;

/** How many adjustments there are in all. */
export interface UndoBudget {
  adjustments: number;
}

/** Adjustments of one task, or of the threads that share them (CLONE_SYSVSEM). */
export class UndoList {
  readonly #sets: Map<SemaphoreSet, Map<number, number>> = new Map();
  readonly #budget: UndoBudget;

  constructor(budget: UndoBudget) {
    this.#budget = budget;
  }

  /** Remembers the operations that say so. @returns 0, -ERANGE or -ENOMEM with nothing changed */
  note(set: SemaphoreSet, ops: readonly SemOp[]): number {
    const changed = new Map<number, number>();
    const known = this.#sets.get(set);
    for (const { num, op, flags } of ops) {
      if (!(flags & SEM_UNDO)) continue;
      const adjustment = (changed.get(num) ?? known?.get(num) ?? 0) - op;
      if (adjustment < LOWEST || adjustment > SEMVMX) return -E.RANGE;
      changed.set(num, adjustment);
    }
    if (this.#budget.adjustments + changed.size > MAX_ADJUSTMENTS) return -E.NOMEM;
    const mine = known ?? new Map<number, number>();
    const before = mine.size;
    for (const [num, adjustment] of changed) mine.set(num, adjustment);
    this.#budget.adjustments += mine.size - before;
    if (known === undefined && mine.size > 0) {
      this.#sets.set(set, mine);
      set.undoers.add(this);
    }
    return 0;
  }

  /** A semaphore was set: there is nothing to take back. */
  clear(set: SemaphoreSet, num: number): void {
    if (this.#sets.get(set)?.delete(num)) this.#budget.adjustments--;
  }

  /** The set has gone. */
  forget(set: SemaphoreSet): void {
    this.#budget.adjustments -= this.#sets.get(set)?.size ?? 0;
    this.#sets.delete(set);
  }

  /** Takes everything back. */
  apply(pid: number, now: bigint): void {
    for (const [set, adjustments] of this.#sets) {
      set.undoers.delete(this);
      for (const [num, adjustment] of adjustments) {
        if (adjustment === 0) continue;
        set.values[num] = Math.min(Math.max(set.values[num] + adjustment, 0), SEMVMX);
        set.pids[num] = pid;
      }
      this.#budget.adjustments -= adjustments.size;
      set.opTime = now;
      set.settle(now);
    }
    this.#sets.clear();
  }
}
