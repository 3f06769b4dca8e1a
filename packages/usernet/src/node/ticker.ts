import type { StackHost } from '@domu/netstack';

/** What has deadlines and wants to be told when they have come. */
interface Ticking {
  nextDeadlineNs(): number;
  tick(): void;
}

const NS_PER_MS = 1_000_000;
/** setTimeout takes 31 bits of milliseconds. */
const LONGEST_MS = 0x7fffffff;

/** The host's monotonic clock for a network, and the timer that calls its `tick`. Never keeps the process alive. */
export class HostTicker implements StackHost {
  readonly #random: () => number;
  #ticking: Ticking | null = null;
  #timer: NodeJS.Timeout | null = null;
  #dueNs = Infinity;

  /** @param random32 an unsigned 32-bit random number */
  constructor(random32: () => number = () => Math.floor(Math.random() * 0x100000000)) {
    this.#random = random32;
  }

  nowNs(): number {
    return Math.floor(performance.now() * NS_PER_MS);
  }

  random32(): number {
    return this.#random();
  }

  deadlineChanged(): void {
    if (this.#ticking !== null) this.#arm(this.#ticking);
  }

  /** Starts to tick; before that no deadline is kept. */
  start(ticking: Ticking): void {
    this.#ticking = ticking;
    this.#arm(ticking);
  }

  stop(): void {
    this.#ticking = null;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    this.#dueNs = Infinity;
  }

  #arm(ticking: Ticking): void {
    const next = ticking.nextDeadlineNs();
    if (next >= this.#dueNs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#dueNs = next;
    const ms = Math.min(LONGEST_MS, Math.max(0, Math.ceil((next - this.nowNs()) / NS_PER_MS)));
    this.#timer = setTimeout(() => {
      this.#timer = null;
      this.#dueNs = Infinity;
      ticking.tick();
      if (this.#ticking === ticking) this.#arm(ticking);
    }, ms);
    this.#timer.unref();
  }
}
