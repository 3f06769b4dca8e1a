/** Where a machine's time comes from. Everything in a machine reads time through this, so a run can be repeated exactly. */
export interface Clock {
  /** true: time is a function of retired instructions and may be skipped forward; false: it follows the host. */
  readonly virtual: boolean;
  /** @returns integer nanoseconds since the machine started; never decreases; < 2^53 */
  nowNs(): number;
  /** Wall-clock time at machine start, nanoseconds since 1970 UTC divided into whole seconds and the rest. */
  readonly wallAtStart: { readonly seconds: number; readonly nanoseconds: number };
  /** Virtual clocks only: jumps forward to `ns` because nothing can run before it. Host clocks ignore it. */
  skipTo(ns: number): void;
  /** Called once by the machine: how many instructions have been retired so far. Host clocks ignore it. */
  attach(retired: () => number): void;
}

/** One retired instruction takes one nanosecond; when every vCPU blocks, time jumps to the next timer. */
export class VirtualClock implements Clock {
  readonly virtual: boolean = true;
  readonly wallAtStart: { readonly seconds: number; readonly nanoseconds: number };
  #skippedNs = 0;
  #retired: () => number = () => 0;

  /** @param wallSeconds wall-clock second at machine start (a fixed default keeps runs repeatable) */
  constructor(wallSeconds: number = 1_577_836_800) {
    this.wallAtStart = { seconds: wallSeconds, nanoseconds: 0 };
  }

  nowNs(): number {
    return this.#retired() + this.#skippedNs;
  }

  skipTo(ns: number): void {
    const delta = ns - this.nowNs();
    if (delta > 0) this.#skippedNs += delta;
  }

  attach(retired: () => number): void {
    this.#retired = retired;
  }
}

/** Follows the host's monotonic clock, which the runner injects. */
export class HostClock implements Clock {
  readonly virtual: boolean = false;
  readonly wallAtStart: { readonly seconds: number; readonly nanoseconds: number };
  readonly #monotonicNs: () => number;
  readonly #startNs: number;
  #lastNs = 0;

  /**
   * @param monotonicNs host's monotonic time in nanoseconds, any origin
   * @param wallMs host's wall clock now, milliseconds since 1970 UTC
   */
  constructor(monotonicNs: () => number, wallMs: number) {
    this.#monotonicNs = monotonicNs;
    this.#startNs = monotonicNs();
    this.wallAtStart = {
      seconds: Math.floor(wallMs / 1000),
      nanoseconds: Math.floor((wallMs % 1000) * 1_000_000),
    };
  }

  nowNs(): number {
    const now = Math.floor(this.#monotonicNs() - this.#startNs);
    if (now > this.#lastNs) this.#lastNs = now;
    return this.#lastNs;
  }

  skipTo(): void {}

  attach(): void {}
}
