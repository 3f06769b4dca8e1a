/** Files in memory. Source for behaviour: tmpfs(5). */
import { E } from '../abi/errno.ts';
import { TMPFS_MAGIC } from '../abi/mount.ts';
import { DT_DIR, dtOfMode, isDirectory, S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import { MemoryInode, ownerInDirectory } from './memory-inode.ts';
import { TmpFile } from './tmpfs-file.ts';
import type { ByteString, Credentials, EntrySink, FileSystem, FsStatistics, Inode, Time } from './types.ts';

/** What a tmpfs is made with. */
export interface TmpfsConfig {
  readonly type?: string;
  /** st_dev */
  readonly dev: number;
  readonly now: () => Time;
  /** Most bytes of file data. */
  readonly maxBytes: number;
  readonly maxInodes: number;
  /** Mode of the root directory. */
  readonly mode?: number;
  readonly options?: string;
}

export class Tmpfs implements FileSystem {
  readonly type: string;
  readonly dev: number;
  readonly readonly = false;
  readonly options: string;
  readonly nameMax = 255;
  readonly root: TmpDirectory;
  readonly now: () => Time;
  /** Pages in use. */
  pages = 0;
  inodes = 0;
  readonly #maxPages: number;
  readonly #maxInodes: number;
  #nextIno = 1;

  constructor(config: TmpfsConfig) {
    this.type = config.type ?? 'tmpfs';
    this.dev = config.dev;
    this.now = config.now;
    this.options = config.options ?? '';
    this.#maxPages = Math.floor(config.maxBytes / 4096);
    this.#maxInodes = config.maxInodes;
    const seed = { fs: this, ino: this.nextIno(), mode: S_IFDIR | (config.mode ?? 0o1777), now: this.now() };
    this.root = new TmpDirectory(this, seed, undefined);
    this.inodes = 1;
  }

  nextIno(): number {
    return this.#nextIno++;
  }

  /** Takes a page from the allowance. @returns false: -ENOSPC */
  takePage(): boolean {
    if (this.pages >= this.#maxPages) return false;
    this.pages++;
    return true;
  }

  hasRoomForInode(): boolean {
    return this.inodes < this.#maxInodes;
  }

  statistics(): FsStatistics {
    const free = this.#maxPages - this.pages;
    return {
      magic: TMPFS_MAGIC,
      blockBytes: 4096,
      blocks: this.#maxPages,
      blocksFree: free,
      blocksAvailable: free,
      files: this.#maxInodes,
      filesFree: this.#maxInodes - this.inodes,
      nameMax: this.nameMax,
    };
  }

  *sync(): Op<number> {
    return 0;
  }

  *unmount(): Op<number> {
    return 0;
  }
}

/** Nodes without contents: devices, FIFOs, sockets. */
export class TmpNode extends MemoryInode {
  declare readonly fs: Tmpfs;

  protected override clock(): Time {
    return this.fs.now();
  }

  protected override free(): void {
    this.fs.inodes--;
  }
}

class TmpSymlink extends TmpNode {
  readonly #target: ByteString;

  constructor(target: ByteString, ...seed: ConstructorParameters<typeof MemoryInode>) {
    super(...seed);
    this.#target = target;
  }

  override get size(): number {
    return this.#target.length;
  }

  *readlink(): Op<ByteString> {
    return this.#target;
  }
}

type Maker = (seed: ConstructorParameters<typeof MemoryInode>[0]) => MemoryInode;

interface Slot {
  readonly inode: MemoryInode;
  /** Its place in listings; never used twice. */
  readonly cookie: number;
}

export class TmpDirectory extends TmpNode {
  parent: TmpDirectory;
  readonly #slots = new Map<ByteString, Slot>();
  readonly #tmpfs: Tmpfs;
  #nextCookie = 2;

  constructor(
    tmpfs: Tmpfs,
    seed: ConstructorParameters<typeof MemoryInode>[0],
    parent: TmpDirectory | undefined,
  ) {
    super(seed);
    this.#tmpfs = tmpfs;
    this.parent = parent ?? this;
    this.nlink = 2;
  }

  override get size(): number {
    return (this.#slots.size + 2) * 20;
  }

  get isEmpty(): boolean {
    return this.#slots.size === 0;
  }

  *lookup(name: ByteString): Op<Inode | number> {
    return this.#slots.get(name)?.inode ?? -E.NOENT;
  }

  *create(name: ByteString, mode: number, rdev: number, cred: Credentials): Op<Inode | number> {
    return this.#add(name, mode, cred, (seed) =>
      (mode & S_IFMT) === S_IFREG ? new TmpFile(seed, this.#tmpfs) : new TmpNode({ ...seed, rdev }),
    );
  }

  *createUnnamed(mode: number, cred: Credentials): Op<Inode | number> {
    const inode = this.#make(mode, cred, (seed) => new TmpFile(seed, this.#tmpfs));
    if (typeof inode === 'number') return inode;
    inode.nlink = 0;
    inode.hold();
    return inode;
  }

  *mkdir(name: ByteString, mode: number, cred: Credentials): Op<Inode | number> {
    const made = this.#add(name, S_IFDIR | mode, cred, (seed) => new TmpDirectory(this.#tmpfs, seed, this));
    if (typeof made !== 'number') this.nlink++;
    return made;
  }

  *symlink(name: ByteString, target: ByteString, cred: Credentials): Op<Inode | number> {
    return this.#add(name, S_IFLNK | 0o777, cred, (seed) => new TmpSymlink(target, seed));
  }

  *link(name: ByteString, target: Inode): Op<number> {
    if (this.#slots.has(name)) return -E.EXIST;
    if (!(target instanceof MemoryInode)) return -E.XDEV;
    target.nlink++;
    target.mayBeNamed = false;
    target.ctime = this.clock();
    this.#put(name, target);
    return 0;
  }

  *unlink(name: ByteString): Op<number> {
    const slot = this.#slots.get(name);
    if (slot === undefined) return -E.NOENT;
    this.#remove(name);
    unlinkInode(slot.inode, this.clock());
    return 0;
  }

  *rmdir(name: ByteString): Op<number> {
    const slot = this.#slots.get(name);
    if (slot === undefined) return -E.NOENT;
    if (!(slot.inode instanceof TmpDirectory)) return -E.NOTDIR;
    if (!slot.inode.isEmpty) return -E.NOTEMPTY;
    this.#remove(name);
    this.nlink--;
    slot.inode.nlink = 1;
    unlinkInode(slot.inode, this.clock());
    return 0;
  }

  *rename(name: ByteString, to: Inode, toName: ByteString, exchange: boolean): Op<number> {
    if (!(to instanceof TmpDirectory)) return -E.XDEV;
    const slot = this.#slots.get(name);
    const victim = to.#slots.get(toName);
    if (slot === undefined || (exchange && victim === undefined)) return -E.NOENT;
    if (exchange && victim !== undefined) {
      this.#replace(name, victim.inode);
      to.#replace(toName, slot.inode);
      return 0;
    }
    if (victim !== undefined) {
      const removed = yield* victim.inode instanceof TmpDirectory ? to.rmdir(toName) : to.unlink(toName);
      if (removed < 0) return removed;
    }
    this.#remove(name);
    to.#put(toName, slot.inode);
    if (slot.inode instanceof TmpDirectory) {
      this.nlink--;
      to.nlink++;
      slot.inode.parent = to;
    }
    slot.inode.ctime = this.clock();
    return 0;
  }

  *list(cookie: number, sink: EntrySink): Op<number> {
    if (cookie <= 0 && !sink({ name: '.', ino: this.ino, type: DT_DIR, next: 1 })) return 0;
    if (cookie <= 1 && !sink({ name: '..', ino: this.parent.ino, type: DT_DIR, next: 2 })) return 0;
    for (const [name, slot] of this.#slots) {
      if (slot.cookie < cookie) continue;
      const { ino, mode } = slot.inode;
      if (!sink({ name, ino, type: dtOfMode(mode), next: slot.cookie + 1 })) return 0;
    }
    return 0;
  }

  #add(name: ByteString, mode: number, cred: Credentials, make: Maker): MemoryInode | number {
    if (this.#slots.has(name)) return -E.EXIST;
    const inode = this.#make(mode, cred, make);
    if (typeof inode !== 'number') this.#put(name, inode);
    return inode;
  }

  #make(mode: number, cred: Credentials, make: Maker): MemoryInode | number {
    if (this.nlink === 0) return -E.NOENT;
    if (!this.#tmpfs.hasRoomForInode()) return -E.NOSPC;
    const owner = ownerInDirectory(this, mode, cred);
    const inode = make({ fs: this.#tmpfs, ino: this.#tmpfs.nextIno(), now: this.clock(), ...owner });
    this.#tmpfs.inodes++;
    return inode;
  }

  #put(name: ByteString, inode: MemoryInode): void {
    this.#slots.set(name, { inode, cookie: this.#nextCookie++ });
    this.#touched();
  }

  #remove(name: ByteString): void {
    this.#slots.delete(name);
    this.#touched();
  }

  /** Exchange: another inode in the same place. */
  #replace(name: ByteString, inode: MemoryInode): void {
    const old = this.#slots.get(name)?.inode;
    if (old !== undefined && isDirectory(old)) this.nlink--;
    if (inode instanceof TmpDirectory) {
      this.nlink++;
      inode.parent = this;
    }
    inode.ctime = this.clock();
    this.#put(name, inode);
  }

  #touched(): void {
    this.mtime = this.clock();
    this.ctime = this.mtime;
  }
}

function unlinkInode(inode: MemoryInode, now: Time): void {
  inode.nlink--;
  inode.ctime = now;
  if (inode.nlink === 0) {
    inode.hold();
    inode.drop();
  }
}
