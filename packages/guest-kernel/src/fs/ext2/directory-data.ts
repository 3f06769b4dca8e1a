/** The blocks of a directory: reading, adding, checksums. Source: Linux fs/ext4/{dir,namei}.c. */
import { E } from '../../abi/errno.ts';
import type { Op } from '../../task/wait.ts';
import type { Block } from './block-cache.ts';
import type { Ext2Inode } from './inode.ts';

/** The directory has a hash index. */
export const EXT4_INDEX_FL = 0x1000;
/** Where the entries of an index begin: in the first block, behind `.`, `..` and its description; in others. */
export const INDEX_ROOT_AT = 32;
export const INDEX_NODE_AT = 8;

/** A checksum looks like an unused entry at the end of a block of names. */
const TAIL_BYTES = 12;
const TAIL_TYPE = 0xde;

export class DirectoryData {
  readonly inode: Ext2Inode;
  readonly #hasChecksums: boolean;

  constructor(inode: Ext2Inode) {
    this.inode = inode;
    this.#hasChecksums = inode.volume.sb.hasChecksums;
  }

  get blockBytes(): number {
    return this.inode.blockBytes;
  }

  get blocks(): number {
    return Math.floor(this.inode.size / this.blockBytes);
  }

  /** Bytes of a block that names may fill. */
  get usableBytes(): number {
    return this.blockBytes - (this.#hasChecksums ? TAIL_BYTES : 0);
  }

  get isIndexed(): boolean {
    return (this.inode.fields.flags & EXT4_INDEX_FL) !== 0;
  }

  set isIndexed(indexed: boolean) {
    const { fields } = this.inode;
    fields.flags = indexed ? fields.flags | EXT4_INDEX_FL : fields.flags & ~EXT4_INDEX_FL;
  }

  /** @returns the block; 0 for a hole; -EIO */
  *read(index: number): Op<Block | number> {
    const { maps, cache } = this.inode.volume;
    const mapping = yield* maps.find(this.inode, index, 1);
    if (typeof mapping === 'number') return mapping;
    if (mapping.block === 0 || mapping.unwritten) return 0;
    const block = yield* cache.read(mapping.block);
    if (typeof block === 'number' || !this.#hasChecksums || block.seal !== undefined) return block;
    const isIndex = this.isIndexed && (index === 0 || this.#looksLikeIndex(block));
    block.seal = isIndex ? this.#indexSealer(index) : this.#namesSealer();
    return this.#matches(block) ? block : -E.IO;
  }

  /** Adds an empty block of names. @returns its index and the block; -ENOSPC, -EIO */
  *append(): Op<{ index: number; block: Block } | number> {
    const { maps, groups, cache } = this.inode.volume;
    const index = this.blocks;
    const number = yield* maps.ensure(this.inode, index, groups);
    if (number < 0) return number;
    const block = cache.fresh(number);
    this.becomeNames(block);
    this.inode.fields.size = (index + 1) * this.blockBytes;
    this.inode.changed();
    return { index, block };
  }

  /** An empty block of names: one unused entry. */
  becomeNames(block: Block): void {
    const { view, bytes } = block;
    bytes.fill(0);
    view.setUint16(4, this.usableBytes, true);
    if (this.#hasChecksums) {
      view.setUint16(this.usableBytes + 4, TAIL_BYTES, true);
      view.setUint8(this.usableBytes + 7, TAIL_TYPE);
      block.seal = this.#namesSealer();
    }
    block.changed();
  }

  /** A block holds entries of the index from now on. */
  becomeIndex(index: number, block: Block): void {
    if (this.#hasChecksums) block.seal = this.#indexSealer(index);
    block.changed();
  }

  /** Entries that fit into a block of the index. */
  indexLimit(at: number): number {
    return Math.floor((this.blockBytes - at - (this.#hasChecksums ? 8 : 0)) / 8);
  }

  /** An unused entry that covers the whole block. */
  #looksLikeIndex({ view }: Block): boolean {
    return view.getUint32(0, true) === 0 && view.getUint16(4, true) === this.blockBytes;
  }

  #namesSealer(): (block: Block) => void {
    return (block) => block.view.setUint32(this.blockBytes - 4, this.#namesSum(block), true);
  }

  #namesSum(block: Block): number {
    const { checksums } = this.inode.volume.sb;
    return checksums.crc32c(this.inode.checksumSeed, block.bytes.subarray(0, this.usableBytes));
  }

  #indexSealer(index: number): (block: Block) => void {
    const at = index === 0 ? INDEX_ROOT_AT : INDEX_NODE_AT;
    return (block) => {
      const { checksums } = this.inode.volume.sb;
      const count = Math.min(block.view.getUint16(at + 2, true), this.indexLimit(at));
      const tail = at + 8 * this.indexLimit(at);
      let sum = checksums.crc32c(this.inode.checksumSeed, block.bytes.subarray(0, at + 8 * count));
      sum = checksums.crc32c(sum, block.bytes.subarray(tail, tail + 4));
      block.view.setUint32(tail + 4, checksums.word(sum, 0), true);
    };
  }

  /** Does the checksum that a block was read with match? */
  #matches(block: Block): boolean {
    const before = block.bytes.slice();
    block.seal?.(block);
    return before.every((byte, at) => byte === block.bytes[at]);
  }
}
