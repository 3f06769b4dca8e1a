/** Mutual exclusion of kernel code that sleeps. */
import { type Op, WaitQueue } from './wait.ts';

export class Lock {
  #held = false;
  readonly #released = new WaitQueue();

  get isHeld(): boolean {
    return this.#held;
  }

  /** Runs an operation alone. Not reentrant. */
  *run<T>(op: Op<T>): Op<T> {
    while (this.#held) yield { queues: [this.#released], interruptible: false };
    this.#held = true;
    try {
      return yield* op;
    } finally {
      this.#held = false;
      this.#released.wakeAll();
    }
  }
}
