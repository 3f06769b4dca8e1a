import { Seg } from './names.ts';
import { S, SEG, SEG_BYTES, SEG_READ, SEG_WHOLE, SEG_WRITE } from './state.ts';

const TYPE_CODE = 8;
const TYPE_EXPAND_DOWN = 4;
/** Data: writable; code: readable. */
const TYPE_ACCESS = 2;
const ATTR_S = 0x10;
const ATTR_PRESENT = 0x80;
const ATTR_DB = 0x4000;
/** Present, code or data, and data that does not expand downward (or code that is not conforming). */
const ORDINARY: number = ATTR_PRESENT | ATTR_S;
const ORDINARY_MASK: number = ORDINARY | TYPE_EXPAND_DOWN;
const TOP = -1;
/** Indices of words: of the first segment's first field, from one segment to the next, and of the fields in one. */
const FIRST: number = S.segs >> 2;
const STRIDE: number = SEG_BYTES >> 2;
const SELECTOR: number = SEG.selector >> 2;
const BASE: number = SEG.base >> 2;
const LIMIT: number = SEG.limit >> 2;
const ATTR: number = SEG.attr >> 2;
const LOW: number = SEG.low >> 2;
const HIGH: number = SEG.high >> 2;
const ACCESS: number = SEG.access >> 2;
const FLAT: number = S.flat >> 2;
/** The segments that flat addressing goes through. */
export const FLAT_ALL: number = (1 << Seg.ES) | (1 << Seg.CS) | (1 << Seg.SS) | (1 << Seg.DS);

/**
 * The six segment registers with their hidden parts, in the state block.
 * `attr` packs descriptor bytes 5 and 6: type 0-3, S 4, DPL 5-6, P 7, AVL 12, L 13, D/B 14, G 15; 0 for a null segment.
 */
export class SegmentFile {
  readonly #words: Int32Array;
  readonly #changed: () => void;

  /** @param words the state block; @param changed runs after each change */
  constructor(words: Int32Array, changed: () => void) {
    this.#words = words;
    this.#changed = changed;
  }

  #get(i: number, field: number): number {
    return (this.#words[FIRST + i * STRIDE + field] ?? 0) >>> 0;
  }

  selector(i: number): number {
    return this.#get(i, SELECTOR);
  }
  base(i: number): number {
    return this.#get(i, BASE);
  }
  /** Byte limit, granularity applied. */
  limit(i: number): number {
    return this.#get(i, LIMIT);
  }
  attr(i: number): number {
    return this.#get(i, ATTR);
  }

  /** Loads a segment register as it is, without checks. */
  setRaw(i: number, selector: number, base: number, limit: number, attr: number): void {
    const wasFlat = this.isFlat();
    this.store(i, selector, base, limit, attr);
    if (i === Seg.CS || i === Seg.SS || this.isFlat() !== wasFlat) this.#changed();
  }

  /** `setRaw` for one of several changes: the CPU learns of it by `refreshMode` after the last. */
  store(i: number, selector: number, base: number, limit: number, attr: number): void {
    const words = this.#words;
    const at = FIRST + i * STRIDE;
    const same =
      words[at + SELECTOR] === selector &&
      words[at + BASE] === (base | 0) &&
      words[at + LIMIT] === (limit | 0) &&
      words[at + ATTR] === attr;
    // A null segment may be one that was never set.
    if (same && attr !== 0) return;
    storeFields(words, at, selector, base, limit, attr);
    this.#noteFlat(i);
  }

  /** The state block has been exchanged as a whole. */
  reload(): void {
    for (let i: number = Seg.ES; i <= Seg.DS; i++) this.#noteFlat(i);
  }

  /** Whether 32-bit code may address through CS, SS, DS and ES without looking at them. */
  isFlat(): boolean {
    return ((this.#words[FLAT] ?? 0) & FLAT_ALL) === FLAT_ALL;
  }

  #noteFlat(i: number): void {
    const words = this.#words;
    const bit = 1 << i;
    const flat = words[FLAT] ?? 0;
    words[FLAT] = isFlatIn(words, FIRST + i * STRIDE, i) ? flat | bit : flat & ~bit;
  }

  /** Mask of the stack pointer: SS.B. */
  stackMask(): number {
    return this.attr(Seg.SS) & ATTR_DB ? -1 : 0xffff;
  }
}

function access(attr: number): number {
  if (attr & TYPE_CODE) return attr & TYPE_ACCESS ? SEG_READ : 0;
  return attr & TYPE_ACCESS ? SEG_READ | SEG_WRITE : SEG_READ;
}

/** Fills the fields of SEG at word `at`: `attr` as in SegmentFile. */
export function storeFields(
  words: Int32Array,
  at: number,
  selector: number,
  base: number,
  limit: number,
  attr: number,
): void {
  words[at + SELECTOR] = selector;
  words[at + BASE] = base;
  words[at + LIMIT] = limit;
  words[at + ATTR] = attr;
  if ((attr & ORDINARY_MASK) === ORDINARY && (limit | 0) === TOP) {
    words[at + LOW] = 0;
    words[at + HIGH] = TOP;
    words[at + ACCESS] = access(attr) | SEG_WHOLE;
  } else storeBounds(words, at, limit, attr);
}

/** The offsets of a segment that is not an ordinary one of 4 GiB, or that may not be used. */
function storeBounds(words: Int32Array, at: number, limit: number, attr: number): void {
  const usable = (attr & (ATTR_PRESENT | ATTR_S)) === (ATTR_PRESENT | ATTR_S);
  const down = (attr & (TYPE_CODE | TYPE_EXPAND_DOWN)) === TYPE_EXPAND_DOWN;
  const top = attr & ATTR_DB ? TOP : 0xffff;
  const full = (limit | 0) === TOP;
  const low = down && !full ? limit + 1 : 0;
  const empty = !usable || (down && (full || low > top >>> 0));
  words[at + LOW] = empty ? 1 : low;
  words[at + HIGH] = empty ? 0 : down ? top : limit;
  const whole = words[at + LOW] === 0 && words[at + HIGH] === TOP ? SEG_WHOLE : 0;
  words[at + ACCESS] = usable ? access(attr) | whole : 0;
}

/** Whether the segment whose fields are at word `at` would not hinder flat addressing in register `i`. */
export function isFlatIn(words: Int32Array, at: number, i: number): boolean {
  const spansAll = words[at + BASE] === 0 && words[at + LOW] === 0 && words[at + HIGH] === TOP;
  const kind = i === Seg.CS || words[at + ACCESS] === (SEG_READ | SEG_WRITE | SEG_WHOLE);
  const big = (i !== Seg.CS && i !== Seg.SS) || ((words[at + ATTR] ?? 0) & ATTR_DB) !== 0;
  return spansAll && kind && big;
}
