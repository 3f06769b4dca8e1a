/** sendmsg, recvmsg and their plural forms: vectors, addresses and what goes beside the data (files, credentials). */
import { E } from '../abi/errno.ts';
import {
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  MSG_DONTWAIT,
  MSG_TRUNC,
  MSG_WAITFORONE,
  SCM_CREDENTIALS,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SO_PASSCRED,
  SOL_SOCKET,
} from '../abi/socket.ts';
import { letGo, retain } from '../fs/file-handle.ts';
import type { FileHandle } from '../fs/types.ts';
import { isSet } from '../net/options.ts';
import type { InMessage, Socket } from '../net/socket.ts';
import type { Op } from '../task/wait.ts';
import { copyIn, copyOut, type FileTask, signed } from './file-task.ts';
import { addressArgument, broken, type SocketCall, type SocketTask, socketFor } from './sockets.ts';

const MSGHDR_BYTES = 28;
const MMSGHDR_BYTES = 32;
const CMSG_HEADER_BYTES = 12;
const IOV_MAX = 1024;
const MAX_TRANSFER = 1 << 20;
const MAX_CONTROL_BYTES = 20_480;
const MAX_MESSAGES = 1024;

/** struct msghdr, its vector read. */
interface Header {
  readonly name: number;
  readonly nameBytes: number;
  readonly segments: readonly (readonly [va: number, length: number])[];
  readonly bytes: number;
  readonly control: number;
  readonly controlBytes: number;
}

function* readHeader(task: FileTask, va: number): Op<Header | number> {
  const raw = new Uint8Array(MSGHDR_BYTES);
  if (!(yield* copyIn(task, va, raw))) return -E.FAULT;
  const word = (index: number): number => new DataView(raw.buffer).getUint32(4 * index, true);
  const count = word(3);
  if (count > IOV_MAX) return -E.MSGSIZE;
  const vector = new Uint8Array(8 * count);
  if (!(yield* copyIn(task, word(2), vector))) return -E.FAULT;
  const view = new DataView(vector.buffer);
  const segments: [number, number][] = [];
  let bytes = 0;
  for (let at = 0; at < vector.length; at += 8) {
    const length = view.getUint32(at + 4, true);
    if (length > 0x7fffffff) return -E.INVAL;
    segments.push([view.getUint32(at, true), Math.min(length, MAX_TRANSFER - bytes)]);
    bytes = Math.min(bytes + length, MAX_TRANSFER);
  }
  return { name: word(0), nameBytes: word(1), segments, bytes, control: word(4), controlBytes: word(5) };
}

/** The open files that a message passes; not held yet. Errors: -EINVAL, -EBADF, -EFAULT */
function* rightsOf(task: FileTask, { control, controlBytes }: Header): Op<FileHandle[] | number> {
  const rights: FileHandle[] = [];
  if (control === 0 || controlBytes === 0) return rights;
  if (controlBytes > MAX_CONTROL_BYTES) return -E.NOBUFS;
  const raw = new Uint8Array(controlBytes);
  if (!(yield* copyIn(task, control, raw))) return -E.FAULT;
  const view = new DataView(raw.buffer);
  for (let at = 0; at + CMSG_HEADER_BYTES <= raw.length; ) {
    const length = view.getUint32(at, true);
    if (length < CMSG_HEADER_BYTES || at + length > raw.length) return -E.INVAL;
    const isRights = view.getInt32(at + 4, true) === SOL_SOCKET && view.getInt32(at + 8, true) === SCM_RIGHTS;
    for (let fd = at + CMSG_HEADER_BYTES; isRights && fd + 4 <= at + length; fd += 4) {
      const handle = task.files.get(view.getInt32(fd, true));
      if (handle === undefined) return -E.BADF;
      if (rights.push(handle) > SCM_MAX_FD) return -E.INVAL;
    }
    at += (length + 3) & ~3;
  }
  return rights;
}

function* sendOne(task: SocketTask, socket: Socket, va: number, flags: number): Op<number> {
  const header = yield* readHeader(task, va);
  if (typeof header === 'number') return header;
  const hasName = header.name !== 0 && header.nameBytes !== 0;
  const to = hasName ? yield* addressArgument(task, header.name, header.nameBytes) : undefined;
  if (typeof to === 'number') return to;
  const rights = yield* rightsOf(task, header);
  if (typeof rights === 'number') return rights;
  const data = new Uint8Array(header.bytes);
  let at = 0;
  for (const [from, length] of header.segments) {
    if (!(yield* copyIn(task, from, data.subarray(at, at + length)))) return -E.FAULT;
    at += length;
  }
  for (const handle of rights) retain(handle); // another thread may close them while this one waits
  const result = yield* socket.send({ data, to, flags, rights, sender: task });
  for (const handle of rights) letGo(handle);
  return broken(task, flags, result);
}

function* receiveOne(task: SocketTask, socket: Socket, va: number, flags: number): Op<number> {
  const header = yield* readHeader(task, va);
  if (typeof header === 'number') return header;
  const into = new Uint8Array(header.bytes);
  const message = yield* socket.receive(into, flags);
  if (typeof message === 'number') return message;
  let at = 0;
  for (const [to, length] of header.segments) {
    if (at >= message.count) break;
    if (!(yield* copyOut(task, to, into.subarray(at, Math.min(at + length, message.count))))) return -E.FAULT;
    at += length;
  }
  const from = message.from ?? new Uint8Array(0);
  if (header.name !== 0 && !(yield* copyOut(task, header.name, from.subarray(0, header.nameBytes))))
    return -E.FAULT;
  const control = yield* giveControl(task, socket, header, message, flags);
  const words = new Uint8Array(8);
  new DataView(words.buffer).setUint32(0, control.bytes, true);
  new DataView(words.buffer).setUint32(4, message.flags | control.flags | (flags & MSG_CMSG_CLOEXEC), true);
  const length = new Uint8Array(Uint32Array.of(header.name === 0 ? 0 : from.length).buffer);
  if (!(yield* copyOut(task, va + 20, words)) || !(yield* copyOut(task, va + 4, length))) return -E.FAULT;
  return (flags & MSG_TRUNC) !== 0 ? message.whole : message.count;
}

/** Writes what goes beside the data, and gives received files their descriptors. */
function* giveControl(
  task: SocketTask,
  socket: Socket,
  { control, controlBytes }: Header,
  message: InMessage,
  flags: number,
): Op<{ bytes: number; flags: number }> {
  const { rights = [], credentials } = message;
  const room = control === 0 ? 0 : Math.min(controlBytes, MAX_CONTROL_BYTES);
  let used = 0;
  let cut = 0;
  const put = function* (type: number, words: readonly number[]): Op<void> {
    const bytes = new Uint8Array(
      Uint32Array.of(CMSG_HEADER_BYTES + 4 * words.length, SOL_SOCKET, type, ...words).buffer,
    );
    if (used + bytes.length > room || !(yield* copyOut(task, control + used, bytes))) cut = MSG_CTRUNC;
    else used += bytes.length;
  };
  if (credentials !== undefined && isSet(socket, SO_PASSCRED)) yield* put(SCM_CREDENTIALS, credentials);
  if (rights.length > 0) {
    const fits = Math.max(0, Math.floor((room - used - CMSG_HEADER_BYTES) / 4));
    const fds: number[] = [];
    for (const handle of rights) {
      const fd = fds.length < fits ? task.files.add(handle, (flags & MSG_CMSG_CLOEXEC) !== 0) : -E.MFILE;
      if (fd >= 0) fds.push(fd);
      else {
        cut = MSG_CTRUNC;
        letGo(handle);
      }
    }
    if (fds.length > 0) yield* put(SCM_RIGHTS, fds);
  }
  return { bytes: used, flags: cut };
}

function* sendmsg(task: SocketTask, [fd, va, flags]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  return typeof socket === 'number' ? socket : yield* sendOne(task, socket, va!, flags!);
}

function* recvmsg(task: SocketTask, [fd, va, flags]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  return typeof socket === 'number' ? socket : yield* receiveOne(task, socket, va!, flags!);
}

/** The plural forms: each element is a msghdr and the length of what was moved. */
function* several(
  task: SocketTask,
  [fd, va, count, flags]: readonly number[],
  one: (task: SocketTask, socket: Socket, va: number, flags: number) => Op<number>,
): Op<number> {
  const socket = socketFor(task, fd);
  if (typeof socket === 'number') return socket;
  let done = 0;
  let now = flags!;
  for (; done < Math.min(count!, MAX_MESSAGES); done++) {
    const at = va! + done * MMSGHDR_BYTES;
    const result = yield* one(task, socket, at, now & ~MSG_WAITFORONE);
    if (result < 0) return done > 0 ? done : result;
    if (!task.user.write32(at + MSGHDR_BYTES, result)) return done > 0 ? done : -E.FAULT;
    if ((flags! & MSG_WAITFORONE) !== 0) now |= MSG_DONTWAIT;
  }
  return done;
}

/**
 * What socketcall's first argument names, from 1 on, with how many words it takes. accept, send and recv are the longer forms
 * without their last arguments.
 */
const BY_NUMBER: readonly (readonly [name: string, words: number])[] = [
  ...([
    ['socket', 3],
    ['bind', 3],
    ['connect', 3],
    ['listen', 2],
    ['accept4', 3],
    ['getsockname', 3],
  ] as const),
  ...([
    ['getpeername', 3],
    ['socketpair', 4],
    ['sendto', 4],
    ['recvfrom', 4],
    ['sendto', 6],
    ['recvfrom', 6],
  ] as const),
  ...([
    ['shutdown', 2],
    ['setsockopt', 5],
    ['getsockopt', 5],
    ['sendmsg', 3],
    ['recvmsg', 3],
  ] as const),
  ...([
    ['accept4', 4],
    ['recvmmsg', 5],
    ['sendmmsg', 4],
  ] as const),
];

/** socketcall(2) over the calls by name. */
export function makeSocketcall(calls: Readonly<Record<string, SocketCall>>): SocketCall {
  return function* socketcall(task, [number, va]): Op<number> {
    const row = BY_NUMBER[signed(number) - 1];
    if (row === undefined) return -E.INVAL;
    const [name, nrWords] = row;
    const raw = new Uint8Array(4 * nrWords);
    if (!(yield* copyIn(task, va!, raw))) return -E.FAULT;
    const words = [0, 0, 0, 0, 0, 0];
    const given = new Uint32Array(raw.buffer);
    for (let i = 0; i < nrWords; i++) words[i] = given[i]!;
    const result = calls[name]!(task, words);
    return typeof result === 'number' ? result : yield* result;
  };
}

export const messageCalls: Readonly<Record<string, SocketCall>> = {
  ...{ sendmsg, recvmsg },
  sendmmsg: (task, args) => several(task, args, sendOne),
  recvmmsg: (task, args) => several(task, args, receiveOne),
  recvmmsg_time64: (task, args) => several(task, args, receiveOne),
};
