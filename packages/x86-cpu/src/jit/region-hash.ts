import {
  REGION_HASH,
  REGION_HASH_BYTES,
  REGION_HASH_ENTRIES,
  REGION_SECOND,
  secondPlaceOf,
} from '../state.ts';

/** Entries remembered for a cheap flush; beyond them a flush clears the hash whole. */
const MAX_FILLED = 16_384;

/**
 * The hash in machine memory by which compiled code is found. An entry's place is told by its EIP; one whose place is taken
 * lies at a second, which only the dispatcher looks at. When that is taken too, the last to come has the first place.
 */
export class RegionHash {
  readonly #words: Int32Array;
  /** Indices of words that were written since the last flush. */
  readonly #filled: Int32Array = new Int32Array(MAX_FILLED);
  #nrFilled = 0;

  /** @param words machine memory from byte 0 */
  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** From now on the region in `slot` is found. */
  set(eip: number, user: boolean, slot: number): void {
    this.delete(eip, user);
    const first = firstIndex(eip, user);
    const second = secondIndex(eip, user);
    this.#put(this.#isFree(first) || !this.#isFree(second) ? first : second, eip, slot);
  }

  /** No region is found at `eip` from now on. */
  delete(eip: number, user: boolean): void {
    for (const index of [firstIndex(eip, user), secondIndex(eip, user)]) {
      if (this.#words[index]! >>> 0 !== eip) continue;
      this.#words[index] = 0;
      this.#words[index + 1] = 0;
    }
  }

  clear(): void {
    if (this.#nrFilled > MAX_FILLED) this.#words.fill(0, REGION_HASH >> 2, END >> 2);
    const nr = Math.min(this.#nrFilled, MAX_FILLED);
    for (let i = 0; i < nr; i++) {
      const index = this.#filled[i]!;
      this.#words[index] = 0;
      this.#words[index + 1] = 0;
    }
    this.#nrFilled = 0;
  }

  /** What is found now: words {index, EIP, slot} of each entry. */
  entries(): Int32Array {
    const found: number[] = [];
    const nr = Math.min(this.#nrFilled, MAX_FILLED);
    for (let i = 0; i < nr; i++) {
      const index = this.#filled[i]!;
      if (!this.#isFree(index)) found.push(index, this.#words[index]!, this.#words[index + 1]!);
    }
    return Int32Array.from(found);
  }

  /** Puts entries back where nothing else has come meanwhile. */
  restore(entries: Int32Array): void {
    for (let i = 0; i < entries.length; i += 3) {
      const index = entries[i]!;
      if (this.#isFree(index)) this.#put(index, entries[i + 1]!, entries[i + 2]!);
    }
  }

  #isFree(index: number): boolean {
    return this.#words[index + 1] === 0;
  }

  #put(index: number, eip: number, slot: number): void {
    if (this.#nrFilled < MAX_FILLED) this.#filled[this.#nrFilled] = index;
    this.#nrFilled++;
    this.#words[index] = eip;
    this.#words[index + 1] = slot;
  }
}

const END = REGION_HASH + 2 * REGION_HASH_BYTES;
const base = (user: boolean): number => REGION_HASH + (user ? REGION_HASH_BYTES : 0);
const firstIndex = (eip: number, user: boolean): number =>
  (base(user) >> 2) + (eip & (REGION_HASH_ENTRIES - 1)) * 2;
const secondIndex = (eip: number, user: boolean): number =>
  ((base(user) + REGION_SECOND) >> 2) + secondPlaceOf(eip) * 2;
