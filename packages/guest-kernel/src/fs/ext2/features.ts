/** Features of ext2, ext3 and ext4: which can be read, and which written. Source: Linux fs/ext4/ext4.h. */

export const COMPAT_HAS_JOURNAL = 0x4;
export const COMPAT_DIR_INDEX = 0x20;
export const COMPAT_SPARSE_SUPER2 = 0x200;

export const INCOMPAT_FILETYPE = 0x2;
/** The journal has to be replayed first. */
export const INCOMPAT_RECOVER = 0x4;
export const INCOMPAT_EXTENTS = 0x40;
export const INCOMPAT_64BIT = 0x80;
const INCOMPAT_MMP = 0x100;
const INCOMPAT_FLEX_BG = 0x200;
const INCOMPAT_EA_INODE = 0x400;
export const INCOMPAT_CSUM_SEED = 0x2000;
const INCOMPAT_LARGEDIR = 0x4000;
const INCOMPAT_CASEFOLD = 0x20000;

/** What can be written. */
export const INCOMPAT_WRITABLE: number =
  INCOMPAT_FILETYPE |
  INCOMPAT_RECOVER |
  INCOMPAT_EXTENTS |
  INCOMPAT_64BIT |
  INCOMPAT_FLEX_BG |
  INCOMPAT_CSUM_SEED;
/** What can be read: none of these changes where names and contents are. */
export const INCOMPAT_READABLE: number =
  INCOMPAT_WRITABLE | INCOMPAT_MMP | INCOMPAT_EA_INODE | INCOMPAT_LARGEDIR | INCOMPAT_CASEFOLD;

export const RO_COMPAT_SPARSE_SUPER = 0x1;
export const RO_COMPAT_LARGE_FILE = 0x2;
export const RO_COMPAT_HUGE_FILE = 0x8;
export const RO_COMPAT_GDT_CSUM = 0x10;
export const RO_COMPAT_DIR_NLINK = 0x20;
const RO_COMPAT_EXTRA_ISIZE = 0x40;
export const RO_COMPAT_METADATA_CSUM = 0x400;

/** What can be written; everything else of this kind can be read. */
export const RO_COMPAT_WRITABLE: number =
  RO_COMPAT_SPARSE_SUPER |
  RO_COMPAT_LARGE_FILE |
  RO_COMPAT_HUGE_FILE |
  RO_COMPAT_GDT_CSUM |
  RO_COMPAT_DIR_NLINK |
  RO_COMPAT_EXTRA_ISIZE |
  RO_COMPAT_METADATA_CSUM;
