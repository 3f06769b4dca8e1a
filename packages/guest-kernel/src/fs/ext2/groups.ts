/** Block groups: which blocks and inodes are free. Source: Linux fs/ext4/{balloc,ialloc}.c. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import { clearBits, clearRun, findClear, setBits } from './bitmap.ts';
import type { Block, BlockCache } from './block-cache.ts';
import { Group } from './group.ts';
import type { Superblock } from './superblock.ts';
import { SystemBlocks } from './system-blocks.ts';

/** Blocks that lie together. */
export interface BlockRun {
  readonly block: number;
  readonly count: number;
}

/** Blocks that were freed, by group: a bit each. */
type FreedBlocks = Map<number, Uint8Array>;

export class Groups {
  readonly all: readonly Group[];
  readonly system: SystemBlocks;
  /**
   * With a journal, what was freed is not used again before it is certain that it was: until the transaction that
   * freed it is committed, a crash would give it back to its former owner.
   */
  keepsFreed = false;
  readonly #sb: Superblock;
  readonly #cache: BlockCache;
  readonly #changed: Set<Group>;
  #freed: FreedBlocks = new Map();
  #freedCommitting: FreedBlocks = new Map();
  #freedCount = 0;
  #freedCommittingCount = 0;

  private constructor(all: readonly Group[], changed: Set<Group>, sb: Superblock, cache: BlockCache) {
    this.all = all;
    this.#changed = changed;
    this.#sb = sb;
    this.#cache = cache;
    this.system = new SystemBlocks(sb, all);
  }

  /** Reads the descriptors, and checks that what they point to lies on the disk. @returns -EIO or -EINVAL */
  static *load(sb: Superblock, cache: BlockCache): Op<Groups | number> {
    const perBlock = cache.blockBytes / sb.descriptorBytes;
    const all: Group[] = [];
    const changed = new Set<Group>();
    for (let index = 0; index < sb.groups; index++) {
      const block = yield* cache.read(sb.firstDataBlock + 1 + Math.floor(index / perBlock));
      if (typeof block === 'number') return block;
      block.pinned = true;
      const group = new Group(index, block, (index % perBlock) * sb.descriptorBytes, sb, changed);
      const places = [
        group.blockBitmap,
        group.inodeBitmap,
        group.inodeTable,
        group.inodeTable + sb.tableBlocks - 1,
      ];
      if (places.some((place) => place < sb.firstDataBlock || place >= sb.blocks)) return -E.INVAL;
      if (!group.isNarrow || !group.checksumMatches) return -E.INVAL;
      all.push(group);
    }
    return new Groups(all, changed, sb, cache);
  }

  /** Blocks that were freed and cannot be taken yet. */
  get freedCount(): number {
    return this.#freedCount + this.#freedCommittingCount;
  }

  /** What was freed up to now belongs to the transaction that is being committed. */
  commitStarts(): void {
    this.#freedCommitting = this.#freed;
    this.#freedCommittingCount = this.#freedCount;
    this.#freed = new Map();
    this.#freedCount = 0;
  }

  commitEnds(): void {
    this.#freedCommitting = new Map();
    this.#freedCommittingCount = 0;
  }

  /** Puts checksums into descriptors that changed. */
  seal(): void {
    for (const group of [...this.#changed]) group.seal();
    this.#changed.clear();
  }

  /** Takes free blocks, near `goal` if there are some. @param wanted most that are taken @returns the run; -ENOSPC or -EIO */
  *allocateRun(goal: number, wanted: number): Op<BlockRun | number> {
    const sb = this.#sb;
    if (sb.freeBlocks === 0) return -E.NOSPC;
    const first = sb.firstDataBlock;
    const near = goal >= first && goal < sb.blocks ? goal : first;
    const start = Math.floor((near - first) / sb.blocksPerGroup);
    // The group of the goal comes again at the end: for what lies before the goal.
    for (let step = 0; step <= this.all.length; step++) {
      const group = this.all[(start + step) % this.all.length]!;
      if (group.freeBlocks === 0) continue;
      const bitmap = yield* this.#blockBitmap(group);
      if (typeof bitmap === 'number') return bitmap;
      const from = step === 0 ? (near - first) % sb.blocksPerGroup : 0;
      const masks = this.#masks(group.index);
      const end = this.#blocksIn(group.index);
      const bit = findClear(bitmap.bytes, from, end, masks);
      if (bit < 0) continue;
      const most = Math.min(wanted, end - bit, group.freeBlocks, sb.freeBlocks);
      const count = clearRun(bitmap.bytes, bit, most, masks);
      setBits(bitmap.bytes, bit, count);
      this.#changedBlocks(group, bitmap, -count);
      return { block: first + group.index * sb.blocksPerGroup + bit, count };
    }
    return -E.NOSPC;
  }

  /** Takes one free block. @returns its number, -ENOSPC or -EIO */
  *allocateBlock(goal: number): Op<number> {
    const run = yield* this.allocateRun(goal, 1);
    return typeof run === 'number' ? run : run.block;
  }

  /** @returns 0, or -EIO for blocks that were free already or belong to the file system itself */
  *freeRun(first: number, count: number): Op<number> {
    const sb = this.#sb;
    const { firstDataBlock, blocksPerGroup } = sb;
    if (first < firstDataBlock || first + count > sb.blocks || this.system.overlaps(first, count))
      return -E.IO;
    let result = 0;
    for (let block = first; block < first + count; ) {
      const index = Math.floor((block - firstDataBlock) / blocksPerGroup);
      const bit = (block - firstDataBlock) % blocksPerGroup;
      const part = Math.min(blocksPerGroup - bit, first + count - block);
      const group = this.all[index]!;
      const bitmap = yield* this.#blockBitmap(group);
      if (typeof bitmap === 'number') return bitmap;
      const cleared = clearBits(bitmap.bytes, bit, part);
      if (cleared < part) result = -E.IO;
      this.#changedBlocks(group, bitmap, cleared);
      if (this.keepsFreed) this.#keepFreed(index, bit, part);
      for (let number = block; number < block + part; number++) this.#cache.forget(number);
      block += part;
    }
    return result;
  }

  freeBlock(number: number): Op<number> {
    return this.freeRun(number, 1);
  }

  /** Takes a free inode. @param parent group of the directory it is for. @returns its number, -ENOSPC or -EIO */
  *allocateInode(parent: number, directory: boolean): Op<number> {
    const sb = this.#sb;
    if (sb.freeInodes === 0) return -E.NOSPC;
    const start = directory ? this.#groupForDirectory(parent) : parent;
    for (let step = 0; step < this.all.length; step++) {
      const group = this.all[(start + step) % this.all.length]!;
      if (group.freeInodes === 0) continue;
      const bitmap = yield* this.#inodeBitmap(group);
      if (typeof bitmap === 'number') return bitmap;
      const from = group.index === 0 ? sb.firstInode - 1 : 0;
      const bit = findClear(bitmap.bytes, from, sb.inodesPerGroup, []);
      if (bit < 0) continue;
      setBits(bitmap.bytes, bit, 1);
      bitmap.changed();
      group.inodeBitmapBlock = bitmap;
      group.freeInodes--;
      sb.freeInodes = Math.max(0, sb.freeInodes - 1);
      if (directory) group.directories++;
      const used = yield* this.#useRecord(group, bit);
      return used < 0 ? used : group.index * sb.inodesPerGroup + bit + 1;
    }
    return -E.NOSPC;
  }

  *freeInode(ino: number, directory: boolean): Op<number> {
    const sb = this.#sb;
    const group = this.all[Math.floor((ino - 1) / sb.inodesPerGroup)]!;
    const bitmap = yield* this.#inodeBitmap(group);
    if (typeof bitmap === 'number') return bitmap;
    if (clearBits(bitmap.bytes, (ino - 1) % sb.inodesPerGroup, 1) === 0) return -E.IO;
    bitmap.changed();
    group.inodeBitmapBlock = bitmap;
    group.freeInodes++;
    sb.freeInodes++;
    if (directory) group.directories = Math.max(0, group.directories - 1);
    return 0;
  }

  /** The group whose blocks an inode should get, and the first of them. */
  firstBlockFor(ino: number): number {
    const sb = this.#sb;
    return sb.firstDataBlock + Math.floor((ino - 1) / sb.inodesPerGroup) * sb.blocksPerGroup;
  }

  /** Directories spread to where there is room, files stay with their directory. */
  #groupForDirectory(parent: number): number {
    const average = this.#sb.freeInodes / this.all.length;
    let best: Group | undefined;
    for (const group of this.all) {
      if (group.freeInodes < average || group.freeBlocks === 0) continue;
      if (best === undefined || group.freeBlocks > best.freeBlocks) best = group;
    }
    return best?.index ?? parent;
  }

  /** An inode of the table that may never have been used: what comes before it in the table counts as used, too. */
  *#useRecord(group: Group, place: number): Op<number> {
    const { inodesPerGroup, inodeBytes } = this.#sb;
    const used = inodesPerGroup - group.unusedInodes;
    if (place < used) return 0;
    for (let index = used; index <= place; index++) {
      const at = index * inodeBytes;
      const block = yield* this.#cache.read(group.inodeTable + Math.floor(at / this.#cache.blockBytes));
      if (typeof block === 'number') return block;
      const offset = at % this.#cache.blockBytes;
      block.bytes.fill(0, offset, offset + inodeBytes);
      block.changed();
    }
    group.unusedInodes = inodesPerGroup - place - 1;
    return 0;
  }

  *#blockBitmap(group: Group): Op<Block | number> {
    if (!group.blocksUninit) return yield* this.#cache.read(group.blockBitmap);
    const sb = this.#sb;
    const bitmap = this.#cache.fresh(group.blockBitmap);
    const first = sb.firstDataBlock + group.index * sb.blocksPerGroup;
    const blocks = this.#blocksIn(group.index);
    for (const [start, end] of this.system.within(first, first + blocks))
      setBits(bitmap.bytes, start - first, end - start);
    setBits(bitmap.bytes, blocks, bitmap.bytes.length * 8 - blocks);
    group.initialisedBlocks();
    group.blockBitmapBlock = bitmap;
    return bitmap;
  }

  *#inodeBitmap(group: Group): Op<Block | number> {
    if (!group.inodesUninit) return yield* this.#cache.read(group.inodeBitmap);
    const { inodesPerGroup } = this.#sb;
    const bitmap = this.#cache.fresh(group.inodeBitmap);
    setBits(bitmap.bytes, inodesPerGroup, bitmap.bytes.length * 8 - inodesPerGroup);
    group.initialisedInodes();
    group.inodeBitmapBlock = bitmap;
    return bitmap;
  }

  #changedBlocks(group: Group, bitmap: Block, freed: number): void {
    bitmap.changed();
    group.blockBitmapBlock = bitmap;
    group.freeBlocks += freed;
    this.#sb.freeBlocks = Math.max(0, this.#sb.freeBlocks + freed);
  }

  #keepFreed(index: number, bit: number, count: number): void {
    let mask = this.#freed.get(index);
    if (mask === undefined) {
      mask = new Uint8Array(this.#cache.blockBytes);
      this.#freed.set(index, mask);
    }
    setBits(mask, bit, count);
    this.#freedCount += count;
  }

  #masks(index: number): Uint8Array[] {
    const masks = [this.#freed.get(index), this.#freedCommitting.get(index)];
    return masks.filter((mask) => mask !== undefined);
  }

  #blocksIn(index: number): number {
    const sb = this.#sb;
    return Math.min(sb.blocksPerGroup, sb.blocks - sb.firstDataBlock - index * sb.blocksPerGroup);
  }
}
