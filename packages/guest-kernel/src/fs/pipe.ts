/** Pipes: a bounded buffer between writers and readers. Source: pipe(7), Linux fs/pipe.c. */
import { E } from '../abi/errno.ts';
import {
  O_ACCMODE,
  O_NONBLOCK,
  O_RDONLY,
  O_WRONLY,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
} from '../abi/fcntl.ts';
import { FIONREAD } from '../abi/ioctl.ts';
import { type Op, sleepOn, WaitQueue } from '../task/wait.ts';
import { BaseHandle } from './file-handle.ts';
import type { Holdings } from './holdings.ts';
import type { Inode, UserMemory } from './types.ts';

/** Writes of at most this many bytes are not interleaved with others'. */
export const PIPE_BUF = 4096;
/** Capacity of a new pipe, in bytes. */
const PIPE_DEFAULT = 65536;
/** Largest that F_SETPIPE_SZ gives without privilege (/proc/sys/fs/pipe-max-size). */
export const PIPE_MAX = 1048576;

/** The buffer, and who is at its ends. */
export class Pipe {
  readers = 0;
  writers = 0;
  /** How often an end was opened: a FIFO's open waits for this to move. */
  readerOpens = 0;
  writerOpens = 0;
  /** Woken at every change: bytes, room, ends opened or closed. */
  readonly changed: WaitQueue = new WaitQueue();
  readonly #holdings: Holdings;
  /** Empty until something is put in: what there is room for is taken from the holdings then. */
  #ring: Uint8Array = new Uint8Array(0);
  #capacity = PIPE_DEFAULT;
  #start = 0;
  #length = 0;

  constructor(holdings: Holdings) {
    this.#holdings = holdings;
  }

  get capacity(): number {
    return this.#capacity;
  }

  get length(): number {
    return this.#length;
  }

  get room(): number {
    return this.#capacity - this.#length;
  }

  /** F_SETPIPE_SZ: rounds up to a power of two pages. @returns the capacity, -EBUSY if more is in it, -EINVAL, -EPERM */
  resize(wanted: number, privileged: boolean): number {
    if (wanted === 0 || wanted > 2 ** 31) return -E.INVAL;
    let capacity = 4096;
    while (capacity < wanted) capacity *= 2;
    if (capacity > PIPE_MAX && (!privileged || capacity > 64 * PIPE_MAX)) return -E.PERM;
    if (capacity < this.#length) return -E.BUSY;
    if (!this.#holdings.takeBytes(capacity - this.#ring.length)) return -E.PERM;
    const ring = new Uint8Array(capacity);
    const held = this.#length;
    this.take(ring.subarray(0, held));
    this.#ring = ring;
    this.#start = 0;
    this.#length = held;
    this.#capacity = capacity;
    this.changed.wakeAll();
    return capacity;
  }

  /** Moves bytes out. @returns how many */
  take(into: Uint8Array): number {
    const count = this.peek(into);
    this.skip(count);
    return count;
  }

  /** Copies bytes without taking them. */
  peek(into: Uint8Array): number {
    const count = Math.min(into.length, this.#length);
    const first = Math.min(count, this.#capacity - this.#start);
    into.set(this.#ring.subarray(this.#start, this.#start + first));
    if (first < count) into.set(this.#ring.subarray(0, count - first), first);
    return count;
  }

  skip(count: number): void {
    this.#length -= count;
    this.#start = this.#length === 0 ? 0 : (this.#start + count) % this.#capacity;
  }

  /** Moves bytes in as far as there is room. @returns how many */
  put(from: Uint8Array): number {
    if (this.#ring.length === 0) this.#begin();
    const count = Math.min(from.length, this.room);
    const end = (this.#start + this.#length) % this.#capacity;
    const first = Math.min(count, this.#capacity - end);
    this.#ring.set(from.subarray(0, first), end);
    if (first < count) this.#ring.set(from.subarray(first, count));
    this.#length += count;
    return count;
  }

  /** Nobody uses it any more: what it holds is lost. */
  end(): void {
    this.#holdings.bytes -= this.#ring.length;
    this.#ring = new Uint8Array(0);
    this.#start = 0;
    this.#length = 0;
  }

  /** Where the kernel holds much already a page must do, as with Linux. */
  #begin(): void {
    if (!this.#holdings.takeBytes(this.#capacity)) {
      this.#capacity = PIPE_BUF;
      this.#holdings.bytes += PIPE_BUF;
    }
    this.#ring = new Uint8Array(this.#capacity);
  }
}

/** One end of a pipe or, for a FIFO opened O_RDWR, both. */
export class PipeEnd extends BaseHandle {
  readonly kind = 'pipe';
  readonly pipe: Pipe;
  readonly #reads: boolean;
  readonly #writes: boolean;

  constructor(pipe: Pipe, inode: Inode, flags: number) {
    super(inode, flags);
    this.pipe = pipe;
    const access = flags & O_ACCMODE;
    this.#reads = access !== O_WRONLY;
    this.#writes = access !== O_RDONLY;
    if (this.#reads) {
      pipe.readers++;
      pipe.readerOpens++;
    }
    if (this.#writes) {
      pipe.writers++;
      pipe.writerOpens++;
    }
    inode.hold();
    pipe.changed.wakeAll();
  }

  override get pollQueues(): readonly WaitQueue[] {
    return [this.pipe.changed];
  }

  get label(): string {
    return `pipe:[${this.inode?.ino ?? 0}]`;
  }

  override *read(into: Uint8Array): Op<number> {
    const { pipe } = this;
    if (into.length === 0) return 0;
    while (pipe.length === 0) {
      if (pipe.writers === 0) return 0;
      if ((this.flags & O_NONBLOCK) !== 0) return -E.AGAIN;
      if ((yield* sleepOn(pipe.changed)) === 'signal') return -E.RESTARTSYS;
    }
    const count = pipe.take(into);
    pipe.changed.wakeAll();
    return count;
  }

  override *write(from: Uint8Array): Op<number> {
    const { pipe } = this;
    let done = 0;
    while (done < from.length) {
      if (pipe.readers === 0) return done > 0 ? done : -E.PIPE;
      const left = from.length - done;
      const atOnce = from.length <= PIPE_BUF ? left : 1;
      if (pipe.room >= atOnce) {
        done += pipe.put(done === 0 ? from : from.subarray(done));
        pipe.changed.wakeAll();
        continue;
      }
      if ((this.flags & O_NONBLOCK) !== 0) return done > 0 ? done : -E.AGAIN;
      if ((yield* sleepOn(pipe.changed)) === 'signal') return done > 0 ? done : -E.RESTARTSYS;
    }
    return done;
  }

  override poll(): number {
    const { pipe } = this;
    let events = 0;
    if (this.#reads) {
      if (pipe.length > 0) events |= POLLIN | POLLRDNORM;
      if (pipe.writers === 0 && pipe.writerOpens > 0) events |= POLLHUP;
    }
    if (this.#writes) {
      if (pipe.room >= PIPE_BUF) events |= POLLOUT | POLLWRNORM;
      if (pipe.readers === 0) events |= POLLERR;
    }
    return events;
  }

  override *ioctl(cmd: number, arg: number, user: UserMemory): Op<number> {
    if (cmd !== FIONREAD) return -E.NOTTY;
    return user.write32(arg, this.pipe.length) ? 0 : -E.FAULT;
  }

  override release(): void {
    if (this.#reads) this.pipe.readers--;
    if (this.#writes) this.pipe.writers--;
    if (this.pipe.readers + this.pipe.writers === 0) this.pipe.end();
    this.pipe.changed.wakeAll();
    this.inode?.drop();
  }
}
