import { keyOf, type Region } from './code-region.ts';
import type { RegionHash } from './region-hash.ts';

/** Where a page of code lay. */
interface MappedPage {
  readonly linear: number;
  readonly user: boolean;
  readonly host: number;
}

/** Regions that could be run between two flushes of the TLB, the pages that they rely on, and their entries in the hash. */
interface World {
  readonly regions: ReadonlySet<Region>;
  readonly pages: readonly MappedPage[];
  readonly entries: Int32Array;
}

/** Worlds that are remembered: as many processes can take turns. */
const MAX_WORLDS = 16;
/** A world with fewer regions is found again one by one. */
const MIN_REGIONS = 32;
/** Regions that are looked up one by one after a flush, before the whole world is looked for: many flushes are of no consequence. */
const LOOKED_UP_FIRST = 6;

/**
 * The regions that can be run now. Processes that take turns flush the TLB each time, and come back to what they had; so
 * what could be run up to a flush is remembered, and comes back together when all its pages are found where they were.
 */
export class MappedRegions {
  readonly #hash: RegionHash;
  /** Those that were looked up one by one since the last flush. */
  readonly #single: Set<Region> = new Set();
  /** The last one used comes first. */
  readonly #worlds: World[] = [];
  /** The one that came back since the last flush. */
  #current: World | null = null;
  #lookedUp = 0;

  constructor(hash: RegionHash) {
    this.#hash = hash;
  }

  add(region: Region): void {
    this.#hash.set(region.eip, region.user, region.slot);
    this.#single.add(region);
  }

  delete(region: Region): void {
    this.#hash.delete(region.eip, region.user);
    this.#single.delete(region);
  }

  /** A region is gone for good. */
  forget(region: Region): void {
    for (const other of this.#current?.regions ?? []) this.#single.add(other);
    this.#single.delete(region);
    this.#worlds.length = 0;
    this.#current = null;
  }

  /** All regions are gone for good. */
  clear(): void {
    this.#single.clear();
    this.#worlds.length = 0;
    this.flush();
  }

  /** None can be run until they have been looked at again. */
  flush(): void {
    const known = this.#current?.regions;
    const least = known === undefined ? MIN_REGIONS : LOOKED_UP_FIRST + (known.size >> 3);
    if (this.#single.size >= least) this.#remember(new Set([...(known ?? []), ...this.#single]));
    this.#hash.clear();
    this.#single.clear();
    this.#current = null;
    this.#lookedUp = 0;
  }

  #remember(regions: ReadonlySet<Region>): void {
    const at = this.#current === null ? -1 : this.#worlds.indexOf(this.#current);
    if (at >= 0) this.#worlds.splice(at, 1);
    this.#worlds.unshift({ regions, pages: pagesOf(regions), entries: this.#hash.entries() });
    if (this.#worlds.length > MAX_WORLDS) this.#worlds.pop();
  }

  /**
   * A region had to be looked up. When it is not the first since the last flush, a world that it belongs to comes back.
   * @param isThere whether a page is mapped as it was
   */
  lookedUp(region: Region, isThere: (page: MappedPage) => boolean): void {
    this.add(region);
    if (++this.#lookedUp !== LOOKED_UP_FIRST) return;
    const world = this.#worlds.find(
      ({ regions, pages }) => regions.has(region) && pages.every((page) => isThere(page)),
    );
    if (!world) return;
    this.#worlds.splice(this.#worlds.indexOf(world), 1);
    this.#worlds.unshift(world);
    this.#current = world;
    this.#hash.restore(world.entries);
  }
}

/** Those of user mode first: they tell processes apart. */
function pagesOf(regions: ReadonlySet<Region>): MappedPage[] {
  const pages = new Map<number, MappedPage>();
  for (const { user, pages: of } of regions)
    for (const { linear, host } of of) pages.set(keyOf(linear, user), { linear, user, host });
  return [...pages.values()].sort((a, b) => Number(b.user) - Number(a.user));
}
