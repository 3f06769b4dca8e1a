/** An inode as it lies on the disk. Source: Linux fs/ext4/ext4.h, struct ext4_inode. */
import { isRegular } from '../../abi/stat.ts';
import type { Time } from '../types.ts';
import { BLOCK_SLOTS } from './block-map.ts';
import type { Checksums } from './checksum.ts';

/** i_blocks counts blocks of the file system. */
const HUGE_FILE_FL = 0x40000;
const CHECKSUM_LOW_AT = 124;
const CHECKSUM_HIGH_AT = 130;
const CREATION_AT = 144;
const CREATION_EXTRA_AT = 148;
const SECOND = 1_000_000_000n;

/** What of an inode is kept in memory. */
export interface InodeFields {
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  size: number;
  /** In units of 512 bytes. */
  blocks512: number;
  flags: number;
  aclBlock: number;
  generation: number;
  atime: Time;
  mtime: Time;
  ctime: Time;
  /** Seconds since 1970 when it was deleted, or 0. */
  dtime: number;
  readonly slots: Uint32Array;
}

/** Where the times are, and where the nanoseconds of each. */
const TIMES: readonly (readonly [key: 'atime' | 'mtime' | 'ctime', at: number, extraAt: number])[] = [
  ['atime', 8, 140],
  ['ctime', 12, 132],
  ['mtime', 16, 136],
];

/** @param extra bytes of the record after the first 128 that are in use */
function readTime(view: DataView, at: number, extraAt: number, extra: number): Time {
  const seconds = BigInt(view.getInt32(at, true));
  if (extraAt + 4 > 128 + extra) return seconds * SECOND;
  const more = view.getUint32(extraAt, true);
  const epoch = BigInt(more & 3) << 32n;
  return (seconds + epoch) * SECOND + BigInt(more >>> 2);
}

function writeTime(view: DataView, at: number, extraAt: number, extra: number, time: Time): void {
  const seconds = time / SECOND;
  view.setInt32(at, Number(BigInt.asIntN(32, seconds)), true);
  if (extraAt + 4 > 128 + extra) return;
  const epoch = Number(((seconds - BigInt.asIntN(32, seconds)) >> 32n) & 3n);
  view.setUint32(extraAt, ((Number(time % SECOND) << 2) | epoch) >>> 0, true);
}

function extraOf(view: DataView): number {
  if (view.byteLength < 132) return 0;
  const extra = view.getUint16(128, true);
  return extra % 4 === 0 && 128 + extra <= view.byteLength ? extra : 0;
}

/** @param record the inode's bytes, 128 or more @param blockBytes of the file system */
export function readInode(record: Uint8Array, blockBytes: number): InodeFields {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const slots = new Uint32Array(BLOCK_SLOTS);
  for (let slot = 0; slot < BLOCK_SLOTS; slot++) slots[slot] = view.getUint32(40 + 4 * slot, true);
  const mode = view.getUint16(0, true);
  const high = isRegular({ mode }) ? view.getUint32(108, true) : 0;
  const extra = extraOf(view);
  const flags = view.getUint32(32, true);
  const blocks = view.getUint32(28, true) + view.getUint16(116, true) * 2 ** 32;
  const times = Object.fromEntries(TIMES.map(([key, at, more]) => [key, readTime(view, at, more, extra)]));
  return {
    mode,
    uid: view.getUint16(2, true) | (view.getUint16(120, true) << 16),
    gid: view.getUint16(24, true) | (view.getUint16(122, true) << 16),
    nlink: view.getUint16(26, true),
    size: view.getUint32(4, true) + high * 2 ** 32,
    blocks512: (flags & HUGE_FILE_FL) !== 0 ? blocks * (blockBytes / 512) : blocks,
    flags,
    aclBlock: view.getUint32(104, true),
    generation: view.getUint32(100, true),
    dtime: view.getUint32(20, true),
    ...(times as Record<'atime' | 'mtime' | 'ctime', Time>),
    slots,
  };
}

/** Puts the checksum into a record. @param seed the inode's */
export function sealRecord(record: Uint8Array, checksums: Checksums, seed: number): void {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const sum = recordChecksum(record, checksums, seed);
  view.setUint16(CHECKSUM_LOW_AT, sum & 0xffff, true);
  if (hasHighChecksum(view)) view.setUint16(CHECKSUM_HIGH_AT, sum >>> 16, true);
}

export function recordMatches(record: Uint8Array, checksums: Checksums, seed: number): boolean {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  const sum = recordChecksum(record, checksums, seed);
  if (view.getUint16(CHECKSUM_LOW_AT, true) !== (sum & 0xffff)) return false;
  return !hasHighChecksum(view) || view.getUint16(CHECKSUM_HIGH_AT, true) === sum >>> 16;
}

function hasHighChecksum(view: DataView): boolean {
  return CHECKSUM_HIGH_AT + 2 <= 128 + extraOf(view);
}

function recordChecksum(record: Uint8Array, checksums: Checksums, seed: number): number {
  const copy = record.slice();
  copy.fill(0, CHECKSUM_LOW_AT, CHECKSUM_LOW_AT + 2);
  if (hasHighChecksum(new DataView(copy.buffer))) copy.fill(0, CHECKSUM_HIGH_AT, CHECKSUM_HIGH_AT + 2);
  return checksums.crc32c(seed, copy);
}

/** @param fresh bytes after the first 128 that a new inode uses; undefined: it is not new */
export function writeInode(record: Uint8Array, of: InodeFields, fresh: number | undefined): void {
  const view = new DataView(record.buffer, record.byteOffset, record.byteLength);
  if (fresh !== undefined) {
    record.fill(0);
    if (fresh > 0) view.setUint16(128, fresh, true);
    if (128 + fresh >= CREATION_EXTRA_AT + 4)
      writeTime(view, CREATION_AT, CREATION_EXTRA_AT, fresh, of.ctime);
  }
  view.setUint16(0, of.mode, true);
  view.setUint16(2, of.uid & 0xffff, true);
  view.setUint32(4, of.size % 2 ** 32, true);
  const extra = extraOf(view);
  for (const [key, at, more] of TIMES) writeTime(view, at, more, extra, of[key]);
  view.setUint32(20, of.dtime, true);
  view.setUint16(24, of.gid & 0xffff, true);
  view.setUint16(26, of.nlink, true);
  view.setUint32(28, of.blocks512 % 2 ** 32, true);
  view.setUint16(116, Math.floor(of.blocks512 / 2 ** 32), true);
  view.setUint32(32, of.flags & ~HUGE_FILE_FL, true);
  for (let slot = 0; slot < BLOCK_SLOTS; slot++) view.setUint32(40 + 4 * slot, of.slots[slot]!, true);
  view.setUint32(100, of.generation, true);
  view.setUint32(104, of.aclBlock, true);
  if (isRegular(of)) view.setUint32(108, Math.floor(of.size / 2 ** 32), true);
  view.setUint16(120, of.uid >>> 16, true);
  view.setUint16(122, of.gid >>> 16, true);
}
