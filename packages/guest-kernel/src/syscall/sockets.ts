/** System calls about sockets, and socketcall, which is the same by number. Source: socket(2) and its neighbours. */
import { CAP_NET_RAW } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { O_NONBLOCK } from '../abi/fcntl.ts';
import { AF_NETLINK, NETLINK_KOBJECT_UEVENT, NETLINK_ROUTE, NETLINK_SOCK_DIAG } from '../abi/netlink.ts';
import { SIGPIPE } from '../abi/signal-numbers.ts';
import {
  AF_INET,
  AF_PACKET,
  AF_UNIX,
  IPPROTO_ICMP,
  IPPROTO_TCP,
  IPPROTO_UDP,
  MSG_NOSIGNAL,
  SOCK_CLOEXEC,
  SOCK_DGRAM,
  SOCK_NONBLOCK,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOCK_TYPE_MASK,
  SOCKADDR_MAX,
} from '../abi/socket.ts';
import { BUFFER_BYTES } from '../fs/buffer-pool.ts';
import { letGo } from '../fs/file-handle.ts';
import { capable } from '../fs/permissions.ts';
import type { NetSide } from '../net/net-side.ts';
import { NetlinkSocket } from '../net/netlink/netlink-socket.ts';
import { PacketSocket } from '../net/packet-socket.ts';
import { RawSocket } from '../net/raw-socket.ts';
import { Socket } from '../net/socket.ts';
import { TcpSocket } from '../net/tcp-socket.ts';
import { UdpSocket } from '../net/udp-socket.ts';
import { UnixSocket } from '../net/unix-socket.ts';
import type { Op } from '../task/wait.ts';
import { copyIn, copyOut, type FileTask, signed } from './file-task.ts';

/** A task that has a network. */
export interface SocketTask extends FileTask {
  readonly network: NetSide;
}

export type SocketCall = (task: SocketTask, args: readonly number[]) => Op<number> | number;

/** Families of netlink that there are. */
const NETLINKS: ReadonlySet<number> = new Set([NETLINK_ROUTE, NETLINK_SOCK_DIAG, NETLINK_KOBJECT_UEVENT]);
/** Most bytes that one call moves through the kernel at once. */
const MAX_TRANSFER = 1 << 20;
/** Up to this many bytes a new buffer costs less than a used one. */
const SMALL = 1024;
const MAX_OPTION_BYTES = 4096;

export function socketFor(task: SocketTask, fd: number | undefined): Socket | number {
  const handle = task.files.get(signed(fd));
  if (handle === undefined) return -E.BADF;
  return handle instanceof Socket ? handle : -E.NOTSOCK;
}

/** A sockaddr argument. Errors: -EINVAL, -EFAULT */
export function* addressArgument(task: FileTask, va: number, length: number): Op<Uint8Array | number> {
  if ((length | 0) < 0 || length > SOCKADDR_MAX) return -E.INVAL;
  const bytes = new Uint8Array(length);
  return (yield* copyIn(task, va, bytes)) ? bytes : -E.FAULT;
}

/** Gives an address back, cut to the room that there is. @returns 0, -EINVAL, -EFAULT */
export function* giveAddress(task: FileTask, va: number, lengthVa: number, address: Uint8Array): Op<number> {
  const room = new Uint8Array(4);
  if (!(yield* copyIn(task, lengthVa, room))) return -E.FAULT;
  const bytes = new DataView(room.buffer).getInt32(0, true);
  if (bytes < 0) return -E.INVAL;
  if (!(yield* copyOut(task, va, address.subarray(0, bytes)))) return -E.FAULT;
  new DataView(room.buffer).setInt32(0, address.length, true);
  return (yield* copyOut(task, lengthVa, room)) ? 0 : -E.FAULT;
}

function make(task: SocketTask, domain: number, type: number, protocol: number): Socket | number {
  const { network: net, caller } = task;
  const inode = () => net.makeInode(caller.cred);
  const privileged = capable(caller.cred, CAP_NET_RAW);
  switch (domain) {
    case AF_UNIX:
      if (protocol !== 0 && protocol !== AF_UNIX) return -E.PROTONOSUPPORT;
      if (type === SOCK_STREAM || type === SOCK_DGRAM || type === SOCK_SEQPACKET)
        return new UnixSocket(net, type, inode());
      return type === SOCK_RAW ? new UnixSocket(net, SOCK_DGRAM, inode()) : -E.SOCKTNOSUPPORT;
    case AF_INET:
      if (type === SOCK_STREAM)
        return protocol === 0 || protocol === IPPROTO_TCP ? new TcpSocket(net, inode()) : -E.PROTONOSUPPORT;
      if (type === SOCK_DGRAM && protocol === IPPROTO_ICMP)
        return new RawSocket(net, type, protocol, inode());
      if (type === SOCK_DGRAM)
        return protocol === 0 || protocol === IPPROTO_UDP ? new UdpSocket(net, inode()) : -E.PROTONOSUPPORT;
      if (type !== SOCK_RAW) return -E.SOCKTNOSUPPORT;
      if (!privileged) return -E.PERM;
      return protocol > 0 && protocol < 256 ? new RawSocket(net, type, protocol, inode()) : -E.PROTONOSUPPORT;
    case AF_NETLINK:
      if (type !== SOCK_RAW && type !== SOCK_DGRAM) return -E.SOCKTNOSUPPORT;
      return NETLINKS.has(protocol) ? new NetlinkSocket(net, type, protocol, inode()) : -E.PROTONOSUPPORT;
    case AF_PACKET:
      if (!privileged) return -E.PERM;
      return type === SOCK_RAW || type === SOCK_DGRAM
        ? new PacketSocket(net, type, protocol, inode())
        : -E.SOCKTNOSUPPORT;
    default:
      return -E.AFNOSUPPORT;
  }
}

/** Gives a socket a descriptor; on failure it is closed. */
function install(task: SocketTask, socket: Socket, flags: number): number {
  if ((flags & SOCK_NONBLOCK) !== 0) socket.flags |= O_NONBLOCK;
  const fd = task.files.add(socket, (flags & SOCK_CLOEXEC) !== 0);
  if (fd < 0) letGo(socket);
  return fd;
}

function socket(task: SocketTask, [domain, type, protocol]: readonly number[]): number {
  if ((type! & ~(SOCK_TYPE_MASK | SOCK_NONBLOCK | SOCK_CLOEXEC)) !== 0) return -E.INVAL;
  const made = make(task, signed(domain), type! & SOCK_TYPE_MASK, signed(protocol));
  return typeof made === 'number' ? made : install(task, made, type!);
}

function* socketpair(task: SocketTask, [domain, type, protocol, va]: readonly number[]): Op<number> {
  if ((type! & ~(SOCK_TYPE_MASK | SOCK_NONBLOCK | SOCK_CLOEXEC)) !== 0) return -E.INVAL;
  const kind = type! & SOCK_TYPE_MASK;
  if (domain !== AF_UNIX) return domain === AF_INET ? -E.OPNOTSUPP : -E.AFNOSUPPORT;
  const [a, b] = [make(task, domain, kind, signed(protocol)), make(task, domain, kind, signed(protocol))];
  if (!(a instanceof UnixSocket) || !(b instanceof UnixSocket)) return a as number;
  UnixSocket.join(a, b, task);
  const first = install(task, a, type!);
  if (first < 0) {
    letGo(b);
    return first;
  }
  const second = install(task, b, type!);
  const pair = new Uint8Array(Int32Array.of(first, second).buffer);
  if (second >= 0 && (yield* copyOut(task, va!, pair))) return 0;
  task.files.close(first);
  if (second >= 0) task.files.close(second);
  return second < 0 ? second : -E.FAULT;
}

function* bind(task: SocketTask, [fd, va, length]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  if (typeof socket === 'number') return socket;
  const address = yield* addressArgument(task, va!, length!);
  if (typeof address === 'number') return address;
  const result = socket.bind(address, task);
  return typeof result === 'number' ? result : yield* result;
}

function* connect(task: SocketTask, [fd, va, length]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  if (typeof socket === 'number') return socket;
  const address = yield* addressArgument(task, va!, length!);
  return typeof address === 'number' ? address : yield* socket.connect(address, task);
}

function listen(task: SocketTask, [fd, backlog]: readonly number[]): number {
  const socket = socketFor(task, fd);
  return typeof socket === 'number' ? socket : socket.listen(signed(backlog), task);
}

function* accept4(task: SocketTask, [fd, va, lengthVa, flags]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  if (typeof socket === 'number') return socket;
  if ((flags! & ~(SOCK_NONBLOCK | SOCK_CLOEXEC)) !== 0) return -E.INVAL;
  const accepted = yield* socket.accept((socket.flags & O_NONBLOCK) !== 0);
  if (typeof accepted === 'number') return accepted;
  const peer = accepted.peerName();
  if (va !== 0 && typeof peer !== 'number') {
    const given = yield* giveAddress(task, va!, lengthVa!, peer);
    if (given < 0) {
      letGo(accepted);
      return given;
    }
  }
  return install(task, accepted, flags!);
}

function* getsockname(task: SocketTask, [fd, va, lengthVa]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  return typeof socket === 'number' ? socket : yield* giveAddress(task, va!, lengthVa!, socket.localName());
}

function* getpeername(task: SocketTask, [fd, va, lengthVa]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  const peer = typeof socket === 'number' ? socket : socket.peerName();
  return typeof peer === 'number' ? peer : yield* giveAddress(task, va!, lengthVa!, peer);
}

function* sendto(task: SocketTask, [fd, va, length, flags, to, toLength]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  if (typeof socket === 'number') return socket;
  const address = to === 0 ? undefined : yield* addressArgument(task, to!, toLength!);
  if (typeof address === 'number') return address;
  const isStream = socket.what.type === SOCK_STREAM;
  if (!isStream && length! > MAX_TRANSFER) return -E.MSGSIZE;
  let done = 0;
  do {
    const data = new Uint8Array(Math.min(length! - done, MAX_TRANSFER));
    if (!(yield* copyIn(task, va! + done, data))) return done > 0 ? done : -E.FAULT;
    const count = yield* socket.send({ data, to: address, flags: flags!, sender: task });
    if (count < 0) return done > 0 ? done : broken(task, flags!, count);
    done += count;
    if (count < data.length) return done;
  } while (done < length!);
  return done;
}

/** Writing where nobody reads any more raises SIGPIPE. */
export function broken(task: FileTask, flags: number, result: number): number {
  if (result === -E.PIPE && (flags & MSG_NOSIGNAL) === 0) task.caller.signal(SIGPIPE);
  return result;
}

function* recvfrom(task: SocketTask, args: readonly number[]): Op<number> {
  const socket = socketFor(task, args[0]);
  if (typeof socket === 'number') return socket;
  const length = Math.min(args[2]!, MAX_TRANSFER);
  if (length <= SMALL || length > BUFFER_BYTES)
    return yield* receiveInto(task, socket, new Uint8Array(length), args);
  const { buffers } = task.fs.vfs;
  const buffer = buffers.take();
  const result = yield* receiveInto(task, socket, buffer.subarray(0, length), args);
  buffers.give(buffer);
  return result;
}

function* receiveInto(
  task: SocketTask,
  socket: Socket,
  into: Uint8Array,
  [, va, , flags, from, fromLength]: readonly number[],
): Op<number> {
  const message = yield* socket.receive(into, flags!);
  if (typeof message === 'number') return message;
  socket.dropRights(message);
  if (!(yield* copyOut(task, va!, into.subarray(0, message.count)))) return -E.FAULT;
  if (from !== 0) {
    const given = yield* giveAddress(task, from!, fromLength!, message.from ?? new Uint8Array(0));
    if (given < 0) return given;
  }
  return (flags! & 0x20) !== 0 ? message.whole : message.count; // MSG_TRUNC asks for the real length
}

function shutdown(task: SocketTask, [fd, how]: readonly number[]): number {
  const socket = socketFor(task, fd);
  return typeof socket === 'number' ? socket : socket.shutdown(signed(how));
}

function* setsockopt(task: SocketTask, [fd, level, name, va, length]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  if (typeof socket === 'number') return socket;
  if (length! > MAX_OPTION_BYTES) return -E.INVAL;
  const value = new Uint8Array(length!);
  if (!(yield* copyIn(task, va!, value))) return -E.FAULT;
  return socket.setOption(signed(level), signed(name), value);
}

function* getsockopt(task: SocketTask, [fd, level, name, va, lengthVa]: readonly number[]): Op<number> {
  const socket = socketFor(task, fd);
  if (typeof socket === 'number') return socket;
  const room = task.user.read32(lengthVa!);
  if (room === undefined) return -E.FAULT;
  if ((room | 0) < 0) return -E.INVAL;
  const value = socket.getOption(signed(level), signed(name));
  if (typeof value === 'number') return value;
  const given = value.subarray(0, room);
  if (!(yield* copyOut(task, va!, given))) return -E.FAULT;
  return task.user.write32(lengthVa!, given.length) ? 0 : -E.FAULT;
}

export const plainSocketCalls: Readonly<Record<string, SocketCall>> = {
  ...{ socket, socketpair, bind, connect, listen, accept4, getsockname, getpeername },
  ...{ sendto, recvfrom, shutdown, setsockopt, getsockopt },
};
