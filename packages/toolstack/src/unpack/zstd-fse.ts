import { highestBit, type ReverseBits } from './zstd-bits.ts';

/** A decoding table of finite state entropy: for each state its symbol, and how to find the next state. */
export interface FseTable {
  readonly accuracyLog: number;
  readonly symbols: Uint8Array;
  readonly nrBits: Uint8Array;
  readonly bases: Uint16Array;
}

/** The state of one decoder. */
export class FseState {
  readonly #table: FseTable;
  #state: number;

  constructor(table: FseTable, bits: ReverseBits) {
    this.#table = table;
    this.#state = bits.read(table.accuracyLog);
  }

  get symbol(): number {
    return this.#table.symbols[this.#state];
  }

  advance(bits: ReverseBits): void {
    this.#state = this.#table.bases[this.#state] + bits.read(this.#table.nrBits[this.#state]);
  }
}

/** A table of one state, which costs no bits. */
export function fseOfOneSymbol(symbol: number): FseTable {
  return {
    accuracyLog: 0,
    symbols: Uint8Array.of(symbol),
    nrBits: new Uint8Array(1),
    bases: new Uint16Array(1),
  };
}

/**
 * Builds a table from how often symbols occur.
 * @param counts they add up to 2 ** accuracyLog; -1: less than once
 * Source: RFC 8878, 4.1.1
 */
export function fseTable(counts: readonly number[], accuracyLog: number): FseTable | null {
  const size = 1 << accuracyLog;
  const symbols = new Uint8Array(size);
  const next = counts.map((count) => Math.abs(count));
  let end = size;
  for (const [symbol, count] of counts.entries()) if (count === -1) symbols[--end] = symbol;
  const step = (size >> 1) + (size >> 3) + 3;
  let at = 0;
  for (const [symbol, count] of counts.entries()) {
    for (let i = 0; i < count; i++) {
      symbols[at] = symbol;
      do at = (at + step) & (size - 1);
      while (at >= end);
    }
  }
  if (at !== 0) return null;
  const nrBits = new Uint8Array(size);
  const bases = new Uint16Array(size);
  for (let state = 0; state < size; state++) {
    const occurrence = next[symbols[state]]++;
    nrBits[state] = accuracyLog - highestBit(occurrence);
    bases[state] = (occurrence << nrBits[state]) - size;
  }
  return { accuracyLog, symbols, nrBits, bases };
}

/**
 * Reads the description of a table.
 * @returns the table and the bytes that describe it, or null when it is damaged
 * Source: RFC 8878, 4.1.1, "FSE Table Description"
 */
export function readFseTable(
  bytes: Uint8Array,
  maxAccuracyLog: number,
  maxSymbol: number,
): { table: FseTable; length: number } | null {
  let position = 0;
  const read = (count: number): number => {
    const at = position >> 3;
    const word = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    const value = (word >>> (position & 7)) & (2 ** count - 1);
    position += count;
    return value;
  };
  const accuracyLog = read(4) + 5;
  if (accuracyLog > maxAccuracyLog) return null;
  const counts: number[] = [];
  let remaining = 1 << accuracyLog;
  while (remaining > 0 && counts.length <= maxSymbol) {
    const nrBits = highestBit(remaining + 1) + 1;
    const lowMask = (1 << (nrBits - 1)) - 1;
    const threshold = (1 << nrBits) - 2 - remaining;
    let value = read(nrBits);
    if ((value & lowMask) < threshold) {
      position--;
      value &= lowMask;
    } else if (value > lowMask) {
      value -= threshold;
    }
    const count = value - 1;
    remaining -= Math.abs(count);
    counts.push(count);
    if (count !== 0) continue;
    for (let repeat = 3; repeat === 3 && counts.length <= maxSymbol; ) {
      repeat = read(2);
      for (let i = 0; i < repeat; i++) counts.push(0);
    }
  }
  const length = (position + 7) >> 3;
  if (remaining !== 0 || counts.length > maxSymbol + 1 || length > bytes.length) return null;
  const table = fseTable(counts, accuracyLog);
  return table && { table, length };
}
