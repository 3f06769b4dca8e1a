/** timerfd(2): a timer as a file. */
import { E } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR, POLLIN } from '../abi/fcntl.ts';
import { BaseHandle } from '../fs/file-handle.ts';
import type { FileHandle } from '../fs/types.ts';
import { type Op, WaitQueue } from '../task/wait.ts';
import { IntervalTimer } from '../time/interval-timer.ts';
import type { Timers } from '../time/timers.ts';

const COUNT_BYTES = 8;

export class TimerFile extends BaseHandle {
  readonly kind: FileHandle['kind'] = 'anonymous';
  readonly label = 'anon_inode:[timerfd]';
  /** CLOCK_ number. */
  readonly clock: number;
  readonly #queue: WaitQueue = new WaitQueue();
  readonly #timer: IntervalTimer;
  #expirations = 0n;

  constructor(timers: Timers, clock: number, nonblock: boolean) {
    super(undefined, O_RDWR | (nonblock ? O_NONBLOCK : 0));
    this.clock = clock;
    this.#timer = new IntervalTimer(timers, (times) => {
      this.#expirations += times;
      this.#queue.wakeAll();
    });
  }

  /** @returns what is left until it fires, and its interval, in ns; 0 when it is not set */
  get(now: bigint): { left: bigint; interval: bigint } {
    return this.#timer.get(now);
  }

  /** @param deadline by CLOCK_MONOTONIC, or null to stop it */
  set(deadline: bigint | null, interval: bigint): void {
    this.#expirations = 0n;
    this.#timer.set(deadline, interval);
  }

  override get pollQueues(): readonly WaitQueue[] {
    return [this.#queue];
  }

  override poll(): number {
    return this.#expirations > 0n ? POLLIN : 0;
  }

  override *read(into: Uint8Array): Op<number> {
    if (into.length < COUNT_BYTES) return -E.INVAL;
    while (this.#expirations === 0n) {
      if (this.flags & O_NONBLOCK) return -E.AGAIN;
      if ((yield { queues: [this.#queue], interruptible: true }) === 'signal') return -E.RESTARTSYS;
    }
    new DataView(into.buffer, into.byteOffset).setBigUint64(0, this.#expirations, true);
    this.#expirations = 0n;
    return COUNT_BYTES;
  }

  override release(): void {
    this.#timer.set(null, 0n);
  }
}
