/** A process's descriptors. Shared by threads (CLONE_FILES), copied by fork. */
import { E } from '../abi/errno.ts';
import { letGo, retain } from './file-handle.ts';
import type { Holdings } from './holdings.ts';
import type { FileHandle } from './types.ts';

interface Slot {
  readonly handle: FileHandle;
  closeOnExec: boolean;
}

export class FdTable {
  /** RLIMIT_NOFILE: one more than the largest descriptor. */
  limit: number;
  readonly #holdings: Holdings;
  readonly #slots: (Slot | undefined)[] = [];
  /** No free descriptor is below. */
  #lowestFree = 0;

  constructor(limit: number, holdings: Holdings) {
    this.limit = limit;
    this.#holdings = holdings;
  }

  get(fd: number): FileHandle | undefined {
    return this.#slots[fd]?.handle;
  }

  /** Descriptors in use, ascending. */
  *open(): Generator<{ fd: number; handle: FileHandle; closeOnExec: boolean }> {
    for (const [fd, slot] of this.#slots.entries()) {
      if (slot !== undefined) yield { fd, handle: slot.handle, closeOnExec: slot.closeOnExec };
    }
  }

  /** Gives a handle the lowest free descriptor from `from` on; it takes over the caller's hold. @returns -EMFILE, -ENFILE */
  add(handle: FileHandle, closeOnExec: boolean, from = 0): number {
    let fd = Math.max(from, this.#lowestFree);
    while (this.#slots[fd] !== undefined) fd++;
    if (fd >= this.limit) return -E.MFILE;
    if (!this.#holdings.takeFiles(1)) return -E.NFILE;
    if (from <= this.#lowestFree) this.#lowestFree = fd + 1;
    while (this.#slots.length < fd) this.#slots.push(undefined);
    this.#slots[fd] = { handle, closeOnExec };
    return fd;
  }

  /** dup2: puts a handle at `fd`, closing what was there; it takes over the caller's hold. @returns fd, -EBADF or -ENFILE */
  put(fd: number, handle: FileHandle, closeOnExec: boolean): number {
    if (fd < 0 || fd >= this.limit) return -E.BADF;
    this.close(fd);
    if (!this.#holdings.takeFiles(1)) return -E.NFILE;
    while (this.#slots.length < fd) this.#slots.push(undefined);
    this.#slots[fd] = { handle, closeOnExec };
    while (this.#slots[this.#lowestFree] !== undefined) this.#lowestFree++;
    return fd;
  }

  /** @returns 0 or -EBADF */
  close(fd: number): number {
    const slot = this.#slots[fd];
    if (slot === undefined) return -E.BADF;
    this.#slots[fd] = undefined;
    this.#holdings.files--;
    this.#lowestFree = Math.min(this.#lowestFree, fd);
    slot.handle.inode?.locks?.releaseOwner(this);
    letGo(slot.handle);
    return 0;
  }

  isCloseOnExec(fd: number): boolean {
    return this.#slots[fd]?.closeOnExec ?? false;
  }

  setCloseOnExec(fd: number, on: boolean): void {
    const slot = this.#slots[fd];
    if (slot !== undefined) slot.closeOnExec = on;
  }

  /** For fork. */
  copy(): FdTable {
    const copy = new FdTable(this.limit, this.#holdings);
    copy.#lowestFree = this.#lowestFree;
    for (const [fd, slot] of this.#slots.entries()) {
      if (slot !== undefined) this.#holdings.files++;
      copy.#slots[fd] = slot && { handle: retain(slot.handle), closeOnExec: slot.closeOnExec };
    }
    return copy;
  }

  /** What execve does. */
  closeOnExec(): void {
    for (const [fd, slot] of this.#slots.entries()) if (slot?.closeOnExec) this.close(fd);
  }

  /** The last process that used it is gone. */
  closeAll(): void {
    for (const fd of this.#slots.keys()) this.close(fd);
  }
}
