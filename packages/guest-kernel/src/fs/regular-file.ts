/** Open regular files and directories of any file system. */
import { CAP_FSETID } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import {
  O_APPEND,
  O_DSYNC,
  O_SYNC,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from '../abi/fcntl.ts';
import { FIONREAD } from '../abi/ioctl.ts';
import { SIGXFSZ } from '../abi/signal-numbers.ts';
import { S_ISGID, S_ISUID } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import { BaseHandle } from './file-handle.ts';
import { capable } from './permissions.ts';
import { type Caller, type EntrySink, type Inode, PAGE_BYTES, type UserMemory } from './types.ts';

/** Largest file position: 2^53 - 1 suffices for every file system here. */
const MAX_POSITION = Number.MAX_SAFE_INTEGER;

/** Where lseek leads. @returns the new position, -EINVAL or -EOVERFLOW */
export function seekTo(offset: number, whence: number, pos: number, size: number): number {
  let target = offset;
  if (whence === SEEK_CUR) target += pos;
  else if (whence === SEEK_END) target += size;
  else if (whence !== SEEK_SET) return -E.INVAL;
  if (target < 0) return -E.INVAL;
  return target > MAX_POSITION ? -E.OVERFLOW : target;
}

/** How much a caller may write from `at` on; without any room it gets SIGXFSZ. */
export function roomFor(caller: Caller, at: number): number {
  const room = (caller.maxFileBytes ?? Number.POSITIVE_INFINITY) - at;
  if (room <= 0) caller.signal(SIGXFSZ);
  return room;
}

/** A file whose bytes the inode itself reads and writes. */
export class RegularFile extends BaseHandle {
  readonly kind = 'file';
  readonly #inode: Inode;

  constructor(inode: Inode, flags: number) {
    super(inode, flags);
    this.#inode = inode;
  }

  override *read(into: Uint8Array, pos: number | undefined): Op<number> {
    const inode = this.#inode;
    if (inode.readAt === undefined) return -E.INVAL;
    const at = pos ?? this.pos;
    inode.sharedMapping?.collect(Math.floor(at / PAGE_BYTES), Math.floor((at + into.length) / PAGE_BYTES));
    const count = yield* inode.readAt(into, at);
    if (pos === undefined && count > 0) this.pos = at + count;
    return count;
  }

  override *write(from: Uint8Array, pos: number | undefined, caller: Caller): Op<number> {
    const inode = this.#inode;
    if (inode.writeAt === undefined) return -E.INVAL;
    if (from.length === 0) return 0;
    const append = (this.flags & O_APPEND) !== 0;
    const at = append ? inode.size : (pos ?? this.pos);
    const room = roomFor(caller, at);
    if (room <= 0) return -E.FBIG;
    if (room < from.length) return yield* this.write(from.subarray(0, room), pos, caller);
    const last = Math.floor((at + from.length) / PAGE_BYTES);
    inode.sharedMapping?.collect(Math.floor(at / PAGE_BYTES), last);
    const privileged = inode.mode & (S_ISUID | ((inode.mode & 0o010) === 0 ? 0 : S_ISGID));
    if (privileged !== 0 && !capable(caller.cred, CAP_FSETID)) {
      yield* inode.setAttributes({ permissions: inode.mode & 0o7777 & ~privileged });
    }
    const count = yield* inode.writeAt(from, append ? undefined : at);
    if (count > 0) {
      if (pos === undefined) this.pos = append ? inode.size : at + count;
      inode.sharedMapping?.changed(Math.floor(at / PAGE_BYTES), last);
      if ((this.flags & O_DSYNC) !== 0) yield* this.sync((this.flags & O_SYNC) !== O_SYNC);
    }
    return count;
  }

  *seek(offset: number, whence: number): Op<number> {
    const inode = this.#inode;
    let target: number;
    if (whence === SEEK_DATA || whence === SEEK_HOLE) {
      const hole = whence === SEEK_HOLE;
      if (offset < 0 || offset >= inode.size) return -E.NXIO;
      if (inode.seekData !== undefined) target = yield* inode.seekData(offset, hole);
      else target = hole ? inode.size : offset;
    } else target = seekTo(offset, whence, this.pos, inode.size);
    if (target >= 0) this.pos = target;
    return target;
  }

  *sync(dataOnly?: boolean): Op<number> {
    this.#inode.sharedMapping?.collect(0, Number.POSITIVE_INFINITY);
    return this.#inode.sync === undefined ? 0 : yield* this.#inode.sync(dataOnly);
  }

  *page(index: number): Op<Uint8Array | number> {
    return this.#inode.page === undefined ? -E.NODEV : yield* this.#inode.page(index);
  }

  override *ioctl(cmd: number, arg: number, user: UserMemory): Op<number> {
    if (cmd !== FIONREAD) return -E.NOTTY;
    return user.write32(arg, (this.#inode.size - this.pos) >>> 0) ? 0 : -E.FAULT;
  }
}

/** An open directory: its position is the cookie of the next entry. */
export class DirectoryFile extends BaseHandle {
  readonly kind = 'directory';
  readonly #inode: Inode;

  constructor(inode: Inode, flags: number) {
    super(inode, flags);
    this.#inode = inode;
  }

  override *read(): Op<number> {
    return -E.ISDIR;
  }

  *list(sink: EntrySink): Op<number> {
    const inode = this.#inode;
    if (inode.list === undefined) return -E.NOTDIR;
    if (inode.nlink === 0) return -E.NOENT;
    return yield* inode.list(this.pos, (entry) => {
      if (!sink(entry)) return false;
      this.pos = entry.next;
      return true;
    });
  }

  *seek(offset: number, whence: number): Op<number> {
    if (whence === SEEK_END) return -E.INVAL;
    const target = seekTo(offset, whence, this.pos, 0);
    if (target >= 0) this.pos = target;
    return target;
  }

  *sync(): Op<number> {
    return this.#inode.sync === undefined ? 0 : yield* this.#inode.sync();
  }
}
