/** What a clock that stands still says. */
export interface FakeClockOptions {
  /** What `virtual` says; false when absent. */
  readonly virtual?: boolean;
  /** Wall-clock time at the start, in whole seconds since 1970 UTC. */
  readonly wallSeconds?: number;
}

/** A clock that stands still until the test moves it; has the shape of the hypervisor's `Clock`. */
export class FakeClock {
  readonly virtual: boolean;
  readonly wallAtStart: { readonly seconds: number; readonly nanoseconds: number };
  /** Every instant that somebody skipped to, in order. */
  readonly skips: number[] = [];
  #ns = 0;

  constructor(options: FakeClockOptions = {}) {
    this.virtual = options.virtual ?? false;
    this.wallAtStart = { seconds: options.wallSeconds ?? 1_000_000_000, nanoseconds: 0 };
  }

  nowNs(): number {
    return this.#ns;
  }

  /** @param deltaNs at least 0: a clock does not go back */
  advance(deltaNs: number): void {
    if (!(deltaNs >= 0)) throw new RangeError(`the clock cannot go back by ${-deltaNs} ns`);
    this.#ns += deltaNs;
  }

  /** Jumps forward to `ns`; an instant that has passed changes nothing. */
  skipTo(ns: number): void {
    this.skips.push(ns);
    this.#ns = Math.max(this.#ns, ns);
  }

  /** Instructions do not move this clock. */
  attach(_retired: () => number): void {}
}
