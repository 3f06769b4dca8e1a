/** signalfd(2): blocked signals as a file. */
import { E } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR, POLLIN } from '../abi/fcntl.ts';
import { NO_SIGNALS, type SignalInfo, type SignalSet } from '../abi/signals.ts';
import { BaseHandle } from '../fs/file-handle.ts';
import type { Caller, FileHandle } from '../fs/types.ts';
import { Task } from '../task/task.ts';
import { type Op, WaitQueue } from '../task/wait.ts';

/** struct signalfd_siginfo. */
const RECORD_BYTES = 128;

export class SignalFile extends BaseHandle {
  readonly kind: FileHandle['kind'] = 'anonymous';
  readonly label = 'anon_inode:[signalfd]';
  mask: SignalSet;
  /** Who made it: whose signals poll looks at. */
  readonly #owner: Task;

  constructor(owner: Task, mask: SignalSet, nonblock: boolean) {
    super(undefined, O_RDWR | (nonblock ? O_NONBLOCK : 0));
    this.#owner = owner;
    this.mask = mask;
  }

  override get pollQueues(): readonly WaitQueue[] {
    return [queueOf(this.#owner)];
  }

  override poll(): number {
    const { pending, process } = this.#owner;
    return ((pending.set | process.pending.set) & this.mask) === NO_SIGNALS ? 0 : POLLIN;
  }

  override *read(into: Uint8Array, _pos: number | undefined, caller: Caller): Op<number> {
    if (into.length < RECORD_BYTES || !(caller instanceof Task)) return -E.INVAL;
    let done = 0;
    while (done + RECORD_BYTES <= into.length) {
      const info = caller.pending.take(this.mask) ?? caller.process.pending.take(this.mask);
      if (info !== null) {
        encode(info, into.subarray(done, done + RECORD_BYTES));
        done += RECORD_BYTES;
        caller.kernel.signals.recompute(caller);
        continue;
      }
      if (done > 0) break;
      if (this.flags & O_NONBLOCK) return -E.AGAIN;
      if ((yield { queues: [queueOf(caller)], interruptible: true }) === 'signal') return -E.RESTARTSYS;
    }
    return done;
  }
}

function queueOf(task: Task): WaitQueue {
  task.signalQueue ??= new WaitQueue();
  return task.signalQueue;
}

function encode(info: SignalInfo, into: Uint8Array): void {
  into.fill(0);
  const view = new DataView(into.buffer, into.byteOffset);
  view.setUint32(0, info.signal, true);
  view.setInt32(8, info.code, true);
  view.setUint32(12, info.pid ?? 0, true);
  view.setUint32(16, info.uid ?? 0, true);
  view.setInt32(40, info.status ?? 0, true);
  view.setInt32(44, info.value ?? 0, true);
}
