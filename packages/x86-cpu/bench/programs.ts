import type { Stopwatch } from './clock.ts';

/** The guest's programs in the order in which it runs them, with repetitions that make each about 10^8 instructions. */
export const PROGRAMS = [
  { name: 'sha256', times: 20, quick: 1 },
  { name: 'qsort', times: 200, quick: 5 },
  { name: 'sieve', times: 3, quick: 1 },
  { name: 'list', times: 180, quick: 10 },
  { name: 'fib', times: 14, quick: 1 },
  { name: 'bytecode', times: 1_300_000, quick: 100_000 },
] as const;

/** One program run once on one host. */
export interface Sample {
  /** What the program computed, as it printed it. */
  result: string;
  ms: number;
  /** Instructions retired between the program's two marks. */
  instructions: number;
}

/** Reads what the guest prints; takes the time and the instruction count at the marks. */
export class OutputReader {
  readonly samples: Sample[] = [];
  finished = false;
  readonly #watch: Stopwatch;
  readonly #instructions: () => number;
  #text = '';
  #startMs = 0;
  #startInstructions = 0;

  /** @param instructions the host's count of retired instructions */
  constructor(watch: Stopwatch, instructions: () => number) {
    this.#watch = watch;
    this.#instructions = instructions;
  }

  push(byte: number): void {
    const now = this.#watch.now();
    const count = this.#instructions();
    const mark = String.fromCharCode(byte);
    if (mark === 'B') {
      this.#startMs = now;
      this.#startInstructions = count;
    } else if (mark === 'E') {
      this.samples.push({
        result: '',
        ms: now - this.#startMs,
        instructions: count - this.#startInstructions,
      });
    } else if (mark === 'X') {
      this.finished = true;
    } else {
      this.samples.at(-1)!.result += mark;
    }
    this.#text += mark;
  }

  /** The samples; throws when the guest stopped before its end. */
  complete(): Sample[] {
    if (!this.finished || this.samples.length !== PROGRAMS.length) {
      throw new Error(`the guest printed only ${JSON.stringify(this.#text)}`);
    }
    return this.samples;
  }
}
