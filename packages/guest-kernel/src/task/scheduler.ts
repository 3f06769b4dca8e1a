import type { Timers } from '../time/timers.ts';
import { KernelThread, type Runnable } from './runnable.ts';
import type { Op, Sleep, Wake } from './wait.ts';

/** How often kernel code that must end is told so, should it go on sleeping. */
const MOST_TOLD = 16;

/** Who can run, in turn. */
export class Scheduler {
  readonly #timers: Timers;
  #ready: Runnable[] = [];
  #head = 0;

  constructor(timers: Timers) {
    this.#timers = timers;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#ready.length - this.#head;
  }

  /** Puts it at the end of the queue. Preconditions: it is neither asleep nor in the queue */
  enqueue(runnable: Runnable): void {
    runnable.state = 'ready';
    this.#ready.push(runnable);
  }

  /** @returns who comes next, running now, or null */
  next(): Runnable | null {
    while (this.#head < this.#ready.length) {
      const runnable = this.#ready[this.#head++];
      if (this.#head > 256) {
        this.#ready = this.#ready.slice(this.#head);
        this.#head = 0;
      }
      if (runnable.state !== 'ready') continue;
      runnable.state = 'running';
      return runnable;
    }
    return null;
  }

  sleep(runnable: Runnable, sleep: Sleep): void {
    runnable.fallAsleep(sleep, { timers: this.#timers, wake: (who, why) => this.wake(who, why) });
  }

  /** Ends a sleep; nothing happens to whoever is awake. */
  wake(runnable: Runnable, why: Wake): void {
    if (runnable.state !== 'asleep') return;
    runnable.forgetSleep();
    runnable.wakeReason = why;
    this.enqueue(runnable);
  }

  /** Starts kernel code that belongs to no process. */
  spawn(name: string, op: Op<number>): void {
    this.enqueue(new KernelThread(name, op));
  }

  /** Takes over kernel code that has just gone to sleep. */
  adopt(name: string, op: Op<number>, sleep: Sleep): void {
    this.sleep(new KernelThread(name, op), sleep);
  }

  /**
   * Runs kernel code until it sleeps or is done.
   * @returns its result, or undefined when it sleeps now
   */
  step(runnable: Runnable): number | undefined {
    const { op } = runnable;
    if (op === null) return undefined;
    let step = op.next(runnable.wakeReason);
    for (let told = 0; !step.done && step.value.interruptible && told < MOST_TOLD; told++) {
      const isNews = runnable.wakeReason !== 'signal' && runnable.interrupted;
      if (!isNews && !runnable.mustEnd) break;
      // The signal came while it was awake in the kernel: nobody would wake it for that any more.
      runnable.wakeReason = 'signal';
      step = op.next('signal');
    }
    if (step.done) {
      runnable.op = null;
      return step.value;
    }
    this.sleep(runnable, step.value);
    return undefined;
  }
}
