/** Bytes from one descriptor to another without the user's memory: sendfile, copy_file_range, splice, tee. */

import { E } from '../abi/errno.ts';
import { O_ACCMODE, O_APPEND, O_NONBLOCK, O_RDONLY, O_WRONLY, POLLIN } from '../abi/fcntl.ts';
import { IN_ACCESS, IN_MODIFY } from '../abi/inotify.ts';
import { SIGPIPE } from '../abi/signal-numbers.ts';
import { notifyHandle } from '../fs/notify.ts';
import { PipeEnd } from '../fs/pipe.ts';
import type { FileHandle } from '../fs/types.ts';
import { giveTurn, type Op } from '../task/wait.ts';
import { copyIn, copyOut, type FileCall, type FileCalls, type FileTask, signed } from './file-task.ts';
import { handleFor, readSegments, type Segment, segmentsOf, writeChunk } from './files.ts';

const CHUNK = 262144;
/** After so many bytes others have their turn: a call may move 2 GiB. */
const TURN: number = 16 * CHUNK;

/** An offset argument: undefined for the file's own position. Errors: -EFAULT, -EINVAL */
function* offsetAt(task: FileTask, va: number, wide: boolean): Op<number | undefined> {
  if (va === 0) return undefined;
  const raw = new Uint8Array(wide ? 8 : 4);
  if (!(yield* copyIn(task, va, raw))) return -E.FAULT;
  const view = new DataView(raw.buffer);
  const offset = wide ? Number(view.getBigInt64(0, true)) : view.getInt32(0, true);
  return offset < 0 ? -E.INVAL : offset;
}

function* storeOffset(task: FileTask, va: number, wide: boolean, offset: number): Op<boolean> {
  const raw = new Uint8Array(wide ? 8 : 4);
  new DataView(raw.buffer).setUint32(0, offset % 2 ** 32, true);
  if (wide) new DataView(raw.buffer).setUint32(4, Math.floor(offset / 2 ** 32), true);
  return yield* copyOut(task, va, raw);
}

/**
 * Moves up to `length` bytes.
 * @param inPos, outPos undefined: the files' own positions, which move
 */
function* move(
  task: FileTask,
  from: FileHandle,
  inPos: number | undefined,
  to: FileHandle,
  outPos: number | undefined,
  length: number,
): Op<number> {
  let done = 0;
  while (done < length) {
    const buffer = new Uint8Array(Math.min(CHUNK, length - done));
    const at = inPos === undefined ? undefined : inPos + done;
    if (done > 0 && from.kind !== 'file' && (from.poll() & POLLIN) === 0) break;
    const start = from.pos;
    const count = yield* from.read(buffer, at, task.caller);
    if (count <= 0) return done > 0 ? done : count;
    let written = 0;
    while (written < count) {
      const target = outPos === undefined ? undefined : outPos + done + written;
      const put = yield* to.write(buffer.subarray(written, count), target, task.caller);
      if (put === -E.PIPE) task.caller.signal(SIGPIPE);
      if (put <= 0) {
        // What was read and not written is not consumed, where that can be said.
        if (at === undefined && from.kind === 'file') from.pos = start + written;
        return done + written > 0 ? done + written : put;
      }
      written += put;
    }
    done += count;
    notifyHandle(from, IN_ACCESS);
    notifyHandle(to, IN_MODIFY);
    if (count < buffer.length) break;
    if (done % TURN === 0) yield* giveTurn(task.monotonicNs(), false);
  }
  return done;
}

function sendfile(wide: boolean): FileCall {
  return function* (task, [outFd, inFd, offsetVa, count]) {
    const from = handleFor(task, inFd, O_WRONLY);
    const to = handleFor(task, outFd, O_RDONLY);
    if (typeof from === 'number' || typeof to === 'number') return -E.BADF;
    if ((to.flags & O_APPEND) !== 0) return -E.INVAL;
    if (from.kind !== 'file' && from.kind !== 'block') return from.kind === 'pipe' ? -E.SPIPE : -E.INVAL;
    const offset = yield* offsetAt(task, offsetVa!, wide);
    if (offset !== undefined && offset < 0) return offset;
    const moved = yield* move(task, from, offset, to, undefined, Math.min(count!, 0x7ffff000));
    if (moved > 0 && offset !== undefined && !(yield* storeOffset(task, offsetVa!, wide, offset + moved))) {
      return -E.FAULT;
    }
    return moved;
  };
}

/** copy_file_range and splice: two descriptors, each with an offset. */
function* between(
  task: FileTask,
  check: (from: FileHandle, to: FileHandle, inVa: number, outVa: number) => number,
  [inFd, inVa, outFd, outVa, length]: readonly number[],
  nonblock: boolean,
): Op<number> {
  const from = handleFor(task, inFd, O_WRONLY);
  const to = handleFor(task, outFd, O_RDONLY);
  if (typeof from === 'number' || typeof to === 'number') return -E.BADF;
  const refused = check(from, to, inVa!, outVa!);
  if (refused < 0) return refused;
  if (nonblock && from instanceof PipeEnd && from.pipe.length === 0 && from.pipe.writers > 0) return -E.AGAIN;
  const inPos = yield* offsetAt(task, inVa!, true);
  if (inPos !== undefined && inPos < 0) return inPos;
  const outPos = yield* offsetAt(task, outVa!, true);
  if (outPos !== undefined && outPos < 0) return outPos;
  const room = to instanceof PipeEnd ? Math.max(1, to.pipe.room) : Number.POSITIVE_INFINITY;
  const moved = yield* move(task, from, inPos, to, outPos, Math.min(length!, 0x7ffff000, room));
  if (moved <= 0) return moved;
  if (inPos !== undefined && !(yield* storeOffset(task, inVa!, true, inPos + moved))) return -E.FAULT;
  if (outPos !== undefined && !(yield* storeOffset(task, outVa!, true, outPos + moved))) return -E.FAULT;
  return moved;
}

function checkCopy(from: FileHandle, to: FileHandle): number {
  for (const handle of [from, to]) {
    if (handle.kind === 'directory') return -E.ISDIR;
    if (handle.kind !== 'file') return -E.INVAL;
  }
  if (to.inode?.writeAt === undefined || from.inode?.readAt === undefined) return -E.INVAL;
  // Files whose size is made up as they are read (procfs) would be copied as empty.
  if (from.inode.fs.type !== to.inode.fs.type) return -E.XDEV;
  return (to.flags & O_APPEND) !== 0 ? -E.BADF : 0;
}

function checkSplice(from: FileHandle, to: FileHandle, inVa: number, outVa: number): number {
  if (from.kind !== 'pipe' && to.kind !== 'pipe') return -E.INVAL;
  if ((from.kind === 'pipe' && inVa !== 0) || (to.kind === 'pipe' && outVa !== 0)) return -E.SPIPE;
  return (to.flags & O_APPEND) !== 0 ? -E.INVAL : 0;
}

function* tee(task: FileTask, [inFd, outFd, length, flags]: readonly number[]): Op<number> {
  const from = handleFor(task, inFd, O_WRONLY);
  const to = handleFor(task, outFd, O_RDONLY);
  if (typeof from === 'number' || typeof to === 'number') return -E.BADF;
  if (!(from instanceof PipeEnd && to instanceof PipeEnd) || from.pipe === to.pipe) return -E.INVAL;
  const nonblock = ((flags! & 2) | (from.flags & O_NONBLOCK)) !== 0;
  while (from.pipe.length === 0) {
    if (from.pipe.writers === 0) return 0;
    if (nonblock) return -E.AGAIN;
    const wake = yield { queues: [from.pipe.changed], interruptible: true };
    if (wake === 'signal') return -E.RESTARTSYS;
  }
  const buffer = new Uint8Array(Math.min(length!, from.pipe.length, Math.max(to.pipe.room, 1)));
  from.pipe.peek(buffer);
  return yield* to.write(buffer);
}

/** Up to the room that there is, as pages would be taken in. */
function* writeVector(task: FileTask, to: PipeEnd, segments: readonly Segment[]): Op<number> {
  let done = 0;
  for (const [va, length] of segments) {
    for (let offset = 0; offset < length; ) {
      if (done > 0 && to.pipe.room === 0) return done;
      const wanted = Math.min(length - offset, CHUNK, Math.max(to.pipe.room, 1));
      const count = yield* writeChunk(task, to, [va + offset, wanted], undefined);
      if (count <= 0) return done > 0 ? done : count;
      done += count;
      offset += count;
    }
  }
  return done;
}

function* vmsplice(task: FileTask, [fd, va, count, flags]: readonly number[]): Op<number> {
  const SPLICE_FLAGS = 15;
  const end = task.files.get(signed(fd));
  if ((flags! & ~SPLICE_FLAGS) !== 0) return -E.INVAL;
  if (!(end instanceof PipeEnd)) return -E.BADF;
  const segments = yield* segmentsOf(task, va!, signed(count));
  if (typeof segments === 'number') return segments;
  if (segments.every(([, length]) => length === 0)) return 0;
  const nonblock = ((flags! & 2) | (end.flags & O_NONBLOCK)) !== 0;
  const writes = (end.flags & O_ACCMODE) !== O_RDONLY;
  if (nonblock && writes && end.pipe.room === 0 && end.pipe.readers > 0) return -E.AGAIN;
  if (nonblock && !writes && end.pipe.length === 0 && end.pipe.writers > 0) return -E.AGAIN;
  return yield* writes ? writeVector(task, end, segments) : readSegments(task, end, segments, undefined);
}

export const movingCalls: FileCalls = {
  sendfile: sendfile(false),
  sendfile64: sendfile(true),
  copy_file_range: function* (task, args) {
    return signed(args[5]) !== 0 ? -E.INVAL : yield* between(task, checkCopy, args, false);
  },
  splice: (task, args) => between(task, checkSplice, args, (args[5]! & 2) !== 0),
  tee,
  vmsplice,
};
