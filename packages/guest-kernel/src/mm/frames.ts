/** The frames of the domain's memory: who is free, and how many hold each. */
export class Frames {
  /** Frames that were ever given to this allocator. */
  total = 0;
  /** Called when nothing is free; gives frames back if it can. @returns whether it has */
  reclaim: (() => boolean) | null = null;
  readonly #references: Uint32Array;
  readonly #free: Uint32Array;
  #nrFree = 0;

  /** @param nrFrames one more than the highest frame number */
  constructor(nrFrames: number) {
    this.#references = new Uint32Array(nrFrames);
    this.#free = new Uint32Array(nrFrames);
  }

  get free(): number {
    return this.#nrFree;
  }

  /** Adds frames [first, end) as free ones; the lowest is handed out first. */
  donate(first: number, end: number): void {
    for (let pfn = end - 1; pfn >= first; pfn--) {
      this.#free[this.#nrFree++] = pfn;
      this.total++;
    }
  }

  /** @returns a frame with one holder and any content, or -1 when memory is used up */
  alloc(): number {
    if (this.#nrFree === 0 && !(this.reclaim?.() && this.#nrFree > 0)) return -1;
    const pfn = this.#free[--this.#nrFree];
    this.#references[pfn] = 1;
    return pfn;
  }

  /** Another holder. */
  get(pfn: number): void {
    this.#references[pfn]++;
  }

  /** A holder less; without any the frame is free. */
  put(pfn: number): void {
    const left = --this.#references[pfn];
    if (left === 0) this.#free[this.#nrFree++] = pfn;
    else if (left === 0xffff_ffff) throw new Error(`frame ${pfn} was freed twice`);
  }

  references(pfn: number): number {
    return this.#references[pfn];
  }
}
