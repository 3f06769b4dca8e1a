import {
  PROFILE,
  PROFILE_ENTRIES,
  REGION_HASH,
  REGION_HASH_BYTES,
  REGION_HASH_ENTRIES,
  S,
  X87_DOUBLE,
} from '../state.ts';
import type { Tlb } from '../tlb.ts';
import { I32, V128 } from '../wasm/expr.ts';
import { ModuleBuilder } from '../wasm/module.ts';
import { type CodeView, discover, type RegionShape } from './block.ts';
import { CompilableRows } from './insn-site.ts';
import { emitRegion } from './region.ts';

/** Compiled code for one entry, valid while its pages are mapped as they were. */
interface Region {
  readonly eip: number;
  readonly user: boolean;
  readonly pages: readonly { readonly linear: number; readonly host: number }[];
  /** Index in the table of regions. */
  readonly slot: number;
}

/** What compiled code calls, from the interpreter's instance. */
export interface RegionImports {
  readonly step: () => number;
  readonly callRegion: (returnEip: number) => number;
  readonly storeFlags: (kind: number, a: number, b: number, r: number) => void;
  /** The function for SSE arithmetic, which is not callable from TypeScript: it takes vectors. */
  readonly simdFloats: () => () => unknown;
}

export interface CodeCacheOptions {
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  readonly tlb: Tlb;
  /** The current address space. */
  readonly view: CodeView;
}

/** Compiled code on one page of machine memory. */
interface CodePage {
  readonly regions: Set<Region>;
  /** Byte range within the page that the regions were compiled from. */
  low: number;
  high: number;
  /** Stores beside the code, which take the slow way. */
  slowStores: number;
}

const PAGE = 4096;
/** A page whose code was overwritten this often is left to the interpreter. */
const MAX_REWRITES = 12;
/** So is one where data next to code is stored to this often. */
const MAX_SLOW_STORES = 4096;
/** The longest store of one instruction. */
const STORE_BYTES = 16;

/** The regions that exist, which of them may run now, and when they must go. */
export class CodeCache {
  readonly #memory: WebAssembly.Memory;
  readonly #words: Int32Array;
  readonly #profile: Uint16Array;
  readonly #table: WebAssembly.Table;
  readonly #tlb: Tlb;
  readonly #view: CodeView;
  readonly #regions: Map<string, Region> = new Map();
  readonly #byPage: Map<number, CodePage> = new Map();
  readonly #compilable: CompilableRows = new CompilableRows();
  readonly #rewrites: Map<number, number> = new Map();
  #free: number[];
  /** Counters for tests and statistics. */
  readonly metrics: { compiled: number; dropped: number; bytes: number } = {
    compiled: 0,
    dropped: 0,
    bytes: 0,
  };

  constructor({ memory, table, tlb, view }: CodeCacheOptions) {
    this.#memory = memory;
    this.#table = table;
    this.#tlb = tlb;
    this.#view = view;
    this.#words = new Int32Array(memory.buffer);
    this.#profile = new Uint16Array(memory.buffer, PROFILE, PROFILE_ENTRIES);
    this.#free = freeSlots(table.length);
  }

  /** Makes compiled code for `eip` runnable. @returns false when there can be none now; the counter starts anew */
  promote(eip: number, user: boolean, imports: RegionImports): boolean {
    const host = this.#tlb.lookupCode(eip, user);
    const key = `${eip}:${host}:${user ? 1 : 0}`;
    const region = host === 0 ? null : (this.#regions.get(key) ?? this.#compile(eip, user, key, imports));
    if (region && this.#isMapped(region)) {
      this.#setHash(region, region.slot);
      return true;
    }
    this.#profile[eip & (PROFILE_ENTRIES - 1)] = 0;
    return false;
  }

  #isMapped(region: Region): boolean {
    return region.pages.every(({ linear, host }) => this.#tlb.lookupCode(linear, region.user) === host);
  }

  #setHash({ eip, user }: Region, slot: number): void {
    const index = (REGION_HASH + (user ? REGION_HASH_BYTES : 0)) / 4 + (eip & (REGION_HASH_ENTRIES - 1)) * 2;
    this.#words[index] = eip;
    this.#words[index + 1] = slot;
  }

  #compile(eip: number, user: boolean, key: string, imports: RegionImports): Region | null {
    const shape = discover(eip, this.#view);
    if (!shape) return null;
    const pages = shape.pages.map((linear) => ({ linear, host: this.#tlb.lookupCode(linear, user) }));
    if (pages.some(({ host }) => host === 0 || (this.#rewrites.get(host) ?? 0) > MAX_REWRITES)) return null;
    if (this.#free.length === 0) this.clear();
    const slot = this.#free.pop() ?? 1;
    const module = new ModuleBuilder();
    const simd = usesSimd(shape);
    const rt = {
      compilable: this.#compilable,
      fcare: this.#words[S.fcare >> 2] === X87_DOUBLE ? X87_DOUBLE : 0,
      step: module.import('step', [], [I32]),
      callRegion: module.import('callRegion', [I32], [I32]),
      storeFlags: module.import('storeFlags', [I32, I32, I32, I32], []),
      simdFloats: simd ? module.import('simdFloats', [I32, V128, V128, I32], [V128, I32]) : 0,
    };
    emitRegion(module, shape, user, rt, 'region');
    const bytes = module.bytes();
    const { step, callRegion, storeFlags } = imports;
    const own = { memory: this.#memory, step, callRegion, storeFlags };
    const e = simd ? { ...own, simdFloats: imports.simdFloats() } : own;
    const instance = new WebAssembly.Instance(new WebAssembly.Module(bytes), { e });
    this.#table.set(slot, instance.exports.region);
    const region: Region = { eip, user, pages, slot };
    this.#regions.set(key, region);
    for (const { linear, host } of pages) {
      const [low, high] = extentOn(shape, linear);
      this.#track(host, region, low, high);
    }
    this.metrics.compiled++;
    this.metrics.bytes += bytes.length;
    return region;
  }

  /** From now on stores to the page are seen. */
  #track(host: number, region: Region, low: number, high: number): void {
    const known = this.#byPage.get(host);
    if (known) {
      known.regions.add(region);
      known.low = Math.min(known.low, low);
      known.high = Math.max(known.high, high);
      return;
    }
    this.#byPage.set(host, { regions: new Set([region]), low, high, slowStores: 0 });
    this.#tlb.protect(host);
  }

  /** Whether a page of machine memory holds compiled code. @param host its byte offset */
  isCode(host: number): boolean {
    return this.#byPage.has(host);
  }

  /**
   * A store is about to change a page: code that it hits goes.
   * @param offset where in the page
   * @returns whether the page holds code still, so that the next store must be seen too
   */
  store(host: number, offset: number): boolean {
    const page = this.#byPage.get(host);
    if (!page) return false;
    page.slowStores++;
    if (page.slowStores > MAX_SLOW_STORES) {
      this.dropPage(host);
      this.#rewrites.set(host, MAX_REWRITES + 1);
      return false;
    }
    if (!overlaps(page, offset, STORE_BYTES)) return true;
    this.dropPage(host);
    return false;
  }

  /** Bytes of a page change from outside the CPU. */
  changed(host: number, offset: number, bytes: number): void {
    const page = this.#byPage.get(host);
    if (page && overlaps(page, offset, bytes)) this.dropPage(host);
  }

  /** The page's regions go. */
  dropPage(host: number): void {
    const page = this.#byPage.get(host);
    if (!page) return;
    this.#rewrites.set(host, (this.#rewrites.get(host) ?? 0) + 1);
    for (const region of page.regions) this.#drop(region);
    this.#byPage.delete(host);
    this.#words[S.epoch >> 2]! += 1;
  }

  #drop(region: Region): void {
    const entry = region.pages[0]?.host ?? 0;
    const host = region.pages.find((p) => p.linear === region.eip - (region.eip % PAGE))?.host ?? entry;
    this.#regions.delete(`${region.eip}:${host}:${region.user ? 1 : 0}`);
    for (const page of region.pages) this.#byPage.get(page.host)?.regions.delete(region);
    this.#setHash(region, 0);
    this.#table.set(region.slot, null);
    this.#free.push(region.slot);
    this.metrics.dropped++;
  }

  /** Translations changed: no region may run before its pages have been looked at again. */
  unmapAll(): void {
    this.#words.fill(0, REGION_HASH >> 2, (REGION_HASH + 2 * REGION_HASH_BYTES) >> 2);
  }

  /** Drops everything. */
  clear(): void {
    this.unmapAll();
    for (const region of this.#regions.values()) this.#table.set(region.slot, null);
    this.metrics.dropped += this.#regions.size;
    this.#regions.clear();
    this.#byPage.clear();
    this.#rewrites.clear();
    this.#free = freeSlots(this.#table.length);
    this.#words[S.epoch >> 2]! += 1;
  }
}

function overlaps(page: CodePage, offset: number, bytes: number): boolean {
  return offset < page.high && offset + bytes > page.low;
}

/** The bytes of one page that a region was compiled from: offsets low (inclusive) and high (exclusive). */
function extentOn(shape: RegionShape, page: number): [number, number] {
  let [low, high] = [PAGE, 0];
  for (const { insns } of shape.blocks.values()) {
    for (const { eip, insn } of insns) {
      low = Math.min(low, Math.max(eip - page, 0));
      if (eip < page + PAGE) high = Math.max(high, Math.min(eip + insn.length - page, PAGE));
    }
  }
  return [low, high];
}

/** Slot 0 means none. */
function freeSlots(length: number): number[] {
  return Array.from({ length: length - 1 }, (_, i) => length - 1 - i);
}

function usesSimd(shape: RegionShape): boolean {
  for (const { insns } of shape.blocks.values()) {
    if (insns.some(({ insn }) => insn.row.simd)) return true;
  }
  return false;
}
