/** Hashes of names, by which indexed directories are ordered. Source: Linux fs/ext4/hash.c; MD4 is of RFC 1320, TEA of Wheeler and Needham. */

/** Numbers on the disk; unsigned forms are 3 higher in memory only. */
export const DX_HASH_LEGACY = 0;
export const DX_HASH_HALF_MD4 = 1;
export const DX_HASH_TEA = 2;

/** What a directory's names are hashed with. */
export interface HashKind {
  readonly version: number;
  /** Four words; all zero: the standard's. */
  readonly seed: readonly number[];
  /** Bytes of names count as unsigned. */
  readonly unsigned: boolean;
}

const STANDARD_SEED: readonly number[] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
const ROUND2 = 0x5a82_7999;
const ROUND3 = 0x6ed9_eba1;
const TEA_DELTA = 0x9e37_79b9;
/** The largest hash is kept for the end of the directory. */
const END = 0xffff_fffe;

/** @returns an even number of 32 bits, or undefined for a kind that is unknown */
export function hashName(name: Uint8Array, { version, seed, unsigned }: HashKind): number | undefined {
  const bytes: Uint8Array | Int8Array = unsigned
    ? name
    : new Int8Array(name.buffer, name.byteOffset, name.length);
  const buffer = Int32Array.from(seed.some((word) => word !== 0) ? seed : STANDARD_SEED, (word) => word | 0);
  let hash: number;
  if (version === DX_HASH_LEGACY) hash = legacy(bytes);
  else if (version === DX_HASH_HALF_MD4) {
    for (let at = 0; at < bytes.length; at += 32) halfMd4(buffer, words(bytes, at, 8));
    hash = buffer[1]!;
  } else if (version === DX_HASH_TEA) {
    for (let at = 0; at < bytes.length; at += 16) tea(buffer, words(bytes, at, 4));
    hash = buffer[0]!;
  } else return undefined;
  const even = (hash & ~1) >>> 0;
  return even === END ? END - 2 : even;
}

/** Up to 4 * count bytes from `at` on as words, filled up with the length. */
function words(bytes: Uint8Array | Int8Array, at: number, count: number): Int32Array {
  const rest = bytes.length - at;
  const length = Math.min(rest, 4 * count);
  let pad = rest | (rest << 8);
  pad |= pad << 16;
  const into = new Int32Array(count).fill(pad);
  let value = pad;
  for (let place = 0; place < length; place++) {
    value = (bytes[at + place]! + (value << 8)) | 0;
    into[place >> 2] = value;
    if ((place & 3) === 3) value = pad;
  }
  return into;
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}

/** MD4's rounds with half of its steps. */
function halfMd4(buffer: Int32Array, input: Int32Array): void {
  let [a, b, c, d] = buffer as unknown as [number, number, number, number];
  const step = (mixed: number, word: number, by: number) => {
    const next = rotate((a + mixed + word) | 0, by);
    [a, d, c, b] = [d, c, b, next];
  };
  const shifts1 = [3, 7, 11, 19];
  for (let index = 0; index < 8; index++) step(d ^ (b & (c ^ d)), input[index]!, shifts1[index & 3]!);
  const shifts2 = [3, 5, 9, 13];
  for (const [place, index] of [1, 3, 5, 7, 0, 2, 4, 6].entries())
    step(((b & c) + ((b ^ c) & d)) | 0, (input[index]! + ROUND2) | 0, shifts2[place & 3]!);
  const shifts3 = [3, 9, 11, 15];
  for (const [place, index] of [3, 7, 2, 6, 1, 5, 0, 4].entries())
    step(b ^ c ^ d, (input[index]! + ROUND3) | 0, shifts3[place & 3]!);
  buffer[0] = buffer[0]! + a;
  buffer[1] = buffer[1]! + b;
  buffer[2] = buffer[2]! + c;
  buffer[3] = buffer[3]! + d;
}

/** The Tiny Encryption Algorithm, 16 rounds, the name as the key. */
function tea(buffer: Int32Array, key: Int32Array): void {
  let sum = 0;
  let x = buffer[0]!;
  let y = buffer[1]!;
  for (let round = 0; round < 16; round++) {
    sum = (sum + TEA_DELTA) | 0;
    x = (x + (((y << 4) + key[0]!) ^ (y + sum) ^ ((y >>> 5) + key[1]!))) | 0;
    y = (y + (((x << 4) + key[2]!) ^ (x + sum) ^ ((x >>> 5) + key[3]!))) | 0;
  }
  buffer[0] = buffer[0]! + x;
  buffer[1] = buffer[1]! + y;
}

/** The first one, of Linux 2.4. */
function legacy(bytes: Uint8Array | Int8Array): number {
  let newer = 0x12a3_fe2d;
  let older = 0x37ab_e8f9;
  for (const byte of bytes) {
    let hash = (older + (newer ^ Math.imul(byte, 7152373))) >>> 0;
    if (hash & 0x8000_0000) hash = (hash - 0x7fff_ffff) >>> 0;
    older = newer;
    newer = hash;
  }
  return newer << 1;
}
