import { EXTENT, EXTENT_USER, TLB_BASE, TLB_USER, TLB_WRITE } from './state.ts';

/** Pages `first` to before `end`, all with the same delta. */
interface Run {
  first: number;
  end: number;
  delta: number;
}

/**
 * Keeps EXTENT: the longest run of neighbouring pages that was found as the TLB's write entries came in. A second run is
 * followed beside it and takes its place when it has become longer, so an entry costs a constant number of steps.
 */
export class TlbExtent {
  readonly #words: Int32Array;
  readonly #entries: number;
  readonly #state: number;
  #longest: Run = { first: 0, end: 0, delta: 0 };
  #other: Run = { first: 0, end: 0, delta: 0 };

  /** @param words machine memory from byte 0 */
  constructor(words: Int32Array, user: boolean) {
    this.#words = words;
    this.#entries = (TLB_BASE + TLB_WRITE + (user ? TLB_USER : 0)) >> 2;
    this.#state = user ? EXTENT_USER : 0;
    this.#publish();
  }

  /** A write entry came in. */
  add(page: number, delta: number): void {
    if (this.#grow(this.#longest, page, delta)) {
      this.#publish();
      return;
    }
    if (!this.#grow(this.#other, page, delta)) {
      this.#other = { first: page, end: page + 1, delta };
      this.#absorb(this.#other);
    }
    if (length(this.#other) <= length(this.#longest)) return;
    [this.#longest, this.#other] = [this.#other, this.#longest];
    this.#publish();
  }

  /** A write entry went: of the run that it was in, the longer part is left. */
  remove(page: number): void {
    cut(this.#other, page);
    if (cut(this.#longest, page)) this.#publish();
  }

  /** All entries went. */
  clear(): void {
    for (const run of [this.#longest, this.#other]) run.end = run.first;
    this.#publish();
  }

  #grow(run: Run, page: number, delta: number): boolean {
    if (run.delta !== delta || length(run) === 0) return false;
    if (page >= run.first && page < run.end) return true;
    if (page === run.end) run.end++;
    else if (page === run.first - 1) run.first--;
    else return false;
    this.#absorb(run);
    return true;
  }

  /** Takes in neighbours that are there already. */
  #absorb(run: Run): void {
    const { delta } = run;
    while (run.end < PAGES && this.#words[this.#entries + run.end] === delta) run.end++;
    while (run.first > 0 && this.#words[this.#entries + run.first - 1] === delta) run.first--;
  }

  #publish(): void {
    const { first, end, delta } = this.#longest;
    const put = (offset: number, value: number): void => {
      this.#words[(offset + this.#state) >> 2] = value;
    };
    put(EXTENT.low, first << 12);
    // The whole address space does not fit into a word.
    put(EXTENT.bytes, Math.min((end - first) * 4096, 0xfffff000));
    put(EXTENT.delta, delta);
  }
}

const PAGES = 1 << 20;
const length = (run: Run): number => run.end - run.first;

function cut(run: Run, page: number): boolean {
  if (page < run.first || page >= run.end) return false;
  if (page - run.first > run.end - page - 1) run.end = page;
  else run.first = page + 1;
  return true;
}
