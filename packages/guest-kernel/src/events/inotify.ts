/** inotify(7): a queue of what happened to watched files. */
import { E } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDONLY, POLLIN, POLLRDNORM } from '../abi/fcntl.ts';
import {
  IN_ALL_EVENTS,
  IN_DELETE_SELF,
  IN_EXCL_UNLINK,
  IN_IGNORED,
  IN_ISDIR,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_ONESHOT,
  IN_Q_OVERFLOW,
} from '../abi/inotify.ts';
import { FIONREAD } from '../abi/ioctl.ts';
import { BaseHandle } from '../fs/file-handle.ts';
import type { ByteString, FileHandle, Inode, UserMemory } from '../fs/types.ts';
import { type Op, WaitQueue } from '../task/wait.ts';

const EVENT_BYTES = 16;
/** Linux's max_queued_events and max_user_watches, the latter for each queue. */
const MAX_QUEUED = 16_384;
const MAX_WATCHES = 8192;

interface InotifyEvent {
  readonly wd: number;
  readonly mask: number;
  readonly cookie: number;
  /** Of what is in a watched directory; empty for the watched file itself. */
  readonly name: ByteString;
}

/** With its NUL and filled up, as it is told. */
const nameBytes = (name: ByteString): number =>
  name === '' ? 0 : Math.ceil((name.length + 1) / EVENT_BYTES) * EVENT_BYTES;

const isSame = (a: InotifyEvent, b: InotifyEvent): boolean =>
  a.wd === b.wd && a.mask === b.mask && a.cookie === b.cookie && a.name === b.name;

interface Watch {
  readonly wd: number;
  readonly inode: Inode;
  mask: number;
  notify(mask: number, name: ByteString, cookie: number): void;
}

export class InotifyFile extends BaseHandle {
  readonly kind: FileHandle['kind'] = 'anonymous';
  readonly label = 'anon_inode:inotify';
  readonly #queue: WaitQueue = new WaitQueue();
  readonly #watches: Map<number, Watch> = new Map();
  #events: InotifyEvent[] = [];
  #nextWd = 1;

  constructor(nonblock: boolean) {
    super(undefined, O_RDONLY | (nonblock ? O_NONBLOCK : 0));
  }

  override get pollQueues(): readonly WaitQueue[] {
    return [this.#queue];
  }

  override poll(): number {
    return this.#events.length > 0 ? POLLIN | POLLRDNORM : 0;
  }

  /** inotify_add_watch. @returns its number. Errors: -ENOSPC, -EEXIST */
  watch(inode: Inode, mask: number): number {
    const kept = mask & (IN_ALL_EVENTS | IN_EXCL_UNLINK | IN_ONESHOT);
    for (const known of this.#watches.values()) {
      if (known.inode !== inode) continue;
      if (mask & IN_MASK_CREATE) return -E.EXIST;
      known.mask = mask & IN_MASK_ADD ? known.mask | kept : kept;
      return known.wd;
    }
    if (this.#watches.size >= MAX_WATCHES) return -E.NOSPC;
    const wd = this.#nextWd++;
    const watch: Watch = {
      ...{ wd, inode, mask: kept },
      notify: (bits, name, cookie) => this.#happened(watch, { wd, mask: bits, cookie, name }),
    };
    this.#watches.set(wd, watch);
    inode.hold();
    inode.watches ??= new Set();
    inode.watches.add(watch);
    return wd;
  }

  /** inotify_rm_watch. Errors: -EINVAL */
  unwatch(wd: number): number {
    const watch = this.#watches.get(wd);
    if (watch === undefined) return -E.INVAL;
    this.#forget(watch);
    this.#put({ wd, mask: IN_IGNORED, cookie: 0, name: '' });
    return 0;
  }

  #forget({ wd, inode }: Watch): void {
    const watch = this.#watches.get(wd);
    if (watch === undefined) return;
    this.#watches.delete(wd);
    inode.watches?.delete(watch);
    if (inode.watches?.size === 0) inode.watches = undefined;
    inode.drop();
  }

  #happened(watch: Watch, event: InotifyEvent): void {
    const isWanted = (event.mask & watch.mask & IN_ALL_EVENTS) !== 0;
    if (isWanted) this.#put(event);
    const isOver = (event.mask & ~IN_ISDIR) === IN_DELETE_SELF || (isWanted && watch.mask & IN_ONESHOT);
    if (isOver) this.unwatch(watch.wd);
  }

  /** The same event is not told twice in a row. */
  #put(event: InotifyEvent): void {
    const last = this.#events.at(-1);
    if (last !== undefined && isSame(last, event)) return;
    const isFull = this.#events.length >= MAX_QUEUED;
    if (isFull && last?.mask === IN_Q_OVERFLOW) return;
    this.#events.push(isFull ? { wd: -1, mask: IN_Q_OVERFLOW, cookie: 0, name: '' } : event);
    this.#queue.wakeAll();
  }

  override *read(into: Uint8Array): Op<number> {
    while (this.#events.length === 0) {
      if (this.flags & O_NONBLOCK) return -E.AGAIN;
      if ((yield { queues: [this.#queue], interruptible: true }) === 'signal') return -E.RESTARTSYS;
    }
    const view = new DataView(into.buffer, into.byteOffset, into.byteLength);
    let [at, taken] = [0, 0];
    for (const { wd, mask, cookie, name } of this.#events) {
      const length = nameBytes(name);
      if (at + EVENT_BYTES + length > into.length) break;
      view.setInt32(at, wd, true);
      for (const [i, word] of [mask, cookie, length].entries()) view.setUint32(at + 4 + 4 * i, word, true);
      into.fill(0, at + EVENT_BYTES, at + EVENT_BYTES + length);
      for (let i = 0; i < name.length; i++) into[at + EVENT_BYTES + i] = name.charCodeAt(i);
      at += EVENT_BYTES + length;
      taken++;
    }
    this.#events = this.#events.slice(taken);
    return taken === 0 ? -E.INVAL : at;
  }

  override *ioctl(cmd: number, arg: number, user: UserMemory): Op<number> {
    if (cmd !== FIONREAD) return -E.NOTTY;
    const bytes = this.#events.reduce((sum, { name }) => sum + EVENT_BYTES + nameBytes(name), 0);
    return user.write32(arg, bytes) ? 0 : -E.FAULT;
  }

  override release(): void {
    for (const watch of [...this.#watches.values()]) this.#forget(watch);
    this.#events = [];
  }
}
