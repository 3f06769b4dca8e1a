/** A block group's descriptor. Source: Linux fs/ext4/ext4.h, struct ext4_group_desc; fs/ext4/super.c for its checksum. */
import type { Block } from './block-cache.ts';
import { RO_COMPAT_GDT_CSUM } from './features.ts';
import type { Superblock } from './superblock.ts';

/** The bitmap of inodes, and of blocks, was never written: it follows from the geometry. */
const INODE_UNINIT = 1;
const BLOCK_UNINIT = 2;
const CHECKSUM_AT = 30;
/** Descriptors from this size on have the high halves of the bitmaps' checksums. */
const WIDE_BYTES = 64;

export class Group {
  readonly index: number;
  /** Bitmaps that were changed since they were last sealed. */
  blockBitmapBlock: Block | undefined;
  inodeBitmapBlock: Block | undefined;
  readonly #block: Block;
  readonly #at: number;
  readonly #view: DataView;
  readonly #sb: Superblock;
  readonly #changed: Set<Group>;

  /** @param changed gets the group when something of it changes */
  constructor(index: number, block: Block, at: number, sb: Superblock, changed: Set<Group>) {
    this.index = index;
    this.#changed = changed;
    this.#block = block;
    this.#at = at;
    this.#view = block.view;
    this.#sb = sb;
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
    return this.#u16(12);
  }

  set freeBlocks(count: number) {
    this.#set16(12, count);
  }

  get freeInodes(): number {
    return this.#u16(14);
  }

  set freeInodes(count: number) {
    this.#set16(14, count);
  }

  get directories(): number {
    return this.#u16(16);
  }

  set directories(count: number) {
    this.#set16(16, count);
  }

  /** Inodes at the end of the table that were never used; e2fsck does not look at them. */
  get unusedInodes(): number {
    return this.#hasFlags ? this.#u16(28) : 0;
  }

  set unusedInodes(count: number) {
    this.#set16(28, count);
  }

  get blocksUninit(): boolean {
    return this.#hasFlags && (this.#u16(18) & BLOCK_UNINIT) !== 0;
  }

  get inodesUninit(): boolean {
    return this.#hasFlags && (this.#u16(18) & INODE_UNINIT) !== 0;
  }

  initialisedBlocks(): void {
    this.#set16(18, this.#u16(18) & ~BLOCK_UNINIT);
  }

  initialisedInodes(): void {
    this.#set16(18, this.#u16(18) & ~INODE_UNINIT);
  }

  /** The high halves of the block numbers are zero: nothing lies beyond 2^32 blocks. */
  get isNarrow(): boolean {
    if (this.#sb.descriptorBytes < WIDE_BYTES) return true;
    return [32, 36, 40].every((at) => this.#view.getUint32(this.#at + at, true) === 0);
  }

  get checksumMatches(): boolean {
    return !this.#hasFlags || this.#u16(CHECKSUM_AT) === this.#checksum();
  }

  get #hasFlags(): boolean {
    return this.#sb.hasChecksums || (this.#sb.roCompat & RO_COMPAT_GDT_CSUM) !== 0;
  }

  /** Checksums of the bitmaps that were changed, then its own. */
  seal(): void {
    const sb = this.#sb;
    if (sb.hasChecksums) {
      if (this.blockBitmapBlock !== undefined)
        this.#sealBitmap(this.blockBitmapBlock, sb.blocksPerGroup / 8, 24, 56);
      if (this.inodeBitmapBlock !== undefined)
        this.#sealBitmap(this.inodeBitmapBlock, sb.inodesPerGroup / 8, 26, 58);
    }
    this.blockBitmapBlock = undefined;
    this.inodeBitmapBlock = undefined;
    if (this.#hasFlags) this.#set16(CHECKSUM_AT, this.#checksum());
  }

  #sealBitmap(bitmap: Block, lengthBytes: number, low: number, high: number): void {
    const { checksums, descriptorBytes } = this.#sb;
    const sum = checksums.crc32c(checksums.seed, bitmap.bytes.subarray(0, lengthBytes));
    this.#set16(low, sum & 0xffff);
    if (descriptorBytes >= WIDE_BYTES) this.#set16(high, sum >>> 16);
  }

  #checksum(): number {
    const sb = this.#sb;
    const { checksums } = sb;
    const bytes = this.#block.bytes.subarray(this.#at, this.#at + sb.descriptorBytes);
    if (sb.hasChecksums) {
      return checksums.around(checksums.word(checksums.seed, this.index), bytes, CHECKSUM_AT, 2) & 0xffff;
    }
    const number = new Uint8Array(4);
    new DataView(number.buffer).setUint32(0, this.index, true);
    let sum = checksums.crc16(checksums.crc16(0xffff, sb.uuid), number);
    sum = checksums.crc16(sum, bytes.subarray(0, CHECKSUM_AT));
    return checksums.crc16(sum, bytes.subarray(CHECKSUM_AT + 2));
  }

  #u16(offset: number): number {
    return this.#view.getUint16(this.#at + offset, true);
  }

  #set16(offset: number, value: number): void {
    this.#view.setUint16(this.#at + offset, value, true);
    this.#block.changed();
    this.#changed.add(this);
  }
}
