/** Block groups: their descriptors, and which blocks and inodes are free. Source: Linux fs/ext2/balloc.c, ialloc.c. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { Block, BlockCache } from './block-cache.ts';
import type { Superblock } from './superblock.ts';

/** One group, as its descriptor says. */
export class Group {
  readonly index: number;
  readonly #block: Block;
  readonly #at: number;
  readonly #view: DataView;

  constructor(index: number, block: Block, at: number) {
    this.index = index;
    this.#block = block;
    this.#at = at;
    this.#view = block.view;
  }

  get blockBitmap(): number {
    return this.#view.getUint32(this.#at, true);
  }

  get inodeBitmap(): number {
    return this.#view.getUint32(this.#at + 4, true);
  }

  get inodeTable(): number {
    return this.#view.getUint32(this.#at + 8, true);
  }

  get freeBlocks(): number {
    return this.#view.getUint16(this.#at + 12, true);
  }

  set freeBlocks(count: number) {
    this.#set16(12, count);
  }

  get freeInodes(): number {
    return this.#view.getUint16(this.#at + 14, true);
  }

  set freeInodes(count: number) {
    this.#set16(14, count);
  }

  get directories(): number {
    return this.#view.getUint16(this.#at + 16, true);
  }

  set directories(count: number) {
    this.#set16(16, count);
  }

  #set16(offset: number, value: number): void {
    this.#view.setUint16(this.#at + offset, value, true);
    this.#block.dirty = true;
  }
}

/** The first clear bit in [from, to), or -1. */
function findClear(bits: Uint8Array, from: number, to: number): number {
  for (let bit = from; bit < to; ) {
    if ((bit & 7) === 0 && bits[bit >> 3] === 0xff) {
      bit += 8;
      continue;
    }
    if ((bits[bit >> 3]! & (1 << (bit & 7))) === 0) return bit;
    bit++;
  }
  return -1;
}

export class Groups {
  readonly all: readonly Group[];
  readonly #sb: Superblock;
  readonly #cache: BlockCache;

  private constructor(all: readonly Group[], sb: Superblock, cache: BlockCache) {
    this.all = all;
    this.#sb = sb;
    this.#cache = cache;
  }

  /** Reads the descriptors, and checks that what they point to lies on the disk. @returns -EIO or -EINVAL */
  static *load(sb: Superblock, cache: BlockCache): Op<Groups | number> {
    const perBlock = cache.blockBytes / sb.descriptorBytes;
    const all: Group[] = [];
    for (let index = 0; index < sb.groups; index++) {
      const block = yield* cache.read(sb.firstDataBlock + 1 + Math.floor(index / perBlock));
      if (typeof block === 'number') return block;
      block.pinned = true;
      const group = new Group(index, block, (index % perBlock) * sb.descriptorBytes);
      const tableBlocks = Math.ceil((sb.inodesPerGroup * sb.inodeBytes) / cache.blockBytes);
      const places = [
        group.blockBitmap,
        group.inodeBitmap,
        group.inodeTable,
        group.inodeTable + tableBlocks - 1,
      ];
      if (places.some((place) => place < sb.firstDataBlock || place >= sb.blocks)) return -E.INVAL;
      all.push(group);
    }
    return new Groups(all, sb, cache);
  }

  /** Takes a free block, near `goal` if there is one. @returns its number, -ENOSPC or -EIO */
  *allocateBlock(goal: number): Op<number> {
    const sb = this.#sb;
    if (sb.freeBlocks === 0) return -E.NOSPC;
    const first = sb.firstDataBlock;
    const wanted = goal >= first && goal < sb.blocks ? goal : first;
    const start = Math.floor((wanted - first) / sb.blocksPerGroup);
    // The group of the goal comes again at the end: for what lies before the goal.
    for (let step = 0; step <= this.all.length; step++) {
      const group = this.all[(start + step) % this.all.length]!;
      if (group.freeBlocks === 0) continue;
      const bitmap = yield* this.#cache.read(group.blockBitmap);
      if (typeof bitmap === 'number') return bitmap;
      const from = step === 0 ? (wanted - first) % sb.blocksPerGroup : 0;
      const bit = findClear(bitmap.bytes, from, this.#blocksIn(group));
      if (bit < 0) continue;
      setBit(bitmap, bit);
      group.freeBlocks--;
      sb.freeBlocks--;
      return first + group.index * sb.blocksPerGroup + bit;
    }
    return -E.NOSPC;
  }

  /** @returns 0, or -EIO for a block that was free already or belongs to the file system itself */
  *freeBlock(number: number): Op<number> {
    const sb = this.#sb;
    if (number < sb.firstDataBlock || number >= sb.blocks) return -E.IO;
    const place = number - sb.firstDataBlock;
    const group = this.all[Math.floor(place / sb.blocksPerGroup)]!;
    const bitmap = yield* this.#cache.read(group.blockBitmap);
    if (typeof bitmap === 'number') return bitmap;
    if (!clearBit(bitmap, place % sb.blocksPerGroup)) return -E.IO;
    group.freeBlocks++;
    sb.freeBlocks++;
    this.#cache.forget(number);
    return 0;
  }

  /** Takes a free inode. @param parent group of the directory it is for. @returns its number, -ENOSPC or -EIO */
  *allocateInode(parent: number, directory: boolean): Op<number> {
    const sb = this.#sb;
    if (sb.freeInodes === 0) return -E.NOSPC;
    for (const group of this.#groupsForInode(parent, directory)) {
      if (group.freeInodes === 0) continue;
      const bitmap = yield* this.#cache.read(group.inodeBitmap);
      if (typeof bitmap === 'number') return bitmap;
      const from = group.index === 0 ? sb.firstInode - 1 : 0;
      const bit = findClear(bitmap.bytes, from, sb.inodesPerGroup);
      if (bit < 0) continue;
      setBit(bitmap, bit);
      group.freeInodes--;
      sb.freeInodes--;
      if (directory) group.directories++;
      return group.index * sb.inodesPerGroup + bit + 1;
    }
    return -E.NOSPC;
  }

  *freeInode(ino: number, directory: boolean): Op<number> {
    const sb = this.#sb;
    const group = this.all[Math.floor((ino - 1) / sb.inodesPerGroup)]!;
    const bitmap = yield* this.#cache.read(group.inodeBitmap);
    if (typeof bitmap === 'number') return bitmap;
    if (!clearBit(bitmap, (ino - 1) % sb.inodesPerGroup)) return -E.IO;
    group.freeInodes++;
    sb.freeInodes++;
    if (directory) group.directories--;
    return 0;
  }

  /** The group whose blocks an inode should get, and the first of them. */
  firstBlockFor(ino: number): number {
    const sb = this.#sb;
    return sb.firstDataBlock + Math.floor((ino - 1) / sb.inodesPerGroup) * sb.blocksPerGroup;
  }

  /** Directories spread to where there is room, files stay with their directory. */
  #groupsForInode(parent: number, directory: boolean): readonly Group[] {
    const from = (index: number) => [...this.all.slice(index), ...this.all.slice(0, index)];
    if (!directory) return from(parent);
    const average = this.#sb.freeInodes / this.all.length;
    const roomy = this.all.filter((group) => group.freeInodes >= average && group.freeBlocks > 0);
    const best = roomy.reduce<Group | undefined>(
      (found, group) => (found === undefined || group.freeBlocks > found.freeBlocks ? group : found),
      undefined,
    );
    return from(best?.index ?? parent);
  }

  #blocksIn(group: Group): number {
    const sb = this.#sb;
    const before = sb.firstDataBlock + group.index * sb.blocksPerGroup;
    return Math.min(sb.blocksPerGroup, sb.blocks - before);
  }
}

function setBit(bitmap: Block, bit: number): void {
  bitmap.bytes[bit >> 3]! |= 1 << (bit & 7);
  bitmap.dirty = true;
}

/** @returns whether it was set */
function clearBit(bitmap: Block, bit: number): boolean {
  if ((bitmap.bytes[bit >> 3]! & (1 << (bit & 7))) === 0) return false;
  bitmap.bytes[bit >> 3]! &= ~(1 << (bit & 7));
  bitmap.dirty = true;
  return true;
}
