/** Extents, the other way to map files, of ext4: only read. Source: Linux Documentation/filesystems/ext4/ifork.rst. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { BlockCache } from './block-cache.ts';

/** Inode flag: i_block holds the root of a tree of extents. */
export const EXT4_EXTENTS_FL = 0x80000;

const MAGIC = 0xf30a;
const HEADER_BYTES = 12;
const ENTRY_BYTES = 12;
/** Deeper trees do not exist. */
const MAX_DEPTH = 5;
/** Longer extents are allocated and not written. */
const MAX_WRITTEN = 32768;

/** @returns the block that holds a block of a file, 0 for a hole, or -EIO */
export function* findInExtents(
  cache: BlockCache,
  slots: Uint32Array,
  index: number,
  lastBlock: number,
): Op<number> {
  let view: DataView = new DataView(slots.slice().buffer);
  for (let depth = 0; depth <= MAX_DEPTH; depth++) {
    if (view.getUint16(0, true) !== MAGIC) return -E.IO;
    const count = Math.min(
      view.getUint16(2, true),
      Math.floor((view.byteLength - HEADER_BYTES) / ENTRY_BYTES),
    );
    const at = lastNotAfter(view, count, index);
    if (at < 0) return 0;
    if (view.getUint16(6, true) === 0) return extentAt(view, at, index, lastBlock);
    if (view.getUint16(at + 8, true) !== 0) return -E.IO;
    const child = view.getUint32(at + 4, true);
    if (child > lastBlock) return -E.IO;
    const block = yield* cache.read(child);
    if (typeof block === 'number') return block;
    view = block.view;
  }
  return -E.IO;
}

/** Offset of the last entry that begins at or before `index`, or -1. */
function lastNotAfter(view: DataView, count: number, index: number): number {
  let found = -1;
  for (let entry = 0; entry < count; entry++) {
    const at = HEADER_BYTES + ENTRY_BYTES * entry;
    if (view.getUint32(at, true) > index) break;
    found = at;
  }
  return found;
}

function extentAt(view: DataView, at: number, index: number, lastBlock: number): number {
  const offset = index - view.getUint32(at, true);
  const length = view.getUint16(at + 4, true);
  if (length > MAX_WRITTEN || offset >= length) return 0;
  const block = view.getUint32(at + 8, true) + offset;
  return view.getUint16(at + 6, true) !== 0 || block > lastBlock ? -E.IO : block;
}
