const TOP = 2 ** 24;
const PROBABILITY_BITS = 11;
const ADAPT_SHIFT = 5;
/** One half. */
export const INITIAL_PROBABILITY: number = 2 ** (PROBABILITY_BITS - 1);

/** LZMA's arithmetic decoder. Past the end of its input it reads zeros and says so in `failed`. */
export class RangeDecoder {
  failed: boolean = false;
  at: number = 0;
  #bytes: Uint8Array = new Uint8Array(0);
  #range: number = 0;
  #code: number = 0;

  /** Starts on a stretch of input: one zero byte, four of code. @returns false when it does not begin so */
  start(bytes: Uint8Array): boolean {
    this.#bytes = bytes;
    this.at = 0;
    this.failed = false;
    this.#range = 0xffff_ffff;
    const first = this.#next();
    this.#code = 0;
    for (let i = 0; i < 4; i++) this.#code = ((this.#code << 8) | this.#next()) >>> 0;
    return first === 0 && !this.failed;
  }

  /** All input was used, and the code is what an encoder leaves behind. */
  get finished(): boolean {
    this.#normalise();
    return this.at === this.#bytes.length && this.#code === 0 && !this.failed;
  }

  /** Decodes a bit by the probability at `index`, which adapts. */
  bit(probabilities: Uint16Array, index: number): number {
    this.#normalise();
    const probability = probabilities[index];
    const bound = (this.#range >>> PROBABILITY_BITS) * probability;
    if (this.#code < bound) {
      this.#range = bound;
      probabilities[index] = probability + ((2 ** PROBABILITY_BITS - probability) >> ADAPT_SHIFT);
      return 0;
    }
    this.#range -= bound;
    this.#code -= bound;
    probabilities[index] = probability - (probability >> ADAPT_SHIFT);
    return 1;
  }

  /** `bits` bits, most significant first, each with the probability of those before it. */
  tree(probabilities: Uint16Array, base: number, bits: number): number {
    let symbol = 1;
    for (let i = 0; i < bits; i++) symbol = (symbol << 1) | this.bit(probabilities, base + symbol);
    return symbol - (1 << bits);
  }

  /** As `tree`, least significant first. */
  reverseTree(probabilities: Uint16Array, base: number, bits: number): number {
    let node = 1;
    let value = 0;
    for (let i = 0; i < bits; i++) {
      const bit = this.bit(probabilities, base + node);
      node = (node << 1) | bit;
      value |= bit << i;
    }
    return value;
  }

  /** `bits` bits of even odds. */
  direct(bits: number): number {
    let value = 0;
    for (let i = 0; i < bits; i++) {
      this.#normalise();
      this.#range = this.#range >>> 1;
      const one = this.#code >= this.#range;
      if (one) this.#code -= this.#range;
      value = (value << 1) | (one ? 1 : 0);
    }
    return value >>> 0;
  }

  #normalise(): void {
    if (this.#range >= TOP) return;
    this.#range = (this.#range << 8) >>> 0;
    this.#code = ((this.#code << 8) | this.#next()) >>> 0;
  }

  #next(): number {
    if (this.at < this.#bytes.length) return this.#bytes[this.at++];
    this.failed = true;
    return 0;
  }
}
