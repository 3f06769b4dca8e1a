import type { KernelTimer, Timers } from './timers.ts';

/** setitimer and alarm of one process. ITIMER_VIRTUAL and ITIMER_PROF run by the clock as well. */
export class ProcessTimers {
  readonly #timers: Timers;
  readonly #fire: (which: number) => void;
  readonly #set: ({ timer: KernelTimer; deadline: bigint; interval: bigint } | null)[] = [null, null, null];

  /** @param fire sends the signal of a timer */
  constructor(timers: Timers, fire: (which: number) => void) {
    this.#timers = timers;
    this.#fire = fire;
  }

  /** @returns time left and interval, in ns; 0 when it is not set */
  get(which: number, now: bigint): { left: bigint; interval: bigint } {
    const set = this.#set[which];
    if (set === null || set === undefined) return { left: 0n, interval: 0n };
    return { left: set.deadline > now ? set.deadline - now : 1n, interval: set.interval };
  }

  /** @param value ns from `now`; 0 stops it */
  set(which: number, now: bigint, value: bigint, interval: bigint): void {
    this.#set[which]?.timer.cancel();
    this.#set[which] = null;
    if (value === 0n) return;
    this.#arm(which, now + value, interval);
  }

  cancelAll(): void {
    for (const set of this.#set) set?.timer.cancel();
    this.#set.fill(null);
  }

  #arm(which: number, deadline: bigint, interval: bigint): void {
    const timer = this.#timers.set(deadline, () => {
      this.#set[which] = null;
      this.#fire(which);
      if (interval > 0n) this.#arm(which, deadline + interval, interval);
    });
    this.#set[which] = { timer, deadline, interval };
  }
}
