/** Which block of the disk holds which block of a file: 12 direct, then one, two and three levels of indirection. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { BlockCache } from './block-cache.ts';
import { findInExtents } from './extents.ts';
import type { Groups } from './groups.ts';

const DIRECT = 12;
/** Slots in the inode: direct ones, and the roots of three trees. */
export const BLOCK_SLOTS = 15;

/** What the map needs of its file. */
export interface MappedFile {
  /** The slots of i_block hold a tree of extents. */
  readonly hasExtents: boolean;
  /** The slots of i_block. */
  readonly slots: Uint32Array;
  /** Blocks in use, indirect ones included. */
  blockCount: number;
  /** Where to look for the next free block. */
  goal: number;
}

export class BlockMap {
  readonly #cache: BlockCache;
  readonly #groups: Groups;
  readonly #pointers: number;
  readonly #lastBlock: number;

  /** @param blocks of the file system */
  constructor(cache: BlockCache, groups: Groups, blocks: number) {
    this.#cache = cache;
    this.#groups = groups;
    this.#pointers = cache.blockBytes / 4;
    this.#lastBlock = blocks - 1;
  }

  /** Blocks that a file can have. */
  get maxBlocks(): number {
    const n = this.#pointers;
    return DIRECT + n + n * n + n * n * n;
  }

  /** @returns the block, 0 for a hole, or -EIO */
  *find(file: MappedFile, index: number): Op<number> {
    if (file.hasExtents) return yield* findInExtents(this.#cache, file.slots, index, this.#lastBlock);
    const path = this.#path(index);
    if (path === undefined) return 0;
    let block = file.slots[path[0]!]!;
    for (const offset of path.slice(1)) {
      if (block === 0) return 0;
      const table = yield* this.#table(block);
      if (typeof table === 'number') return table;
      block = table.view.getUint32(4 * offset, true);
    }
    return block > this.#lastBlock ? -E.IO : block;
  }

  /** As {@link find}, but makes what is missing. @returns the block and whether it is new; -ENOSPC, -EFBIG, -EIO */
  *ensure(file: MappedFile, index: number): Op<{ block: number; fresh: boolean } | number> {
    const path = this.#path(index);
    if (path === undefined) return -E.FBIG;
    let block = file.slots[path[0]!]!;
    let fresh = false;
    if (block === 0) {
      const made = yield* this.#allocate(file, path.length > 1);
      if (made < 0) return made;
      block = made;
      fresh = true;
      file.slots[path[0]!] = block;
    }
    for (const [level, offset] of path.slice(1).entries()) {
      const table = yield* this.#table(block);
      if (typeof table === 'number') return table;
      let next = table.view.getUint32(4 * offset, true);
      fresh = false;
      if (next === 0) {
        const made = yield* this.#allocate(file, level + 2 < path.length);
        if (made < 0) return made;
        next = made;
        fresh = true;
        table.view.setUint32(4 * offset, next, true);
        table.dirty = true;
      }
      block = next;
    }
    return block > this.#lastBlock ? -E.IO : { block, fresh };
  }

  /** Frees all blocks from `first` on, and indirect blocks that are empty then. @returns 0 or -EIO */
  *truncate(file: MappedFile, first: number): Op<number> {
    let result = 0;
    for (let slot = 0; slot < BLOCK_SLOTS; slot++) {
      const levels = Math.max(0, slot - DIRECT + 1);
      const start = this.#startOf(slot);
      const block = file.slots[slot]!;
      if (block === 0 || start + this.#pointers ** levels <= first) continue;
      const freed = yield* this.#freeTree(file, block, levels, first - start);
      if (freed < 0 && result === 0) result = freed;
      if (first <= start) file.slots[slot] = 0;
    }
    return result;
  }

  /** Frees one block, leaving a hole; indirect blocks stay. */
  *punch(file: MappedFile, index: number): Op<number> {
    const path = this.#path(index);
    if (path === undefined) return 0;
    if (path.length === 1) {
      const block = file.slots[path[0]!]!;
      if (block === 0) return 0;
      file.slots[path[0]!] = 0;
      return yield* this.#free(file, block);
    }
    let block = file.slots[path[0]!]!;
    for (const [level, offset] of path.slice(1).entries()) {
      if (block === 0) return 0;
      const table = yield* this.#table(block);
      if (typeof table === 'number') return table;
      const next = table.view.getUint32(4 * offset, true);
      if (level + 2 === path.length && next !== 0) {
        table.view.setUint32(4 * offset, 0, true);
        table.dirty = true;
        return yield* this.#free(file, next);
      }
      block = next;
    }
    return 0;
  }

  *#freeTree(file: MappedFile, block: number, levels: number, first: number): Op<number> {
    let result = 0;
    if (levels > 0) {
      const table = yield* this.#table(block);
      if (typeof table === 'number') return table;
      const span = this.#pointers ** (levels - 1);
      for (let offset = Math.max(0, Math.floor(first / span)); offset < this.#pointers; offset++) {
        const child = table.view.getUint32(4 * offset, true);
        if (child === 0) continue;
        const freed = yield* this.#freeTree(file, child, levels - 1, first - offset * span);
        if (freed < 0 && result === 0) result = freed;
        if (first <= offset * span) {
          table.view.setUint32(4 * offset, 0, true);
          table.dirty = true;
        }
      }
    }
    if (first > 0) return result;
    const freed = yield* this.#free(file, block);
    return freed < 0 && result === 0 ? freed : result;
  }

  *#free(file: MappedFile, block: number): Op<number> {
    file.blockCount--;
    return yield* this.#groups.freeBlock(block);
  }

  *#allocate(file: MappedFile, isTable: boolean): Op<number> {
    const block = yield* this.#groups.allocateBlock(file.goal);
    if (block < 0) return block;
    file.goal = block + 1;
    file.blockCount++;
    if (isTable) this.#cache.fresh(block);
    return block;
  }

  *#table(block: number) {
    return block > this.#lastBlock ? -E.IO : yield* this.#cache.read(block);
  }

  /** Index of the first file block under a slot. */
  #startOf(slot: number): number {
    let start = Math.min(slot, DIRECT);
    for (let level = 1; level <= slot - DIRECT; level++) start += this.#pointers ** level;
    return start;
  }

  /** The slot, then the offset in each indirect block. */
  #path(index: number): number[] | undefined {
    const n = this.#pointers;
    if (index < DIRECT) return [index];
    let rest = index - DIRECT;
    if (rest < n) return [DIRECT, rest];
    rest -= n;
    if (rest < n * n) return [DIRECT + 1, Math.floor(rest / n), rest % n];
    rest -= n * n;
    if (rest >= n * n * n) return undefined;
    return [DIRECT + 2, Math.floor(rest / (n * n)), Math.floor(rest / n) % n, rest % n];
  }
}
