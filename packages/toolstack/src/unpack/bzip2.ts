import type { ByteSink } from './byte-sink.ts';
import { BitSource, type HuffmanTable, huffmanTable } from './bzip2-huffman.ts';

const BLOCK_HIGH = 0x314159;
const BLOCK_LOW = 0x265359;
const END_HIGH = 0x177245;
const END_LOW = 0x385090;
const BYTES_PER_LEVEL = 100_000;
const RUN_A = 0;
const RUN_B = 1;
const SYMBOLS_PER_SELECTOR = 50;
const MAX_CODE_LENGTH = 20;
const POLYNOMIAL = 0x04c1_1db7;

/**
 * Decodes a .bz2 file.
 * @returns whether the file is sound, the checksums of its blocks included
 * Source: the description in Wikipedia's "Bzip2", checked against files of bzip2 1.0.8
 */
export function decodeBzip2(bytes: Uint8Array, out: ByteSink): boolean {
  const level = bytes[3] - 0x30;
  if (!(level >= 1 && level <= 9)) return false;
  const bits = new BitSource(bytes, 4);
  const block = new Uint32Array(level * BYTES_PER_LEVEL);
  const crcTable = makeCrcTable();
  for (;;) {
    const high = bits.read(24);
    const low = bits.read(24);
    if (high === END_HIGH && low === END_LOW) return !bits.failed;
    if (high !== BLOCK_HIGH || low !== BLOCK_LOW || bits.failed) return false;
    const crc = bits.read(16) * 0x1_0000 + bits.read(16);
    // Randomised blocks went out of use in 1997.
    if (bits.read(1) !== 0) return false;
    const origin = bits.read(24);
    const length = readBlock(bits, block);
    if (bits.failed || origin >= length) return false;
    const from = out.length;
    if (!writeBlock(block, length, origin, out)) return false;
    if (crcOf(crcTable, out.written.subarray(from)) !== crc) return false;
  }
}

/** Fills `block` with the last column of the sorted block. @returns its length; 0 when it is damaged */
function readBlock(bits: BitSource, block: Uint32Array): number {
  const recent = readSymbolMap(bits);
  const symbols = recent.length + 2;
  const groups = bits.read(3);
  const nrSelectors = bits.read(15);
  if (groups < 2 || groups > 6 || recent.length === 0) return 0;
  const selectors = readSelectors(bits, nrSelectors, groups);
  const tables: HuffmanTable[] = [];
  for (let i = 0; i < groups; i++) {
    const table = readTable(bits, symbols);
    if (table === null) return 0;
    tables.push(table);
  }
  return selectors === null ? 0 : readSymbols(bits, block, { recent, selectors, tables });
}

function readSymbols(
  bits: BitSource,
  block: Uint32Array,
  coding: {
    readonly recent: Uint8Array;
    readonly selectors: Uint8Array;
    readonly tables: readonly HuffmanTable[];
  },
): number {
  const { recent, selectors, tables } = coding;
  const end = recent.length + 1;
  let length = 0;
  let run = 0;
  let runBit = 1;
  for (const selector of selectors) {
    const table = tables[selector];
    for (let i = 0; i < SYMBOLS_PER_SELECTOR; i++) {
      const symbol = bits.symbol(table);
      if (symbol < 0) return 0;
      if (symbol === RUN_A || symbol === RUN_B) {
        run += runBit << symbol;
        runBit <<= 1;
        if (run > block.length) return 0;
        continue;
      }
      if (length + run + (symbol === end ? 0 : 1) > block.length) return 0;
      block.fill(recent[0], length, length + run);
      length += run;
      run = 0;
      runBit = 1;
      if (symbol === end) return length;
      const byte = recent[symbol - 1];
      recent.copyWithin(1, 0, symbol - 1);
      recent[0] = byte;
      block[length++] = byte;
    }
  }
  return 0;
}

function readSymbolMap(bits: BitSource): Uint8Array {
  const ranges = bits.read(16);
  const used: number[] = [];
  for (let range = 0; range < 16; range++) {
    if ((ranges & (0x8000 >> range)) === 0) continue;
    const members = bits.read(16);
    for (let i = 0; i < 16; i++) if (members & (0x8000 >> i)) used.push(range * 16 + i);
  }
  return Uint8Array.from(used);
}

function readSelectors(bits: BitSource, count: number, groups: number): Uint8Array | null {
  const recent = [0, 1, 2, 3, 4, 5].slice(0, groups);
  const selectors = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    let at = 0;
    while (bits.read(1) === 1) if (++at >= groups) return null;
    const [selector] = recent.splice(at, 1);
    recent.unshift(selector);
    selectors[i] = selector;
  }
  return selectors;
}

function readTable(bits: BitSource, symbols: number): HuffmanTable | null {
  const lengths = new Uint8Array(symbols);
  let length = bits.read(5);
  for (let symbol = 0; symbol < symbols; symbol++) {
    while (bits.read(1) === 1) {
      length += bits.read(1) === 0 ? 1 : -1;
      if (length < 1 || length > MAX_CODE_LENGTH) return null;
    }
    if (length < 1 || length > MAX_CODE_LENGTH) return null;
    lengths[symbol] = length;
  }
  return huffmanTable(lengths, MAX_CODE_LENGTH);
}

/** Undoes the sorting, and the run lengths that were taken before it: four equal bytes are followed by a count. */
function writeBlock(block: Uint32Array, length: number, origin: number, out: ByteSink): boolean {
  const next = new Uint32Array(256);
  for (let i = 0; i < length; i++) next[block[i] & 0xff]++;
  for (let byte = 0, sum = 0; byte < 256; byte++) {
    const count = next[byte];
    next[byte] = sum;
    sum += count;
  }
  for (let i = 0; i < length; i++) block[next[block[i] & 0xff]++] |= i << 8;
  let at = block[origin] >>> 8;
  let last = -1;
  let equal = 0;
  for (let i = 0; i < length; i++) {
    const byte = block[at] & 0xff;
    at = block[at] >>> 8;
    if (equal === 4) {
      for (let count = byte; count > 0; count--) out.put(last);
      equal = 0;
      last = -1;
    } else {
      equal = byte === last ? equal + 1 : 1;
      last = byte;
      out.put(byte);
    }
    if (out.failed) return false;
  }
  return true;
}

function makeCrcTable(): Int32Array {
  const table = new Int32Array(256);
  for (let i = 0; i < 256; i++) {
    let c = i << 24;
    for (let bit = 0; bit < 8; bit++) c = (c << 1) ^ (c < 0 ? POLYNOMIAL : 0);
    table[i] = c;
  }
  return table;
}

function crcOf(table: Int32Array, bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = (crc << 8) ^ table[(crc >>> 24) ^ bytes[i]];
  return ~crc >>> 0;
}
