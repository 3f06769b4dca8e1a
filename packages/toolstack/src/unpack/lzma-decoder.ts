import type { ByteSink } from './byte-sink.ts';
import { INITIAL_PROBABILITY, RangeDecoder } from './range-decoder.ts';

const STATES = 12;
const MAX_POSITION_STATES = 16;
/** From this state on, the last thing decoded was not a literal. */
const FIRST_MATCH_STATE = 7;
const MIN_MATCH = 2;
const LENGTH_STATES = 4;
const ALIGN_BITS = 4;
const FIRST_DIRECT_SLOT = 14;
const END_MARKER = 0xffff_ffff;

/** A length coder: two choice bits, low and mid trees for each position state, one high tree. */
const LENGTH_LOW = 2;
const LENGTH_MID = LENGTH_LOW + (MAX_POSITION_STATES << 3);
const LENGTH_HIGH = LENGTH_MID + (MAX_POSITION_STATES << 3);
const LENGTH_SIZE = LENGTH_HIGH + 256;

const IS_MATCH = 0;
const IS_REP = IS_MATCH + STATES * MAX_POSITION_STATES;
const IS_REP_G0 = IS_REP + STATES;
const IS_REP_G1 = IS_REP_G0 + STATES;
const IS_REP_G2 = IS_REP_G1 + STATES;
const IS_REP0_LONG = IS_REP_G2 + STATES;
const SLOTS = IS_REP0_LONG + STATES * MAX_POSITION_STATES;
const SPECIAL = SLOTS + LENGTH_STATES * 64;
const ALIGN = SPECIAL + 128;
const MATCH_LENGTH = ALIGN + (1 << ALIGN_BITS);
const REP_LENGTH = MATCH_LENGTH + LENGTH_SIZE;
const LITERALS = REP_LENGTH + LENGTH_SIZE;
const LITERAL_SIZE = 0x300;
const MAX_PROPERTIES = 9 * 5 * 5;

/**
 * LZMA, the coder of .lzma files and of LZMA2 chunks. The output is the dictionary.
 * Source: LZMA specification (LZMA SDK, lzma-specification.txt)
 */
export class LzmaDecoder {
  readonly range: RangeDecoder = new RangeDecoder();
  readonly #out: ByteSink;
  #probabilities: Uint16Array = new Uint16Array(0);
  #lc = 0;
  #literalPositionMask = 0;
  #positionMask = 0;
  #state = 0;
  readonly #reps = new Uint32Array(4);
  /** Where in the output positions are counted from, and dictionaries begin. */
  #origin = 0;

  constructor(out: ByteSink) {
    this.#out = out;
  }

  /** Begins a new dictionary at the present end of the output. */
  resetDictionary(): void {
    this.#origin = this.#out.length;
  }

  /** Takes the byte (pb * 5 + lp) * 9 + lc and starts anew. @returns false when it is out of range */
  setProperties(byte: number): boolean {
    if (byte >= MAX_PROPERTIES) return false;
    const lp = Math.floor(byte / 9) % 5;
    this.#lc = byte % 9;
    this.#literalPositionMask = (1 << lp) - 1;
    this.#positionMask = (1 << Math.floor(byte / 45)) - 1;
    this.#probabilities = new Uint16Array(LITERALS + (LITERAL_SIZE << (this.#lc + lp)));
    this.resetState();
    return true;
  }

  resetState(): void {
    this.#probabilities.fill(INITIAL_PROBABILITY);
    this.#state = 0;
    this.#reps.fill(0);
  }

  /**
   * Decodes until the output is `end` bytes long or an end marker comes.
   * @returns 'full', 'marker', or 'corrupt'
   */
  decode(end: number): 'full' | 'marker' | 'corrupt' {
    const out = this.#out;
    const { range } = this;
    while (out.length < end) {
      const position = (out.length - this.#origin) & this.#positionMask;
      if (range.bit(this.#probabilities, IS_MATCH + (this.#state << 4) + position) === 0) {
        this.#literal();
      } else {
        const length = this.#match(position);
        if (length === 0) return 'marker';
        const distance = this.#reps[0] + 1;
        if (length < 0 || distance > out.length - this.#origin || length > end - out.length) return 'corrupt';
        out.copy(distance, length);
      }
      if (range.failed || out.failed) return 'corrupt';
    }
    return 'full';
  }

  #literal(): void {
    const { range } = this;
    const probabilities = this.#probabilities;
    const out = this.#out;
    const position = (out.length - this.#origin) & this.#literalPositionMask;
    const before = out.length > this.#origin ? out.back(1) : 0;
    const base = LITERALS + LITERAL_SIZE * ((position << this.#lc) | (before >> (8 - this.#lc)));
    let symbol = 1;
    if (this.#state >= FIRST_MATCH_STATE) {
      let matched = out.back(this.#reps[0] + 1);
      while (symbol < 0x100) {
        const matchBit = (matched >> 7) & 1;
        matched <<= 1;
        const bit = range.bit(probabilities, base + ((1 + matchBit) << 8) + symbol);
        symbol = (symbol << 1) | bit;
        if (bit !== matchBit) break;
      }
    }
    while (symbol < 0x100) symbol = (symbol << 1) | range.bit(probabilities, base + symbol);
    out.put(symbol & 0xff);
    this.#state = afterLiteral(this.#state);
  }

  /** Sets reps[0] to the distance less one. @returns the length; 0 at the end marker */
  #match(position: number): number {
    const { range } = this;
    const probabilities = this.#probabilities;
    const state = this.#state;
    const reps = this.#reps;
    if (range.bit(probabilities, IS_REP + state) === 0) {
      reps.copyWithin(1, 0, 3);
      const length = this.#length(MATCH_LENGTH, position);
      reps[0] = this.#distance(length);
      this.#state = state < FIRST_MATCH_STATE ? 7 : 10;
      return reps[0] === END_MARKER ? 0 : length + MIN_MATCH;
    }
    if (range.bit(probabilities, IS_REP_G0 + state) === 0) {
      if (range.bit(probabilities, IS_REP0_LONG + (state << 4) + position) === 0) {
        this.#state = state < FIRST_MATCH_STATE ? 9 : 11;
        return 1;
      }
    } else {
      this.#rotateReps(this.#olderRep());
    }
    this.#state = state < FIRST_MATCH_STATE ? 8 : 11;
    return this.#length(REP_LENGTH, position) + MIN_MATCH;
  }

  #olderRep(): number {
    if (this.range.bit(this.#probabilities, IS_REP_G1 + this.#state) === 0) return 1;
    return 2 + this.range.bit(this.#probabilities, IS_REP_G2 + this.#state);
  }

  #rotateReps(used: number): void {
    const distance = this.#reps[used];
    this.#reps.copyWithin(1, 0, used);
    this.#reps[0] = distance;
  }

  #length(base: number, position: number): number {
    const { range } = this;
    const probabilities = this.#probabilities;
    if (range.bit(probabilities, base) === 0)
      return range.tree(probabilities, base + LENGTH_LOW + (position << 3), 3);
    if (range.bit(probabilities, base + 1) === 0)
      return 8 + range.tree(probabilities, base + LENGTH_MID + (position << 3), 3);
    return 16 + range.tree(probabilities, base + LENGTH_HIGH, 8);
  }

  #distance(length: number): number {
    const { range } = this;
    const probabilities = this.#probabilities;
    const slot = range.tree(probabilities, SLOTS + (Math.min(length, LENGTH_STATES - 1) << 6), 6);
    if (slot < 4) return slot;
    const bits = (slot >> 1) - 1;
    const base = ((2 | (slot & 1)) << bits) >>> 0;
    if (slot < FIRST_DIRECT_SLOT) return base + range.reverseTree(probabilities, SPECIAL + base - slot, bits);
    const high = range.direct(bits - ALIGN_BITS) * 2 ** ALIGN_BITS;
    return base + high + range.reverseTree(probabilities, ALIGN, ALIGN_BITS);
  }
}

function afterLiteral(state: number): number {
  if (state < 4) return 0;
  return state < 10 ? state - 3 : state - 6;
}
