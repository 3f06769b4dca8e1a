/** What the scheduler runs: user tasks and kernel threads, both as generators while they are in the kernel. */
import type { KernelTimer, Timers } from '../time/timers.ts';
import type { Op, Sleep, Wake } from './wait.ts';

export type RunState = 'ready' | 'running' | 'asleep' | 'dead';

export abstract class Runnable {
  state: RunState = 'running';
  /** Kernel code under way, to be resumed with `wakeReason`; null: it is in user mode, or about to be. */
  op: Op<number> | null = null;
  wakeReason: Wake = 'event';
  /** A signal may end its sleep. */
  interruptible = false;
  readonly #wakers: (() => void)[] = [];
  #timer: KernelTimer | null = null;

  /** Something has come meanwhile that ends interruptible sleeps. */
  get interrupted(): boolean {
    return false;
  }

  /** It has been told to end, once and for all: nobody will tell it again. */
  get mustEnd(): boolean {
    return false;
  }

  /** Goes to sleep until the scheduler's `wake` is called for one of the reasons. */
  fallAsleep(
    sleep: Sleep,
    parts: { readonly timers: Timers; wake(runnable: Runnable, why: Wake): void },
  ): void {
    this.state = 'asleep';
    this.interruptible = sleep.interruptible;
    const { deadline } = sleep;
    for (const queue of sleep.queues) this.#wakers.push(queue.add(() => parts.wake(this, 'event')));
    if (deadline !== undefined)
      this.#timer = parts.timers.set(deadline, () => {
        this.#timer = null;
        parts.wake(this, 'timeout');
      });
  }

  /** Takes back everything that could wake it. */
  forgetSleep(): void {
    for (const cancel of this.#wakers) cancel();
    this.#wakers.length = 0;
    this.#timer?.cancel();
    this.#timer = null;
    this.interruptible = false;
  }
}

/** Kernel code that belongs to no process. */
export class KernelThread extends Runnable {
  readonly name: string;

  constructor(name: string, op: Op<number>) {
    super();
    this.name = name;
    this.op = op;
  }
}
