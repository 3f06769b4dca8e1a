/** The superblock of ext2, ext3 and ext4, and what of its features we can do. Source: Linux fs/ext4/ext4.h, struct ext4_super_block. */
import { EXT2_SUPER_MAGIC } from '../../abi/mount.ts';
import type { Block } from './block-cache.ts';
import { Checksums } from './checksum.ts';
import {
  COMPAT_HAS_JOURNAL,
  COMPAT_SPARSE_SUPER2,
  INCOMPAT_64BIT,
  INCOMPAT_CSUM_SEED,
  INCOMPAT_EXTENTS,
  INCOMPAT_FILETYPE,
  INCOMPAT_READABLE,
  INCOMPAT_RECOVER,
  INCOMPAT_WRITABLE,
  RO_COMPAT_LARGE_FILE,
  RO_COMPAT_METADATA_CSUM,
  RO_COMPAT_SPARSE_SUPER,
  RO_COMPAT_WRITABLE,
} from './features.ts';

/** Where it is on the device, and how long. */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 1024;
const CHECKSUM_AT = 0x3fc;
const CRC32C_TYPE = 1;

const VALID_FS = 1;
const ERROR_FS = 2;
/** The first version had inodes of 128 bytes and 11 reserved ones. */
const OLD_REVISION = 0;
/** s_flags: names are hashed as unsigned characters. */
const UNSIGNED_HASH = 2;

export class Superblock {
  readonly bytes: Uint8Array;
  readonly checksums: Checksums;
  /** The block that it lies in. */
  block: Block | undefined;
  readonly #view: DataView;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const seed = (this.incompat & INCOMPAT_CSUM_SEED) !== 0 ? this.#u32(0x270) : undefined;
    this.checksums = new Checksums(bytes.subarray(104, 120), seed);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #set32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
    this.block?.changed();
  }

  #set16(at: number, value: number): void {
    this.#view.setUint16(at, value, true);
    this.block?.changed();
  }

  get inodes(): number {
    return this.#u32(0);
  }

  get blocks(): number {
    return this.#u32(4);
  }

  get reservedBlocks(): number {
    return this.#u32(8);
  }

  get freeBlocks(): number {
    return this.#u32(12);
  }

  set freeBlocks(count: number) {
    this.#set32(12, count);
  }

  get freeInodes(): number {
    return this.#u32(16);
  }

  set freeInodes(count: number) {
    this.#set32(16, count);
  }

  get firstDataBlock(): number {
    return this.#u32(20);
  }

  get blockBytes(): number {
    return 1024 << Math.min(this.#u32(24), 16);
  }

  get blocksPerGroup(): number {
    return this.#u32(32);
  }

  get inodesPerGroup(): number {
    return this.#u32(40);
  }

  get groups(): number {
    return Math.ceil((this.blocks - this.firstDataBlock) / this.blocksPerGroup);
  }

  /** Blocks of a group's inode table. */
  get tableBlocks(): number {
    return Math.ceil((this.inodesPerGroup * this.inodeBytes) / this.blockBytes);
  }

  get #isOld(): boolean {
    return this.#u32(76) === OLD_REVISION;
  }

  get inodeBytes(): number {
    return this.#isOld ? 128 : this.#view.getUint16(88, true);
  }

  get firstInode(): number {
    return this.#isOld ? 11 : this.#u32(84);
  }

  get compat(): number {
    return this.#isOld ? 0 : this.#u32(92);
  }

  get incompat(): number {
    return this.#isOld ? 0 : this.#u32(96);
  }

  get roCompat(): number {
    return this.#isOld ? 0 : this.#u32(100);
  }

  get hasFileType(): boolean {
    return (this.incompat & INCOMPAT_FILETYPE) !== 0;
  }

  get hasExtents(): boolean {
    return (this.incompat & INCOMPAT_EXTENTS) !== 0;
  }

  get hasChecksums(): boolean {
    return (this.roCompat & RO_COMPAT_METADATA_CSUM) !== 0;
  }

  /** Bytes of a group descriptor. */
  get descriptorBytes(): number {
    if ((this.incompat & INCOMPAT_64BIT) === 0) return 32;
    return Math.max(32, this.#view.getUint16(254, true));
  }

  /** Extra inode bytes that mke2fs wants used (256-byte inodes): times in nanoseconds. */
  get extraInodeBytes(): number {
    if (this.inodeBytes < 160) return 0;
    const wanted = this.#view.getUint16(350, true) || 32;
    return Math.min(Math.max(32, wanted & ~3), this.inodeBytes - 128);
  }

  /** Inode of the journal; 0: there is none, or it is on another device. */
  get journalInode(): number {
    return (this.compat & COMPAT_HAS_JOURNAL) !== 0 ? this.#u32(224) : 0;
  }

  get hasJournal(): boolean {
    return (this.compat & COMPAT_HAS_JOURNAL) !== 0;
  }

  get uuid(): Uint8Array {
    return this.bytes.subarray(104, 120);
  }

  get needsRecovery(): boolean {
    return (this.incompat & INCOMPAT_RECOVER) !== 0;
  }

  set needsRecovery(needed: boolean) {
    this.#set32(96, needed ? this.incompat | INCOMPAT_RECOVER : this.incompat & ~INCOMPAT_RECOVER);
  }

  /** First of the inodes that have to be freed or shortened; each names the next in its i_dtime. */
  get lastOrphan(): number {
    return this.#u32(232);
  }

  set lastOrphan(ino: number) {
    this.#set32(232, ino);
  }

  /** How names of indexed directories are hashed: seed of four words, version as on the disk, signedness. */
  get hash(): { readonly seed: readonly number[]; readonly version: number; readonly unsigned: boolean } {
    const seed = [0, 4, 8, 12].map((at) => this.#u32(236 + at));
    return { seed, version: this.bytes[252]!, unsigned: (this.#u32(352) & UNSIGNED_HASH) !== 0 };
  }

  /** What is wrong with it, if it cannot be mounted at all. Checks every number that later arithmetic relies on. */
  problem(deviceBytes: number): string | undefined {
    const { blockBytes, blocksPerGroup, inodesPerGroup, inodeBytes, descriptorBytes } = this;
    if (this.#view.getUint16(56, true) !== EXT2_SUPER_MAGIC) return 'no superblock';
    if (this.hasChecksums) {
      if (this.bytes[0x175] !== CRC32C_TYPE) return 'unknown checksum type';
      if (this.#checksum() !== this.#u32(CHECKSUM_AT)) return 'checksum of the superblock does not match';
    }
    const unknown = this.incompat & ~INCOMPAT_READABLE;
    if (unknown !== 0)
      return `couldn't mount because of unsupported optional features (${unknown.toString(16)})`;
    const bits = blockBytes * 8;
    const large =
      (this.incompat & INCOMPAT_64BIT) !== 0 && (this.#u32(336) | this.#u32(340) | this.#u32(344)) !== 0;
    const good =
      this.#u32(24) <= 2 &&
      blockBytes <= 4096 &&
      blocksPerGroup > 0 &&
      blocksPerGroup <= bits &&
      blocksPerGroup % 8 === 0 &&
      inodesPerGroup > 0 &&
      inodesPerGroup <= bits &&
      inodesPerGroup % 8 === 0 &&
      inodeBytes >= 128 &&
      inodeBytes <= blockBytes &&
      (inodeBytes & (inodeBytes - 1)) === 0 &&
      !large &&
      this.firstDataBlock === (blockBytes === 1024 ? 1 : 0) &&
      this.blocks > this.firstDataBlock &&
      this.inodes === this.groups * inodesPerGroup &&
      this.firstInode >= 11 &&
      descriptorBytes <= 1024 &&
      (descriptorBytes & (descriptorBytes - 1)) === 0;
    if (!good) return 'bad geometry';
    if (this.blocks * blockBytes > deviceBytes) return 'bad geometry: larger than its device';
    return undefined;
  }

  /** Features that forbid writing, as a number to be shown; 0: none. */
  get unwritable(): number {
    return (this.incompat & ~INCOMPAT_WRITABLE) | (this.roCompat & ~RO_COMPAT_WRITABLE);
  }

  get isClean(): boolean {
    return (this.#view.getUint16(58, true) & (VALID_FS | ERROR_FS)) === VALID_FS;
  }

  set isClean(clean: boolean) {
    const state = this.#view.getUint16(58, true);
    this.#set16(58, clean ? state | VALID_FS : state & ~VALID_FS);
  }

  /** e2fsck shall look at everything at the next boot. */
  markErrors(): void {
    this.#set16(58, this.#view.getUint16(58, true) | ERROR_FS);
  }

  /** What s_errors says: 1 go on, 2 read only from then on, 3 panic. */
  get onErrors(): number {
    return this.#view.getUint16(60, true);
  }

  /** Blocks that hold no files: superblocks, descriptors, bitmaps, inode tables, the journal. */
  get overheadBlocks(): number {
    const told = this.#isOld ? 0 : this.#u32(584);
    if (told > 0 && told < this.blocks) return told;
    let overhead = this.firstDataBlock;
    for (let group = 0; group < this.groups; group++) overhead += this.baseBlocks(group);
    return overhead + this.groups * (2 + this.tableBlocks);
  }

  /** Blocks at the beginning of a group that hold a copy of the superblock and the descriptors, reserved ones included. */
  baseBlocks(group: number): number {
    if (!this.#hasCopy(group)) return 0;
    const descriptors = Math.ceil(this.groups / (this.blockBytes / this.descriptorBytes));
    return 1 + descriptors + this.#view.getUint16(206, true);
  }

  #hasCopy(group: number): boolean {
    if (group === 0) return true;
    if ((this.compat & COMPAT_SPARSE_SUPER2) !== 0)
      return group === this.#u32(0x24c) || group === this.#u32(0x250);
    return (this.roCompat & RO_COMPAT_SPARSE_SUPER) === 0 || hasSuper(group);
  }

  /** A file of 2 GiB or more needs the feature. */
  allowLargeFiles(): boolean {
    if (this.#isOld) return false;
    if ((this.roCompat & RO_COMPAT_LARGE_FILE) === 0) this.#set32(100, this.roCompat | RO_COMPAT_LARGE_FILE);
    return true;
  }

  /** @param seconds since 1970 */
  countMount(seconds: number): void {
    this.#set32(44, seconds);
    this.#set16(52, this.#view.getUint16(52, true) + 1);
  }

  /** Before it is written. @param seconds since 1970 */
  seal(seconds: number): void {
    this.#view.setUint32(48, seconds, true);
    if (this.hasChecksums) this.#view.setUint32(CHECKSUM_AT, this.#checksum(), true);
  }

  #checksum(): number {
    return this.checksums.crc32c(0xffff_ffff, this.bytes.subarray(0, CHECKSUM_AT));
  }
}

/** With sparse_super, copies are in groups 0, 1 and the powers of 3, 5 and 7. */
function hasSuper(group: number): boolean {
  if (group <= 1) return true;
  return [3, 5, 7].some((base) => {
    let power = base;
    while (power < group) power *= base;
    return power === group;
  });
}
