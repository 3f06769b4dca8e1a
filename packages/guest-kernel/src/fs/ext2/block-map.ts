/** The map of ext2 and ext3: pointers to blocks, 12 direct, then one, two and three levels of indirection. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { Block, BlockCache } from './block-cache.ts';
import type { FileMap, MappedFile, Mapping } from './file-map.ts';
import type { Groups } from './groups.ts';

const DIRECT = 12;
/** Slots in the inode: direct ones, and the roots of three trees. */
export const BLOCK_SLOTS = 15;

/** Pointers that lie together: in a table, or the direct ones of the inode. */
interface Pointers {
  readonly table: Block | undefined;
  readonly offset: number;
  /** From `offset` to the end of the table. */
  readonly room: number;
}

export class BlockMap implements FileMap {
  readonly #cache: BlockCache;
  readonly #groups: Groups;
  /** Of one table. */
  readonly #pointers: number;
  readonly #lastBlock: number;

  /** @param blocks of the file system */
  constructor(cache: BlockCache, groups: Groups, blocks: number) {
    this.#cache = cache;
    this.#groups = groups;
    this.#pointers = cache.blockBytes / 4;
    this.#lastBlock = blocks - 1;
  }

  get maxBlocks(): number {
    const n = this.#pointers;
    return DIRECT + n + n * n + n * n * n;
  }

  *find(file: MappedFile, index: number, most: number): Op<Mapping | number> {
    const at = yield* this.#locate(file, index, false);
    if (typeof at === 'number') return at < 0 ? at : { block: 0, count: 1, unwritten: false };
    const block = this.#get(file, at, 0);
    const last = Math.min(most, at.room);
    let count = 1;
    while (count < last && this.#get(file, at, count) === (block === 0 ? 0 : block + count)) count++;
    const bad =
      block !== 0 && (block + count - 1 > this.#lastBlock || this.#groups.system.overlaps(block, count));
    return bad ? -E.IO : { block, count, unwritten: false };
  }

  *assign(file: MappedFile, index: number, { block, count }: Mapping): Op<number> {
    for (let done = 0; done < count; ) {
      const at = yield* this.#locate(file, index + done, true);
      if (typeof at === 'number') return done > 0 ? done : at;
      const part = Math.min(at.room, count - done);
      for (let place = 0; place < part; place++) {
        if (at.table === undefined) file.slots[at.offset + place] = block + done + place;
        else at.table.view.setUint32(4 * (at.offset + place), block + done + place, true);
      }
      at.table?.changed();
      file.blockCount += part;
      done += part;
    }
    return count;
  }

  *markWritten(): Op<number> {
    return -E.IO;
  }

  *remove(file: MappedFile, first: number, end: number): Op<number> {
    // Tables that lead to themselves must not keep it busy for ever.
    const budget = { left: this.#lastBlock };
    let result = 0;
    for (let slot = 0; slot < BLOCK_SLOTS; slot++) {
      const levels = Math.max(0, slot - DIRECT + 1);
      const start = this.#startOf(slot);
      const span = this.#pointers ** levels;
      const block = file.slots[slot]!;
      if (block === 0 || start + span <= first || start >= end) continue;
      const freed = yield* this.#freeTree(file, block, levels, first - start, end - start, budget);
      if (freed < 0 && result === 0) result = freed;
      if (first <= start && end >= start + span) file.slots[slot] = 0;
    }
    return result;
  }

  /** Frees what lies in [first, end) of a tree, and its table if that is all. */
  *#freeTree(
    file: MappedFile,
    block: number,
    levels: number,
    first: number,
    end: number,
    budget: { left: number },
  ): Op<number> {
    if (budget.left-- <= 0) return -E.IO;
    let result = 0;
    const whole = first <= 0 && end >= this.#pointers ** levels;
    if (levels > 0) {
      const table = yield* this.#table(block);
      if (typeof table === 'number') return table;
      const span = this.#pointers ** (levels - 1);
      const from = Math.max(0, Math.floor(first / span));
      const to = Math.min(this.#pointers, Math.ceil(end / span));
      for (let offset = from; offset < to; offset++) {
        const child = table.view.getUint32(4 * offset, true);
        if (child === 0) continue;
        const start = offset * span;
        const freed = yield* this.#freeTree(file, child, levels - 1, first - start, end - start, budget);
        if (freed < 0 && result === 0) result = freed;
        if (whole || first > start || end < start + span) continue;
        table.view.setUint32(4 * offset, 0, true);
        table.changed();
      }
    }
    if (!whole) return result;
    file.blockCount--;
    const freed = yield* this.#groups.freeBlock(block);
    return freed < 0 && result === 0 ? freed : result;
  }

  #get(file: MappedFile, { table, offset }: Pointers, place: number): number {
    return table === undefined
      ? file.slots[offset + place]!
      : table.view.getUint32(4 * (offset + place), true);
  }

  /** Where the pointer to a block is. @returns 0 if there is no table for it, and `makes` is not set; -EFBIG, -ENOSPC, -EIO */
  *#locate(file: MappedFile, index: number, makes: boolean): Op<Pointers | number> {
    if (index < DIRECT) return { table: undefined, offset: index, room: DIRECT - index };
    const path = this.#path(index);
    if (path === undefined) return makes ? -E.FBIG : 0;
    const slot = path[0]!;
    let next = file.slots[slot]!;
    let table: Block | number | undefined;
    for (let level = 0; level < path.length - 1; level++) {
      if (level > 0) next = (table as Block).view.getUint32(4 * path[level]!, true);
      if (next === 0) {
        if (!makes) return 0;
        const made = yield* this.#allocateTable(file);
        if (made < 0) return made;
        next = made;
        if (level === 0) file.slots[slot] = made;
        else {
          (table as Block).view.setUint32(4 * path[level]!, made, true);
          (table as Block).changed();
        }
      }
      table = yield* this.#table(next);
      if (typeof table === 'number') return table;
    }
    const offset = path.at(-1)!;
    return { table: table as Block, offset, room: this.#pointers - offset };
  }

  *#allocateTable(file: MappedFile): Op<number> {
    const block = yield* this.#groups.allocateBlock(file.goal);
    if (block < 0) return block;
    file.goal = block + 1;
    file.blockCount++;
    this.#cache.fresh(block);
    return block;
  }

  *#table(block: number) {
    if (block > this.#lastBlock || this.#groups.system.overlaps(block, 1)) return -E.IO;
    return yield* this.#cache.read(block);
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
    let rest = index - DIRECT;
    if (rest < n) return [DIRECT, rest];
    rest -= n;
    if (rest < n * n) return [DIRECT + 1, Math.floor(rest / n), rest % n];
    rest -= n * n;
    if (rest >= n * n * n) return undefined;
    return [DIRECT + 2, Math.floor(rest / (n * n)), Math.floor(rest / n) % n, rest % n];
  }
}
