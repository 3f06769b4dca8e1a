/** AF_INET stream sockets. Source: tcp(7), ip(7), Linux net/ipv4/tcp.c. */
import type { CloseReason, TcpConnection, TcpListener } from '@domu/netstack';
import { E } from '../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/fcntl.ts';
import {
  AF_INET,
  AF_UNSPEC,
  IPPROTO_TCP,
  MSG_PEEK,
  MSG_WAITALL,
  POLLRDHUP,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SIOCATMARK,
  SIOCOUTQ,
  SO_KEEPALIVE,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOL_SOCKET,
  TCP_KEEPCNT,
  TCP_KEEPIDLE,
  TCP_KEEPINTVL,
  TCP_MAXSEG,
  TCP_NODELAY,
} from '../abi/socket.ts';
import type { Caller, Inode, UserMemory } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { encodeInet, familyOf, parseInet } from './address.ts';
import type { NetSide, PortHolder } from './net-side.ts';
import { getSocketOption, headerFields, isSet, numberOf } from './options.ts';
import { type InMessage, type OutMessage, Socket, type SocketKind } from './socket.ts';

const ERRORS: Readonly<Record<CloseReason, number>> = {
  done: 0,
  reset: E.CONNRESET,
  refused: E.CONNREFUSED,
  timeout: E.TIMEDOUT,
  unreachable: E.HOSTUNREACH,
  aborted: E.CONNABORTED,
};
const NS_PER_SECOND = 1_000_000_000;
/** Linux's net.core.somaxconn. */
const MAX_BACKLOG = 4096;
const LOOPBACK = 0x7f000001;
/** What a program that does not ask gets: as much as Linux lets its windows grow to without ado. */
const BUFFER_BYTES = 1 << 20;

export class TcpSocket extends Socket implements PortHolder {
  boundAddress = 0;
  #port = 0;
  /** The port was asked for. */
  #connection: TcpConnection | null = null;
  #listener: TcpListener | null = null;
  #connecting = false;
  #noMoreReading = false;

  constructor(net: NetSide, inode: Inode) {
    super(net, { domain: AF_INET, type: 1, protocol: IPPROTO_TCP } satisfies SocketKind, inode);
    this.settings.receiveBytes = BUFFER_BYTES;
    this.settings.sendBytes = BUFFER_BYTES;
  }

  get reuse(): boolean {
    return isSet(this, SO_REUSEADDR) || isSet(this, SO_REUSEPORT);
  }

  override get isListening(): boolean {
    return this.#listener !== null;
  }

  get readable(): number {
    return this.#connection?.readableBytes ?? 0;
  }

  bind(bytes: Uint8Array): number {
    const wanted = parseInet(bytes);
    if (wanted === undefined || this.#port !== 0 || this.#connection !== null) return -E.INVAL;
    const family = familyOf(bytes);
    if (family !== AF_INET && !(family === AF_UNSPEC && wanted.address === 0)) return -E.AFNOSUPPORT;
    if (!this.net.isBindable(wanted.address)) return -E.ADDRNOTAVAIL;
    this.boundAddress = wanted.address;
    return this.#takePort(wanted.port || this.net.freeTcpPort());
  }

  *connect(bytes: Uint8Array): Op<number> {
    if (familyOf(bytes) === AF_UNSPEC) return this.#disconnect();
    const to = parseInet(bytes);
    if (to === undefined) return -E.INVAL;
    if (familyOf(bytes) !== AF_INET) return -E.AFNOSUPPORT;
    if (this.#listener !== null) return -E.ISCONN;
    if (this.#connection === null) {
      const begun = this.#begin(to.address || LOOPBACK, to.port);
      if (begun < 0) return begun;
      if (this.#connection!.state === 'SYN_SENT' && !this.mayWait(0)) return -E.INPROGRESS;
    } else if (!this.#connecting) return -E.ISCONN;
    else if (this.#connection.state === 'SYN_SENT' && !this.mayWait(0)) return -E.ALREADY;
    const deadline = this.deadline(this.settings.sendTimeoutNs);
    const connection = this.#connection!;
    while (connection.state === 'SYN_SENT' || connection.state === 'SYN_RECEIVED') {
      const wake = yield* this.waitUntil(deadline);
      if (wake !== 0) return wake === -E.AGAIN ? -E.INPROGRESS : wake;
    }
    this.#connecting = false;
    if (connection.state !== 'CLOSED') return 0;
    const error = this.takeError();
    this.#connection = null;
    return error || -E.CONNABORTED;
  }

  override listen(backlog: number): number {
    if (this.#connection !== null) return -E.INVAL;
    const wanted = Math.min(backlog < 0 || backlog > MAX_BACKLOG ? MAX_BACKLOG : backlog, MAX_BACKLOG);
    if (this.#listener !== null) {
      this.#listener.backlog = Math.max(1, wanted);
      return 0;
    }
    if (this.#port === 0) {
      const taken = this.#takePort(this.net.freeTcpPort());
      if (taken < 0) return taken;
    }
    const listener = this.net.stack.tcp.listen({
      ...{ address: this.boundAddress, port: this.#port, backlog: wanted },
      options: this.#stackOptions(),
      onChange: () => this.changed.wakeAll(),
    });
    if (listener === undefined) return -E.ADDRINUSE;
    this.#listener = listener;
    return 0;
  }

  override *accept(nonblock: boolean): Op<Socket | number> {
    const deadline = this.deadline(this.settings.receiveTimeoutNs);
    for (;;) {
      if (this.#listener === null) return -E.INVAL;
      const connection = this.#listener.accept();
      if (connection !== undefined) return this.#accepted(connection);
      if (nonblock) return -E.AGAIN;
      const wake = yield* this.waitUntil(deadline);
      if (wake !== 0) return wake;
    }
  }

  *send({ data, to, flags }: OutMessage): Op<number> {
    const deadline = this.deadline(this.settings.sendTimeoutNs);
    let done = 0;
    for (;;) {
      const connection = this.#connection;
      if (connection === null) return to === undefined || this.#listener !== null ? -E.PIPE : -E.NOTCONN;
      const error = done === 0 ? this.takeError() : 0;
      if (error !== 0) return error;
      const opening = connection.state === 'SYN_SENT' || connection.state === 'SYN_RECEIVED';
      if (!opening && connection.state !== 'ESTABLISHED' && connection.state !== 'CLOSE_WAIT')
        return done > 0 ? done : -E.PIPE;
      done += connection.write(done === 0 ? data : data.subarray(done));
      if (done === data.length && !(opening && done === 0)) return done;
      if (!this.mayWait(flags)) return done > 0 ? done : -E.AGAIN;
      const wake = yield* this.waitUntil(deadline);
      if (wake !== 0) return done > 0 ? done : wake;
    }
  }

  *receive(into: Uint8Array, flags: number): Op<InMessage | number> {
    const deadline = this.deadline(this.settings.receiveTimeoutNs);
    const whole = (flags & MSG_WAITALL) !== 0 && (flags & MSG_PEEK) === 0;
    let done = 0;
    for (;;) {
      const connection = this.#connection;
      if (connection === null) return -E.NOTCONN;
      const rest = done === 0 ? into : into.subarray(done);
      done += (flags & MSG_PEEK) !== 0 ? connection.peek(rest) : connection.read(rest);
      const enough = done === into.length || (done > 0 && !whole);
      if (enough || connection.atEnd || this.#noMoreReading) {
        const error = done === 0 && into.length > 0 ? this.takeError() : 0;
        return error !== 0 ? error : { count: done, whole: done, flags: 0 };
      }
      if (!this.mayWait(flags)) return done > 0 ? { count: done, whole: done, flags: 0 } : -E.AGAIN;
      const wake = yield* this.waitUntil(deadline);
      if (wake !== 0) return done > 0 ? { count: done, whole: done, flags: 0 } : wake;
    }
  }

  override shutdown(how: number): number {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -E.INVAL;
    if (this.#listener !== null && how !== SHUT_WR) {
      this.#listener.close();
      this.#listener = null;
      this.changed.wakeAll();
      return 0;
    }
    const connection = this.#connection;
    if (connection === null || connection.state === 'CLOSED' || connection.state === 'SYN_SENT')
      return -E.NOTCONN;
    if (how !== SHUT_RD) connection.shutdown();
    if (how !== SHUT_WR) this.#noMoreReading = true;
    this.changed.wakeAll();
    return 0;
  }

  localName(): Uint8Array {
    const { localAddress, localPort } = this.#connection?.addresses ?? {};
    return encodeInet({ address: localAddress ?? this.boundAddress, port: localPort ?? this.#port });
  }

  peerName(): Uint8Array | number {
    const connection = this.#connection;
    if (connection === null || this.#connecting) return -E.NOTCONN;
    const { remoteAddress, remotePort } = connection.addresses;
    return encodeInet({ address: remoteAddress, port: remotePort });
  }

  override poll(): number {
    const { POLLIN_SET, POLLOUT_SET } = SETS;
    if (this.#listener !== null) return this.#listener.readyCount > 0 ? POLLIN_SET : 0;
    const connection = this.#connection;
    if (connection === null) return POLLOUT_SET | POLLHUP | (this.error === 0 ? 0 : POLLERR);
    if (connection.state === 'SYN_SENT') return 0;
    const error = this.error === 0 ? 0 : POLLERR | POLLIN_SET;
    if (connection.state === 'CLOSED') return POLLIN_SET | POLLOUT_SET | POLLHUP | POLLRDHUP | error;
    let events = error;
    const finished = connection.peerHasFinished || this.#noMoreReading;
    if (connection.readableBytes > 0 || finished) events |= POLLIN_SET;
    if (finished) events |= POLLRDHUP;
    const open = connection.state === 'ESTABLISHED' || connection.state === 'CLOSE_WAIT';
    if (!open || 3 * connection.writableBytes >= this.settings.sendBytes) events |= POLLOUT_SET;
    if (finished && !open) events |= POLLHUP;
    return events;
  }

  override getOption(level: number, name: number): Uint8Array | number {
    if (level === IPPROTO_TCP && name === TCP_MAXSEG && this.#connection !== null)
      return new Uint8Array(Int32Array.of(this.#connection.mss).buffer);
    return getSocketOption(this, level, name);
  }

  override applySettings(): void {
    const connection = this.#connection;
    if (connection === null) return;
    const { noDelay, keepAlive, ...rest } = this.#stackOptions();
    connection.configure(rest);
    connection.setNoDelay(noDelay);
    connection.setKeepAlive(keepAlive);
  }

  override *ioctl(cmd: number, arg: number, user: UserMemory, caller: Caller): Op<number> {
    if (cmd === SIOCOUTQ) return user.write32(arg, this.#connection?.unsentBytes ?? 0) ? 0 : -E.FAULT;
    if (cmd === SIOCATMARK) return user.write32(arg, 0) ? 0 : -E.FAULT;
    return yield* super.ioctl(cmd, arg, user, caller);
  }

  override release(): void {
    this.#listener?.close();
    this.#listener = null;
    const connection = this.#connection;
    if (connection !== null) {
      connection.onEvent = null;
      if (this.settings.lingerSeconds === 0) connection.abort();
      else connection.close();
    }
    if (this.#port !== 0) this.net.releaseTcpPort(this.#port, this);
    super.release();
  }

  #takePort(port: number): number {
    if (port === 0 || !this.net.holdTcpPort(port, this)) return -E.ADDRINUSE;
    this.#port = port;
    return 0;
  }

  #begin(address: number, port: number): number {
    const source = this.boundAddress || this.net.stack.ipv4.sourceFor(address);
    if (source === undefined) return -E.NETUNREACH;
    const localPort = this.#port || this.net.freeTcpPort();
    if (localPort === 0) return -E.ADDRNOTAVAIL;
    const connection = this.net.stack.tcp.connect(
      { localAddress: source, localPort, remoteAddress: address, remotePort: port },
      this.#stackOptions(),
    );
    if (connection === undefined) return -E.ADDRNOTAVAIL;
    this.#connecting = true;
    this.error = 0;
    this.#adopt(connection);
    return 0;
  }

  #adopt(connection: TcpConnection): void {
    this.#connection = connection;
    connection.onEvent = (event) => {
      if (event === 'closed') this.#ended(connection);
      this.changed.wakeAll();
    };
    if (connection.state === 'CLOSED') this.#ended(connection);
  }

  #ended({ closeReason }: TcpConnection): void {
    if (closeReason !== undefined) this.error = ERRORS[closeReason];
  }

  #accepted(connection: TcpConnection): TcpSocket {
    const socket = new TcpSocket(this.net, this.net.makeInode());
    const { numbers, ...settings } = this.settings;
    Object.assign(socket.settings, settings);
    for (const [which, value] of numbers) socket.settings.numbers.set(which, value);
    socket.boundAddress = connection.addresses.localAddress;
    socket.#adopt(connection);
    return socket;
  }

  #disconnect(): number {
    this.#connection?.abort();
    this.#connection = null;
    this.#connecting = false;
    this.error = 0;
    return 0;
  }

  #stackOptions() {
    const { receiveBytes, sendBytes } = this.settings;
    const number = (name: number): number => numberOf(this, IPPROTO_TCP, name);
    const keepAlive =
      numberOf(this, SOL_SOCKET, SO_KEEPALIVE) === 0
        ? null
        : {
            idleNs: number(TCP_KEEPIDLE) * NS_PER_SECOND,
            intervalNs: number(TCP_KEEPINTVL) * NS_PER_SECOND,
            count: number(TCP_KEEPCNT),
          };
    return { receiveBytes, sendBytes, noDelay: number(TCP_NODELAY) !== 0, keepAlive, ...headerFields(this) };
  }
}

const SETS = { POLLIN_SET: POLLIN | POLLRDNORM, POLLOUT_SET: POLLOUT | POLLWRNORM };
