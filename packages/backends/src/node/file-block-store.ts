import { closeSync, fstatSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import type { BlockStore } from '@domu/backends';

const SECTOR_BYTES = 512;

/** A raw disk image in a file. */
export class FileBlockStore implements BlockStore {
  readonly path: string;
  readonly readonly: boolean;
  readonly sectors: number;
  /** The last failure of the host, for whoever wants to report it. */
  lastError: Error | null = null;
  #fd: number | null;

  /**
   * Opens an image. A partial last sector does not count.
   * Errors: throws what node:fs throws (ENOENT, EACCES, EISDIR, …); a directory or device throws EINVAL
   */
  constructor(path: string, options: { readonly readonly: boolean }) {
    this.path = path;
    this.readonly = options.readonly;
    const fd = openSync(path, options.readonly ? 'r' : 'r+');
    const stat = fstatSync(fd);
    if (!stat.isFile()) {
      closeSync(fd);
      throw Object.assign(new Error(`EINVAL: not a regular file, open '${path}'`), { code: 'EINVAL', path });
    }
    this.#fd = fd;
    this.sectors = Math.floor(stat.size / SECTOR_BYTES);
  }

  read(sector: number, into: Uint8Array): boolean {
    return this.#attempt((fd) => {
      let done = 0;
      while (done < into.length) {
        const count = readSync(fd, into, done, into.length - done, sector * SECTOR_BYTES + done);
        if (count === 0) throw new Error(`unexpected end of ${this.path}: it was shortened`);
        done += count;
      }
    });
  }

  write(sector: number, from: Uint8Array): boolean {
    if (this.readonly) return false;
    return this.#attempt((fd) => {
      let done = 0;
      while (done < from.length) {
        done += writeSync(fd, from, done, from.length - done, sector * SECTOR_BYTES + done);
      }
    });
  }

  /** Writes out what the host has cached (fsync). */
  flush(): boolean {
    return this.readonly || this.#attempt((fd) => fsyncSync(fd));
  }

  /** Closes the file; further calls fail. Closing twice does nothing. */
  close(): void {
    if (this.#fd === null) return;
    closeSync(this.#fd);
    this.#fd = null;
  }

  /** A failing disk is the guest's to hear of, not a reason to stop: the cause is kept in `lastError`. */
  #attempt(act: (fd: number) => void): boolean {
    if (this.#fd === null) return false;
    try {
      act(this.#fd);
      return true;
    } catch (error) {
      this.lastError = error instanceof Error ? error : new Error(String(error));
      return false;
    }
  }
}
