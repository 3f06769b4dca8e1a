/** eventfd(2): a counter as a file. */
import { E } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR, POLLIN, POLLOUT } from '../abi/fcntl.ts';
import { BaseHandle } from '../fs/file-handle.ts';
import type { FileHandle } from '../fs/types.ts';
import { type Op, WaitQueue } from '../task/wait.ts';

const COUNTER_BYTES = 8;
const MAX_COUNTER = 0xffff_ffff_ffff_fffen;

export class EventFile extends BaseHandle {
  readonly kind: FileHandle['kind'] = 'anonymous';
  readonly label = 'anon_inode:[eventfd]';
  readonly #queue: WaitQueue = new WaitQueue();
  readonly #semaphore: boolean;
  #counter: bigint;

  constructor(counter: number, options: { readonly semaphore: boolean; readonly nonblock: boolean }) {
    super(undefined, O_RDWR | (options.nonblock ? O_NONBLOCK : 0));
    this.#counter = BigInt(counter);
    this.#semaphore = options.semaphore;
  }

  override get pollQueues(): readonly WaitQueue[] {
    return [this.#queue];
  }

  override poll(): number {
    return (this.#counter > 0n ? POLLIN : 0) | (this.#counter < MAX_COUNTER ? POLLOUT : 0);
  }

  override *read(into: Uint8Array): Op<number> {
    if (into.length < COUNTER_BYTES) return -E.INVAL;
    while (this.#counter === 0n) {
      if (this.flags & O_NONBLOCK) return -E.AGAIN;
      if ((yield { queues: [this.#queue], interruptible: true }) === 'signal') return -E.RESTARTSYS;
    }
    const value = this.#semaphore ? 1n : this.#counter;
    this.#counter -= value;
    new DataView(into.buffer, into.byteOffset).setBigUint64(0, value, true);
    this.#queue.wakeAll();
    return COUNTER_BYTES;
  }

  override *write(from: Uint8Array): Op<number> {
    if (from.length < COUNTER_BYTES) return -E.INVAL;
    const value = new DataView(from.buffer, from.byteOffset).getBigUint64(0, true);
    if (value > MAX_COUNTER) return -E.INVAL;
    while (this.#counter + value > MAX_COUNTER) {
      if (this.flags & O_NONBLOCK) return -E.AGAIN;
      if ((yield { queues: [this.#queue], interruptible: true }) === 'signal') return -E.RESTARTSYS;
    }
    this.#counter += value;
    this.#queue.wakeAll();
    return COUNTER_BYTES;
  }
}
