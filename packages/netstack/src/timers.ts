/** What a stack gets from whoever runs it. */
export interface StackHost {
  /** Nanoseconds since a fixed point; never goes back. */
  nowNs(): number;
  /** An unsigned 32-bit random number. */
  random32(): number;
  /** `nextDeadlineNs` has become earlier. Must not call back into the stack. */
  deadlineChanged?(): void;
}

export const MS = 1_000_000;
export const SECOND = 1_000_000_000;

/** One alarm. Filed at most once, at or before its time: setting it later costs nothing, as does stopping it. */
export class Timer {
  /** When it goes off; Infinity if it is not set. */
  at: number = Infinity;
  readonly fire: () => void;
  readonly #queue: TimerQueue;

  constructor(queue: TimerQueue, fire: () => void) {
    this.#queue = queue;
    this.fire = fire;
  }

  get isSet(): boolean {
    return this.at !== Infinity;
  }

  /** @param deltaNs from now */
  set(deltaNs: number): void {
    this.#queue.set(this, deltaNs);
  }

  stop(): void {
    this.at = Infinity;
  }

  /** Stops the timer and takes it out of its queue, which holds it no longer. */
  release(): void {
    this.at = Infinity;
    this.#queue.remove(this);
  }
}

interface Entry {
  readonly timer: Timer;
  filedAt: number;
  order: number;
  index: number;
}

/** Alarms in the order of their deadlines; equal ones in the order they were filed. */
export class TimerQueue {
  readonly #host: StackHost;
  /** A binary heap by `filedAt`, then `order`. */
  readonly #heap: Entry[] = [];
  readonly #entries: Map<Timer, Entry> = new Map();
  #order = 0;

  constructor(host: StackHost) {
    this.#host = host;
  }

  get nowNs(): number {
    return this.#host.nowNs();
  }

  /** When `tick` wants to be called next; may be earlier than any alarm. Infinity if there is none. */
  nextDeadlineNs(): number {
    return this.#heap[0]?.filedAt ?? Infinity;
  }

  set(timer: Timer, deltaNs: number): void {
    const at = this.#host.nowNs() + deltaNs;
    timer.at = at;
    const earliest = this.nextDeadlineNs();
    let entry = this.#entries.get(timer);
    if (entry === undefined) {
      entry = { timer, filedAt: at, order: this.#order++, index: this.#heap.length };
      this.#entries.set(timer, entry);
      this.#heap.push(entry);
    } else if (at < entry.filedAt) {
      entry.filedAt = at;
      entry.order = this.#order++;
    } else return;
    this.#rise(entry);
    if (at < earliest) this.#host.deadlineChanged?.();
  }

  remove(timer: Timer): void {
    const entry = this.#entries.get(timer);
    if (entry === undefined) return;
    this.#entries.delete(timer);
    const last = this.#heap.pop()!;
    if (last === entry) return;
    this.#put(last, entry.index);
    this.#rise(last);
    this.#sink(last);
  }

  /** Fires what is due. A timer that is set while others fire goes off in a later call. */
  tick(): void {
    const now = this.#host.nowNs();
    const due: Timer[] = [];
    while (this.nextDeadlineNs() <= now) {
      const entry = this.#heap[0]!;
      const { timer } = entry;
      if (timer.at <= now || !timer.isSet) {
        this.remove(timer);
        if (timer.isSet) due.push(timer);
        continue;
      }
      entry.filedAt = timer.at;
      entry.order = this.#order++;
      this.#sink(entry);
    }
    for (const timer of due) {
      if (timer.at > now) continue;
      timer.stop();
      timer.fire();
    }
  }

  #rise(entry: Entry): void {
    while (entry.index > 0) {
      const parent = this.#heap[(entry.index - 1) >> 1]!;
      if (before(parent, entry)) return;
      const { index } = entry;
      this.#put(entry, parent.index);
      this.#put(parent, index);
    }
  }

  #sink(entry: Entry): void {
    for (;;) {
      const { index } = entry;
      const [left, right] = [this.#heap[2 * index + 1], this.#heap[2 * index + 2]];
      if (left === undefined) return;
      const child = right !== undefined && before(right, left) ? right : left;
      if (before(entry, child)) return;
      this.#put(entry, child.index);
      this.#put(child, index);
    }
  }

  #put(entry: Entry, index: number): void {
    entry.index = index;
    this.#heap[index] = entry;
  }
}

const before = (a: Entry, b: Entry): boolean =>
  a.filedAt < b.filedAt || (a.filedAt === b.filedAt && a.order < b.order);
