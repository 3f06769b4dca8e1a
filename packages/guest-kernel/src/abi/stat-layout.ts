/** struct stat64, stat, statx, statfs64, statfs of i386. Source: arch/x86/include/uapi/asm/stat.h, linux/stat.h, asm-generic/statfs.h. */
import type { FsStatistics, Inode, Time } from '../fs/types.ts';
import { majorOf, minorOf } from './stat.ts';

const SECOND = 1_000_000_000n;

/** What stat tells of a file. */
export type Attributes = Pick<
  Inode,
  | 'ino'
  | 'mode'
  | 'uid'
  | 'gid'
  | 'nlink'
  | 'rdev'
  | 'size'
  | 'blocks512'
  | 'blockBytes'
  | 'atime'
  | 'mtime'
  | 'ctime'
> & { readonly dev: number };

function seconds(time: Time): bigint {
  return time >= 0n ? time / SECOND : -((-time + SECOND - 1n) / SECOND);
}

function nanoseconds(time: Time): number {
  return Number(time - seconds(time) * SECOND);
}

function putTimespec(view: DataView, at: number, time: Time): void {
  view.setInt32(at, Number(BigInt.asIntN(32, seconds(time))), true);
  view.setInt32(at + 4, nanoseconds(time), true);
}

/** 96 bytes. */
export function stat64(of: Attributes): Uint8Array {
  const bytes = new Uint8Array(96);
  const view = new DataView(bytes.buffer);
  view.setBigUint64(0, BigInt(of.dev), true);
  view.setUint32(12, of.ino, true);
  view.setUint32(16, of.mode, true);
  view.setUint32(20, of.nlink, true);
  view.setUint32(24, of.uid, true);
  view.setUint32(28, of.gid, true);
  view.setBigUint64(32, BigInt(of.rdev), true);
  view.setBigInt64(44, BigInt(of.size), true);
  view.setUint32(52, of.blockBytes, true);
  view.setBigUint64(56, BigInt(of.blocks512), true);
  putTimespec(view, 64, of.atime);
  putTimespec(view, 72, of.mtime);
  putTimespec(view, 80, of.ctime);
  view.setBigUint64(88, BigInt(of.ino), true);
  return bytes;
}

/** struct stat of newstat: 64 bytes. @returns undefined if the size does not fit (-EOVERFLOW) */
export function stat32(of: Attributes): Uint8Array | undefined {
  if (of.size > 0x7fffffff) return undefined;
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, of.dev, true);
  view.setUint32(4, of.ino, true);
  view.setUint16(8, of.mode, true);
  view.setUint16(10, of.nlink, true);
  view.setUint16(12, of.uid, true);
  view.setUint16(14, of.gid, true);
  view.setUint32(16, of.rdev, true);
  view.setUint32(20, of.size, true);
  view.setUint32(24, of.blockBytes, true);
  view.setUint32(28, of.blocks512, true);
  putTimespec(view, 32, of.atime);
  putTimespec(view, 40, of.mtime);
  putTimespec(view, 48, of.ctime);
  return bytes;
}

/** STATX_BASIC_STATS: all that {@link statx} tells. */
const STATX_BASIC_STATS = 0x7ff;

/** 256 bytes. */
export function statx(of: Attributes): Uint8Array {
  const bytes = new Uint8Array(256);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, STATX_BASIC_STATS, true);
  view.setUint32(4, of.blockBytes, true);
  view.setUint32(16, of.nlink, true);
  view.setUint32(20, of.uid, true);
  view.setUint32(24, of.gid, true);
  view.setUint16(28, of.mode, true);
  view.setBigUint64(32, BigInt(of.ino), true);
  view.setBigUint64(40, BigInt(of.size), true);
  view.setBigUint64(48, BigInt(of.blocks512), true);
  const putTime = (at: number, time: Time) => {
    view.setBigInt64(at, seconds(time), true);
    view.setUint32(at + 8, nanoseconds(time), true);
  };
  putTime(64, of.atime);
  putTime(96, of.ctime);
  putTime(112, of.mtime);
  view.setUint32(128, majorOf(of.rdev), true);
  view.setUint32(132, minorOf(of.rdev), true);
  view.setUint32(136, majorOf(of.dev), true);
  view.setUint32(140, minorOf(of.dev), true);
  return bytes;
}

/** 84 bytes. @param flags ST_ flags */
export function statfs64(of: FsStatistics, flags: number): Uint8Array {
  const bytes = new Uint8Array(84);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, of.magic, true);
  view.setUint32(4, of.blockBytes, true);
  const counts = [of.blocks, of.blocksFree, of.blocksAvailable, of.files, of.filesFree];
  for (const [index, count] of counts.entries()) view.setBigUint64(8 + 8 * index, BigInt(count), true);
  view.setUint32(56, of.nameMax, true);
  view.setUint32(60, of.blockBytes, true);
  view.setUint32(64, flags, true);
  return bytes;
}

/** struct statfs: 64 bytes. */
export function statfs32(of: FsStatistics, flags: number): Uint8Array {
  const bytes = new Uint8Array(64);
  const view = new DataView(bytes.buffer);
  const counts = [of.blocks, of.blocksFree, of.blocksAvailable, of.files, of.filesFree];
  for (const [index, value] of [of.magic, of.blockBytes, ...counts].entries()) {
    view.setUint32(4 * index, Math.min(value, 0xffffffff), true);
  }
  view.setUint32(36, of.nameMax, true);
  view.setUint32(40, of.blockBytes, true);
  view.setUint32(44, flags, true);
  return bytes;
}
