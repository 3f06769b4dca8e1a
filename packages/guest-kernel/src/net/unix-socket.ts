/** AF_UNIX sockets: stream, datagram, seqpacket. Source: unix(7), Linux net/unix/af_unix.c. */
import { E } from '../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/fcntl.ts';
import {
  AF_UNIX,
  AF_UNSPEC,
  MSG_PEEK,
  MSG_WAITALL,
  POLLRDHUP,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_PASSCRED,
  SO_PEERCRED,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
} from '../abi/socket.ts';
import { letGo, retain } from '../fs/file-handle.ts';
import type { ByteString, Inode } from '../fs/types.ts';
import type { Op, WaitQueue } from '../task/wait.ts';
import { familyOf } from './address.ts';
import { Inbox } from './inbox.ts';
import type { NetSide } from './net-side.ts';
import { isSet } from './options.ts';
import { type InMessage, type OutMessage, Socket, type SocketUser } from './socket.ts';
import { encodeUnix, parseUnix } from './unix-names.ts';

type Ids = readonly [pid: number, uid: number, gid: number];

const NOBODY: Ids = [0, 0xffffffff, 0xffffffff];
/** Largest single message. */
const MAX_MESSAGE = 212_960;
const MAX_BACKLOG = 4096;

const idsOf = ({ caller }: SocketUser): Ids => [caller.pid, caller.cred.euid, caller.cred.egid];

export class UnixSocket extends Socket {
  readonly inbox: Inbox;
  #name: ByteString = '';
  #unbind: (() => void) | null = null;
  #peer: UnixSocket | null = null;
  /** Of a connection: who made the other end. */
  #peerIds: Ids = NOBODY;
  /** Was connected, though the peer may have gone. */
  #connected = false;
  /** The name of the peer, which may have gone. */
  #peerAddress: Uint8Array = encodeUnix('');
  #finishedReading = false;
  #finishedWriting = false;
  #closed = false;
  /** Connections that wait to be accepted; null unless it listens. */
  #backlog: UnixSocket[] | null = null;
  #maxBacklog = 0;
  #ownIds: Ids = NOBODY;

  constructor(net: NetSide, type: number, inode: Inode) {
    super(net, { domain: AF_UNIX, type, protocol: 0 }, inode);
    this.inbox = new Inbox(net.anonymousContext.vfs.holdings);
  }

  override get isListening(): boolean {
    return this.#backlog !== null;
  }

  get readable(): number {
    return this.inbox.readable(this.#isStream);
  }

  get #isStream(): boolean {
    return this.what.type === SOCK_STREAM;
  }

  get #isDatagram(): boolean {
    return this.what.type === SOCK_DGRAM;
  }

  /** Joins two sockets, as socketpair does. */
  static join(a: UnixSocket, b: UnixSocket, user: SocketUser): void {
    a.#connectTo(b, idsOf(user));
    b.#connectTo(a, idsOf(user));
  }

  *bind(bytes: Uint8Array, user: SocketUser): Op<number> {
    const name = parseUnix(bytes);
    if (name === undefined || this.#unbind !== null) return -E.INVAL;
    if (name === '') {
      this.#bindAuto();
      return 0;
    }
    const release = yield* this.net.unixNames.bind(name, this, user);
    if (typeof release === 'number') return release;
    this.#name = name;
    this.#unbind = release;
    return 0;
  }

  *connect(bytes: Uint8Array, user: SocketUser): Op<number> {
    if (this.#isDatagram && familyOf(bytes) === AF_UNSPEC) {
      this.#peer = null;
      this.#connected = false;
      return 0;
    }
    const name = parseUnix(bytes);
    if (name === undefined || name === '') return -E.INVAL;
    if (this.#isDatagram) return yield* this.#connectDatagram(name, user);
    if (this.#connected) return -E.ISCONN;
    if (this.#backlog !== null) return -E.INVAL;
    const deadline = this.deadline(this.settings.sendTimeoutNs);
    for (;;) {
      const listener = yield* this.net.unixNames.find(name, user);
      if (typeof listener === 'number') return listener;
      if (listener.what.type !== this.what.type) return -E.PROTOTYPE;
      if (listener.#backlog === null) return -E.CONNREFUSED;
      if (listener.#backlog.length <= listener.#maxBacklog) {
        const server = new UnixSocket(this.net, this.what.type, this.net.makeInode());
        server.#name = listener.#name;
        server.#connectTo(this, idsOf(user));
        this.#connectTo(server, listener.#ownIds);
        listener.#backlog.push(server);
        listener.changed.wakeAll();
        return 0;
      }
      if (!this.mayWait(0)) return -E.AGAIN;
      const wake = yield* listener.waitUntil(deadline);
      if (wake !== 0) return wake;
    }
  }

  override listen(backlog: number, user: SocketUser): number {
    if (this.#isDatagram) return -E.OPNOTSUPP;
    if (this.#unbind === null || this.#connected) return -E.INVAL;
    this.#backlog ??= [];
    this.#maxBacklog = backlog < 0 ? MAX_BACKLOG : Math.min(backlog, MAX_BACKLOG);
    this.#ownIds = idsOf(user);
    return 0;
  }

  override *accept(nonblock: boolean): Op<Socket | number> {
    const deadline = this.deadline(this.settings.receiveTimeoutNs);
    for (;;) {
      if (this.#backlog === null) return this.#isDatagram ? -E.OPNOTSUPP : -E.INVAL;
      const socket = this.#backlog.shift();
      if (socket !== undefined) {
        this.changed.wakeAll();
        return socket;
      }
      if (nonblock) return -E.AGAIN;
      const wake = yield* this.waitUntil(deadline);
      if (wake !== 0) return wake;
    }
  }

  *send(message: OutMessage): Op<number> {
    const { data, to, flags, sender, rights = [] } = message;
    if (!this.#isStream && data.length > MAX_MESSAGE) return -E.MSGSIZE;
    if (this.#isStream && data.length === 0) return 0;
    if (to !== undefined && !this.#isDatagram) return this.#connected ? -E.ISCONN : -E.OPNOTSUPP;
    let given: UnixSocket | undefined;
    if (to !== undefined) {
      const name = parseUnix(to);
      if (name === undefined || name === '') return -E.INVAL;
      const found = yield* this.net.unixNames.find(name, sender);
      if (typeof found === 'number') return found;
      if (!found.#isDatagram) return -E.PROTOTYPE;
      given = found;
    }
    if (isSet(this, SO_PASSCRED) && this.#name === '' && this.#isDatagram) this.#bindAuto();
    const deadline = this.deadline(this.settings.sendTimeoutNs);
    let done = 0;
    let files = rights;
    for (;;) {
      const error = this.takeError();
      if (error !== 0 && done === 0) return error;
      if (this.#finishedWriting) return done > 0 ? done : -E.PIPE;
      const peer = given ?? this.#peer;
      if (peer === null) return done > 0 ? done : this.#gone();
      if (peer.#closed || peer.#finishedReading)
        return done > 0 ? done : this.#isDatagram ? -E.CONNREFUSED : -E.PIPE;
      const strange = this.#isDatagram && peer.#peer !== null && peer.#peer !== this && peer !== this;
      if (strange) return -E.PERM;
      const room = peer.settings.receiveBytes - peer.inbox.bytes;
      const count = Math.min(data.length - done, MAX_MESSAGE);
      if (room > 0) {
        const refused = peer.inbox.makeRoom(count, files.length);
        if (refused < 0) return done > 0 ? done : refused;
        peer.inbox.put({
          data: data.slice(done, done + count),
          rights: files.map(retain),
          from: encodeUnix(this.#name),
          credentials: idsOf(sender),
        });
        files = [];
        done += count;
        peer.changed.wakeAll();
        if (done === data.length) return done;
        continue;
      }
      if (!this.mayWait(flags)) return done > 0 ? done : -E.AGAIN;
      const wake = yield* peer.waitUntil(deadline);
      if (wake !== 0) return done > 0 ? done : wake;
    }
  }

  *receive(into: Uint8Array, flags: number): Op<InMessage | number> {
    const deadline = this.deadline(this.settings.receiveTimeoutNs);
    const waitAll = this.#isStream && (flags & MSG_WAITALL) !== 0 && (flags & MSG_PEEK) === 0;
    let got: InMessage | undefined;
    for (;;) {
      if (!this.inbox.isEmpty) {
        const room = got === undefined ? into : into.subarray(got.count);
        const message = this.#isStream
          ? this.inbox.takeBytes(room, flags)
          : this.inbox.takeMessage(into, flags);
        this.changed.wakeAll();
        const count = (got?.count ?? 0) + message.count;
        got = { ...message, count, rights: [...(got?.rights ?? []), ...(message.rights ?? [])] };
        if (!waitAll || count === into.length) return got;
        continue;
      }
      if (got !== undefined && !waitAll) return got;
      const error = this.takeError();
      if (error !== 0) return got ?? error;
      if (!this.#isDatagram && !this.#connected) return -E.INVAL;
      const over = this.#finishedReading || (!this.#isDatagram && this.#peer === null);
      if (over) return got ?? { count: 0, whole: 0, flags: 0 };
      if (!this.mayWait(flags)) return got ?? -E.AGAIN;
      const wake = yield* this.waitUntil(deadline);
      if (wake !== 0) return got ?? wake;
    }
  }

  override shutdown(how: number): number {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -E.INVAL;
    if (!this.#connected) return -E.NOTCONN;
    const peer = this.#peer;
    if (how !== SHUT_WR) this.#finishedReading = true;
    if (how !== SHUT_RD) this.#finishedWriting = true;
    if (peer !== null && !this.#isDatagram) {
      if (how !== SHUT_RD) peer.#finishedReading = true;
      if (how !== SHUT_WR) peer.#finishedWriting = true;
    }
    peer?.changed.wakeAll();
    this.changed.wakeAll();
    return 0;
  }

  localName(): Uint8Array {
    return encodeUnix(this.#name);
  }

  peerName(): Uint8Array | number {
    return this.#connected ? this.#peerAddress : -E.NOTCONN;
  }

  override getOption(level: number, name: number): Uint8Array | number {
    if (level === SOL_SOCKET && name === SO_PEERCRED)
      return new Uint8Array(Uint32Array.from(this.#peerIds).buffer);
    return super.getOption(level, name);
  }

  override get pollQueues(): readonly WaitQueue[] {
    return this.#peer === null ? [this.changed] : [this.changed, this.#peer.changed];
  }

  override poll(): number {
    const isReadable = POLLIN | POLLRDNORM;
    const isWritable = POLLOUT | POLLWRNORM;
    if (this.#backlog !== null) return this.#backlog.length > 0 ? isReadable : 0;
    let events = this.error === 0 ? 0 : POLLERR;
    if (!this.inbox.isEmpty) events |= isReadable;
    const lost = !this.#isDatagram && this.#peer === null;
    if (this.#finishedReading || (lost && this.#connected)) events |= isReadable | POLLRDHUP;
    if ((this.#finishedReading && this.#finishedWriting) || lost) events |= POLLHUP;
    const peer = this.#peer;
    if (peer === null || peer.inbox.bytes < peer.settings.receiveBytes / 2 || this.#finishedWriting)
      events |= isWritable;
    return events;
  }

  override dropRights({ rights = [] }: InMessage): void {
    for (const handle of rights) letGo(handle);
  }

  override release(): void {
    this.#closed = true;
    this.#unbind?.();
    for (const waiting of this.#backlog ?? []) waiting.release();
    this.#backlog = null;
    const peer = this.#peer;
    this.#peer = null;
    if (peer !== null && peer.#peer === this && !this.#isDatagram) {
      peer.#peer = null;
      // What was not read is lost, and the peer is told so.
      if (!this.inbox.isEmpty) peer.error = E.CONNRESET;
    }
    peer?.changed.wakeAll();
    this.inbox.clear();
    this.changed.wakeAll();
    super.release();
  }

  #connectTo(peer: UnixSocket, ids: Ids): void {
    this.#peer = peer;
    this.#peerIds = ids;
    this.#connected = true;
    this.#peerAddress = encodeUnix(peer.#name);
  }

  *#connectDatagram(name: ByteString, user: SocketUser): Op<number> {
    const peer = yield* this.net.unixNames.find(name, user);
    if (typeof peer === 'number') return peer;
    if (!peer.#isDatagram) return -E.PROTOTYPE;
    if (peer.#peer !== null && peer.#peer !== this) return -E.PERM;
    this.#connectTo(peer, NOBODY);
    return 0;
  }

  #bindAuto(): void {
    [this.#name, this.#unbind] = this.net.unixNames.bindAuto(this);
  }

  /** Why nothing can be sent when there is no peer. */
  #gone(): number {
    if (!this.#connected) return -E.NOTCONN;
    return this.#isDatagram ? -E.CONNREFUSED : -E.PIPE;
  }
}
