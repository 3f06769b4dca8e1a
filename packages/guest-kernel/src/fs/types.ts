/**
 * What the parts of the file side promise each other and the core: inodes, open files, file systems, block devices, and
 * what a system call hands in. Results follow the Linux convention: >= 0, or a negative errno.
 */
import type { Op, WaitQueue } from '../task/wait.ts';

/** Bytes as a string: each char code is one byte, 0..255. File names, paths and link targets are kept so. */
export type ByteString = string;

/** Nanoseconds since 1970 (CLOCK_REALTIME). */
export type Time = bigint;

/** Bytes of a page of file data. */
export const PAGE_BYTES = 4096;

/** Sets of capabilities, as bits of abi/capability.ts. */
export interface Capabilities {
  readonly effective: bigint;
  readonly permitted: bigint;
  readonly inheritable: bigint;
  /** No program that is executed gets others. */
  readonly bounding: bigint;
  /** Kept by programs that are not set-user-ID. */
  readonly ambient: bigint;
  /** SECBIT_*. */
  readonly securebits: number;
}

/** Who asks, as permission checks see it. */
export interface Credentials {
  readonly uid: number;
  readonly gid: number;
  readonly euid: number;
  readonly egid: number;
  readonly suid: number;
  readonly sgid: number;
  readonly fsuid: number;
  readonly fsgid: number;
  readonly groups: readonly number[];
  readonly caps: Capabilities;
}

/** Permission bits, owner, times: what chmod, chown and utimes change. Absent: unchanged. */
export interface AttributeChange {
  /** The low 12 bits of the mode. */
  readonly permissions?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly atime?: Time;
  readonly mtime?: Time;
}

/** One name in a directory. `type` is a DT_ number. */
export interface DirectoryEntry {
  readonly name: ByteString;
  readonly ino: number;
  readonly type: number;
  /** Where reading goes on after this entry: what lseek takes and d_off says. */
  readonly next: number;
}

/** Takes an entry of a listing. @returns false: no room, offer it again at the next reading */
export type EntrySink = (entry: DirectoryEntry) => boolean;

/**
 * Frames of the user's memory that map pages of an inode with MAP_SHARED; put on the inode by the memory side so that
 * read and write see what the mappings hold and the other way round. Pages are numbered from 0 in 4096 bytes.
 */
export interface SharedMapping {
  /** Brings what was written through mappings of pages first..last into the inode's pages. Called before they are read. */
  collect(first: number, last: number): void;
  /** The inode's pages first..last changed, or went away by truncation: mappings must show it. */
  changed(first: number, last: number): void;
}

/**
 * A file of any type. The same file is the same object as long as somebody holds it. Operations that do not apply to
 * its type are absent; the VFS answers -ENOTDIR, -EINVAL and so on for them. Permissions are checked by the VFS.
 */
export interface Inode {
  readonly fs: FileSystem;
  readonly ino: number;
  /** S_IFMT and permission bits. */
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
  readonly nlink: number;
  /** It has no name, but may be given its first: a file of O_TMPFILE. */
  mayBeNamed?: boolean;
  /** Device of a device node, in Linux's 32-bit new_encode_dev form. */
  readonly rdev: number;
  /** Bytes. */
  readonly size: number;
  /** Space used, in units of 512 bytes. */
  readonly blocks512: number;
  readonly blockBytes: number;
  readonly atime: Time;
  readonly mtime: Time;
  readonly ctime: Time;
  /** Holders other than directory entries: open files, mappings, working directories, mounts. */
  hold(): void;
  /** Gives back a {@link hold}; the last one of a file without links frees its space. */
  drop(): void;
  /** Sets attributes and the ctime. */
  setAttributes(change: AttributeChange): Op<number>;

  // Directories
  lookup?(name: ByteString): Op<Inode | number>;
  /** Makes a regular file, a node or a FIFO by the type in `mode`. */
  create?(name: ByteString, mode: number, rdev: number, cred: Credentials): Op<Inode | number>;
  /** O_TMPFILE: a regular file without a name, held once. */
  createUnnamed?(mode: number, cred: Credentials): Op<Inode | number>;
  mkdir?(name: ByteString, mode: number, cred: Credentials): Op<Inode | number>;
  symlink?(name: ByteString, target: ByteString, cred: Credentials): Op<Inode | number>;
  link?(name: ByteString, target: Inode): Op<number>;
  unlink?(name: ByteString): Op<number>;
  rmdir?(name: ByteString): Op<number>;
  /** `to` is a directory of the same file system; the VFS has checked types, permissions and loops. `exchange`: RENAME_EXCHANGE. */
  rename?(name: ByteString, to: Inode, toName: ByteString, exchange: boolean): Op<number>;
  /** Offers the entries from `cookie` on (0: all, `.` and `..` first). @returns 0, or a negative errno */
  list?(cookie: number, sink: EntrySink): Op<number>;

  // Symbolic links
  readlink?(caller: Caller): Op<ByteString | number>;
  /** A link that leads to an object rather than a path (`/proc/1/fd/3`, `exe`, `cwd`, `root`). Undefined: follow the text. */
  follow?(caller: Caller): Path | number | undefined;

  // Regular files
  /** Reads at `pos`; 0 at or after the end. */
  readAt?(into: Uint8Array, pos: number): Op<number>;
  /** @param pos undefined: at the end (O_APPEND) */
  writeAt?(from: Uint8Array, pos: number | undefined): Op<number>;
  truncate?(size: number): Op<number>;
  /** fallocate(2): reserves space, or with `punch` makes a hole. Extends only if `keepSize` is false. */
  allocate?(pos: number, length: number, mode: number): Op<number>;
  /**
   * The bytes of a page as they are now (zero after the end of the file); valid until the caller next sleeps, then ask again.
   * @returns -EIO, or -ENXIO if the page lies wholly after the end of the file
   */
  page?(index: number): Op<Uint8Array | number>;
  /** Where data (or a hole) begins at or after `pos`. @returns -ENXIO after the end */
  seekData?(pos: number, hole: boolean): Op<number>;
  /** On return it is on the disk. @param dataOnly fdatasync(2): without times that nothing depends on */
  sync?(dataOnly?: boolean): Op<number>;
  /** Writes through a mapping come in: replaces the first bytes of a page, within the present size. Never sleeps. */
  writeMapped?(index: number, bytes: Uint8Array): void;
  sharedMapping?: SharedMapping | undefined;
  /** Advisory locks, once there were some. */
  locks?: InodeLocks | undefined;
  /** Processes that run it as their program: nobody may open it for writing meanwhile. */
  executors?: number;
  /** Who wants to hear of what happens to it, or in it. */
  watches?: Set<InodeWatch> | undefined;

  /** Opens what is not a plain file or directory: devices, FIFOs, procfs files. */
  open?(flags: number, caller: Caller): Op<FileHandle | number>;
}

/** Hears of what happens to a file, or in a directory to what is called `name` there; see notify.ts. */
export interface InodeWatch {
  /** @param mask IN_*; @param cookie joins the halves of a move */
  notify(mask: number, name: ByteString, cookie: number): void;
}

/** What the locks of an inode look like to whoever closes files; see locks.ts. */
export interface InodeLocks {
  /** The owner (an open file for flock, a descriptor table for fcntl) is gone. */
  releaseOwner(owner: object): void;
}

/** A place in the tree: an inode as reached through a mount. */
export interface Path {
  readonly mount: Mount;
  readonly inode: Inode;
  /** The directory entry that led here, for getcwd and /proc. Undefined at the root of the mount. */
  readonly entry: Entry | undefined;
}

/** A remembered name: how an absolute path is told. `parent` undefined: the root of the mount. */
export interface Entry {
  name: ByteString;
  parent: Entry | undefined;
  readonly inode: Inode;
  /** Unlinked or renamed over: shown with " (deleted)". */
  deleted: boolean;
}

/** A file system in the tree. */
export interface Mount {
  readonly fs: FileSystem;
  readonly root: Inode;
  /** Where it is mounted; undefined for the root of the tree. */
  readonly at: Path | undefined;
  /** It is in nobody's tree, and its paths are told as if it were the root. */
  readonly nowhere?: boolean;
  readonly source: ByteString;
  /** MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_NOATIME … */
  flags: number;
  /** Paths that are held in it, with how often; see pins.ts. */
  readonly pins: Map<Path, number>;
}

/** statfs64, in blocks of `blockBytes`. */
export interface FsStatistics {
  readonly magic: number;
  readonly blockBytes: number;
  readonly blocks: number;
  readonly blocksFree: number;
  readonly blocksAvailable: number;
  readonly files: number;
  readonly filesFree: number;
  readonly nameMax: number;
}

export interface FileSystem {
  /** As in /proc/filesystems. */
  readonly type: string;
  /** st_dev. */
  readonly dev: number;
  readonly root: Inode;
  readonly readonly: boolean;
  /** Options beyond the mount's flags, as in /proc/mounts ("mode=755"). */
  readonly options: string;
  /** Longest name in bytes. */
  readonly nameMax: number;
  statistics(): FsStatistics;
  sync(): Op<number>;
  /** Writes everything and lets go of the device. */
  unmount(): Op<number>;
  /** mount -o remount: to read-only or read-write. */
  remount?(readonly: boolean): Op<number>;
}

/**
 * An open file description: shared by dup and fork. `flags` are the O_ status flags and access mode. A position of
 * `undefined` reads or writes at the file's own position and moves it.
 */
export interface FileHandle {
  /** Descriptors, mappings and others that hold it; at 0 it is released. See `retain` and `letGo` in file-handle.ts. */
  refs: number;
  flags: number;
  pos: number;
  /** Undefined for what has no place in a file system of its own: the VFS then makes up an anonymous inode's stat. */
  readonly inode: Inode | undefined;
  /** How it was reached, for /proc/PID/fd, fchdir and the *at calls; set and pinned by the VFS. */
  path: Path | undefined;
  read(into: Uint8Array, pos: number | undefined, caller: Caller): Op<number>;
  write(from: Uint8Array, pos: number | undefined, caller: Caller): Op<number>;
  /** POLLIN, POLLOUT, POLLHUP, POLLERR … as they are now. */
  poll(): number;
  /** Woken when poll() may have changed. */
  readonly pollQueues: readonly WaitQueue[];
  /** @returns -ENOTTY for a command it does not know */
  ioctl(cmd: number, arg: number, user: UserMemory, caller: Caller): Op<number>;
  /** Absent: -ENOTDIR. Moves the position as entries are taken. */
  list?(sink: EntrySink): Op<number>;
  /** Absent: -ESPIPE (and then pread and pwrite are refused as well). */
  seek?(offset: number, whence: number): Op<number>;
  /** fsync(2), or fdatasync(2). */
  sync?(dataOnly?: boolean): Op<number>;
  /** mmap: the page's bytes as {@link Inode.page}. Absent: -ENODEV. */
  page?(index: number): Op<Uint8Array | number>;
  /** What it is to calls that treat some kinds apart. */
  readonly kind: 'file' | 'directory' | 'pipe' | 'socket' | 'character' | 'block' | 'anonymous';
  /** What /proc/PID/fd/N says where there is no path: "pipe:[17]". */
  readonly label?: string;
  /** The last descriptor is gone. */
  release(): void;
}

/** The user's memory as a system call sees it. `false`, or a negative errno where there is one: -EFAULT. */
export interface UserMemory {
  read(va: number, into: Uint8Array): boolean;
  write(va: number, from: Uint8Array): boolean;
  /** @returns undefined on a fault */
  read32(va: number): number | undefined;
  write32(va: number, value: number): boolean;
  /**
   * Brings in pages that need the disk, for a copy that failed: so that calls with effects need not start again.
   * @returns false if there is nothing mapped, or not for writing
   */
  populate?(va: number, lengthBytes: number, forWriting: boolean): Op<boolean>;
  /** A string up to its NUL. @returns -ENAMETOOLONG without a NUL in `maxBytes`; -EFAULT */
  readString(va: number, maxBytes: number): ByteString | number;
}

/** What a file operation may know of its caller, and do to it. */
export interface Caller {
  readonly pid: number;
  readonly pgid: number;
  readonly sid: number;
  readonly cred: Credentials;
  /** A file that it writes may not become larger (RLIMIT_FSIZE). No limit if absent. */
  readonly maxFileBytes?: number;
  /** The controlling terminal of its session. */
  readonly terminal: ControllingTerminal | undefined;
  /** Makes `tty` (or nothing) the controlling terminal of its session. */
  setTerminal(tty: ControllingTerminal | undefined): void;
  isSessionLeader(): boolean;
  /** Blocked or ignored, so that SIGTTIN and SIGTTOU would have no effect. */
  ignoresOrBlocks(signal: number): boolean;
  /** No member of its process group has a parent in the same session but another group. */
  inOrphanedGroup(): boolean;
  /** Session of a process group, or undefined if there is no such group. */
  sessionOfGroup(pgid: number): number | undefined;
  signal(signal: number): void;
  signalGroup(pgid: number, signal: number): void;
}

/** A terminal as its session knows it. */
export interface ControllingTerminal {
  /** Session whose controlling terminal it is; 0 for none. */
  session: number;
  /** Foreground process group; 0 for none. */
  foreground: number;
  readonly rdev: number;
  readonly name: string;
  /** The session's leader has died, or the line has. */
  hangUp(): void;
}

/**
 * A disk in sectors of 512 bytes. Lengths are multiples of 512. Bytes belong to the operation until it ends: what is
 * written is read when its turn comes.
 * @returns 0 or a negative errno
 */
export interface BlockDevice {
  readonly sectors: number;
  readonly readonly: boolean;
  read(sector: number, into: Uint8Array): Op<number>;
  write(sector: number, from: Uint8Array): Op<number>;
  /** What was written before is on the medium. */
  flush(): Op<number>;
  discard?(sector: number, count: number): Op<number>;
}
