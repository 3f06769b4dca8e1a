import { IntervalTimer } from './interval-timer.ts';
import type { Timers } from './timers.ts';

/** setitimer and alarm of one process. ITIMER_VIRTUAL and ITIMER_PROF run by the clock as well. */
export class ProcessTimers {
  readonly #timers: readonly IntervalTimer[];

  /** @param fire sends the signal of a timer */
  constructor(timers: Timers, fire: (which: number) => void) {
    this.#timers = [0, 1, 2].map((which) => new IntervalTimer(timers, () => fire(which)));
  }

  /** @returns time left and interval, in ns; 0 when it is not set */
  get(which: number, now: bigint): { left: bigint; interval: bigint } {
    const { left, interval } = this.#timers[which]?.get(now) ?? { left: 0n, interval: 0n };
    return left === 0n ? { left, interval: 0n } : { left, interval };
  }

  /** @param value ns from `now`; 0 stops it */
  set(which: number, now: bigint, value: bigint, interval: bigint): void {
    this.#timers[which]?.set(value === 0n ? null : now + value, interval);
  }

  cancelAll(): void {
    for (const timer of this.#timers) timer.set(null, 0n);
  }
}
