import {
  CODE_TLB,
  CODE_TLB_ENTRIES,
  TLB_BASE,
  TLB_MISS,
  TLB_TABLE_BYTES,
  TLB_USER,
  TLB_WRITE,
} from './state.ts';
import { TlbExtent } from './tlb-extent.ts';

/** Pages remembered for a cheap flush; beyond them a flush clears the tables whole. */
const TRACKED_PAGES = 8192;
const WORDS = 4;

/** The software TLB: tables in machine memory that generated code reads. */
export class Tlb {
  readonly #words: Int32Array;
  readonly #filled: Int32Array = new Int32Array(TRACKED_PAGES);
  #nrFilled = 0;
  /** For supervisor and user mode. */
  readonly #extents: readonly [TlbExtent, TlbExtent];

  /** @param words machine memory from byte 0 */
  constructor(words: Int32Array) {
    this.#words = words;
    this.#extents = [new TlbExtent(words, false), new TlbExtent(words, true)];
    this.#clearAll();
  }

  #index(linear: number, user: boolean, write: boolean): number {
    const table = TLB_BASE + (user ? TLB_USER : 0) + (write ? TLB_WRITE : 0);
    return (table >> 2) + (linear >>> 12);
  }

  /** The word for a page: host minus linear address, or TLB_MISS. */
  lookup(linear: number, user: boolean, write: boolean): number {
    return this.#words[this.#index(linear, user, write)] ?? TLB_MISS;
  }

  /** Installs a read entry, and a write entry when `writable`. @param host byte offset of the page in machine memory */
  fill(linear: number, user: boolean, host: number, writable: boolean): void {
    const page = linear >>> 12;
    const delta = (host - ((page << 12) >>> 0)) | 0;
    const read = this.#index(linear, user, false);
    const write = this.#index(linear, user, true);
    if (this.#words[read] === TLB_MISS && this.#words[write] === TLB_MISS) this.#remember(page);
    this.#words[read] = delta;
    if (!writable) return;
    const extent = this.#extents[user ? 1 : 0];
    if (this.#words[write] !== TLB_MISS && this.#words[write] !== delta) extent.remove(page);
    this.#words[write] = delta;
    extent.add(page, delta);
  }

  #remember(page: number): void {
    if (this.#nrFilled < TRACKED_PAGES) this.#filled[this.#nrFilled] = page;
    this.#nrFilled++;
  }

  /** Host address of a code page, or 0 when it is not known. */
  lookupCode(linear: number, user: boolean): number {
    const slot = this.#codeSlot(linear);
    if (this.#words[slot] !== codeKey(linear, user)) return 0;
    return (this.#words[slot + 1] ?? 0) >>> 0;
  }

  fillCode(linear: number, user: boolean, host: number): void {
    const slot = this.#codeSlot(linear);
    this.#words[slot] = codeKey(linear, user);
    this.#words[slot + 1] = host;
  }

  #codeSlot(linear: number): number {
    return (CODE_TLB >> 2) + ((linear >>> 12) & (CODE_TLB_ENTRIES - 1)) * 2;
  }

  /** Removes every write entry for a page of machine memory, so that stores to it are seen. */
  protect(host: number): void {
    if (this.#nrFilled > TRACKED_PAGES) {
      this.flush();
      return;
    }
    for (let i = 0; i < this.#nrFilled; i++) {
      const page = this.#filled[i] ?? 0;
      const delta = (host - ((page << 12) >>> 0)) | 0;
      for (const user of [false, true]) {
        const index = this.#index((page << 12) >>> 0, user, true);
        if (this.#words[index] !== delta) continue;
        this.#words[index] = TLB_MISS;
        this.#extents[user ? 1 : 0].remove(page);
      }
    }
  }

  flush(): void {
    this.#words.fill(0, CODE_TLB >> 2, (CODE_TLB >> 2) + CODE_TLB_ENTRIES * 2);
    if (this.#nrFilled > TRACKED_PAGES) this.#clearAll();
    else for (let i = 0; i < this.#nrFilled; i++) this.#clearPage(this.#filled[i] ?? 0);
    this.#nrFilled = 0;
    for (const extent of this.#extents) extent.clear();
  }

  flushPage(linear: number): void {
    this.#clearPage(linear >>> 12);
    for (const extent of this.#extents) extent.remove(linear >>> 12);
    this.#words[this.#codeSlot(linear)] = 0;
  }

  #clearPage(page: number): void {
    const first = (TLB_BASE >> 2) + page;
    const stride = TLB_TABLE_BYTES >> 2;
    for (let table = 0; table < WORDS; table++) this.#words[first + table * stride] = TLB_MISS;
  }

  #clearAll(): void {
    this.#words.fill(TLB_MISS, TLB_BASE >> 2, (TLB_BASE + WORDS * TLB_TABLE_BYTES) >> 2);
  }
}

function codeKey(linear: number, user: boolean): number {
  return (linear & -4096) | (user ? 2 : 0) | 1;
}
