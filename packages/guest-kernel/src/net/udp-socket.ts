/** AF_INET datagram sockets. Source: udp(7), Linux net/ipv4/udp.c. */
import {
  type Datagram,
  ICMP_DEST_UNREACH,
  ICMP_PORT_UNREACH,
  type IcmpError,
  MAX_UDP_PAYLOAD,
  type NetInterface,
  type UdpReceiver,
} from '@domu/netstack';
import { E } from '../abi/errno.ts';
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/fcntl.ts';
import {
  AF_INET,
  AF_UNSPEC,
  IPPROTO_UDP,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_BROADCAST,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SOCK_DGRAM,
} from '../abi/socket.ts';
import type { Inode } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { encodeInet, familyOf, type InetAddress, parseInet } from './address.ts';
import { DatagramQueue } from './datagrams.ts';
import type { NetSide } from './net-side.ts';
import { headerFields, isSet } from './options.ts';
import { type InMessage, type OutMessage, Socket } from './socket.ts';

const LOOPBACK = 0x7f000001;
const BROADCAST = 0xffffffff;

export class UdpSocket extends Socket {
  address = 0;
  port = 0;
  peer: InetAddress | undefined;
  readonly #queue: DatagramQueue = new DatagramQueue(this);
  readonly #receiver: SocketReceiver = new SocketReceiver(this);
  #noMoreReading = false;
  #noMoreWriting = false;

  constructor(net: NetSide, inode: Inode) {
    super(net, { domain: AF_INET, type: SOCK_DGRAM, protocol: IPPROTO_UDP }, inode);
  }

  /** The interface that it is bound to. */
  get netif(): NetInterface | undefined {
    const { device } = this.settings;
    return device === '' ? undefined : this.net.interfaceNamed(device);
  }

  get readable(): number {
    return this.#queue.firstLength;
  }

  bind(bytes: Uint8Array): number {
    const wanted = parseInet(bytes);
    if (wanted === undefined || this.port !== 0) return -E.INVAL;
    const family = familyOf(bytes);
    if (family !== AF_INET && !(family === AF_UNSPEC && wanted.address === 0)) return -E.AFNOSUPPORT;
    if (!this.net.isBindable(wanted.address)) return -E.ADDRNOTAVAIL;
    const port = wanted.port || this.net.freeUdpPort();
    const { shares } = this;
    for (const other of this.net.stack.udp.receiversOf(port)) {
      const apart = wanted.address !== 0 && other.address !== 0 && wanted.address !== other.address;
      // The kernel's own DHCP client stands in nobody's way.
      if (!(other instanceof SocketReceiver)) continue;
      if (!apart && !(shares && other.socket.shares)) return -E.ADDRINUSE;
    }
    if (port === 0) return -E.ADDRINUSE;
    this.address = wanted.address;
    this.#listenAt(port);
    return 0;
  }

  *connect(bytes: Uint8Array): Op<number> {
    if (familyOf(bytes) === AF_UNSPEC) {
      this.peer = undefined;
      return 0;
    }
    const to = parseInet(bytes);
    if (to === undefined) return -E.INVAL;
    if (familyOf(bytes) !== AF_INET) return -E.AFNOSUPPORT;
    const address = to.address || LOOPBACK;
    const source = this.net.stack.ipv4.sourceFor(address, this.netif);
    if (source === undefined) return -E.NETUNREACH;
    if (!this.#ensurePort()) return -E.AGAIN;
    if (this.address === 0) this.address = source;
    this.peer = { address, port: to.port };
    return 0;
  }

  *send({ data, to, flags: _flags }: OutMessage): Op<number> {
    const error = this.takeError();
    if (error !== 0) return error;
    if (this.#noMoreWriting) return -E.PIPE;
    const target = to === undefined ? this.peer : parseInet(to);
    if (target === undefined) return to === undefined ? -E.DESTADDRREQ : -E.INVAL;
    if (to !== undefined && familyOf(to) !== AF_INET && familyOf(to) !== AF_UNSPEC) return -E.AFNOSUPPORT;
    if (target.port === 0) return -E.INVAL;
    if (data.length > MAX_UDP_PAYLOAD) return -E.MSGSIZE;
    if (!this.#ensurePort()) return -E.AGAIN;
    const { stack } = this.net;
    const destination = target.address || LOOPBACK;
    const toAll =
      destination === BROADCAST || stack.interfaces.some((netif) => netif.isBroadcast(destination));
    if (toAll && !isSet(this, SO_BROADCAST)) return -E.ACCES;
    const wide = destination === BROADCAST || destination >>> 28 === 14;
    const netif = this.netif ?? (wide ? this.net.broadcastInterface('') : undefined);
    const source =
      this.address || (wide ? (netif?.addresses[0]?.address ?? 0) : stack.ipv4.sourceFor(destination, netif));
    if (source === undefined) return -E.NETUNREACH;
    const result = stack.udp.send(data, {
      ...{ source, sourcePort: this.port, destination, destinationPort: target.port },
      ...headerFields(this),
      ...(netif === undefined ? {} : { netif }),
    });
    if (result === 'unreachable') return -E.NETUNREACH;
    if (result === 'too-big') return -E.MSGSIZE;
    return result === 'blocked' ? -E.NOBUFS : data.length;
  }

  *receive(into: Uint8Array, flags: number): Op<InMessage | number> {
    return yield* this.#queue.take(into, flags, () => this.#noMoreReading);
  }

  override shutdown(how: number): number {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -E.INVAL;
    if (how !== SHUT_WR) this.#noMoreReading = true;
    if (how !== SHUT_RD) this.#noMoreWriting = true;
    this.changed.wakeAll();
    return this.peer === undefined ? -E.NOTCONN : 0;
  }

  localName(): Uint8Array {
    return encodeInet({ address: this.address, port: this.port });
  }

  peerName(): Uint8Array | number {
    return this.peer === undefined ? -E.NOTCONN : encodeInet(this.peer);
  }

  override poll(): number {
    let events = POLLOUT | POLLWRNORM;
    if (!this.#queue.isEmpty || this.#noMoreReading) events |= POLLIN | POLLRDNORM;
    if (this.error !== 0) events |= POLLERR | POLLIN | POLLRDNORM;
    if (this.#noMoreReading && this.#noMoreWriting) events |= POLLHUP;
    return events;
  }

  override release(): void {
    if (this.port !== 0) this.net.stack.udp.remove(this.#receiver);
    this.#queue.clear();
    super.release();
  }

  /** A datagram has come. */
  deliver({ payload, source, sourcePort }: Datagram): void {
    if (!this.#noMoreReading)
      this.#queue.put(payload.slice(), encodeInet({ address: source, port: sourcePort }));
  }

  /** An error has come back for one of its datagrams: the connected socket's next call tells it. */
  failed(icmp: IcmpError): void {
    if (this.peer === undefined) return;
    this.error =
      icmp.type === ICMP_DEST_UNREACH && icmp.code === ICMP_PORT_UNREACH ? E.CONNREFUSED : E.HOSTUNREACH;
    this.changed.wakeAll();
  }

  get shares(): boolean {
    return isSet(this, SO_REUSEADDR) || isSet(this, SO_REUSEPORT);
  }

  #ensurePort(): boolean {
    if (this.port !== 0) return true;
    const port = this.net.freeUdpPort();
    if (port !== 0) this.#listenAt(port);
    return port !== 0;
  }

  #listenAt(port: number): void {
    this.port = port;
    this.net.stack.udp.add(this.#receiver);
  }
}

/** The stack's side of a socket. */
class SocketReceiver implements UdpReceiver {
  readonly socket: UdpSocket;

  constructor(socket: UdpSocket) {
    this.socket = socket;
  }

  get address(): number {
    return this.socket.address;
  }

  get port(): number {
    return this.socket.port;
  }

  get peer(): InetAddress | undefined {
    return this.socket.peer;
  }

  get netif(): NetInterface | undefined {
    return this.socket.netif;
  }

  receive(datagram: Datagram): void {
    this.socket.deliver(datagram);
  }

  error(icmp: IcmpError): void {
    this.socket.failed(icmp);
  }
}
