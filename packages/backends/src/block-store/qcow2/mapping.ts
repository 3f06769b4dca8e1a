import { putU64 } from './refcounts.ts';

/** Where a cluster of the disk is. */
export type Mapping =
  /** in the backing file, or zeros */
  | { readonly kind: 'unallocated' }
  /** zeros; a cluster may be kept for it at `offset` (0: none) */
  | { readonly kind: 'zero'; readonly offset: number }
  /** at `offset`; `own` when nothing else uses that cluster, so that it may be written */
  | { readonly kind: 'data'; readonly offset: number; readonly own: boolean }
  | { readonly kind: 'compressed'; readonly offset: number; readonly lengthBytes: number }
  | { readonly kind: 'invalid' };

const COPIED = 0x8000_0000;
const COMPRESSED = 0x4000_0000;
/** Bits of the offset in the upper word of an entry. */
const OFFSET_HIGH = 0x00ff_ffff;
const SECTOR_BYTES = 512;

/** @returns the offset in an L1 or L2 entry (bits 9 to 55) */
function offsetOf(high: number, low: number): number {
  return (high & OFFSET_HIGH) * 2 ** 32 + ((low & ~0x1ff) >>> 0);
}

/** An entry of the L1 table: where the L2 table is (0: nowhere), and whether nothing else uses it. */
export interface L1Entry {
  readonly offset: number;
  readonly own: boolean;
}

export function readL1(table: DataView, index: number): L1Entry {
  const high = table.getUint32(8 * index);
  return { offset: offsetOf(high, table.getUint32(8 * index + 4)), own: (high & COPIED) !== 0 };
}

/** Stores an entry of an L1 or L2 table: a cluster that nothing else uses; 0 for none. */
export function writeOwn(table: DataView, index: number, offset: number): void {
  putU64(table, 8 * index, offset);
  if (offset !== 0) table.setUint32(8 * index, table.getUint32(8 * index) | COPIED);
}

/** Stores an L2 entry that reads as zeros (version 3). */
export function writeZero(table: DataView, index: number): void {
  putU64(table, 8 * index, 1);
}

/** @param version the image's: zero clusters are known from version 3 on */
export function readL2(table: DataView, index: number, clusterBits: number, version: 2 | 3): Mapping {
  const high = table.getUint32(8 * index);
  const low = table.getUint32(8 * index + 4);
  if (high & COMPRESSED) return compressed(high, low, clusterBits);
  const offset = offsetOf(high, low);
  if (offset % 2 ** clusterBits !== 0) return { kind: 'invalid' };
  if (version === 3 && low & 1) return { kind: 'zero', offset };
  if (offset === 0) return { kind: 'unallocated' };
  return { kind: 'data', offset, own: (high & COPIED) !== 0 };
}

/** The low x = 62 - (cluster_bits - 8) bits are an offset in bytes, those above it a number of further sectors. */
function compressed(high: number, low: number, clusterBits: number): Mapping {
  const highBits = 62 - (clusterBits - 8) - 32;
  const offset = (high & (2 ** highBits - 1)) * 2 ** 32 + low;
  const sectors = (high & 0x3fff_ffff) >>> highBits;
  // The first sector counts from where the data begins in it.
  const lengthBytes = (sectors + 1) * SECTOR_BYTES - (offset % SECTOR_BYTES);
  return { kind: 'compressed', offset, lengthBytes };
}
