import { Seg } from './names.ts';
import { S, SEG, SEG_BYTES, SEG_READ, SEG_WRITE } from './state.ts';

const TYPE_CODE = 8;
const TYPE_EXPAND_DOWN = 4;
/** Data: writable; code: readable. */
const TYPE_ACCESS = 2;
const ATTR_S = 0x10;
const ATTR_PRESENT = 0x80;
const ATTR_DB = 0x4000;
const TOP = 0xffffffff;

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

  #get(i: number, field: keyof typeof SEG): number {
    return (this.#words[(S.segs + i * SEG_BYTES + SEG[field]) >> 2] ?? 0) >>> 0;
  }
  #set(i: number, field: keyof typeof SEG, value: number): void {
    this.#words[(S.segs + i * SEG_BYTES + SEG[field]) >> 2] = value;
  }

  selector(i: number): number {
    return this.#get(i, 'selector');
  }
  base(i: number): number {
    return this.#get(i, 'base');
  }
  /** Byte limit, granularity applied. */
  limit(i: number): number {
    return this.#get(i, 'limit');
  }
  attr(i: number): number {
    return this.#get(i, 'attr');
  }

  /** Loads a segment register as it is, without checks. */
  setRaw(i: number, selector: number, base: number, limit: number, attr: number): void {
    this.#set(i, 'selector', selector);
    this.#set(i, 'base', base);
    this.#set(i, 'limit', limit);
    this.#set(i, 'attr', attr);
    const usable = (attr & (ATTR_PRESENT | ATTR_S)) === (ATTR_PRESENT | ATTR_S);
    const down = (attr & (TYPE_CODE | TYPE_EXPAND_DOWN)) === TYPE_EXPAND_DOWN;
    const top = attr & ATTR_DB ? TOP : 0xffff;
    const full = limit >>> 0 === TOP;
    const low = down && !full ? limit + 1 : 0;
    const empty = !usable || (down && (full || low > top));
    this.#set(i, 'low', empty ? 1 : low);
    this.#set(i, 'high', empty ? 0 : down ? top : limit);
    this.#set(i, 'access', usable ? access(attr) : 0);
    this.#changed();
  }

  /** Whether 32-bit code may address through CS, SS, DS and ES without looking at them. */
  isFlat(): boolean {
    for (const i of [Seg.ES, Seg.SS, Seg.DS]) {
      if (!this.#spansAll(i) || this.#get(i, 'access') !== (SEG_READ | SEG_WRITE)) return false;
    }
    return (
      this.#spansAll(Seg.CS) && (this.attr(Seg.CS) & ATTR_DB) !== 0 && (this.attr(Seg.SS) & ATTR_DB) !== 0
    );
  }

  #spansAll(i: number): boolean {
    return this.base(i) === 0 && this.#get(i, 'low') === 0 && this.#get(i, 'high') === TOP;
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
