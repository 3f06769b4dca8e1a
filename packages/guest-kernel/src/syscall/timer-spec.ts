/** struct itimerspec, interval and value, as timerfd and timer_create pass it. */
import { E } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import { clockTime, TIMER_ABSTIME } from './times.ts';
import { readTimespec, writeTimespec } from './timespec.ts';

interface SettableTimer {
  /** CLOCK_ number. */
  readonly clock: number;
  get(now: bigint): { left: bigint; interval: bigint };
  /** @param deadline by CLOCK_MONOTONIC, or null to stop it */
  set(deadline: bigint | null, interval: bigint): void;
}

/** Sets a timer from the structure at `newVa`. @param oldVa where to tell what it was set to; 0: nowhere */
export function setTimer(
  task: Task,
  timer: SettableTimer,
  { flags, newVa, oldVa }: { readonly flags: number; readonly newVa: number; readonly oldVa: number },
  bits: 32 | 64,
): number {
  const interval = readTimespec(task.user, newVa, bits);
  const value = readTimespec(task.user, newVa + bits / 4, bits);
  if (typeof interval === 'number') return interval;
  if (typeof value === 'number') return value;
  const now = task.kernel.clock.now();
  const old = timer.get(now);
  const base = flags & TIMER_ABSTIME ? (clockTime(task, timer.clock) ?? now) : 0n;
  timer.set(value === 0n ? null : now + value - base, interval);
  return oldVa === 0 ? 0 : tellTimer(task, oldVa, old, bits);
}

/** Tells what a timer is set to. */
export function tellTimer(
  task: Task,
  va: number,
  { left, interval }: ReturnType<SettableTimer['get']>,
  bits: 32 | 64,
): number {
  const isWritten =
    writeTimespec(task.user, va, interval, bits) && writeTimespec(task.user, va + bits / 4, left, bits);
  return isWritten ? 0 : -E.FAULT;
}
