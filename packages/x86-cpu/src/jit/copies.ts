import { eipOf, type RegionShape } from './block.ts';

/** Entries whose requests are remembered. */
const MAX_ASKED = 4096;
/**
 * How often an entry has to be asked for, for each region that holds it already: copying the rest of a loop nest for each of
 * its entries costs more than interpreting the way to the next entry that there is.
 */
const ASKED_PER_REGION = 4;

/** The blocks that regions hold beside their first: compiled code that cannot be entered there without a copy of it. */
export class Copies {
  readonly #regions: Map<number, number> = new Map();
  readonly #asked: Map<number, number> = new Map();

  /** Whether `key` is worth a region, though others may hold it already; to be asked whenever it has become hot. */
  mayTry(key: number): boolean {
    const regions = this.#regions.get(key);
    if (regions === undefined) return true;
    const asked = (this.#asked.get(key) ?? 0) + 1;
    if (this.#asked.size >= MAX_ASKED) this.#asked.clear();
    this.#asked.set(key, asked);
    return asked > regions * ASKED_PER_REGION;
  }

  add(keys: readonly number[]): void {
    for (const key of keys) this.#regions.set(key, (this.#regions.get(key) ?? 0) + 1);
  }

  remove(keys: readonly number[]): void {
    for (const key of keys) {
      const rest = (this.#regions.get(key) ?? 1) - 1;
      if (rest > 0) this.#regions.set(key, rest);
      else this.#regions.delete(key);
    }
  }

  clear(): void {
    this.#regions.clear();
    this.#asked.clear();
  }
}

/** EIPs of a region's blocks but the first, without those of callees that were taken in. */
export function innerBlocks({ blocks, entry }: RegionShape): number[] {
  return [...blocks.keys()].filter((place) => place !== entry && eipOf(place) === place);
}
