import { PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import { splitVma, type Vma } from './vma.ts';

/** The lowest address that may be mapped: null pointers fault. */
export const MMAP_MIN_ADDR = 0x1_0000;

/** Regions sorted by address, none overlapping. */
export class VmaList {
  readonly #vmas: Vma[] = [];
  #last: Vma | null = null;

  [Symbol.iterator](): IterableIterator<Vma> {
    return this.#vmas[Symbol.iterator]();
  }

  get size(): number {
    return this.#vmas.length;
  }

  /** @returns the region that holds `va`, or null */
  find(va: number): Vma | null {
    const last = this.#last;
    if (last !== null && va >= last.start && va < last.end) return last;
    const vma = this.#vmas[this.#indexAfter(va)];
    if (vma === undefined || va < vma.start) return null;
    this.#last = vma;
    return vma;
  }

  /** @returns the first region that ends behind `va`, or null */
  findAfter(va: number): Vma | null {
    return this.#vmas[this.#indexAfter(va)] ?? null;
  }

  /** Preconditions: nothing is mapped there */
  insert(vma: Vma): void {
    const at = this.#indexAfter(vma.start);
    const before = this.#vmas[at - 1];
    if (before !== undefined && mergeable(before, vma)) {
      before.end = vma.end;
      return;
    }
    this.#vmas.splice(at, 0, vma);
  }

  /** Makes `start` and `end` borders of regions. @returns the regions in between */
  isolate(start: number, end: number): Vma[] {
    this.#splitAt(start);
    this.#splitAt(end);
    this.#last = null;
    const first = this.#indexAfter(start);
    let last = first;
    while (last < this.#vmas.length && this.#vmas[last].start < end) last++;
    return this.#vmas.slice(first, last);
  }

  /** Takes the regions in [start, end) out. @returns them */
  remove(start: number, end: number): Vma[] {
    const removed = this.isolate(start, end);
    if (removed.length > 0) this.#vmas.splice(this.#vmas.indexOf(removed[0]), removed.length);
    return removed;
  }

  isFree(start: number, end: number): boolean {
    const vma = this.findAfter(start);
    return vma === null || vma.start >= end;
  }

  /** @returns the highest free place of `length` bytes below `top`, or -1 */
  findFree(length: number, top: number): number {
    let end = top;
    for (let i = this.#vmas.length - 1; i >= 0; i--) {
      const vma = this.#vmas[i];
      if (vma.start >= end) continue;
      if (vma.end <= end && end - vma.end >= length) return end - length;
      end = Math.min(end, vma.start - (vma.growsDown ? PAGE_SIZE : 0));
    }
    return end - length >= MMAP_MIN_ADDR && end <= TASK_SIZE ? end - length : -1;
  }

  #splitAt(va: number): void {
    const at = this.#indexAfter(va);
    const vma = this.#vmas[at];
    if (vma === undefined || va <= vma.start) return;
    this.#vmas.splice(at + 1, 0, splitVma(vma, va));
  }

  /** Index of the first region that ends behind `va`. */
  #indexAfter(va: number): number {
    let low = 0;
    let high = this.#vmas.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#vmas[middle].end > va) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

/** Neighbours of private zeros that say the same: one region, as a growing heap makes them. */
function mergeable(a: Vma, b: Vma): boolean {
  return (
    a.end === b.start &&
    a.prot === b.prot &&
    a.source === null &&
    b.source === null &&
    !a.shared &&
    !b.shared &&
    !a.growsDown &&
    !b.growsDown &&
    a.label === b.label
  );
}
