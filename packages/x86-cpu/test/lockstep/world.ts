import { Access, PAGE_WRITABLE } from '../../src/index.ts';
import { COPY_OFFSET, MAPPED_PAGES, PROGRAM_AT, PROGRAM_END, RAM_BYTES } from './layout.ts';

const PAGE = 0x1000;
const RAM_PAGES = RAM_BYTES / PAGE;
const Kind = { writable: 0, readOnly: 1, absent: 2 } as const;
const PRESENT = 1;
const WRITE = 2;
const USER = 4;
const ALL_KINDS = 3;
/** Pages below always show memory as it is. */
const LOW_PAGES = 8;
const FIRST_OF_PROGRAM = PROGRAM_AT >> 12;
const END_OF_PROGRAM = PROGRAM_END >> 12;

/** Page `n` at first: holes and read-only pages come again and again. */
function startKind(page: number): number {
  if (page < LOW_PAGES) return Kind.writable;
  if ((page & 15) === 5) return Kind.readOnly;
  return (page & 15) === 7 ? Kind.absent : Kind.writable;
}

/**
 * A small memory that shows up all over the linear address space, with holes and read-only pages in between: random
 * pointers hit something most of the time, and code is reachable by stores through many aliases. The first pages can be
 * mapped anew.
 */
export class World {
  readonly #frames: Uint8Array = new Uint8Array(MAPPED_PAGES);
  readonly #kinds: Uint8Array = new Uint8Array(MAPPED_PAGES);

  constructor() {
    this.reset();
  }

  reset(): void {
    for (let page = 0; page < MAPPED_PAGES; page++) {
      this.#frames[page] = page % RAM_PAGES;
      this.#kinds[page] = startKind(page);
    }
  }

  translate(linear: number, access: number): number {
    const page = linear >>> 12;
    const kind = this.#kinds[page] ?? startKind(page);
    const frame = this.#frames[page] ?? page % RAM_PAGES;
    const isWrite = access === Access.Write;
    const error = USER | (isWrite ? WRITE : 0);
    if (kind === Kind.absent) return -1 - error;
    if (kind === Kind.readOnly) return isWrite ? -1 - (error | PRESENT) : frame * PAGE;
    return frame * PAGE + PAGE_WRITABLE;
  }

  /** Offset of a linear address in memory, whatever may be done there. */
  offset(linear: number): number {
    const page = linear >>> 12;
    return (this.#frames[page] ?? page % RAM_PAGES) * PAGE + (linear % PAGE);
  }

  /** The next kind for a page; pages of the program stay. */
  protect(page: number): void {
    if (page >= LOW_PAGES) this.#kinds[page] = (this.#kinds[page]! + 1) % ALL_KINDS;
  }
  remap(page: number, frame: number): void {
    if (page >= FIRST_OF_PROGRAM && page < END_OF_PROGRAM) this.#frames[page]! ^= COPY_OFFSET / PAGE;
    else this.#frames[page] = frame % RAM_PAGES;
  }
  /** The program's pages show its other copy. */
  switchSpace(): void {
    for (let page = FIRST_OF_PROGRAM; page < END_OF_PROGRAM; page++) this.remap(page, 0);
  }
}
