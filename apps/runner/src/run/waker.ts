/** Sleeps the event loop until a time has passed or somebody has something to do. Burns no CPU. */
export class Waker {
  #wakeSleeper: (() => void) | null = null;
  #woken = false;

  /** Ends the sleep, or the next one if nobody sleeps now. */
  wake(): void {
    if (this.#wakeSleeper) this.#wakeSleeper();
    else this.#woken = true;
  }

  /** @param ms longest sleep; null: until `wake`. The process stays alive meanwhile. */
  sleep(ms: number | null): Promise<void> {
    if (this.#woken) {
      this.#woken = false;
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.#wakeSleeper?.(), Math.min(ms ?? LONGEST_MS, LONGEST_MS));
      this.#wakeSleeper = () => {
        clearTimeout(timer);
        this.#wakeSleeper = null;
        resolve();
      };
    });
  }
}

/** setTimeout takes 31 bits of milliseconds; waking up once in a while does no harm. */
const LONGEST_MS = 1_000_000_000;
