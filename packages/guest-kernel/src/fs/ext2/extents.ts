/** Extents: the map of ext4, a tree whose root is in the inode. Source: Linux Documentation/filesystems/ext4/ifork.rst. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { Block, BlockCache } from './block-cache.ts';
import { type Extent, ExtentNode, initialiseRoot, longestExtent } from './extent-node.ts';
import type { FileMap, MappedFile, Mapping } from './file-map.ts';
import type { Groups } from './groups.ts';
import type { Superblock } from './superblock.ts';

/** Deeper trees do not exist. */
const MAX_DEPTH = 5;
/** Blocks that a file can have: an index has 32 bits. */
const MAX_BLOCKS: number = 2 ** 32 - 1;

export class ExtentMap implements FileMap {
  readonly maxBlocks: number = MAX_BLOCKS;
  readonly #sb: Superblock;
  readonly #cache: BlockCache;
  readonly #groups: Groups;

  constructor(sb: Superblock, cache: BlockCache, groups: Groups) {
    this.#sb = sb;
    this.#cache = cache;
    this.#groups = groups;
  }

  *find(file: MappedFile, index: number, most: number): Op<Mapping | number> {
    let node = new ExtentNode(file.slots, undefined);
    let end = index + most;
    if (!node.isValid || node.depth > MAX_DEPTH) return -E.IO;
    for (;;) {
      const entry = node.lastNotAfter(index);
      if (entry + 1 < node.count) end = Math.min(end, node.key(entry + 1));
      if (entry < 0) return hole(index, end);
      if (node.depth === 0) return this.#mapping(node.extent(entry), index, end);
      const child = yield* this.#child(file, node, entry);
      if (typeof child === 'number') return child;
      node = child;
    }
  }

  *assign(file: MappedFile, index: number, { block, count, unwritten }: Mapping): Op<number> {
    if (index + count > MAX_BLOCKS) return -E.FBIG;
    for (let done = 0; done < count; ) {
      const part = Math.min(count - done, longestExtent(unwritten));
      const put = yield* this.#insert(file, {
        index: index + done,
        block: block + done,
        count: part,
        unwritten,
      });
      if (put < 0) return done > 0 ? done : put;
      file.blockCount += part;
      done += part;
    }
    return count;
  }

  *markWritten(file: MappedFile, index: number, count: number): Op<number> {
    for (let at = index; at < index + count; ) {
      const leaf = yield* this.#leafWithRoom(file, at, 2, false);
      if (typeof leaf === 'number') return leaf;
      const entry = leaf.lastNotAfter(at);
      if (entry < 0) return -E.IO;
      const whole = leaf.extent(entry);
      const end = Math.min(whole.index + whole.count, index + count);
      if (!whole.unwritten || end <= at) return -E.IO;
      const left = { ...whole, count: at - whole.index };
      const middle = { index: at, block: whole.block + at - whole.index, count: end - at, unwritten: false };
      const right = cutLeft(whole, end);
      this.#replace(leaf, entry, [left, middle, right]);
      this.#joinLeft(leaf, entry + (left.count > 0 ? 1 : 0));
      at = end;
    }
    return 0;
  }

  *remove(file: MappedFile, first: number, end: number): Op<number> {
    const root = new ExtentNode(file.slots, undefined);
    if (!root.isValid || root.depth > MAX_DEPTH) return -E.IO;
    if (end < MAX_BLOCKS && first > 0) {
      // An extent with a hole in its middle becomes two.
      const leaf = yield* this.#leafWithRoom(file, first, 1, false);
      if (typeof leaf === 'number') return leaf;
    }
    const removed = yield* this.#removeIn(file, root, first, end);
    if (root.count === 0) initialiseRoot(file.slots);
    const collapsed = yield* this.#collapse(file);
    return removed < 0 ? removed : collapsed;
  }

  #mapping(extent: Extent, index: number, end: number): Mapping | number {
    const offset = index - extent.index;
    if (offset >= extent.count) return hole(index, end);
    const block = extent.block + offset;
    const count = Math.min(extent.count - offset, end - index);
    const bad =
      extent.block === 0 || block + count > this.#sb.blocks || this.#groups.system.overlaps(block, count);
    return bad || count <= 0 ? -E.IO : { block, count, unwritten: extent.unwritten };
  }

  /** The node below an entry. @returns -EIO if it is none */
  *#child(file: MappedFile, node: ExtentNode, entry: number): Op<ExtentNode | number> {
    const number = node.child(entry);
    if (number === 0 || number >= this.#sb.blocks || this.#groups.system.overlaps(number, 1)) return -E.IO;
    const block = yield* this.#cache.read(number);
    if (typeof block === 'number') return block;
    const child = new ExtentNode(undefined, block);
    if (!child.isValid || child.depth !== node.depth - 1) return -E.IO;
    if (this.#sb.hasChecksums && block.seal === undefined) {
      if (block.view.getUint32(child.tailAt, true) !== this.#checksum(file, block)) return -E.IO;
      block.seal = this.#sealer(file);
    }
    return child;
  }

  #sealer(file: MappedFile): (block: Block) => void {
    return (block) => {
      block.view.setUint32(new ExtentNode(undefined, block).tailAt, this.#checksum(file, block), true);
    };
  }

  #checksum(file: MappedFile, block: Block): number {
    const end = new ExtentNode(undefined, block).tailAt;
    return this.#sb.checksums.crc32c(file.checksumSeed, block.bytes.subarray(0, end));
  }

  /** An empty node in a block of its own. */
  *#newNode(file: MappedFile, depth: number): Op<ExtentNode | number> {
    const number = yield* this.#groups.allocateBlock(file.goal);
    if (number < 0) return number;
    file.blockCount++;
    const block = this.#cache.fresh(number);
    if (this.#sb.hasChecksums) block.seal = this.#sealer(file);
    const node = new ExtentNode(undefined, block);
    node.initialise(depth);
    return node;
  }

  *#insert(file: MappedFile, extent: Extent): Op<number> {
    const leaf = yield* this.#leafWithRoom(file, extent.index, 1, true);
    if (typeof leaf === 'number') return leaf;
    const entry = leaf.lastNotAfter(extent.index) + 1;
    leaf.shift(entry, 1);
    leaf.setExtent(entry, extent);
    if (entry + 1 < leaf.count) this.#joinLeft(leaf, entry + 1);
    this.#joinLeft(leaf, entry);
    return 0;
  }

  /** Joins an extent with the one before it, if they lie together. */
  #joinLeft(leaf: ExtentNode, entry: number): void {
    if (entry === 0) return;
    const left = leaf.extent(entry - 1);
    const right = leaf.extent(entry);
    const count = left.count + right.count;
    const joins =
      left.unwritten === right.unwritten &&
      left.index + left.count === right.index &&
      left.block + left.count === right.block &&
      count <= longestExtent(left.unwritten);
    if (!joins) return;
    leaf.setExtent(entry - 1, { ...left, count });
    leaf.shift(entry, -1);
  }

  /** Puts extents in the place of one; empty ones are left out, and there is room. */
  #replace(leaf: ExtentNode, entry: number, by: readonly Extent[]): void {
    const kept = by.filter(({ count }) => count > 0);
    leaf.shift(entry, kept.length - 1);
    for (const [place, extent] of kept.entries()) leaf.setExtent(entry + place, extent);
  }

  /**
   * The leaf that has, or shall have, an index, after splitting every full node on the way: so there is room above for
   * the entry that a split adds.
   * @param inserts the index gets an extent: keys on the way become as low as it is
   */
  *#leafWithRoom(file: MappedFile, index: number, room: number, inserts: boolean): Op<ExtentNode | number> {
    let node = new ExtentNode(file.slots, undefined);
    if (!node.isValid || node.depth > MAX_DEPTH) return -E.IO;
    if (node.max - node.count < (node.depth === 0 ? room : 1)) {
      const grown = yield* this.#grow(file, node);
      if (grown < 0) return grown;
    }
    while (node.depth > 0) {
      if (node.count === 0) return -E.IO;
      const entry = Math.max(0, node.lastNotAfter(index));
      if (inserts && index < node.key(entry)) node.setKey(entry, index);
      let child = yield* this.#child(file, node, entry);
      if (typeof child === 'number') return child;
      if (child.max - child.count < (child.depth === 0 ? room : 1)) {
        const split = yield* this.#split(file, node, entry, child, index);
        if (typeof split === 'number') return split;
        child = split;
      }
      node = child;
    }
    return node;
  }

  /** The root moves down into a block: the tree is one level deeper. */
  *#grow(file: MappedFile, root: ExtentNode): Op<number> {
    if (root.depth >= MAX_DEPTH) return -E.FBIG;
    const child = yield* this.#newNode(file, root.depth);
    if (typeof child === 'number') return child;
    const key = root.count > 0 ? root.key(0) : 0;
    root.moveTo(child, 0);
    root.initialise(child.depth + 1);
    root.shift(0, 1);
    root.setChild(0, key, child.block!.number);
    return 0;
  }

  /** Splits a full child. Files mostly grow at their end: then all but the last entry stay together. @returns the half for `index` */
  *#split(
    file: MappedFile,
    parent: ExtentNode,
    entry: number,
    child: ExtentNode,
    index: number,
  ): Op<ExtentNode | number> {
    const right = yield* this.#newNode(file, child.depth);
    if (typeof right === 'number') return right;
    const atEnd = index > child.key(child.count - 1);
    child.moveTo(right, atEnd ? child.count - 1 : child.count >>> 1);
    const key = right.key(0);
    parent.shift(entry + 1, 1);
    parent.setChild(entry + 1, key, right.block!.number);
    return index >= key ? right : child;
  }

  *#removeIn(file: MappedFile, node: ExtentNode, first: number, end: number): Op<number> {
    let result = 0;
    for (let entry = node.count - 1; entry >= 0; entry--) {
      const next = entry + 1 < node.count ? node.key(entry + 1) : MAX_BLOCKS + 1;
      if (node.key(entry) >= end) continue;
      if (node.depth > 0 && next <= first) break;
      const removed = yield* node.depth === 0
        ? this.#removeExtent(file, node, entry, first, end)
        : this.#removeBelow(file, node, entry, first, end);
      if (removed < 0 && result === 0) result = removed;
    }
    return result;
  }

  *#removeExtent(file: MappedFile, leaf: ExtentNode, entry: number, first: number, end: number): Op<number> {
    const whole = leaf.extent(entry);
    const from = Math.max(whole.index, first);
    const to = Math.min(whole.index + whole.count, end);
    if (to <= from) return 0;
    this.#replace(leaf, entry, [{ ...whole, count: from - whole.index }, cutLeft(whole, to)]);
    file.blockCount = Math.max(0, file.blockCount - (to - from));
    if (whole.block === 0) return -E.IO;
    return yield* this.#groups.freeRun(whole.block + from - whole.index, to - from);
  }

  *#removeBelow(file: MappedFile, node: ExtentNode, entry: number, first: number, end: number): Op<number> {
    const child = yield* this.#child(file, node, entry);
    if (typeof child === 'number') {
      // A tree that cannot be read is cut off when all of it goes.
      if (first <= node.key(entry) && end >= MAX_BLOCKS) node.shift(entry, -1);
      return child;
    }
    const removed = yield* this.#removeIn(file, child, first, end);
    if (child.count > 0) {
      node.setKey(entry, child.key(0));
      return removed;
    }
    node.shift(entry, -1);
    const freed = yield* this.#freeNode(file, child);
    return removed < 0 ? removed : freed;
  }

  /** A single leaf that has room in the inode goes there. */
  *#collapse(file: MappedFile): Op<number> {
    const root = new ExtentNode(file.slots, undefined);
    if (root.depth !== 1 || root.count !== 1) return 0;
    const child = yield* this.#child(file, root, 0);
    if (typeof child === 'number') return child;
    if (child.count > root.max) return 0;
    initialiseRoot(file.slots);
    child.moveTo(root, 0);
    return yield* this.#freeNode(file, child);
  }

  *#freeNode(file: MappedFile, node: ExtentNode): Op<number> {
    file.blockCount = Math.max(0, file.blockCount - 1);
    return yield* this.#groups.freeBlock(node.block!.number);
  }
}

function hole(index: number, end: number): Mapping | number {
  return end > index ? { block: 0, count: end - index, unwritten: false } : -E.IO;
}

/** What of an extent begins at `index` or later. */
function cutLeft(extent: Extent, index: number): Extent {
  const gone = index - extent.index;
  return { ...extent, index, block: extent.block + gone, count: extent.count - gone };
}
