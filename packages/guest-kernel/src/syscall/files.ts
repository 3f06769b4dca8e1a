/** Reading, writing and positioning: read, write, their vector and positioned forms, lseek, close, sync. */

import { E } from '../abi/errno.ts';
import { MAX_RW_COUNT, O_ACCMODE, O_RDONLY, O_WRONLY, POLLIN, POLLOUT } from '../abi/fcntl.ts';
import { IN_ACCESS, IN_MODIFY } from '../abi/inotify.ts';
import { SIGPIPE } from '../abi/signal-numbers.ts';
import { BUFFER_BYTES } from '../fs/buffer-pool.ts';
import { notifyHandle } from '../fs/notify.ts';
import type { FileHandle } from '../fs/types.ts';
import { giveTurn, type Op, type Wake } from '../task/wait.ts';
import {
  copyIn,
  copyOut,
  type FileCall,
  type FileCalls,
  type FileTask,
  signed,
  signed64,
} from './file-task.ts';

/** Bytes that one step of a long transfer moves. */
const CHUNK: number = BUFFER_BYTES;
/** After so many bytes others have their turn: a call may move 2 GiB. */
const TURN: number = 16 * CHUNK;
/** Up to this many bytes a new buffer costs less than a used one. */
const SMALL = 1024;
const IOV_MAX = 1024;

/** Buffers of the user: address and length. */
export type Segment = readonly [va: number, length: number];

/** An open file for reading or writing. */
export function handleFor(task: FileTask, fd: number | undefined, refusedMode: number): FileHandle | number {
  const handle = task.files.get(signed(fd));
  if (handle === undefined || (handle.flags & O_ACCMODE) === refusedMode) return -E.BADF;
  return handle;
}

export function* readSegments(
  task: FileTask,
  handle: FileHandle,
  segments: readonly Segment[],
  pos: number | undefined,
): Op<number> {
  let done = 0;
  for (const [va, length] of segments) {
    for (let offset = 0; offset < length; ) {
      const wanted = Math.min(CHUNK, length - offset, MAX_RW_COUNT - done);
      if (wanted === 0) return done;
      const at = pos === undefined ? undefined : pos + done;
      // What is not a file gives what it has, and does not wait for more.
      if (done > 0 && handle.kind !== 'file' && handle.kind !== 'block' && (handle.poll() & 1) === 0)
        return done;
      const count = yield* readChunk(task, handle, [va + offset, wanted], at);
      if (count < 0) return done > 0 ? done : count;
      done += count;
      offset += count;
      if (count < wanted) return done;
      if (done % TURN === 0 && (yield* turn(task, handle)) === 'signal') return done;
    }
  }
  if (segments.length === 0 || segments.every(([, length]) => length === 0)) {
    return yield* handle.read(new Uint8Array(0), pos, task.caller);
  }
  return done;
}

/** Transfers from and to files are not cut short by signals. */
const turn = (task: FileTask, { kind }: FileHandle): Op<Wake> =>
  giveTurn(task.monotonicNs(), kind !== 'file' && kind !== 'block');

/** Reads once, into the user's memory. */
function* readChunk(
  task: FileTask,
  handle: FileHandle,
  [va, length]: Segment,
  pos: number | undefined,
): Op<number> {
  const { buffers } = task.fs.vfs;
  const buffer = length > SMALL ? buffers.take() : new Uint8Array(length);
  let count = yield* handle.read(buffer.subarray(0, length), pos, task.caller);
  if (count > 0) notifyHandle(handle, IN_ACCESS);
  if (count > 0 && !(yield* copyOut(task, va, buffer.subarray(0, count)))) count = -E.FAULT;
  if (length > SMALL) buffers.give(buffer);
  return count;
}

/** Writes once, out of the user's memory. */
export function* writeChunk(
  task: FileTask,
  handle: FileHandle,
  [va, length]: Segment,
  pos: number | undefined,
): Op<number> {
  const { buffers } = task.fs.vfs;
  // A socket may keep what it is given until it is sent.
  const pooled = length > SMALL && handle.kind !== 'socket';
  const buffer = pooled ? buffers.take() : new Uint8Array(length);
  const from = buffer.subarray(0, length);
  const count = (yield* copyIn(task, va, from)) ? yield* writeBytes(task, handle, from, pos) : -E.FAULT;
  if (pooled) buffers.give(buffer);
  return count;
}

function* writeSegments(
  task: FileTask,
  handle: FileHandle,
  segments: readonly Segment[],
  pos: number | undefined,
): Op<number> {
  let done = 0;
  // Small vectors go in one write: that keeps pipes atomic and datagrams whole.
  const total = segments.reduce((sum, [, length]) => sum + length, 0);
  if (segments.length > 1 && total <= CHUNK) {
    const all = new Uint8Array(total);
    for (const [va, length] of segments) {
      if (!(yield* copyIn(task, va, all.subarray(done, done + length)))) return -E.FAULT;
      done += length;
    }
    return yield* writeBytes(task, handle, all, pos);
  }
  for (const [va, length] of segments) {
    for (let offset = 0; offset < length; ) {
      const wanted = Math.min(CHUNK, length - offset, MAX_RW_COUNT - done);
      if (wanted === 0) return done;
      const at = pos === undefined ? undefined : pos + done;
      const count = yield* writeChunk(task, handle, [va + offset, wanted], at);
      if (count < 0) return done > 0 ? done : count;
      done += count;
      offset += count;
      if (count < wanted) return done;
      if (done % TURN === 0 && (yield* turn(task, handle)) === 'signal') return done;
    }
  }
  return total === 0 ? yield* writeBytes(task, handle, new Uint8Array(0), pos) : done;
}

/** Writes, and signals SIGPIPE where nobody reads any more. */
function* writeBytes(
  task: FileTask,
  handle: FileHandle,
  from: Uint8Array,
  pos: number | undefined,
): Op<number> {
  const count = yield* handle.write(from, pos, task.caller);
  if (count === -E.PIPE) task.caller.signal(SIGPIPE);
  if (count > 0) notifyHandle(handle, IN_MODIFY);
  return count;
}

export function* segmentsOf(task: FileTask, va: number, count: number): Op<readonly Segment[] | number> {
  if (count < 0 || count > IOV_MAX) return -E.INVAL;
  const raw = new Uint8Array(count * 8);
  if (!(yield* copyIn(task, va, raw))) return -E.FAULT;
  const view = new DataView(raw.buffer);
  const segments: Segment[] = [];
  for (let at = 0; at < raw.length; at += 8) {
    const length = view.getUint32(at + 4, true);
    if (length > 0x7fffffff) return -E.INVAL;
    segments.push([view.getUint32(at, true), length]);
  }
  return segments;
}

/** The position argument of a p* call. Errors: -EINVAL, -ESPIPE */
function positionFor(handle: FileHandle, pos: number): number {
  if (pos < 0) return -E.INVAL;
  return handle.seek === undefined ? -E.SPIPE : pos;
}

function* read(task: FileTask, [fd, va, count]: readonly number[]): Op<number> {
  const handle = handleFor(task, fd, O_WRONLY);
  if (typeof handle === 'number') return handle;
  return yield* readSegments(task, handle, [[va!, count! >>> 0]], undefined);
}

function* write(task: FileTask, [fd, va, count]: readonly number[]): Op<number> {
  const handle = handleFor(task, fd, O_RDONLY);
  if (typeof handle === 'number') return handle;
  return yield* writeSegments(task, handle, [[va!, count! >>> 0]], undefined);
}

function* pread64(task: FileTask, [fd, va, count, low, high]: readonly number[]): Op<number> {
  const handle = handleFor(task, fd, O_WRONLY);
  if (typeof handle === 'number') return handle;
  const pos = positionFor(handle, signed64(low, high));
  return pos < 0 ? pos : yield* readSegments(task, handle, [[va!, count! >>> 0]], pos);
}

function* pwrite64(task: FileTask, [fd, va, count, low, high]: readonly number[]): Op<number> {
  const handle = handleFor(task, fd, O_RDONLY);
  if (typeof handle === 'number') return handle;
  const pos = positionFor(handle, signed64(low, high));
  return pos < 0 ? pos : yield* writeSegments(task, handle, [[va!, count! >>> 0]], pos);
}

/** readv, writev (no position) and preadv, pwritev (position in two words). */
function vector(writes: boolean, positioned: boolean): FileCall {
  return function* (task, [fd, va, count, low, high]) {
    const handle = handleFor(task, fd, writes ? O_RDONLY : O_WRONLY);
    if (typeof handle === 'number') return handle;
    const pos = positioned ? positionFor(handle, signed64(low, high)) : undefined;
    if (pos !== undefined && pos < 0) return pos;
    const segments = yield* segmentsOf(task, va!, signed(count));
    if (typeof segments === 'number') return segments;
    return yield* (writes ? writeSegments : readSegments)(task, handle, segments, pos);
  };
}

const RWF_HIPRI = 1;
const RWF_DSYNC = 2;
const RWF_SYNC = 4;
const RWF_NOWAIT = 8;
const RWF_APPEND = 16;
const RWF_KNOWN: number = RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT | RWF_APPEND;

/** preadv2, pwritev2: the position may be -1, the file's own. */
function vectorWithFlags(writes: boolean): FileCall {
  const [plain, positioned] = [vector(writes, false), vector(writes, true)];
  return function* (task, [fd, va, count, low, high, flags]) {
    const handle = handleFor(task, fd, writes ? O_RDONLY : O_WRONLY);
    if (typeof handle === 'number') return handle;
    if (flags! & ~RWF_KNOWN) return -E.OPNOTSUPP;
    const wanted = writes ? POLLOUT : POLLIN;
    if (flags! & RWF_NOWAIT && handle.kind !== 'file' && (handle.poll() & wanted) === 0) return -E.AGAIN;
    const own = signed(low) === -1 && signed(high) === -1;
    const atEnd = writes && (flags! & RWF_APPEND) !== 0 && handle.inode !== undefined;
    const place = atEnd
      ? [handle.inode.size % 2 ** 32, Math.floor(handle.inode.size / 2 ** 32)]
      : [low!, high!];
    const call = own && !atEnd ? plain : positioned;
    const done = call(task, [fd!, va!, count!, ...place]);
    const result = typeof done === 'number' ? done : yield* done;
    if (own && atEnd && result > 0) handle.pos = handle.inode.size;
    if (result > 0 && writes && flags! & (RWF_DSYNC | RWF_SYNC)) yield* handle.sync?.() ?? nothing();
    return result;
  };
}

function* nothing(): Op<number> {
  return 0;
}

function* seek(task: FileTask, fd: number, offset: number, whence: number): Op<number> {
  const handle = task.files.get(fd);
  if (handle === undefined) return -E.BADF;
  if (handle.seek === undefined) return -E.SPIPE;
  return yield* handle.seek(offset, whence);
}

function* lseek(task: FileTask, [fd, offset, whence]: readonly number[]): Op<number> {
  const pos = yield* seek(task, signed(fd), signed(offset), whence!);
  return pos > 0x7fffffff ? -E.OVERFLOW : pos;
}

function* llseek(task: FileTask, [fd, high, low, result, whence]: readonly number[]): Op<number> {
  const pos = yield* seek(task, signed(fd), signed64(low, high), whence!);
  if (pos < 0) return pos;
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(pos), true);
  return (yield* copyOut(task, result!, bytes)) ? 0 : -E.FAULT;
}

const syncing = (dataOnly: boolean) =>
  function* (task: FileTask, [fd]: readonly number[]): Op<number> {
    const handle = task.files.get(signed(fd));
    if (handle === undefined) return -E.BADF;
    return handle.sync === undefined ? -E.INVAL : yield* handle.sync(dataOnly);
  };

function* syncfs(task: FileTask, [fd]: readonly number[]): Op<number> {
  const handle = task.files.get(signed(fd));
  if (handle === undefined) return -E.BADF;
  return handle.path === undefined ? 0 : yield* handle.path.mount.fs.sync();
}

function* sync(task: FileTask): Op<number> {
  for (const fs of new Set(task.fs.vfs.mounts.all.map((mount) => mount.fs))) yield* fs.sync();
  return 0;
}

export const fileCalls: FileCalls = {
  read,
  write,
  pread64,
  pwrite64,
  readv: vector(false, false),
  writev: vector(true, false),
  preadv: vector(false, true),
  pwritev: vector(true, true),
  preadv2: vectorWithFlags(false),
  pwritev2: vectorWithFlags(true),
  lseek,
  _llseek: llseek,
  close: (task, [fd]) => task.files.close(signed(fd)),
  fsync: syncing(false),
  fdatasync: syncing(true),
  syncfs,
  sync,
};
