/** What all sockets have in common. */
import { E } from '../abi/errno.ts';
import { O_NONBLOCK, O_RDWR } from '../abi/fcntl.ts';
import { FIONREAD } from '../abi/ioctl.ts';
import { MSG_DONTWAIT } from '../abi/socket.ts';
import { BaseHandle } from '../fs/file-handle.ts';
import type { Walker } from '../fs/fs-context.ts';
import type { Caller, FileHandle, Inode, UserMemory } from '../fs/types.ts';
import { type Op, WaitQueue } from '../task/wait.ts';
import { interfaceIoctl } from './interface-ioctl.ts';
import type { NetSide } from './net-side.ts';
import { getSocketOption, newSettings, type SocketSettings, setSocketOption } from './options.ts';

/** What a socket was made as. */
export interface SocketKind {
  /** AF_*. */
  readonly domain: number;
  /** SOCK_*. */
  readonly type: number;
  readonly protocol: number;
}

/** Something to send. */
export interface OutMessage {
  readonly data: Uint8Array;
  /** sockaddr of sendto; undefined: to whom the socket is connected. */
  readonly to: Uint8Array | undefined;
  /** MSG_*. */
  readonly flags: number;
  /** Open files to pass, held for the message. */
  readonly rights?: readonly FileHandle[];
  readonly sender: SocketUser;
}

/** Something received. */
export interface InMessage {
  /** Bytes put into the buffer. */
  readonly count: number;
  /** MSG_TRUNC and others for msg_flags. */
  readonly flags: number;
  /** Length of the whole datagram, for MSG_TRUNC. */
  readonly whole: number;
  readonly from?: Uint8Array;
  /** Open files that came with it, held for the receiver. */
  readonly rights?: readonly FileHandle[];
  /** pid, uid, gid of the sender, if the socket asked for them. */
  readonly credentials?: readonly [number, number, number];
}

/** Who makes a call on a socket. */
export interface SocketUser extends Walker {
  readonly caller: Caller;
}

/** A socket as an open file. Calls that a kind does not know are refused with -EOPNOTSUPP. */
export abstract class Socket extends BaseHandle {
  readonly kind = 'socket';
  readonly what: SocketKind;
  readonly net: NetSide;
  /** Woken when poll() may have changed. */
  readonly changed: WaitQueue = new WaitQueue();
  readonly settings: SocketSettings = newSettings();
  /** An error that came by itself, for the next call or SO_ERROR; positive, 0 for none. */
  error = 0;

  constructor(net: NetSide, what: SocketKind, inode: Inode) {
    super(inode, O_RDWR);
    this.net = net;
    this.what = what;
    inode.hold();
  }

  override get pollQueues(): readonly WaitQueue[] {
    return [this.changed];
  }

  get label(): string {
    return `socket:[${this.inode?.ino ?? 0}]`;
  }

  /** @param address sockaddr. @returns 0 or a negative errno */
  abstract bind(address: Uint8Array, user: SocketUser): Op<number> | number;
  abstract connect(address: Uint8Array, user: SocketUser): Op<number>;
  abstract send(message: OutMessage): Op<number>;
  abstract receive(into: Uint8Array, flags: number): Op<InMessage | number>;
  /** sockaddr of this end. */
  abstract localName(): Uint8Array;
  /** sockaddr of the other end. Errors: -ENOTCONN */
  abstract peerName(): Uint8Array | number;
  /** Bytes that a receive would give now, for FIONREAD. */
  abstract readonly readable: number;

  listen(_backlog: number, _user: SocketUser): number {
    return -E.OPNOTSUPP;
  }

  *accept(_nonblock: boolean): Op<Socket | number> {
    return -E.OPNOTSUPP;
  }

  shutdown(_how: number): number {
    return -E.OPNOTSUPP;
  }

  getOption(level: number, name: number): Uint8Array | number {
    return getSocketOption(this, level, name);
  }

  setOption(level: number, name: number, value: Uint8Array): number {
    return setSocketOption(this, level, name, value);
  }

  /** The settings have changed: whoever needs them elsewhere passes them on. */
  applySettings(): void {}

  /** Whether it waits for connections. */
  get isListening(): boolean {
    return false;
  }

  /** Takes the pending error. @returns a negative errno or 0 */
  takeError(): number {
    const { error } = this;
    this.error = 0;
    return error === 0 ? 0 : -error;
  }

  override *read(into: Uint8Array): Op<number> {
    const message = yield* this.receive(into, 0);
    if (typeof message === 'number') return message;
    this.dropRights(message);
    return message.count;
  }

  override *write(from: Uint8Array, _pos: number | undefined, caller: Caller): Op<number> {
    const sender = { caller, fs: this.net.anonymousContext };
    return yield* this.send({ data: from, to: undefined, flags: 0, sender });
  }

  /** Files that came with a message that nobody wants. */
  dropRights(_message: InMessage): void {}

  override *ioctl(cmd: number, arg: number, user: UserMemory, caller: Caller): Op<number> {
    if (cmd === FIONREAD) return user.write32(arg, this.readable) ? 0 : -E.FAULT;
    return interfaceIoctl(this.net, cmd, arg, user, caller);
  }

  override release(): void {
    this.inode?.drop();
  }

  mayWait(flags: number): boolean {
    return (this.flags & O_NONBLOCK) === 0 && (flags & MSG_DONTWAIT) === 0;
  }

  /** When an operation that begins now times out. */
  deadline(timeoutNs: bigint): bigint | undefined {
    return timeoutNs === 0n ? undefined : this.net.now() + timeoutNs;
  }

  /** Waits for a change. @returns 0, -EAGAIN when the deadline passes, or what a signal makes of the call */
  *waitUntil(deadline: bigint | undefined): Op<number> {
    const wake = yield {
      queues: [this.changed],
      interruptible: true,
      ...(deadline === undefined ? {} : { deadline }),
    };
    if (wake === 'signal') return deadline === undefined ? -E.RESTARTSYS : -E.INTR;
    return wake === 'timeout' ? -E.AGAIN : 0;
  }
}
