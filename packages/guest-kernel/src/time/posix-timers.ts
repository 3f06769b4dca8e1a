import type { KernelTimer, Timers } from './timers.ts';

/** What a timer does when it fires. */
export interface TimerNotice {
  /** 0: nothing is sent. */
  readonly signal: number;
  readonly value: number;
  /** The thread that gets the signal; 0: the process. */
  readonly tid: number;
}

/** A timer of timer_create. */
export class PosixTimer {
  readonly id: number;
  /** CLOCK_ number. */
  readonly clock: number;
  readonly notice: TimerNotice;
  /** Times that it fired while its signal still waited, when the signal was last sent. */
  overrun = 0;
  #timer: KernelTimer | null = null;
  #deadline = 0n;
  #interval = 0n;
  readonly #timers: Timers;
  readonly #fire: (timer: PosixTimer) => void;

  constructor(
    parts: { readonly timers: Timers; readonly fire: (timer: PosixTimer) => void },
    what: { readonly id: number; readonly clock: number; readonly notice: TimerNotice },
  ) {
    this.#timers = parts.timers;
    this.#fire = parts.fire;
    this.id = what.id;
    this.clock = what.clock;
    this.notice = what.notice;
  }

  /** @returns what is left until it fires, and its interval, in ns; 0 when it is not set */
  get(now: bigint): { left: bigint; interval: bigint } {
    if (this.#timer === null) return { left: 0n, interval: this.#interval };
    return { left: this.#deadline > now ? this.#deadline - now : 1n, interval: this.#interval };
  }

  /** @param deadline by CLOCK_MONOTONIC, or null to stop it */
  set(deadline: bigint | null, interval: bigint): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#interval = interval;
    this.overrun = 0;
    if (deadline !== null) this.#arm(deadline);
  }

  #arm(deadline: bigint): void {
    this.#deadline = deadline;
    this.#timer = this.#timers.set(deadline, () => {
      this.#timer = null;
      this.#fire(this);
      if (this.#interval > 0n) this.#arm(deadline + this.#interval);
    });
  }
}
