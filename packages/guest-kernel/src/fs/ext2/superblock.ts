/** The superblock of ext2, and what of its features we can do. Source: Linux fs/ext2/ext2.h, Documentation/filesystems/ext4. */
import { E } from '../../abi/errno.ts';
import { EXT2_SUPER_MAGIC } from '../../abi/mount.ts';

/** Where it is on the device, and how long. */
export const SUPERBLOCK_OFFSET = 1024;
export const SUPERBLOCK_BYTES = 1024;

const INCOMPAT_FILETYPE = 0x2;
const INCOMPAT_EXTENTS = 0x40;
const INCOMPAT_64BIT = 0x80;
const INCOMPAT_FLEX_BG = 0x200;
/** What can be read. */
const INCOMPAT_KNOWN: number = INCOMPAT_FILETYPE | INCOMPAT_EXTENTS | INCOMPAT_64BIT | INCOMPAT_FLEX_BG;

const RO_COMPAT_SPARSE_SUPER = 0x1;
const RO_COMPAT_LARGE_FILE = 0x2;
/** What can be written. */
const RO_COMPAT_KNOWN: number = RO_COMPAT_SPARSE_SUPER | RO_COMPAT_LARGE_FILE;

const VALID_FS = 1;
const ERROR_FS = 2;
/** The first version had inodes of 128 bytes and 11 reserved ones. */
const OLD_REVISION = 0;

export class Superblock {
  readonly bytes: Uint8Array;
  readonly #view: DataView;
  dirty = false;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  #u32(at: number): number {
    return this.#view.getUint32(at, true);
  }

  #set32(at: number, value: number): void {
    this.#view.setUint32(at, value, true);
    this.dirty = true;
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

  get inodeBytes(): number {
    return this.#u32(76) === OLD_REVISION ? 128 : this.#view.getUint16(88, true);
  }

  get firstInode(): number {
    return this.#u32(76) === OLD_REVISION ? 11 : this.#u32(84);
  }

  get incompat(): number {
    return this.#u32(76) === OLD_REVISION ? 0 : this.#u32(96);
  }

  get hasFileType(): boolean {
    return (this.incompat & INCOMPAT_FILETYPE) !== 0;
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
    return Math.min(wanted & ~3, this.inodeBytes - 128);
  }

  /**
   * May it be mounted? Checks every number that later arithmetic relies on.
   * @param deviceBytes size of the device
   * @returns 0, -EINVAL for something else or broken, -EROFS if only reading is possible
   */
  check(deviceBytes: number): number {
    const { blockBytes, blocksPerGroup, inodesPerGroup, inodeBytes } = this;
    if (this.#view.getUint16(56, true) !== EXT2_SUPER_MAGIC) return -E.INVAL;
    if ((this.incompat & ~INCOMPAT_KNOWN) !== 0) return -E.INVAL;
    if (this.#u32(24) > 2 || blockBytes > 4096) return -E.INVAL;
    const bits = blockBytes * 8;
    if (blocksPerGroup === 0 || blocksPerGroup > bits) return -E.INVAL;
    if (inodesPerGroup === 0 || inodesPerGroup > bits) return -E.INVAL;
    if (inodeBytes < 128 || inodeBytes > blockBytes || (inodeBytes & (inodeBytes - 1)) !== 0) return -E.INVAL;
    if (this.blocks === 0 || this.blocks * blockBytes > deviceBytes) return -E.INVAL;
    if (this.firstDataBlock !== (blockBytes === 1024 ? 1 : 0)) return -E.INVAL;
    if (this.inodes !== this.groups * inodesPerGroup || this.firstInode < 11) return -E.INVAL;
    if (this.descriptorBytes > 1024 || (this.descriptorBytes & (this.descriptorBytes - 1)) !== 0)
      return -E.INVAL;
    const writable = (this.incompat & ~INCOMPAT_FILETYPE) === 0;
    return writable && (this.#roCompat & ~RO_COMPAT_KNOWN) === 0 ? 0 : -E.ROFS;
  }

  get #roCompat(): number {
    return this.#u32(76) === OLD_REVISION ? 0 : this.#u32(100);
  }

  get isClean(): boolean {
    return (this.#view.getUint16(58, true) & (VALID_FS | ERROR_FS)) === VALID_FS;
  }

  set isClean(clean: boolean) {
    const state = this.#view.getUint16(58, true);
    this.#view.setUint16(58, clean ? state | VALID_FS : state & ~VALID_FS, true);
    this.dirty = true;
  }

  /** Blocks that hold no files: superblocks, descriptors, bitmaps, inode tables. */
  get overheadBlocks(): number {
    const perBlock = this.blockBytes / this.descriptorBytes;
    const descriptors = Math.ceil(this.groups / perBlock);
    const sparse = (this.#roCompat & RO_COMPAT_SPARSE_SUPER) !== 0;
    let overhead = this.firstDataBlock;
    for (let group = 0; group < this.groups; group++) {
      if (!sparse || hasSuper(group)) overhead += 1 + descriptors;
    }
    const table = Math.ceil((this.inodesPerGroup * this.inodeBytes) / this.blockBytes);
    return overhead + this.groups * (2 + table);
  }

  /** A file of 2 GiB or more needs the feature. */
  allowLargeFiles(): boolean {
    if (this.#u32(76) === OLD_REVISION) return false;
    if ((this.#roCompat & RO_COMPAT_LARGE_FILE) === 0)
      this.#set32(100, this.#roCompat | RO_COMPAT_LARGE_FILE);
    return true;
  }

  /** @param seconds since 1970 */
  countMount(seconds: number): void {
    this.#set32(44, seconds);
    this.#view.setUint16(52, this.#view.getUint16(52, true) + 1, true);
  }

  /** @param seconds since 1970 */
  stampWrite(seconds: number): void {
    this.#set32(48, seconds);
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
