/** The blocks that hold the file system itself: no file has them. Source: Linux fs/ext4/block_validity.c. */
import type { Group } from './group.ts';
import type { Superblock } from './superblock.ts';

export class SystemBlocks {
  /** Beginnings and ends of ranges, by turns, ascending and apart. */
  readonly #bounds: readonly number[];

  constructor(sb: Superblock, groups: readonly Group[]) {
    const ranges: [number, number][] = [[0, sb.firstDataBlock]];
    for (const group of groups) {
      const first = sb.firstDataBlock + group.index * sb.blocksPerGroup;
      ranges.push([first, first + sb.baseBlocks(group.index)]);
      ranges.push([group.blockBitmap, group.blockBitmap + 1]);
      ranges.push([group.inodeBitmap, group.inodeBitmap + 1]);
      ranges.push([group.inodeTable, group.inodeTable + sb.tableBlocks]);
    }
    ranges.sort((a, b) => a[0] - b[0]);
    const bounds: number[] = [];
    for (const [start, end] of ranges) {
      if (end <= start) continue;
      const last = bounds.at(-1);
      if (last === undefined || start > last) bounds.push(start, end);
      else if (end > last) bounds[bounds.length - 1] = end;
    }
    this.#bounds = bounds;
  }

  /** Is one of these blocks the file system's own? */
  overlaps(first: number, count: number): boolean {
    const index = this.#firstAbove(first);
    if (index % 2 === 1) return true;
    return index < this.#bounds.length && this.#bounds[index]! < first + count;
  }

  /** The ranges that lie in [first, end). */
  *within(first: number, end: number): Generator<readonly [first: number, end: number]> {
    for (let index = this.#firstAbove(first) & ~1; index < this.#bounds.length; index += 2) {
      if (this.#bounds[index]! >= end) return;
      yield [Math.max(first, this.#bounds[index]!), Math.min(end, this.#bounds[index + 1]!)];
    }
  }

  /** Index of the first bound above a block. */
  #firstAbove(block: number): number {
    let low = 0;
    let high = this.#bounds.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#bounds[middle]! > block) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
