import { IntervalTimer } from './interval-timer.ts';
import type { Timers } from './timers.ts';

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
  readonly #timer: IntervalTimer;

  constructor(
    parts: { readonly timers: Timers; readonly fire: (timer: PosixTimer, times: bigint) => void },
    what: { readonly id: number; readonly clock: number; readonly notice: TimerNotice },
  ) {
    this.#timer = new IntervalTimer(parts.timers, (times) => parts.fire(this, times));
    this.id = what.id;
    this.clock = what.clock;
    this.notice = what.notice;
  }

  /** @returns what is left until it fires, and its interval, in ns; 0 when it is not set */
  get(now: bigint): { left: bigint; interval: bigint } {
    return this.#timer.get(now);
  }

  /** @param deadline by CLOCK_MONOTONIC, or null to stop it */
  set(deadline: bigint | null, interval: bigint): void {
    this.overrun = 0;
    this.#timer.set(deadline, interval);
  }
}
