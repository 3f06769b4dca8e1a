import { keyOf, type Region } from './code-region.ts';

/** Where a page of code lay. */
interface MappedPage {
  readonly linear: number;
  readonly user: boolean;
  readonly host: number;
}

/** Regions that could be run between two flushes of the TLB, and the pages that they rely on. */
interface World {
  readonly regions: ReadonlySet<Region>;
  readonly pages: readonly MappedPage[];
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
  readonly #now: Set<Region> = new Set();
  /** The last one used comes first. */
  readonly #worlds: World[] = [];
  /** The one that came back since the last flush. */
  #current: World | null = null;
  #lookedUp = 0;

  add(region: Region): void {
    this.#now.add(region);
  }

  delete(region: Region): void {
    this.#now.delete(region);
  }

  /** A region is gone for good. */
  forget(region: Region): void {
    this.#now.delete(region);
    this.#worlds.length = 0;
    this.#current = null;
  }

  /** All regions are gone for good. */
  clear(): void {
    this.#now.clear();
    this.#worlds.length = 0;
    this.flush();
  }

  /** None can be run until they have been looked at again. */
  flush(): void {
    const known = this.#current?.regions.size ?? 0;
    const isNew = this.#now.size >= MIN_REGIONS && this.#now.size > known + (known >> 3);
    if (isNew) this.#remember(worldOf(this.#now));
    this.#now.clear();
    this.#current = null;
    this.#lookedUp = 0;
  }

  #remember(world: World): void {
    const at = this.#current === null ? -1 : this.#worlds.indexOf(this.#current);
    if (at >= 0) this.#worlds.splice(at, 1);
    this.#worlds.unshift(world);
    if (this.#worlds.length > MAX_WORLDS) this.#worlds.pop();
  }

  /**
   * A region had to be looked up.
   * @param isThere whether a page is mapped as it was
   * @returns regions that can be run as well; none before some have been looked up, and none a second time
   */
  lookedUp(region: Region, isThere: (page: MappedPage) => boolean): Iterable<Region> {
    if (++this.#lookedUp !== LOOKED_UP_FIRST) return [];
    const world = this.#worlds.find(
      ({ regions, pages }) => regions.has(region) && pages.every((page) => isThere(page)),
    );
    if (!world) return [];
    this.#worlds.splice(this.#worlds.indexOf(world), 1);
    this.#worlds.unshift(world);
    this.#current = world;
    return world.regions;
  }
}

/** With the pages of user mode first: they tell processes apart. */
function worldOf(now: ReadonlySet<Region>): World {
  const pages = new Map<number, MappedPage>();
  for (const { user, pages: of } of now)
    for (const { linear, host } of of) pages.set(keyOf(linear, user), { linear, user, host });
  const sorted = [...pages.values()].sort((a, b) => Number(b.user) - Number(a.user));
  return { regions: new Set(now), pages: sorted };
}
