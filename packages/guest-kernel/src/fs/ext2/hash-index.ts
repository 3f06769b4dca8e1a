/** The index of a directory: a tree of hashes, each entry leading to the block with the names from that hash on. Source: Linux fs/ext4/namei.c. */
import { fromByteString } from '../../abi/bytes.ts';
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { Block } from './block-cache.ts';
import { type BlockEntry, entriesOf, packEntries } from './directory-block.ts';
import { type DirectoryData, INDEX_NODE_AT, INDEX_ROOT_AT } from './directory-data.ts';
import { DX_HASH_HALF_MD4, DX_HASH_TEA, type HashKind, hashName } from './name-hash.ts';

/** The description of the index, in the first block behind `.` and `..`. */
const INFO_AT = 24;
const INFO_BYTES = 8;
const DOT_BYTES = 12;

/** A node on the way to a name, and the entry that was taken. */
interface Step {
  readonly block: Block;
  /** Where its entries begin. */
  readonly at: number;
  position: number;
}

/** Where a name is, or belongs. */
interface Route {
  readonly hash: number;
  readonly steps: readonly Step[];
}

export class HashIndex {
  readonly #data: DirectoryData;
  readonly #hasFileType: boolean;

  constructor(data: DirectoryData) {
    this.#data = data;
    this.#hasFileType = data.inode.volume.sb.hasFileType;
  }

  /** The way to a name. @returns undefined for an index that cannot be used; -EIO */
  *route(name: Uint8Array): Op<Route | undefined | number> {
    const root = yield* this.#data.read(0);
    if (typeof root === 'number') return root === 0 ? undefined : root;
    const kind = this.#kindOf(root);
    const hash = kind === undefined ? undefined : hashName(name, kind);
    if (hash === undefined || root.bytes[INFO_AT + 5] !== INFO_BYTES) return undefined;
    const levels = root.bytes[INFO_AT + 6]!;
    if (levels > 1) return undefined;
    const steps: Step[] = [];
    let block = root;
    for (let level = 0; level <= levels; level++) {
      const at = level === 0 ? INDEX_ROOT_AT : INDEX_NODE_AT;
      if (!this.#isValid(block, at)) return undefined;
      const step = { block, at, position: positionOf(block, at, hash) };
      steps.push(step);
      if (level === levels) break;
      const below = yield* this.#data.read(target(step));
      if (typeof below === 'number') return below === 0 ? undefined : below;
      block = below;
    }
    return { hash, steps };
  }

  /** The block of names that a route leads to. @returns -EIO */
  *leaf({ steps }: Route): Op<Block | number> {
    const block = yield* this.#data.read(target(steps.at(-1)!));
    return block === 0 ? -E.IO : block;
  }

  /** Goes on to the next block of names, if names of the same hash are there, too. */
  *follow({ hash, steps }: Route): Op<boolean> {
    let level = steps.length - 1;
    while (level >= 0 && steps[level]!.position + 1 >= countOf(steps[level]!)) level--;
    if (level < 0) return false;
    const step = steps[level]!;
    if ((hashAt(step, step.position + 1) & ~1) >>> 0 !== hash) return false;
    step.position++;
    if (level === steps.length - 1) return true;
    const below = yield* this.#data.read(target(step));
    if (typeof below === 'number' || !this.#isValid(below, INDEX_NODE_AT)) return false;
    (steps as Step[])[level + 1] = { block: below, at: INDEX_NODE_AT, position: 0 };
    return true;
  }

  /** Makes an index for a directory of one full block. @returns 1; 0 if it is not one that can get it; -ENOSPC, -EIO */
  *make(): Op<number> {
    const root = yield* this.#data.read(0);
    if (typeof root === 'number') return root;
    const entries = [...entriesOf(root.bytes, this.#hasFileType)];
    const [dot, dotdot] = entries;
    const usual = dot?.name === '.' && dot.length === DOT_BYTES && dotdot?.name === '..';
    if (!usual || this.#data.blocks !== 1) return 0;
    const added = yield* this.#data.append();
    if (typeof added === 'number') return added;
    const names = entries.slice(2).filter(({ ino }) => ino !== 0);
    packEntries(added.block.bytes.subarray(0, this.#data.usableBytes), names);
    const { bytes, view } = root;
    bytes.fill(0, INFO_AT);
    view.setUint16(DOT_BYTES + 4, this.#data.blockBytes - DOT_BYTES, true);
    const { version } = this.#data.inode.volume.sb.hash;
    bytes[INFO_AT + 4] = version <= DX_HASH_TEA ? version : DX_HASH_HALF_MD4;
    bytes[INFO_AT + 5] = INFO_BYTES;
    view.setUint16(INDEX_ROOT_AT, this.#data.indexLimit(INDEX_ROOT_AT), true);
    view.setUint16(INDEX_ROOT_AT + 2, 1, true);
    view.setUint32(INDEX_ROOT_AT + 4, added.index, true);
    this.#data.isIndexed = true;
    this.#data.becomeIndex(0, root);
    return 1;
  }

  /** Sees to it that the index has room for one more block of names. @returns 1: the route is outdated; 0; -ENOSPC, -EIO */
  *makeRoom({ steps }: Route): Op<number> {
    const last = steps.at(-1)!;
    if (countOf(last) < limitOf(last)) return 0;
    const [root] = steps as [Step];
    if (steps.length === 2 && countOf(root) >= limitOf(root)) return -E.NOSPC;
    const added = yield* this.#data.append();
    if (typeof added === 'number') return added;
    const { block, index } = added;
    block.bytes.fill(0);
    block.view.setUint16(4, this.#data.blockBytes, true);
    this.#data.becomeIndex(index, block);
    const node: Step = { block, at: INDEX_NODE_AT, position: 0 };
    block.view.setUint16(INDEX_NODE_AT, this.#data.indexLimit(INDEX_NODE_AT), true);
    if (steps.length === 1) {
      moveEntries(root, node, 0);
      root.block.view.setUint16(root.at + 2, 1, true);
      root.block.view.setUint32(root.at + 4, index, true);
      root.block.bytes[INFO_AT + 6] = 1;
    } else {
      const half = countOf(last) >>> 1;
      const hash = hashAt(last, half);
      moveEntries(last, node, half);
      insertEntry(root, hash, index);
    }
    return 1;
  }

  /** Splits the block of names that a route leads to; there is room in the index. @returns the block for the name; -ENOSPC, -EIO */
  *splitLeaf({ hash, steps }: Route, leaf: Block): Op<Block | number> {
    const kind = this.#kindOf(steps[0]!.block);
    if (kind === undefined) return -E.IO;
    const hashed: { hash: number; entry: BlockEntry }[] = [];
    for (const entry of entriesOf(leaf.bytes, this.#hasFileType)) {
      if (entry.ino !== 0) hashed.push({ hash: hashName(fromByteString(entry.name), kind)!, entry });
    }
    if (hashed.length < 2) return -E.IO;
    hashed.sort((a, b) => a.hash - b.hash);
    const split = middleOf(hashed.map(({ entry }) => entry.name.length));
    const added = yield* this.#data.append();
    if (typeof added === 'number') return added;
    const names = hashed.map(({ entry }) => entry);
    packEntries(added.block.bytes.subarray(0, this.#data.usableBytes), names.slice(split));
    packEntries(leaf.bytes.subarray(0, this.#data.usableBytes), names.slice(0, split));
    leaf.changed();
    const first = hashed[split]!.hash;
    const continued = hashed[split - 1]!.hash === first ? 1 : 0;
    insertEntry(steps.at(-1)!, first + continued, added.index);
    return hash >= first ? added.block : leaf;
  }

  #kindOf(root: Block): HashKind | undefined {
    const version = root.bytes[INFO_AT + 4]!;
    return version <= DX_HASH_TEA ? { ...this.#data.inode.volume.sb.hash, version } : undefined;
  }

  #isValid({ view }: Block, at: number): boolean {
    const count = view.getUint16(at + 2, true);
    return (
      view.getUint16(at, true) === this.#data.indexLimit(at) &&
      count > 0 &&
      count <= this.#data.indexLimit(at)
    );
  }
}

function countOf({ block, at }: Step): number {
  return block.view.getUint16(at + 2, true);
}

function limitOf({ block, at }: Step): number {
  return block.view.getUint16(at, true);
}

/** The first entry has none: it is for all hashes below the second's. */
function hashAt({ block, at }: Step, position: number): number {
  return position === 0 ? 0 : block.view.getUint32(at + 8 * position, true);
}

/** Index of the block that an entry leads to. */
function target({ block, at, position }: Step): number {
  return block.view.getUint32(at + 8 * position + 4, true) & 0x0fff_ffff;
}

/** The last entry that begins at or before a hash. */
function positionOf(block: Block, at: number, hash: number): number {
  let low = 1;
  let high = block.view.getUint16(at + 2, true);
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (block.view.getUint32(at + 8 * middle, true) > hash) high = middle;
    else low = middle + 1;
  }
  return low - 1;
}

/** Puts an entry where its hash belongs; there is room. */
function insertEntry({ block, at }: Step, hash: number, index: number): void {
  const { view, bytes } = block;
  const count = view.getUint16(at + 2, true);
  const place = at + 8 * (positionOf(block, at, hash) + 1);
  bytes.copyWithin(place + 8, place, at + 8 * count);
  view.setUint32(place, hash, true);
  view.setUint32(place + 4, index, true);
  view.setUint16(at + 2, count + 1, true);
  block.changed();
}

/** Moves entries from a position on to an empty node. The hash of the first of them is not kept there. */
function moveEntries(from: Step, to: Step, position: number): void {
  const count = countOf(from);
  const start = from.at + 8 * position;
  const limit = limitOf(to);
  to.block.bytes.set(from.block.bytes.subarray(start, from.at + 8 * count), to.at);
  to.block.view.setUint16(to.at, limit, true);
  to.block.view.setUint16(to.at + 2, count - position, true);
  from.block.view.setUint16(from.at + 2, position, true);
  from.block.changed();
  to.block.changed();
}

/** Where to split names of these lengths so that both halves take about the same room: neither is empty. */
function middleOf(lengths: readonly number[]): number {
  const total = lengths.reduce((sum, length) => sum + length + 8, 0);
  let size = 0;
  for (let place = lengths.length - 1; place > 1; place--) {
    size += lengths[place]! + 8;
    if (size * 2 >= total) return place;
  }
  return 1;
}
