/** Which blocks of the disk hold which blocks of a file: by pointers, or by extents. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { BlockCache } from './block-cache.ts';
import { BlockMap } from './block-map.ts';
import { ExtentMap } from './extents.ts';
import type { Groups } from './groups.ts';
import type { Superblock } from './superblock.ts';

/** What the maps need of their file. */
export interface MappedFile {
  /** The slots of i_block hold a tree of extents. */
  readonly hasExtents: boolean;
  /** The slots of i_block. */
  readonly slots: Uint32Array;
  /** What checksums of its blocks start with. */
  readonly checksumSeed: number;
  /** Blocks in use, those of the map included. */
  blockCount: number;
  /** Where to look for the next free block. */
  goal: number;
}

/** Blocks of a file from some index on. */
export interface Mapping {
  /** The first of them on the disk; 0: they are a hole. */
  readonly block: number;
  /** At least 1. */
  readonly count: number;
  /** Allocated, but to be read as zeros. */
  readonly unwritten: boolean;
}

/** One way to map. All operations are under the file system's lock; they change the file, which the caller stores. */
export interface FileMap {
  /** The mapping at `index`. @param most blocks of interest, at least 1 @returns -EIO */
  find(file: MappedFile, index: number, most: number): Op<Mapping | number>;
  /** Maps a hole to blocks that were allocated. @returns blocks mapped, or if none -ENOSPC, -EFBIG, -EIO */
  assign(file: MappedFile, index: number, to: Mapping): Op<number>;
  /** Blocks that are unwritten become written. @returns 0 or a negative errno */
  markWritten(file: MappedFile, index: number, count: number): Op<number>;
  /** Frees blocks from `first` on and before `end`, and those of the map that are empty then. @returns 0 or the first error */
  remove(file: MappedFile, first: number, end: number): Op<number>;
  /** Blocks that a file can have. */
  readonly maxBlocks: number;
}

/** Each file by its own map. */
export class FileMaps {
  readonly #byPointers: FileMap;
  readonly #byExtents: FileMap;

  constructor(sb: Superblock, cache: BlockCache, groups: Groups) {
    this.#byPointers = new BlockMap(cache, groups, sb.blocks);
    this.#byExtents = new ExtentMap(sb, cache, groups);
  }

  of(file: MappedFile): FileMap {
    return file.hasExtents ? this.#byExtents : this.#byPointers;
  }

  find(file: MappedFile, index: number, most: number): Op<Mapping | number> {
    return this.of(file).find(file, index, most);
  }

  /** A block of a file that is all of metadata, made if it is missing. @returns its number; -ENOSPC, -EFBIG, -EIO */
  *ensure(file: MappedFile, index: number, groups: Groups): Op<number> {
    const present = yield* this.find(file, index, 1);
    if (typeof present === 'number') return present;
    if (present.block !== 0) return present.unwritten ? -E.IO : present.block;
    const block = yield* groups.allocateBlock(file.goal);
    if (block < 0) return block;
    file.goal = block + 1;
    const assigned = yield* this.of(file).assign(file, index, { block, count: 1, unwritten: false });
    if (assigned > 0) return block;
    yield* groups.freeBlock(block);
    return assigned;
  }
}
