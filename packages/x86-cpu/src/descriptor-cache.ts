import type { CpuBus } from './bus.ts';
import {
  dplOf,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isReadable,
  isWritable,
  rplOf,
  unpack,
} from './helpers/descriptor.ts';
import { Seg } from './names.ts';
import { isFlatIn, storeFields } from './segments.ts';
import { DESCRIPTOR, DESCRIPTOR_BYTES, DESCRIPTOR_ENTRIES, DESCRIPTORS } from './state.ts';

const ACCESSED = 1;
/** No selector, no level. */
const NONE = -1;
const WORDS: number = DESCRIPTOR_BYTES >> 2;
const FLAT: number = DESCRIPTOR.flat >> 2;
const HOST: number = DESCRIPTOR.host >> 2;
const LOW_WORD: number = DESCRIPTOR.lowWord >> 2;
const HIGH_WORD: number = DESCRIPTOR.highWord >> 2;
const DATA: number = DESCRIPTOR.data >> 2;
const STACK: number = DESCRIPTOR.stack >> 2;
const CODE: number = DESCRIPTOR.code >> 2;

/** Descriptors that segment registers were loaded from, with what their checks ask, for generated code. */
export class DescriptorCache {
  readonly #bus: CpuBus;
  readonly #entries: Int32Array;
  readonly #memory: Int32Array;
  readonly #ramBase: number;
  readonly #read: Uint32Array = new Uint32Array(2);

  constructor(memory: WebAssembly.Memory, ramBase: number, bus: CpuBus) {
    this.#bus = bus;
    this.#memory = new Int32Array(memory.buffer);
    this.#entries = this.#memory.subarray(DESCRIPTORS >> 2, (DESCRIPTORS >> 2) + DESCRIPTOR_ENTRIES * WORDS);
    this.#ramBase = ramBase;
    this.forget();
  }

  /** Selectors may name other places than before: descriptor tables were exchanged, moved or taken away. */
  forget(): void {
    this.#entries.fill(NONE);
  }

  /** Takes in the descriptor of a selector that was just loaded. One whose accessed bit is not set yet waits. */
  remember(selector: number): void {
    const bus = this.#bus;
    if (!bus.descriptorAddress || isNull(selector)) return;
    const at = ((selector >>> 3) % DESCRIPTOR_ENTRIES) * WORDS;
    if (this.#holds(at, selector)) return;
    const maddr = bus.descriptorAddress(selector);
    const read = this.#read;
    if (maddr < -1 || bus.readDescriptor(selector, read) !== 0) return;
    const [low, high] = read as unknown as [number, number];
    const d = unpack(selector, low, high);
    if ((d.attr & ACCESSED) === 0) return;
    const words = this.#entries;
    storeFields(words, at, selector, d.base, d.limit, d.attr);
    words[at + FLAT] = flatMask(words, at);
    words[at + HOST] = maddr < 0 ? DESCRIPTORS + 4 * (at + LOW_WORD) : this.#ramBase + maddr;
    words[at + LOW_WORD] = low;
    words[at + HIGH_WORD] = high;
    words[at + DATA] = dataLevel(selector, d.attr);
    words[at + STACK] = stackLevel(selector, d.attr);
    words[at + CODE] = codeLevel(selector, d.attr);
  }

  #holds(at: number, selector: number): boolean {
    const words = this.#entries;
    if (words[at] !== selector) return false;
    const host = (words[at + HOST] ?? 0) >>> 2;
    return this.#memory[host] === words[at + LOW_WORD] && this.#memory[host + 1] === words[at + HIGH_WORD];
  }
}

function flatMask(words: Int32Array, at: number): number {
  let mask = 0;
  for (let i: number = Seg.ES; i <= Seg.GS; i++) if (isFlatIn(words, at, i)) mask |= 1 << i;
  return mask;
}

function dataLevel(selector: number, attr: number): number {
  if (!isReadable(attr) || !isPresent(attr)) return NONE;
  const level = isConforming(attr) ? 3 : dplOf(attr);
  return rplOf(selector) <= level ? level : NONE;
}

function stackLevel(selector: number, attr: number): number {
  const level = rplOf(selector);
  return isWritable(attr) && isPresent(attr) && dplOf(attr) === level ? level : NONE;
}

function codeLevel(selector: number, attr: number): number {
  const level = rplOf(selector);
  const fits = isConforming(attr) ? dplOf(attr) <= level : dplOf(attr) === level;
  return isCode(attr) && isPresent(attr) && fits ? level : NONE;
}
