/** Instructions that are run without a look at the host's clock: at least and at most. */
const LENGTH = { least: 100_000, most: 1 << 27 } as const;
/** How long they should take: at least, which is how late a timer may be, and at most. */
const NS = { least: 100_000, most: 500_000 } as const;
const GROWTH = 2;

/**
 * How many instructions to run under the host's clock until somebody looks at it again. Nothing but time can make something
 * due meanwhile, so that is half of the way to what is due next, at the pace of the slice before.
 */
export class HostPace {
  #length: number = LENGTH.least;
  /** When the slice that was not cut short began. */
  #beganNs: number | null = null;
  /** Instructions in a nanosecond. */
  #pace = 1;

  /** @param dueNs when the next timer or turn of another vCPU is due; infinity when there is none */
  next(nowNs: number, dueNs: number): number {
    if (this.#beganNs !== null) this.#pace = this.#length / Math.max(1, nowNs - this.#beganNs);
    const ns = Math.min(NS.most, Math.max(NS.least, (dueNs - nowNs) / 2));
    const wanted = Math.floor(this.#pace * ns);
    this.#length = Math.max(LENGTH.least, Math.min(wanted, this.#length * GROWTH, LENGTH.most));
    return this.#length;
  }

  /** The slice that began then has ended. @param used how many instructions it ran */
  ended(beganNs: number, used: number): void {
    this.#beganNs = used >= this.#length ? beganNs : null;
  }
}
