import type { KernelTimer, Timers } from './timers.ts';

/**
 * A timer fires again after this many ns at the earliest; it counts what it has missed. Shorter intervals would leave no time
 * for anything else, and under a virtual clock, where the kernel's own work takes none, time would all but stand still.
 */
const LEAST_NS = 50_000n;

/** A timer that may fire again and again: what timerfd, timer_create and setitimer have in common. */
export class IntervalTimer {
  readonly #timers: Timers;
  readonly #fire: (times: bigint) => void;
  #timer: KernelTimer | null = null;
  #deadline = 0n;
  #interval = 0n;

  /** @param fire is told how often the timer has expired since it was last called */
  constructor(timers: Timers, fire: (times: bigint) => void) {
    this.#timers = timers;
    this.#fire = fire;
  }

  /** @returns what is left until it fires, and its interval, in ns; left is 0 when it is not set */
  get(now: bigint): { left: bigint; interval: bigint } {
    if (this.#timer === null) return { left: 0n, interval: this.#interval };
    return { left: this.#deadline > now ? this.#deadline - now : 1n, interval: this.#interval };
  }

  /** @param deadline by CLOCK_MONOTONIC, or null to stop it */
  set(deadline: bigint | null, interval: bigint): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#interval = interval;
    if (deadline !== null) this.#arm(deadline, deadline);
  }

  /** @param uncounted the first expiry that has not been counted */
  #arm(deadline: bigint, uncounted: bigint): void {
    this.#deadline = deadline;
    this.#timer = this.#timers.set(deadline, (now) => {
      this.#timer = null;
      const interval = this.#interval;
      const times = interval > 0n ? 1n + (now - uncounted) / interval : 1n;
      if (interval > 0n) {
        const next = uncounted + times * interval;
        const short = now + LEAST_NS - next;
        this.#arm(short > 0n ? next + ((short + interval - 1n) / interval) * interval : next, next);
      }
      this.#fire(times);
    });
  }
}
