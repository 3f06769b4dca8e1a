/** What shall happen when: a heap of deadlines. */

/** A timer that can be taken back. */
export interface KernelTimer {
  readonly deadline: bigint;
  cancel(): void;
}

class Entry implements KernelTimer {
  readonly deadline: bigint;
  fire: ((now: bigint) => void) | null;
  readonly order: number;
  readonly #owner: { cancelled: number };

  constructor(deadline: bigint, order: number, fire: (now: bigint) => void, owner: { cancelled: number }) {
    this.deadline = deadline;
    this.order = order;
    this.fire = fire;
    this.#owner = owner;
  }

  cancel(): void {
    if (this.fire === null) return;
    this.fire = null;
    this.#owner.cancelled++;
  }
}

/** Timers by CLOCK_MONOTONIC, in nanoseconds; those due at the same time fire in the order in which they were set. */
export class Timers {
  #heap: Entry[] = [];
  #order = 0;
  readonly #count = { cancelled: 0 };

  /** @param fire is told the time at which it is called */
  set(deadline: bigint, fire: (now: bigint) => void): KernelTimer {
    if (this.#count.cancelled > 64 && this.#count.cancelled > this.#heap.length / 2) this.#sweep();
    const entry = new Entry(deadline, this.#order++, fire, this.#count);
    this.#heap.push(entry);
    this.#up(this.#heap.length - 1);
    return entry;
  }

  /** @returns the earliest deadline, or null */
  next(): bigint | null {
    while (this.#heap.length > 0 && this.#heap[0].fire === null) this.#pop();
    return this.#heap.length > 0 ? this.#heap[0].deadline : null;
  }

  /** Fires everything that is due. What fires may set timers; those wait for the next call even if they are due. */
  runDue(now: bigint): void {
    const due: Entry[] = [];
    for (let next = this.next(); next !== null && next <= now; next = this.next()) due.push(this.#pop());
    for (const entry of due) {
      const { fire } = entry;
      entry.fire = null;
      fire?.(now);
    }
  }

  #sweep(): void {
    const live = this.#heap.filter((entry) => entry.fire !== null).sort((a, b) => (before(a, b) ? -1 : 1));
    this.#heap = live;
    this.#count.cancelled = 0;
  }

  #pop(): Entry {
    const [top] = this.#heap;
    const last = this.#heap.pop() as Entry;
    if (this.#heap.length > 0) {
      this.#heap[0] = last;
      this.#down(0);
    }
    if (top.fire === null) this.#count.cancelled--;
    return top;
  }

  #up(from: number): void {
    for (let i = from; i > 0; ) {
      const parent = (i - 1) >>> 1;
      if (!before(this.#heap[i], this.#heap[parent])) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #down(from: number): void {
    for (let i = from; ; ) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2])
        if (child < this.#heap.length && before(this.#heap[child], this.#heap[least])) least = child;
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #swap(i: number, j: number): void {
    [this.#heap[i], this.#heap[j]] = [this.#heap[j], this.#heap[i]];
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.deadline < b.deadline || (a.deadline === b.deadline && a.order < b.order);
}
