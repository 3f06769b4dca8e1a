/** Checksums of ext4 and its journal: CRC-32C, and CRC-16 for descriptors of older ones. Source: RFC 3720 B.4; Linux lib/crc16.c. */

/** Castagnoli's polynomial, reflected. */
const CRC32C_POLYNOMIAL = 0x82f6_3b78;
const CRC16_POLYNOMIAL = 0xa001;
/** Bytes that one step takes, with a table for each. */
const LANES = 8;

export type Crc = (seed: number, bytes: Uint8Array) => number;

function tableOf(polynomial: number): Uint32Array {
  const table = new Uint32Array(256);
  for (let value = 0; value < 256; value++) {
    let crc = value;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? polynomial : 0);
    table[value] = crc;
  }
  return table;
}

/**
 * Makes CRC-32C as the kernel's crc32c(): nothing is inverted before or after, so sums of parts can be chained.
 * @returns a function of the seed, or sum of what comes before, and bytes; its result is unsigned
 */
export function makeCrc32c(): Crc {
  const tables = [tableOf(CRC32C_POLYNOMIAL)];
  for (let lane = 1; lane < LANES; lane++) {
    const before = tables[lane - 1]!;
    tables.push(before.map((crc) => (crc >>> 8) ^ tables[0]![crc & 0xff]!));
  }
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables as [
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
    Uint32Array,
  ];
  return (seed, bytes) => {
    let crc = seed | 0;
    let at = 0;
    for (const end = bytes.length - LANES; at <= end; at += LANES) {
      crc ^= bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      crc =
        t7[crc & 0xff]! ^
        t6[(crc >>> 8) & 0xff]! ^
        t5[(crc >>> 16) & 0xff]! ^
        t4[crc >>> 24]! ^
        t3[bytes[at + 4]!]! ^
        t2[bytes[at + 5]!]! ^
        t1[bytes[at + 6]!]! ^
        t0[bytes[at + 7]!]!;
    }
    for (; at < bytes.length; at++) crc = (crc >>> 8) ^ t0[(crc ^ bytes[at]!) & 0xff]!;
    return crc >>> 0;
  };
}

/** Makes CRC-16 (ANSI), chained as {@link makeCrc32c}. */
export function makeCrc16(): Crc {
  const table = tableOf(CRC16_POLYNOMIAL);
  return (seed, bytes) => {
    let crc = seed;
    for (const byte of bytes) crc = (crc >>> 8) ^ table[(crc ^ byte) & 0xff]!;
    return crc;
  };
}

/** Sums over a file system's numbers and bytes. */
export class Checksums {
  readonly crc32c: Crc = makeCrc32c();
  readonly crc16: Crc = makeCrc16();
  /** What sums of metadata start with: the sum of the UUID. */
  readonly seed: number;
  readonly #word = new Uint8Array(8);
  readonly #view = new DataView(this.#word.buffer);

  /** @param seed undefined: of `uuid` */
  constructor(uuid: Uint8Array, seed: number | undefined) {
    this.seed = seed ?? this.crc32c(0xffff_ffff, uuid);
  }

  /** Goes on with a little-endian number of 32 bits. */
  word(seed: number, value: number): number {
    this.#view.setUint32(0, value, true);
    return this.crc32c(seed, this.#word.subarray(0, 4));
  }

  /** Goes on with a block's number, of 64 bits. */
  blockNumber(seed: number, value: number): number {
    this.#view.setUint32(0, value, true);
    this.#view.setUint32(4, 0, true);
    return this.crc32c(seed, this.#word);
  }

  /** What sums over the parts of an inode start with. */
  ofInode(ino: number, generation: number): number {
    return this.word(this.word(this.seed, ino), generation);
  }

  /** Over `bytes`, with `length` bytes at `hole` taken as zero: where the sum itself is. */
  around(seed: number, bytes: Uint8Array, hole: number, length: number): number {
    let crc = this.crc32c(seed, bytes.subarray(0, hole));
    crc = this.crc32c(crc, new Uint8Array(length));
    return this.crc32c(crc, bytes.subarray(hole + length));
  }
}
