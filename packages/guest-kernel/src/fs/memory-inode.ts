/** Inodes that live in memory only: the base of tmpfs, procfs, sysfs, devpts and of pipes and sockets. */
import { CAP_FSETID } from '../abi/capability.ts';
import { S_IALLUGO, S_IFDIR, S_IFMT, S_IFREG, S_ISGID } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import { capable, isInGroup } from './permissions.ts';
import type {
  AttributeChange,
  Credentials,
  FileSystem,
  Inode,
  InodeLocks,
  InodeWatch,
  SharedMapping,
  Time,
} from './types.ts';

/** What a new inode starts with. */
export interface InodeSeed {
  readonly fs: FileSystem;
  readonly ino: number;
  readonly mode: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly rdev?: number;
  readonly now: Time;
}

/** An inode without contents of its own; kinds add their operations. */
export class MemoryInode implements Inode {
  readonly fs: FileSystem;
  readonly ino: number;
  mode: number;
  uid: number;
  gid: number;
  nlink = 1;
  readonly rdev: number;
  atime: Time;
  mtime: Time;
  ctime: Time;
  sharedMapping: SharedMapping | undefined;
  locks: InodeLocks | undefined;
  watches: Set<InodeWatch> | undefined;
  mayBeNamed = false;
  protected holders = 0;

  constructor(seed: InodeSeed) {
    this.fs = seed.fs;
    this.ino = seed.ino;
    this.mode = seed.mode;
    this.uid = seed.uid ?? 0;
    this.gid = seed.gid ?? 0;
    this.rdev = seed.rdev ?? 0;
    this.atime = seed.now;
    this.mtime = seed.now;
    this.ctime = seed.now;
  }

  get size(): number {
    return 0;
  }

  get blockBytes(): number {
    return 4096;
  }

  get blocks512(): number {
    return 0;
  }

  hold(): void {
    this.holders++;
  }

  drop(): void {
    this.holders--;
    if (this.holders === 0 && this.nlink === 0) this.free();
  }

  *setAttributes(change: AttributeChange): Op<number> {
    if (change.permissions !== undefined) this.mode = (this.mode & S_IFMT) | (change.permissions & S_IALLUGO);
    if (change.uid !== undefined) this.uid = change.uid;
    if (change.gid !== undefined) this.gid = change.gid;
    if (change.atime !== undefined) this.atime = change.atime;
    if (change.mtime !== undefined) this.mtime = change.mtime;
    this.ctime = this.clock();
    return 0;
  }

  /** CLOCK_REALTIME for its time stamps. */
  protected clock(): Time {
    return this.ctime;
  }

  /** Nobody can reach it any more. */
  protected free(): void {}
}

/** Owner and mode of something made in `dir`: a set-group-ID directory hands on its group. Source: inode_init_owner. */
export function ownerInDirectory(
  dir: Pick<Inode, 'mode' | 'gid'>,
  mode: number,
  cred: Credentials,
): { uid: number; gid: number; mode: number } {
  const uid = cred.fsuid;
  if ((dir.mode & S_ISGID) === 0) return { uid, gid: cred.fsgid, mode };
  const { gid } = dir;
  if ((mode & S_IFMT) === S_IFDIR) return { uid, gid, mode: mode | S_ISGID };
  const foreign = (mode & 0o2010) === 0o2010 && !capable(cred, CAP_FSETID) && !isInGroup(cred, gid);
  return { uid, gid, mode: foreign && (mode & S_IFMT) === S_IFREG ? mode & ~S_ISGID : mode };
}

/** Should reading update the access time? As with mount -o relatime. */
export function relatimeDue(of: { atime: Time; mtime: Time; ctime: Time }, now: Time): boolean {
  return of.atime <= of.mtime || of.atime <= of.ctime || now - of.atime > 86_400_000_000_000n;
}
