/**
 * How kernel code waits: blocking operations are generators that yield a {@link Sleep} and are resumed by the scheduler
 * with the reason they woke. Nothing else in the kernel may block.
 */

/** Why a sleeper runs again. */
export type Wake = 'event' | 'timeout' | 'signal';

/** A wish to sleep until one of `queues` is woken, `deadline` passes, or (if `interruptible`) a signal arrives. */
export interface Sleep {
  readonly queues: readonly WaitQueue[];
  /** Kernel time in nanoseconds (CLOCK_MONOTONIC). */
  readonly deadline?: bigint;
  readonly interruptible: boolean;
}

/** An operation that may sleep. By convention T is a count or handle >= 0, or a negative Linux errno. */
export type Op<T> = Generator<Sleep, T, Wake>;

/** Sleepers on one condition, woken all together; each tests its condition again. */
export class WaitQueue {
  readonly #sleepers = new Set<() => void>();

  /** Registers a callback for the next {@link wakeAll}; the scheduler's side. @returns how to take it back */
  add(wake: () => void): () => void {
    this.#sleepers.add(wake);
    return () => this.#sleepers.delete(wake);
  }

  wakeAll(): void {
    if (this.#sleepers.size === 0) return;
    const sleepers = [...this.#sleepers];
    this.#sleepers.clear();
    for (const wake of sleepers) wake();
  }
}

/** Sleeps on one queue until it is woken. @returns 'signal' if a signal came first */
export function* sleepOn(queue: WaitQueue): Op<Wake> {
  return yield { queues: [queue], interruptible: true };
}

/**
 * Lets others go on, the rest of the machine included, where work for one task may take long.
 * @param nowNs CLOCK_MONOTONIC
 * @returns 'signal' if one waits and `interruptible` says that it matters
 */
export function* giveTurn(nowNs: bigint, interruptible: boolean): Op<Wake> {
  return yield { queues: [], deadline: nowNs + 1n, interruptible };
}
