/** An open terminal: reading with VMIN and VTIME, writing with back-pressure, job control. */
import { E } from '../abi/errno.ts';
import {
  O_NOCTTY,
  O_NONBLOCK,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
} from '../abi/fcntl.ts';
import { SIGTTIN, SIGTTOU } from '../abi/signal-numbers.ts';
import { ICANON, TOSTOP, VMIN, VTIME } from '../abi/termios.ts';
import { BaseHandle } from '../fs/file-handle.ts';
import type { Caller, Inode, UserMemory } from '../fs/types.ts';
import type { Op, WaitQueue } from '../task/wait.ts';
import { mayUse } from './job-control.ts';
import type { Tty } from './tty.ts';
import { ttyIoctl } from './tty-ioctl.ts';

const NS_PER_DECISECOND = 100_000_000n;

export class TtyFile extends BaseHandle {
  readonly kind = 'character';
  readonly tty: Tty;
  readonly #generation: number;
  readonly #onRelease: (() => void) | undefined;

  constructor(tty: Tty, inode: Inode | undefined, flags: number, onRelease?: () => void) {
    super(inode, flags & ~O_NOCTTY);
    this.tty = tty;
    this.#generation = tty.generation;
    this.#onRelease = onRelease;
    tty.openCount++;
  }

  override get pollQueues(): readonly WaitQueue[] {
    return [this.tty.readable, this.tty.writable];
  }

  get isDead(): boolean {
    return this.tty.generation !== this.#generation;
  }

  override *read(into: Uint8Array, _pos: number | undefined, caller: Caller): Op<number> {
    if (this.isDead) return 0;
    const { tty } = this;
    const refused = mayUse(tty, caller, SIGTTIN);
    if (refused < 0) return refused;
    if (into.length === 0) return 0;
    const canonical = (tty.termios.lflag & ICANON) !== 0;
    const count = yield* canonical ? this.#readLine(into) : this.#readRaw(into);
    if (count > 0) tty.inputRoom.wakeAll();
    return count;
  }

  override *write(from: Uint8Array, _pos: number | undefined, caller: Caller): Op<number> {
    const { tty } = this;
    if ((tty.termios.lflag & TOSTOP) !== 0) {
      const refused = mayUse(tty, caller, SIGTTOU);
      if (refused < 0) return refused;
    }
    let done = 0;
    for (;;) {
      if (this.isDead) return -E.IO;
      done += tty.put(done === 0 ? from : from.subarray(done));
      if (done === from.length) return done;
      if ((this.flags & O_NONBLOCK) !== 0) return done > 0 ? done : -E.AGAIN;
      const wake = yield { queues: [tty.writable], interruptible: true };
      if (wake === 'signal') return done > 0 ? done : -E.RESTARTSYS;
    }
  }

  override poll(): number {
    if (this.isDead) return POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;
    const { tty } = this;
    const reads = tty.isReadable() ? POLLIN | POLLRDNORM : 0;
    const writes = tty.output.room >= 256 ? POLLOUT | POLLWRNORM : 0;
    return reads | writes;
  }

  override *ioctl(cmd: number, arg: number, user: UserMemory, caller: Caller): Op<number> {
    if (this.isDead) return -E.IO;
    return yield* ttyIoctl(this.tty, this.tty, cmd, arg, user, caller, false);
  }

  override release(): void {
    if (!this.isDead) this.tty.openCount--;
    this.#onRelease?.();
  }

  *#readLine(into: Uint8Array): Op<number> {
    const { tty } = this;
    while (tty.input.available === 0) {
      const woken = yield* this.#sleep(undefined);
      if (woken !== 'again') return woken;
      if ((tty.termios.lflag & ICANON) === 0) return yield* this.#readRaw(into);
    }
    return tty.input.take(into);
  }

  *#readRaw(into: Uint8Array): Op<number> {
    const { tty } = this;
    const { cc } = tty.termios;
    const minimum = Math.min(cc[VMIN]!, into.length);
    const pause = BigInt(cc[VTIME]!) * NS_PER_DECISECOND;
    let done = 0;
    let deadline = minimum === 0 && pause > 0n ? tty.kernel.monotonicNs() + pause : undefined;
    for (;;) {
      const count = tty.input.take(into.subarray(done));
      done += count;
      if (count > 0 && minimum > 0 && pause > 0n) deadline = tty.kernel.monotonicNs() + pause;
      if (done > 0 ? done >= minimum : minimum === 0 && pause === 0n) return done;
      if (deadline !== undefined && tty.kernel.monotonicNs() >= deadline) return done;
      if (count > 0) tty.inputRoom.wakeAll();
      const woken = yield* this.#sleep(deadline);
      if (woken !== 'again') return done > 0 ? done : woken;
    }
  }

  /** @returns 'again' to look again, or what the read is to return */
  *#sleep(deadline: bigint | undefined): Op<'again' | number> {
    if ((this.flags & O_NONBLOCK) !== 0) return -E.AGAIN;
    const queues = [this.tty.readable];
    const wake = yield { queues, interruptible: true, ...(deadline === undefined ? {} : { deadline }) };
    if (this.isDead) return 0;
    return wake === 'signal' ? -E.RESTARTSYS : 'again';
  }
}
