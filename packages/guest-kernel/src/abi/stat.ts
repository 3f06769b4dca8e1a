/** File types and permission bits, directory entry types, device numbers. Source: include/uapi/linux/stat.h, fs.h, kdev_t.h. */

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFREG = 0o100000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;
export const S_ISUID = 0o4000;
export const S_ISGID = 0o2000;
export const S_ISVTX = 0o1000;
/** All that chmod can set. */
export const S_IALLUGO = 0o7777;

/** The DT_ number of a directory entry for a mode. */
export function dtOfMode(mode: number): number {
  return (mode & S_IFMT) >>> 12;
}

export const DT_UNKNOWN = 0;
export const DT_DIR = 4;
export const DT_REG = 8;
export const DT_LNK = 10;
export const DT_CHR = 2;

/** A device number as stat64's st_rdev and mknod have it (new_encode_dev): 12 bits of major, 20 of minor. */
export function makeDev(major: number, minor: number): number {
  return ((minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)) >>> 0;
}

export function majorOf(dev: number): number {
  return (dev >>> 8) & 0xfff;
}

export function minorOf(dev: number): number {
  return (dev & 0xff) | ((dev >>> 12) & 0xfff00);
}

export function isDirectory(of: { readonly mode: number }): boolean {
  return (of.mode & S_IFMT) === S_IFDIR;
}

export function isSymlink(of: { readonly mode: number }): boolean {
  return (of.mode & S_IFMT) === S_IFLNK;
}

export function isRegular(of: { readonly mode: number }): boolean {
  return (of.mode & S_IFMT) === S_IFREG;
}
