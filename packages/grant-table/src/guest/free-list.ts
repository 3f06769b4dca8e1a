const END = 0;
const IN_USE = -1;
const RESERVED = -2;

/**
 * Free grant references, as a linked list through one array. The last one freed comes first.
 * Invariants: a reference is either on the list once, or in use · reference 0 is the toolstack's, so it can end the list
 */
export class FreeList {
  /** [ref] = next free reference, END, IN_USE or RESERVED. */
  private readonly next: number[] = [END];
  private head = END;
  private count = 0;

  /** Number of free references. */
  get nrFree(): number {
    return this.count;
  }

  /** References below this are known to the list. */
  get end(): number {
    return this.next.length;
  }

  /** Adds the references from `end` to below `to`. References below `firstFree` are never handed out. */
  extend(to: number, firstFree: number): void {
    const from = Math.max(this.next.length, firstFree);
    while (this.next.length < to) this.next.push(this.next.length < firstFree ? RESERVED : IN_USE);
    for (let ref = to - 1; ref >= from; ref--) this.put(ref);
  }

  /** @returns a free reference, now in use, or -1 when there is none */
  take(): number {
    const ref = this.head;
    if (ref === END) return -1;
    this.head = this.next[ref];
    this.next[ref] = IN_USE;
    this.count--;
    return ref;
  }

  /** Gives a reference back. Throws when it is not in use: whoever freed it twice would share it with somebody else. */
  put(ref: number): void {
    if (!(ref > 0 && ref < this.next.length) || this.next[ref] !== IN_USE)
      throw new Error(`grant reference ${ref} is not in use`);
    this.next[ref] = this.head;
    this.head = ref;
    this.count++;
  }
}
