/** The file systems that have no place in the tree: of pipes, sockets and other anonymous files. */
import { S_IFIFO } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import { MemoryInode } from './memory-inode.ts';
import type { Credentials, FileSystem, FsStatistics, Inode, Time } from './types.ts';

/** Gives out inodes with numbers of their own. */
export class AnonymousFs implements FileSystem {
  readonly type: string;
  readonly dev: number;
  readonly readonly = false;
  readonly options = '';
  readonly nameMax = 255;
  readonly root: Inode;
  readonly #magic: number;
  readonly #now: () => Time;
  #nextIno = 2;

  constructor(type: string, magic: number, dev: number, now: () => Time) {
    this.type = type;
    this.dev = dev;
    this.#magic = magic;
    this.#now = now;
    this.root = new MemoryInode({ fs: this, ino: 1, mode: 0o40755, now: now() });
  }

  /** @param mode type and permissions */
  makeInode(cred: Credentials, mode: number = S_IFIFO | 0o600): MemoryInode {
    const seed = { fs: this, ino: this.#nextIno++, mode, uid: cred.fsuid, gid: cred.fsgid, now: this.#now() };
    return new MemoryInode(seed);
  }

  statistics(): FsStatistics {
    const none = { blocks: 0, blocksFree: 0, blocksAvailable: 0, files: 0, filesFree: 0 };
    return { magic: this.#magic, blockBytes: 4096, ...none, nameMax: this.nameMax };
  }

  *sync(): Op<number> {
    return 0;
  }

  *unmount(): Op<number> {
    return 0;
  }
}
