/** Files that have no place in the tree (memfd_create): a tmpfs that is mounted nowhere. */
import { O_RDWR } from '../abi/fcntl.ts';
import { S_IFREG } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import { pin } from './pins.ts';
import { RegularFile } from './regular-file.ts';
import { Tmpfs, type TmpfsConfig } from './tmpfs.ts';
import type { ByteString, Credentials, FileHandle, Mount } from './types.ts';

export class MemoryFiles {
  readonly #fs: Tmpfs;
  readonly #mount: Mount;

  constructor(config: TmpfsConfig) {
    this.#fs = new Tmpfs(config);
    const { root } = this.#fs;
    this.#mount = {
      ...{ fs: this.#fs, root, at: undefined, nowhere: true },
      ...{ source: 'tmpfs', flags: 0, pins: new Map() },
    };
  }

  /** A new file, open for reading and writing. @returns it, or -ENOSPC */
  *make(name: ByteString, permissions: number, cred: Credentials): Op<FileHandle | number> {
    const { root } = this.#fs;
    // Each is gone from the directory before the next is made.
    const inode = yield* root.create('file', S_IFREG | permissions, 0, cred);
    if (typeof inode === 'number') return inode;
    const handle = new RegularFile(inode, O_RDWR);
    handle.path = { mount: this.#mount, inode, entry: { name, parent: undefined, inode, deleted: true } };
    pin(handle.path);
    yield* root.unlink('file');
    return handle;
  }
}
