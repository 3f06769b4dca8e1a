import { PLAIN_REGIONS, PROFILE, PROFILE_ENTRIES, S } from '../state.ts';
import type { Tlb } from '../tlb.ts';
import { type CodeView, countInsns, discover, type RegionShape } from './block.ts';
import { type CodePage, keyOf, overlaps, type Region } from './code-region.ts';
import { CompileBudget } from './compile-budget.ts';
import { Copies, innerBlocks } from './copies.ts';
import { MappedRegions } from './mapped-regions.ts';
import { CALLED_BY_REGIONS, RegionCompiler, type RegionImports } from './region-compiler.ts';
import { extentOn } from './region-facts.ts';
import { RegionHash } from './region-hash.ts';
import { RegionTables } from './region-tables.ts';

export interface CodeCacheOptions {
  readonly memory: WebAssembly.Memory;
  readonly table: WebAssembly.Table;
  readonly tlb: Tlb;
  /** The current address space. */
  readonly view: CodeView;
  /** Instructions retired so far. */
  readonly retired: () => number;
  /** What the counter of an entry is set to while it waits for others to be compiled with; null: nothing waits. */
  readonly waiting: number | null;
}

/** An entry that waits to be compiled together with others. */
type Candidate = Pick<Region, 'eip' | 'user' | 'host'>;

/** What is to be compiled for an entry. */
interface Found extends Candidate, Pick<Region, 'pages'> {
  readonly shape: RegionShape;
  readonly isPlain: boolean;
}

const PAGE = 4096;
/** Entries that are compiled at once at the latest: a module costs as much as some dozens of instructions. */
const BATCH = 12;
/** To go to a region that exists costs less than a copy of so many instructions. */
const LONG_INSNS = 100;
/** Code that may exist at a time; the engine makes several bytes of machine code of one. */
const MAX_LIVE_BYTES = 24 << 20;
/** A page whose code was overwritten this often is left to the interpreter. */
const MAX_REWRITES = 12;
/** So is one where data next to code is stored to this often. */
const MAX_SLOW_STORES = 4096;
/** The longest store of one instruction. */
const STORE_BYTES = 16;

/** The regions that exist, which of them may run now, and when they must go. */
export class CodeCache {
  readonly #words: Int32Array;
  readonly #profile: Uint16Array;
  readonly #tables: RegionTables;
  readonly #mapped: MappedRegions;
  readonly #tlb: Tlb;
  readonly #view: CodeView;
  /** Regions by EIP and privilege; those of one list lie on different pages of machine memory. */
  readonly #regions: Map<number, Region[]> = new Map();
  readonly #queue: Map<number, Candidate> = new Map();
  /** All regions, the oldest first. */
  readonly #age: Set<Region> = new Set();
  #liveBytes = 0;
  readonly #waiting: number | null;
  readonly #budget: CompileBudget;
  readonly #copies: Copies = new Copies();
  readonly #byPage: Map<number, CodePage> = new Map();
  /** Regions by the linear addresses of their pages. */
  readonly #byLinear: Map<number, Set<Region>> = new Map();
  readonly #compiler: RegionCompiler;
  readonly #rewrites: Map<number, number> = new Map();
  /** Counters for tests and statistics. */
  readonly metrics: { compiled: number; promoted: number; modules: number; dropped: number; bytes: number } =
    {
      compiled: 0,
      promoted: 0,
      modules: 0,
      dropped: 0,
      bytes: 0,
    };

  constructor({ memory, table, tlb, view, waiting, retired }: CodeCacheOptions) {
    this.#waiting = waiting;
    this.#budget = new CompileBudget(waiting === null ? null : retired);
    this.#tables = new RegionTables(table, CALLED_BY_REGIONS.length);
    this.#compiler = new RegionCompiler(memory, this.#tables);
    this.#tlb = tlb;
    this.#view = view;
    this.#words = new Int32Array(memory.buffer);
    this.#mapped = new MappedRegions(new RegionHash(this.#words));
    this.#profile = new Uint16Array(memory.buffer, PROFILE, PROFILE_ENTRIES);
  }

  /**
   * Makes compiled code for `eip` runnable. An entry that comes here for the first time waits for others to be compiled
   * with; when it comes again, or enough have come, all are compiled.
   * @returns false when there is none now; the counter starts anew
   */
  promote(eip: number, user: boolean, imports: RegionImports): boolean {
    this.metrics.promoted++;
    // An entry of the hash without a region names EIP 0.
    const host = eip === 0 ? 0 : this.#view.page(eip, user);
    if (host !== 0 && !this.#find(eip, user, host)) this.#request({ eip, user, host }, imports);
    const region = this.#find(eip, user, host);
    if (region && this.#isMapped(region)) {
      this.#mapped.lookedUp(region, this.#isThere);
      return true;
    }
    const counter = this.#queue.has(keyOf(eip, user)) ? this.#waiting : null;
    if (host !== 0) this.#profile[eip & (PROFILE_ENTRIES - 1)] = counter ?? 1;
    return false;
  }

  /** As `promote`, for a version of the region at `eip` that does without a stack window. */
  promotePlain(eip: number, user: boolean, imports: RegionImports): boolean {
    const host = this.#view.page(eip, user);
    const region = this.#find(eip, user, host);
    if (!region) return false;
    region.plain ??= this.#compilePlain(region, imports);
    if (!region.plain || !this.#isMapped(region.plain)) return false;
    this.#words[(PLAIN_REGIONS >> 2) + region.slot] = region.plain.slot;
    return true;
  }

  #compilePlain({ eip, user, host }: Region, imports: RegionImports): Region | null {
    const candidate = this.#candidate({ eip, user, host });
    if (!candidate || this.#tables.free === 0) return null;
    return this.#emit([{ ...candidate, isPlain: true }], imports)[0] ?? null;
  }

  /** Whether the interpreter has seen a jump to `eip`; at times to another address. */
  reached(eip: number): boolean {
    return this.#profile[eip & (PROFILE_ENTRIES - 1)] !== 0;
  }

  #find(eip: number, user: boolean, host: number): Region | undefined {
    return this.#regions.get(keyOf(eip, user))?.find((region) => region.host === host);
  }

  #request(candidate: Candidate, imports: RegionImports): void {
    const key = keyOf(candidate.eip, candidate.user);
    if (!this.#budget.mayTry(key) || (this.#waiting !== null && !this.#copies.mayTry(key))) return;
    const isWaiting = this.#queue.has(key);
    this.#queue.set(key, candidate);
    const atOnce = isWaiting || this.#waiting === null || this.#queue.size >= BATCH;
    if (atOnce) this.#compile(candidate.user, imports);
  }

  /** Whether there is a region that begins at `eip`. */
  compiled(eip: number, user: boolean): boolean {
    return this.#regions.has(keyOf(eip, user));
  }

  /** Whether there is a long region that begins at `eip` and does not hold `entry`, so that it need not be copied. */
  leadsAway(eip: number, user: boolean, entry: number): boolean {
    const key = keyOf(entry, user);
    const there = this.#regions.get(keyOf(eip, user));
    return there?.every(({ insns, inner }) => insns >= LONG_INSNS && !inner.includes(key)) ?? false;
  }

  #isMapped(region: Region): boolean {
    return region.pages.every(({ linear, host }) => this.#view.page(linear, region.user) === host);
  }

  readonly #isThere = ({ linear, user, host }: { linear: number; user: boolean; host: number }): boolean =>
    this.#view.page(linear, user) === host;

  /** Compiles what waits and is mapped now. */
  #compile(user: boolean, imports: RegionImports): void {
    const found: Found[] = [];
    const inner = new Set<number>();
    // A function's entry comes before its loops, and makes theirs needless as a rule.
    for (const waiting of [...this.#queue.values()].sort((a, b) => a.eip - b.eip)) {
      const { eip, host } = waiting;
      if (inner.has(eip) && this.#waiting !== null) continue;
      if (waiting.user !== user || this.#view.page(eip, user) !== host) continue;
      if (this.#find(eip, user, host)) continue;
      const candidate = this.#candidate(waiting);
      if (!candidate || !this.#budget.take(keyOf(eip, user), candidate.shape)) continue;
      found.push(candidate);
      for (const block of innerBlocks(candidate.shape)) inner.add(block);
    }
    this.#queue.clear();
    if (found.length === 0) return;
    const isFull = this.#tables.free < found.length || this.#liveBytes > MAX_LIVE_BYTES;
    if (isFull) this.#evict(Math.ceil(this.#age.size / 4));
    this.#evict(this.#tables.outdated);
    for (const region of this.#emit(found, imports)) this.#publish(region);
  }

  /** What there is to compile at an entry; null when it cannot be read, or changes too often. */
  #candidate(at: Candidate): Found | null {
    const shape = discover(at.eip, at.user, this.#view);
    const pages = shape?.pages.map((linear) => ({ linear, host: this.#view.page(linear, at.user) })) ?? [];
    if (!shape || pages.some((page) => !this.#isStable(page.host))) return null;
    return { ...at, shape, pages, isPlain: false };
  }

  /** Compiles regions into one module. */
  #emit(found: readonly Found[], imports: RegionImports): Region[] {
    const planned = found.map((one) => ({ ...one, slot: this.#tables.take() }));
    const { functions, bytes } = this.#compiler.compile(planned, imports);
    this.metrics.modules++;
    this.metrics.bytes += bytes;
    return planned.map(({ eip, user, host, pages, shape, slot, isPlain }, i) => {
      const inner = isPlain ? [] : innerBlocks(shape).map((block) => keyOf(block, user));
      const region = {
        eip,
        user,
        host,
        pages,
        slot,
        bytes: bytes / found.length,
        isPlain,
        insns: countInsns(shape),
        plain: null,
        inner,
      };
      this.#add(region, shape, functions[i]);
      return region;
    });
  }

  /** Keeps track of a region. */
  #add(region: Region, shape: RegionShape, code: unknown): void {
    this.#tables.set(region.slot, code);
    this.#age.add(region);
    this.#copies.add(region.inner);
    this.#liveBytes += region.bytes;
    for (const { linear, host } of region.pages) {
      const there = this.#byLinear.get(linear);
      if (there) there.add(region);
      else this.#byLinear.set(linear, new Set([region]));
      const [low, high] = extentOn(shape, linear);
      this.#track(host, region, low, high);
    }
    this.metrics.compiled++;
  }

  /** From now on the region is found by its EIP. */
  #publish(region: Region): void {
    const key = keyOf(region.eip, region.user);
    const list = this.#regions.get(key);
    if (list) list.push(region);
    else this.#regions.set(key, [region]);
    this.#mapped.add(region);
  }

  /** Whether the page is mapped, and code on it is worth compiling. */
  #isStable(host: number): boolean {
    return host !== 0 && (this.#rewrites.get(host) ?? 0) <= MAX_REWRITES;
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
    const key = keyOf(region.eip, region.user);
    const rest = this.#regions.get(key)?.filter((other) => other !== region) ?? [];
    if (rest.length > 0) this.#regions.set(key, rest);
    else this.#regions.delete(key);
    for (const page of region.pages) {
      this.#byPage.get(page.host)?.regions.delete(region);
      const there = this.#byLinear.get(page.linear);
      there?.delete(region);
      if (there?.size === 0) this.#byLinear.delete(page.linear);
    }
    this.#age.delete(region);
    this.#copies.remove(region.inner);
    this.#liveBytes -= region.bytes;
    this.#unmap(region);
    this.#mapped.forget(region);
    for (const other of this.#regions.get(key) ?? []) if (other.plain === region) other.plain = null;
    this.#tables.remove(region.slot);
    this.metrics.dropped++;
  }

  /** The region is not found until it has been promoted again. */
  #unmap(region: Region): void {
    const word = (PLAIN_REGIONS >> 2) + region.slot;
    if (!region.isPlain) this.#mapped.delete(region);
    this.#words[word] = 0;
    // A plain version is found by the region that it stands for.
    for (const other of this.#regions.get(keyOf(region.eip, region.user)) ?? []) {
      if (other.plain === region) this.#words[(PLAIN_REGIONS >> 2) + other.slot] = 0;
    }
  }

  /** The oldest regions go. */
  #evict(count: number): void {
    if (count === 0) return;
    let left = count;
    for (const region of this.#age) {
      if (left-- === 0) break;
      this.#drop(region);
      for (const { host } of region.pages) {
        if (this.#byPage.get(host)?.regions.size === 0) this.#byPage.delete(host);
      }
    }
    this.#words[S.epoch >> 2] += 1;
  }

  /** Translations changed: no region may run before its pages have been looked at again. */
  unmapAll(): void {
    this.#mapped.flush();
    this.#words.fill(0, PLAIN_REGIONS >> 2, (PLAIN_REGIONS >> 2) + this.#tables.length);
    this.#words[S.epoch >> 2] += 1;
  }

  /** The translation of one page changed. */
  unmapPage(linear: number): void {
    this.#words[S.epoch >> 2]! += 1;
    const regions = this.#byLinear.get((linear >>> 0) - ((linear >>> 0) % PAGE)) ?? [];
    for (const region of regions) this.#unmap(region);
  }

  /** Drops everything. */
  clear(): void {
    this.unmapAll();
    this.#tables.clear();
    this.metrics.dropped += this.#age.size;
    this.#regions.clear();
    this.#copies.clear();
    this.#mapped.clear();
    this.#age.clear();
    this.#queue.clear();
    this.#byPage.clear();
    this.#byLinear.clear();
    this.#rewrites.clear();
    this.#budget.reset();
    this.#liveBytes = 0;
  }
}
