import { countInsns, type RegionShape } from './block.ts';

/**
 * Compiling an instruction costs as much as interpreting some thousands, what V8 does with it included. So many may be
 * compiled from the start on, and one more for so many retired.
 */
const FIRST_INSNS = 800;
const RETIRED_PER_INSN = 15_000;
/**
 * An entry that was put off is interpreted until it is hot again, which costs as much as compiling so many instructions. Once
 * it has cost as much as the whole region it is compiled: a database has a hundred thousand instructions that are all warm.
 */
const INSNS_PER_REFUSAL = 40;
/** A region no longer than this is always worth it. */
const SMALL_INSNS = 40;
/** Regions remembered as put off. */
const MAX_PUT_OFF = 4096;

/** A region that cost too much, and how often. */
interface PutOff {
  readonly insns: number;
  times: number;
}

/** How much may be compiled: a share of what has been run. */
export class CompileBudget {
  readonly #retired: (() => number) | null;
  /** Instructions compiled, and of regions that were put off. */
  #insns = 0;
  /** Instructions retired when it began. */
  #since = 0;
  readonly #putOff: Map<number, PutOff> = new Map();

  /** @param retired instructions retired so far; null: everything may be compiled */
  constructor(retired: (() => number) | null) {
    this.#retired = retired;
  }

  /** Begins anew. */
  reset(): void {
    this.#putOff.clear();
    this.#insns = 0;
    this.#since = this.#retired?.() ?? 0;
  }

  /** Whether it is worth looking at a region; to be asked whenever it has become hot. */
  mayTry(key: number): boolean {
    const before = this.#putOff.get(key);
    if (!before || this.#canAfford(before.insns)) return true;
    before.times++;
    return isDue(before);
  }

  /** Whether a region may be compiled now, and if so accounts for it. */
  take(key: number, shape: RegionShape): boolean {
    const insns = countInsns(shape);
    const times = this.#putOff.get(key)?.times ?? 0;
    if (!this.#canAfford(insns) && !isDue({ insns, times })) {
      if (this.#putOff.size >= MAX_PUT_OFF) this.#putOff.clear();
      this.#putOff.set(key, { insns, times });
      return false;
    }
    this.#putOff.delete(key);
    this.#insns += insns;
    return true;
  }

  #canAfford(insns: number): boolean {
    if (this.#retired === null || insns <= SMALL_INSNS) return true;
    return this.#insns + insns <= FIRST_INSNS + (this.#retired() - this.#since) / RETIRED_PER_INSN;
  }
}

const isDue = ({ insns, times }: PutOff): boolean => times * INSNS_PER_REFUSAL >= insns;
