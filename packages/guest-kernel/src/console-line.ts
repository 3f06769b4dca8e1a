/** The console between the ring and the terminal. */
import type { PvConsole } from '@domu/console';
import type { Scheduler } from './task/scheduler.ts';
import { type Op, WaitQueue } from './task/wait.ts';
import type { Tty } from './tty/tty.ts';

const INPUT_BYTES = 1024;
/** Kernel messages that wait for room; the oldest are dropped beyond. */
const MAX_WAITING = 65_536;

/** Output of a terminal and of the kernel itself; what is typed goes to the terminal. */
export class ConsoleLine {
  /** Woken when the ring has room again. */
  readonly writable: WaitQueue = new WaitQueue();
  readonly #console: PvConsole | null;
  readonly #typed: WaitQueue = new WaitQueue();
  /** Kernel messages that the ring had no room for. */
  #waiting: Uint8Array = new Uint8Array(0);

  constructor(console: PvConsole | null) {
    this.#console = console;
    if (console === null) return;
    console.onReadable = () => this.#typed.wakeAll();
    console.onWritable = () => {
      this.#flush();
      this.writable.wakeAll();
    };
  }

  /** @returns how many bytes were taken */
  write(bytes: Uint8Array): number {
    if (this.#console === null) return bytes.length;
    this.#flush();
    return this.#waiting.length > 0 ? 0 : this.#console.write(bytes);
  }

  /** A message of the kernel's, which does not wait. */
  print(text: string): void {
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    const all = new Uint8Array(this.#waiting.length + bytes.length);
    all.set(this.#waiting);
    all.set(bytes, this.#waiting.length);
    this.#waiting = all.length > MAX_WAITING ? all.subarray(all.length - MAX_WAITING) : all;
    this.#flush();
  }

  /** Nothing waits for room. */
  get drained(): boolean {
    return this.#waiting.length === 0;
  }

  /** Feeds a terminal from now on. */
  connect(tty: Tty, scheduler: Scheduler): void {
    scheduler.spawn('khvcd', this.#feed(tty));
  }

  *#feed(tty: Tty): Op<number> {
    const buffer = new Uint8Array(INPUT_BYTES);
    for (;;) {
      const count = this.#console?.read(buffer) ?? 0;
      if (count === 0) {
        yield { queues: [this.#typed], interruptible: false };
        continue;
      }
      let rest = buffer.subarray(0, count);
      for (;;) {
        rest = rest.subarray(tty.receive(rest));
        if (rest.length === 0) break;
        yield { queues: [tty.inputRoom], interruptible: false };
      }
    }
  }

  #flush(): void {
    if (this.#waiting.length === 0 || this.#console === null) return;
    this.#waiting = this.#waiting.subarray(this.#console.write(this.#waiting));
  }
}
