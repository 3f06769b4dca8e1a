import { highestBit, ReverseBits } from './zstd-bits.ts';
import { FseState, readFseTable } from './zstd-fse.ts';

const RAW = 0;
const RLE = 1;
const TREELESS = 3;
const MAX_WEIGHT_LOG = 6;
const MAX_CODE_BITS = 11;
const MAX_WEIGHTS = 255;
/** Most that one block regenerates. */
export const MAX_BLOCK_BYTES = 131_072;

/** Symbol and code length for each value of the next `maxBits` bits. */
export interface HuffmanCode {
  readonly maxBits: number;
  readonly symbols: Uint8Array;
  readonly nrBits: Uint8Array;
}

/** The literals of a block, where the block's sequences begin, and the code that the next block may use again. */
export interface Literals {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly code: HuffmanCode | null;
}

/**
 * Reads the literals section of a compressed block.
 * @param before the code of the last block that had one
 * @returns null when it is damaged
 * Source: RFC 8878, 3.1.1.3.1
 */
export function readLiterals(block: Uint8Array, before: HuffmanCode | null): Literals | null {
  const byte = (i: number): number => block[i] ?? 0;
  const type = byte(0) & 3;
  const format = (byte(0) >> 2) & 3;
  if (type === RAW || type === RLE) {
    const headerBytes = format === 1 ? 2 : format === 3 ? 3 : 1;
    const word = byte(0) | (byte(1) << 8) | (byte(2) << 16);
    const size = headerBytes === 1 ? byte(0) >> 3 : (word & (2 ** (8 * headerBytes) - 1)) >> 4;
    const length = headerBytes + (type === RAW ? size : 1);
    if (size > MAX_BLOCK_BYTES || length > block.length) return null;
    const bytes =
      type === RAW ? block.subarray(headerBytes, length) : new Uint8Array(size).fill(block[headerBytes]);
    return { bytes, length, code: before };
  }
  const sizeBits = format < 2 ? 10 : format === 2 ? 14 : 18;
  const headerBytes = (4 + 2 * sizeBits) >> 3;
  let header = 0;
  for (let i = headerBytes - 1; i >= 0; i--) header = header * 256 + byte(i);
  const size = Math.floor(header / 16) % 2 ** sizeBits;
  const packed = Math.floor(header / 2 ** (4 + sizeBits));
  const length = headerBytes + packed;
  if (size > MAX_BLOCK_BYTES || length > block.length) return null;
  let data = block.subarray(headerBytes, length);
  let code = before;
  if (type !== TREELESS) {
    const tree = readTree(data);
    if (tree === null) return null;
    code = tree.code;
    data = data.subarray(tree.length);
  }
  if (code === null) return null;
  const bytes = new Uint8Array(size);
  const sound = format === 0 ? decodeStream(data, code, bytes) : decodeFourStreams(data, code, bytes);
  return sound ? { bytes, length, code } : null;
}

function decodeFourStreams(data: Uint8Array, code: HuffmanCode, out: Uint8Array): boolean {
  const part = (out.length + 3) >> 2;
  let at = 6;
  for (let i = 0; i < 4; i++) {
    const size = i < 3 ? data[2 * i] | (data[2 * i + 1] << 8) : data.length - at;
    const target = out.subarray(Math.min(out.length, part * i), i < 3 ? part * (i + 1) : out.length);
    if (!(size > 0) || !decodeStream(data.subarray(at, at + size), code, target)) return false;
    at += size;
  }
  return true;
}

function decodeStream(data: Uint8Array, code: HuffmanCode, out: Uint8Array): boolean {
  const bits = new ReverseBits(data);
  const { maxBits, symbols, nrBits } = code;
  const mask = (1 << maxBits) - 1;
  let state = bits.read(maxBits);
  for (let i = 0; i < out.length; i++) {
    out[i] = symbols[state];
    const used = nrBits[state];
    state = ((state << used) & mask) | bits.read(used);
  }
  return bits.position === -maxBits;
}

/** Source: RFC 8878, 4.2.1, "Huffman Tree Description" */
function readTree(data: Uint8Array): { code: HuffmanCode; length: number } | null {
  const header = data[0] ?? 0;
  if (header < 128) {
    const weights = readPackedWeights(data.subarray(1, 1 + header));
    const code = weights && huffmanCode(weights);
    return code && { code, length: 1 + header };
  }
  const count = header - 127;
  const weights: number[] = [];
  for (let i = 0; i < count; i++) weights.push(((data[1 + (i >> 1)] ?? 0) >> (i & 1 ? 0 : 4)) & 15);
  const code = huffmanCode(weights);
  return code && { code, length: 1 + ((count + 1) >> 1) };
}

/** Two decoders take turns until the bits are used up. */
function readPackedWeights(data: Uint8Array): number[] | null {
  const description = readFseTable(data, MAX_WEIGHT_LOG, MAX_WEIGHTS);
  if (description === null) return null;
  const bits = new ReverseBits(data.subarray(description.length));
  const states = [new FseState(description.table, bits), new FseState(description.table, bits)];
  const weights: number[] = [];
  for (let turn = 0; weights.length < MAX_WEIGHTS; turn ^= 1) {
    weights.push(states[turn].symbol);
    states[turn].advance(bits);
    if (bits.position >= 0) continue;
    weights.push(states[turn ^ 1].symbol);
    return weights.length <= MAX_WEIGHTS ? weights : null;
  }
  return null;
}

/** The last symbol's weight is not stored: it fills the code up. */
function huffmanCode(stored: readonly number[]): HuffmanCode | null {
  const sum = stored.reduce((total, weight) => total + (weight > 0 ? 2 ** (weight - 1) : 0), 0);
  if (sum === 0 || sum >= 2 ** MAX_CODE_BITS) return null;
  const maxBits = highestBit(sum) + 1;
  const rest = 2 ** maxBits - sum;
  if ((rest & (rest - 1)) !== 0) return null;
  const weights = [...stored, highestBit(rest) + 1];
  const symbols = new Uint8Array(2 ** maxBits);
  const nrBits = new Uint8Array(2 ** maxBits);
  let at = 0;
  for (let weight = 1; weight <= maxBits; weight++) {
    for (const [symbol, its] of weights.entries()) {
      if (its !== weight) continue;
      symbols.fill(symbol, at, at + 2 ** (weight - 1));
      nrBits.fill(maxBits + 1 - weight, at, at + 2 ** (weight - 1));
      at += 2 ** (weight - 1);
    }
  }
  return at === 2 ** maxBits ? { maxBits, symbols, nrBits } : null;
}
