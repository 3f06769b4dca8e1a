/** epoll(7). */
import { E } from '../abi/errno.ts';
import { O_RDWR, POLLERR, POLLHUP, POLLIN } from '../abi/fcntl.ts';
import { BaseHandle } from '../fs/file-handle.ts';
import type { FileHandle } from '../fs/types.ts';
import { type Op, WaitQueue } from '../task/wait.ts';

export const EPOLL_CTL_ADD = 1;
export const EPOLL_CTL_DEL = 2;
export const EPOLL_CTL_MOD = 3;
const EPOLLONESHOT = 0x4000_0000;
const EPOLLET = 0x8000_0000;
const EPOLLEXCLUSIVE = 0x1000_0000;
const EPOLLWAKEUP = 0x2000_0000;
const OPTIONS = EPOLLONESHOT | EPOLLET | EPOLLEXCLUSIVE | EPOLLWAKEUP;
const MAX_NESTING = 5;

/** struct epoll_event: what happened, and what the program wants to be told with it. */
export interface EpollEvent {
  readonly events: number;
  /** Two words that are the program's own. */
  readonly data: readonly [number, number];
}

class Interest {
  readonly handle: FileHandle;
  readonly fd: number;
  events: number;
  data: readonly [number, number];
  /** Something may have happened since it was last reported: what an edge-triggered interest waits for. */
  fresh = true;
  #cancel: (() => void)[] = [];
  #watching = false;
  readonly #notify: () => void;

  constructor(handle: FileHandle, fd: number, event: EpollEvent, notify: () => void) {
    this.handle = handle;
    this.fd = fd;
    this.events = event.events;
    this.data = event.data;
    this.#notify = notify;
  }

  /** What is ready that was asked for. */
  ready(): number {
    const asked = (this.events & ~OPTIONS) | POLLERR | POLLHUP;
    if ((this.events & ~OPTIONS) === 0 && this.events & EPOLLONESHOT) return 0;
    if (this.events & EPOLLET && !this.fresh) return 0;
    return this.handle.poll() & asked;
  }

  watch(): void {
    if (this.#watching) return;
    this.#watching = true;
    this.#cancel = this.handle.pollQueues.map((queue) =>
      queue.add(() => {
        this.unwatch();
        this.fresh = true;
        this.#notify();
      }),
    );
  }

  unwatch(): void {
    this.#watching = false;
    for (const cancel of this.#cancel) cancel();
    this.#cancel = [];
  }
}

export class EpollFile extends BaseHandle {
  readonly kind: FileHandle['kind'] = 'anonymous';
  readonly label = 'anon_inode:[eventpoll]';
  readonly #interests: Map<number, Interest> = new Map();
  readonly #queue: WaitQueue = new WaitQueue();

  constructor() {
    super(undefined, O_RDWR);
  }

  override get pollQueues(): readonly WaitQueue[] {
    for (const interest of this.#interests.values()) interest.watch();
    return [this.#queue];
  }

  override poll(): number {
    for (const interest of this.#live()) if (interest.ready() !== 0) return POLLIN;
    return 0;
  }

  /** How deep epolls are nested below this one. */
  get depth(): number {
    let deepest = 0;
    for (const { handle } of this.#interests.values())
      if (handle instanceof EpollFile) deepest = Math.max(deepest, handle.depth);
    return deepest + 1;
  }

  /** epoll_ctl. */
  control(op: number, fd: number, handle: FileHandle, event: EpollEvent): number {
    const known = this.#interests.get(fd);
    const current = known?.handle === handle ? known : undefined;
    switch (op) {
      case EPOLL_CTL_ADD:
        if (current !== undefined) return -E.EXIST;
        if (handle.kind === 'file' || handle.kind === 'directory') return -E.PERM;
        if (handle instanceof EpollFile && (handle === this || handle.#reaches(this))) return -E.LOOP;
        if (handle instanceof EpollFile && handle.depth >= MAX_NESTING) return -E.INVAL;
        known?.unwatch();
        this.#interests.set(fd, new Interest(handle, fd, event, () => this.#queue.wakeAll()));
        break;
      case EPOLL_CTL_MOD:
        if (current === undefined) return -E.NOENT;
        current.events = event.events;
        current.data = event.data;
        current.fresh = true;
        break;
      case EPOLL_CTL_DEL:
        if (current === undefined) return -E.NOENT;
        current.unwatch();
        this.#interests.delete(fd);
        return 0;
      default:
        return -E.INVAL;
    }
    // Whoever waits already looks again, and watches the new one.
    this.#queue.wakeAll();
    return 0;
  }

  /** @param deadline by CLOCK_MONOTONIC; undefined: for ever */
  *wait(max: number, deadline: bigint | undefined, now: () => bigint): Op<readonly EpollEvent[] | number> {
    for (;;) {
      const found = this.#collect(max);
      if (found.length > 0) return found;
      if (deadline !== undefined && now() >= deadline) return found;
      const sleep = { queues: this.pollQueues, interruptible: true };
      const why = yield deadline === undefined ? sleep : { ...sleep, deadline };
      if (why === 'signal') return -E.INTR;
    }
  }

  override release(): void {
    for (const interest of this.#interests.values()) interest.unwatch();
    this.#interests.clear();
  }

  /** Ready ones, those reported last at the end of the line. */
  #collect(max: number): EpollEvent[] {
    const found: EpollEvent[] = [];
    for (const interest of [...this.#live()]) {
      if (found.length === max) break;
      // Watched before it is asked: what happens in between is not lost.
      interest.watch();
      const events = interest.ready();
      if (events === 0) continue;
      interest.fresh = false;
      found.push({ events, data: interest.data });
      if (interest.events & EPOLLONESHOT) interest.events = EPOLLONESHOT;
      this.#interests.delete(interest.fd);
      this.#interests.set(interest.fd, interest);
    }
    return found;
  }

  /** Those whose files are still open. */
  *#live(): Generator<Interest> {
    for (const [fd, interest] of this.#interests) {
      if (interest.handle.refs > 0) yield interest;
      else {
        interest.unwatch();
        this.#interests.delete(fd);
      }
    }
  }

  #reaches(target: EpollFile): boolean {
    for (const { handle } of this.#interests.values())
      if (handle === target || (handle instanceof EpollFile && handle.#reaches(target))) return true;
    return false;
  }
}
