import {
  closeSync,
  fsyncSync,
  openSync,
  readFileSync,
  readSync,
  readvSync,
  type Stats,
  statSync,
  writeSync,
  writevSync,
} from 'node:fs';
import type { HostFile } from '@domu/backends';

const SECTOR_BYTES = 512;
/** Pieces that the system takes at once (IOV_MAX). */
const MAX_PIECES = 1024;

/** A regular file or a block device. */
export class NodeFile implements HostFile {
  readonly name: string;
  readonly readonly: boolean;
  readonly physicalSectorBytes: number | undefined;
  /** Names the file whatever its path: device and inode. */
  readonly identity: string;
  /** The last failure of the host. */
  lastError: Error | null = null;
  #fd: number | null;
  #sizeBytes: number;

  /** Errors: throws what node:fs throws (ENOENT, EACCES, EISDIR, …); what is neither file nor block device throws EINVAL */
  constructor(path: string, options: { readonly readonly: boolean }) {
    this.name = path;
    this.readonly = options.readonly;
    // Opening a FIFO would block.
    const stat = statSync(path);
    if (!stat.isFile() && !stat.isBlockDevice()) {
      const message = `EINVAL: not a regular file or block device, open '${path}'`;
      throw Object.assign(new Error(message), { code: 'EINVAL', path });
    }
    const device = stat.isBlockDevice() ? blockDevice(stat) : null;
    this.#fd = openSync(path, options.readonly ? 'r' : 'r+');
    this.#sizeBytes = device?.sizeBytes ?? stat.size;
    this.physicalSectorBytes = device?.physicalSectorBytes;
    this.identity = device === null ? `${stat.dev}:${stat.ino}` : `block:${stat.rdev}`;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  read(offset: number, into: Uint8Array): number {
    return this.#attempt(-1, (fd) => {
      let done = 0;
      while (done < into.length) {
        const count = readSync(fd, into, done, into.length - done, offset + done);
        if (count === 0) break;
        done += count;
      }
      into.fill(0, done);
      return done;
    });
  }

  readPieces(offset: number, into: readonly Uint8Array[]): number {
    return this.#attempt(-1, (fd) => {
      let total = 0;
      for (let first = 0; first < into.length; first += MAX_PIECES) {
        const some = into.slice(first, first + MAX_PIECES);
        const wanted = lengthOf(some);
        const done = readvSync(fd, some, offset + total);
        if (done < wanted) return total + this.#readRest(offset + total, some, done);
        total += done;
      }
      return total;
    });
  }

  write(offset: number, from: Uint8Array): boolean {
    return this.#attempt(false, (fd) => {
      let done = 0;
      while (done < from.length) done += writeSync(fd, from, done, from.length - done, offset + done);
      this.#sizeBytes = Math.max(this.#sizeBytes, offset + from.length);
      return true;
    });
  }

  writePieces(offset: number, from: readonly Uint8Array[]): boolean {
    return this.#attempt(false, (fd) => {
      let at = offset;
      for (let first = 0; first < from.length; first += MAX_PIECES) {
        const some = from.slice(first, first + MAX_PIECES);
        const wanted = lengthOf(some);
        const done = writevSync(fd, some, at);
        this.#sizeBytes = Math.max(this.#sizeBytes, at + done);
        if (done < wanted && !this.#writeRest(at, some, done)) return false;
        at += wanted;
      }
      return true;
    });
  }

  /** Writes out what the host has cached (fsync). */
  flush(): boolean {
    return this.#attempt(false, (fd) => {
      fsyncSync(fd);
      return true;
    });
  }

  close(): void {
    if (this.#fd === null) return;
    closeSync(this.#fd);
    this.#fd = null;
  }

  /** What a call that took less than all left over. @returns how many bytes there are of all */
  #readRest(offset: number, into: readonly Uint8Array[], done: number): number {
    let [start, total] = [0, done];
    for (const piece of into) {
      const rest = piece.subarray(Math.min(piece.length, Math.max(0, done - start)));
      const count = rest.length === 0 ? 0 : this.read(offset + start + piece.length - rest.length, rest);
      if (count < 0) throw this.lastError;
      total += count;
      start += piece.length;
    }
    return total;
  }

  #writeRest(offset: number, from: readonly Uint8Array[], done: number): boolean {
    let start = 0;
    return from.every((piece) => {
      const rest = piece.subarray(Math.min(piece.length, Math.max(0, done - start)));
      const at = offset + start + piece.length - rest.length;
      start += piece.length;
      return rest.length === 0 || this.write(at, rest);
    });
  }

  /** A failing disk is the guest's to hear of, not a reason to stop: the cause is kept in `lastError`. */
  #attempt<T>(failed: T, act: (fd: number) => T): T {
    if (this.#fd === null) return failed;
    try {
      return act(this.#fd);
    } catch (error) {
      this.lastError = error instanceof Error ? error : new Error(String(error));
      return failed;
    }
  }
}

function lengthOf(pieces: readonly Uint8Array[]): number {
  return pieces.reduce((sum, { length }) => sum + length, 0);
}

/** Linux tells a device's size in sysfs; fstat does not. Throws when it does not either. */
function blockDevice({ rdev }: Stats): { sizeBytes: number; physicalSectorBytes: number } {
  const major = Math.floor(rdev / 256) & 0xfff;
  const minor = (rdev & 0xff) | (Math.floor(rdev / 2 ** 12) & ~0xff);
  const directory = `/sys/dev/block/${major}:${minor}`;
  return {
    sizeBytes: Number(readFileSync(`${directory}/size`, 'utf8')) * SECTOR_BYTES,
    physicalSectorBytes: physicalSectorBytes(directory) ?? SECTOR_BYTES,
  };
}

/** A partition has its disk's. */
function physicalSectorBytes(directory: string): number | null {
  for (const queue of [`${directory}/queue`, `${directory}/../queue`]) {
    try {
      return Number(readFileSync(`${queue}/physical_block_size`, 'utf8'));
    } catch {
      // The next place is tried.
    }
  }
  return null;
}
