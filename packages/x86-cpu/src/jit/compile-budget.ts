import type { RegionShape } from './block.ts';

/**
 * Compiling an instruction costs as much as interpreting some thousands, what V8 does with it included. So many may be
 * compiled from the start on, and one more for so many retired. What has run for long will run on, as a rule, and be worth
 * more: a database has a hundred thousand instructions that are all warm.
 */
const FIRST_INSNS = 800;
const RETIRED_PER_INSN = 15_000;
const LONG_RUN = 100_000_000;
const RETIRED_PER_LATER_INSN = 2500;
/** A region no longer than this is always worth it. */
const SMALL_INSNS = 40;
/** Regions remembered as too long for now. */
const MAX_TOO_LONG = 4096;

/** How much may be compiled: a share of what has been run. */
export class CompileBudget {
  readonly #retired: (() => number) | null;
  /** Instructions compiled, and of regions that were put off. */
  #insns = 0;
  /** Instructions retired when it began. */
  #since = 0;
  readonly #tooLong: Map<number, number> = new Map();

  /** @param retired instructions retired so far; null: everything may be compiled */
  constructor(retired: (() => number) | null) {
    this.#retired = retired;
  }

  /** Begins anew. */
  reset(): void {
    this.#tooLong.clear();
    this.#insns = 0;
    this.#since = this.#retired?.() ?? 0;
  }

  /** Whether it is worth looking at a region. */
  mayTry(key: number): boolean {
    return this.#canAfford(this.#tooLong.get(key) ?? 0);
  }

  /** Whether a region may be compiled now, and if so accounts for it. */
  take(key: number, { blocks }: RegionShape): boolean {
    let insns = 0;
    for (const block of blocks.values()) insns += block.insns.length;
    if (!this.#canAfford(insns)) {
      if (this.#tooLong.size >= MAX_TOO_LONG) this.#tooLong.clear();
      this.#tooLong.set(key, insns);
      return false;
    }
    this.#insns += insns;
    return true;
  }

  #canAfford(insns: number): boolean {
    if (this.#retired === null || insns <= SMALL_INSNS) return true;
    const retired = this.#retired() - this.#since;
    const early = Math.min(retired, LONG_RUN) / RETIRED_PER_INSN;
    const later = Math.max(retired - LONG_RUN, 0) / RETIRED_PER_LATER_INSN;
    return this.#insns + insns <= FIRST_INSNS + early + later;
  }
}
