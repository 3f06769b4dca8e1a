/** A one-shot timer; `set` may be called again at any time, also from its own handler. */
export class Timer {
  /** Absolute machine time in ns, or -1 when not armed. */
  expiresNs: number = -1;
  /** Order of arming: timers due at the same instant fire first-armed first. */
  sequence: number = 0;
  readonly handler: () => void;
  readonly #queue: TimerQueue;

  constructor(queue: TimerQueue, handler: () => void) {
    this.#queue = queue;
    this.handler = handler;
  }

  get armed(): boolean {
    return this.expiresNs >= 0;
  }

  /** Arms the timer for an absolute time; a time in the past fires at the next opportunity. */
  set(atNs: number): void {
    this.#queue.arm(this, Math.max(0, atNs));
  }

  stop(): void {
    this.#queue.disarm(this);
  }
}

/** All timers of a machine, ordered by expiry. Few are armed at once, so a sorted array is the fastest heap. */
export class TimerQueue {
  readonly #armed: Timer[] = [];
  #sequence = 0;

  create(handler: () => void): Timer {
    return new Timer(this, handler);
  }

  /** @returns absolute ns of the earliest timer, or null when none is armed */
  nextNs(): number | null {
    return this.#armed.length === 0 ? null : this.#armed[0].expiresNs;
  }

  arm(timer: Timer, atNs: number): void {
    this.disarm(timer);
    timer.expiresNs = atNs;
    timer.sequence = this.#sequence++;
    const armed = this.#armed;
    let i = armed.length;
    armed.push(timer);
    for (; i > 0 && armed[i - 1].expiresNs > atNs; i--) armed[i] = armed[i - 1];
    armed[i] = timer;
  }

  disarm(timer: Timer): void {
    if (!timer.armed) return;
    const armed = this.#armed;
    for (let i = armed.indexOf(timer) + 1; i < armed.length; i++) armed[i - 1] = armed[i];
    armed.pop();
    timer.expiresNs = -1;
  }

  /**
   * Fires every timer that was armed before this call and is due. A handler that re-arms its timer in the past
   * fires at the next call, so a runaway timer cannot hold the machine.
   */
  runDue(nowNs: number): void {
    const limit = this.#sequence;
    for (let i = 0; i < this.#armed.length; ) {
      const timer = this.#armed[i];
      if (timer.expiresNs > nowNs) return;
      if (timer.sequence >= limit) {
        i++;
        continue;
      }
      this.disarm(timer);
      timer.handler();
      i = 0;
    }
  }
}
