/** Raw AF_INET sockets, and ping sockets (SOCK_DGRAM with IPPROTO_ICMP). Source: raw(7), icmp(7), Linux net/ipv4/{raw,ping}.c. */
import type { Packet } from '@domu/netstack';
import { E } from '../abi/errno.ts';
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/fcntl.ts';
import { AF_INET, AF_UNSPEC, IPPROTO_ICMP, SO_BROADCAST, SOCK_RAW } from '../abi/socket.ts';
import type { Inode } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { encodeInet, familyOf, type InetAddress, parseInet } from './address.ts';
import { DatagramQueue } from './datagrams.ts';
import type { NetSide } from './net-side.ts';
import { headerFields, isSet } from './options.ts';
import { type InMessage, type OutMessage, Socket } from './socket.ts';

const ICMP_ECHOREPLY = 0;
const ICMP_ECHO = 8;
const ICMP_HEADER_BYTES = 8;

export class RawSocket extends Socket {
  #address = 0;
  #peer: InetAddress | undefined;
  /** Of a ping socket: the identifier of its echo requests. */
  #id = 0;
  readonly #queue: DatagramQueue = new DatagramQueue(this);
  readonly #tap: (packet: Packet) => void = (packet) => this.#arrived(packet);

  constructor(net: NetSide, type: number, protocol: number, inode: Inode) {
    super(net, { domain: AF_INET, type, protocol }, inode);
    net.stack.ipv4.rawTaps.add(this.#tap);
  }

  get readable(): number {
    return this.#queue.firstLength;
  }

  get #isPing(): boolean {
    return this.what.type !== SOCK_RAW;
  }

  bind(bytes: Uint8Array): number {
    const wanted = parseInet(bytes);
    if (wanted === undefined) return -E.INVAL;
    if (!this.net.isBindable(wanted.address)) return -E.ADDRNOTAVAIL;
    this.#address = wanted.address;
    this.#id = wanted.port;
    return 0;
  }

  *connect(bytes: Uint8Array): Op<number> {
    if (familyOf(bytes) === AF_UNSPEC) {
      this.#peer = undefined;
      return 0;
    }
    const to = parseInet(bytes);
    if (to === undefined) return -E.INVAL;
    if (this.net.stack.ipv4.sourceFor(to.address) === undefined) return -E.NETUNREACH;
    this.#peer = to;
    return 0;
  }

  *send({ data, to }: OutMessage): Op<number> {
    const target = to === undefined ? this.#peer : parseInet(to);
    if (target === undefined) return to === undefined ? -E.DESTADDRREQ : -E.INVAL;
    const destination = target.address;
    const { ipv4, interfaces } = this.net.stack;
    if (interfaces.some((netif) => netif.isBroadcast(destination)) && !isSet(this, SO_BROADCAST))
      return -E.ACCES;
    const netif = this.net.interfaceNamed(this.settings.device);
    const source = this.#address || ipv4.sourceFor(destination, netif);
    if (source === undefined) return -E.NETUNREACH;
    let payload = data;
    if (this.#isPing) {
      if (data.length < ICMP_HEADER_BYTES || data[0] !== ICMP_ECHO || data[1] !== 0) return -E.INVAL;
      payload = data.slice();
      this.#id ||= this.net.randomPort();
      payload[4] = this.#id >> 8;
      payload[5] = this.#id;
      this.net.stack.icmp.send(source, destination, payload);
      return data.length;
    }
    const result = ipv4.sendPayload(payload, {
      ...{ source, destination, protocol: this.what.protocol },
      ...headerFields(this),
      ...(netif === undefined ? {} : { netif }),
    });
    if (result === 'sent') return data.length;
    return result === 'blocked' ? -E.NOBUFS : result === 'too-big' ? -E.MSGSIZE : -E.NETUNREACH;
  }

  *receive(into: Uint8Array, flags: number): Op<InMessage | number> {
    return yield* this.#queue.take(into, flags, () => false);
  }

  localName(): Uint8Array {
    return encodeInet({ address: this.#address, port: this.#isPing ? this.#id : this.what.protocol });
  }

  peerName(): Uint8Array | number {
    return this.#peer === undefined ? -E.NOTCONN : encodeInet(this.#peer);
  }

  override poll(): number {
    const readable = this.#queue.isEmpty ? 0 : POLLIN | POLLRDNORM;
    return POLLOUT | POLLWRNORM | readable | (this.error === 0 ? 0 : POLLERR);
  }

  override release(): void {
    this.net.stack.ipv4.rawTaps.delete(this.#tap);
    this.#queue.clear();
    super.release();
  }

  #arrived({ protocol, source, destination, data, header, payload, end }: Packet): void {
    if (protocol !== this.what.protocol) return;
    if (this.#address !== 0 && this.#address !== destination) return;
    if (this.#peer !== undefined && this.#peer.address !== source) return;
    const from = encodeInet({ address: source, port: 0 });
    if (!this.#isPing) return this.#queue.put(data.slice(header, end), from);
    const isMine =
      protocol === IPPROTO_ICMP &&
      end - payload >= ICMP_HEADER_BYTES &&
      data[payload] === ICMP_ECHOREPLY &&
      ((data[payload + 4]! << 8) | data[payload + 5]!) === this.#id;
    if (isMine) this.#queue.put(data.slice(payload, end), from);
  }
}
