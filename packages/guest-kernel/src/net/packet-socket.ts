/** AF_PACKET sockets: whole frames, or their payload. Source: packet(7), Linux net/packet/af_packet.c. */
import { type FrameTap, getMac, MAC_BROADCAST, type NetInterface, OwnFrame, setMac } from '@domu/netstack';
import { E } from '../abi/errno.ts';
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from '../abi/fcntl.ts';
import { AF_PACKET, ARPHRD_ETHER, ARPHRD_LOOPBACK, SOCK_RAW } from '../abi/socket.ts';
import type { Inode } from '../fs/types.ts';
import type { Op } from '../task/wait.ts';
import { encodeLink, familyOf, type LinkAddress, parseLink } from './address.ts';
import { DatagramQueue } from './datagrams.ts';
import type { NetSide } from './net-side.ts';
import { type InMessage, type OutMessage, Socket } from './socket.ts';

const ETHERNET_HEADER_BYTES = 14;
const ETH_P_ALL = 3;
const PACKET_HOST = 0;
const PACKET_BROADCAST = 1;
const PACKET_MULTICAST = 2;
const PACKET_OTHERHOST = 3;
const PACKET_OUTGOING = 4;

export class PacketSocket extends Socket {
  /** EtherType that is received; ETH_P_ALL for all, 0 for none. */
  #protocol: number;
  /** The interface that is listened to; 0: all. */
  #ifindex = 0;
  readonly #queue: DatagramQueue = new DatagramQueue(this);
  readonly #taps: Map<NetInterface, FrameTap> = new Map();

  /** @param protocol EtherType, as socket(2) gets it: in network order */
  constructor(net: NetSide, type: number, protocol: number, inode: Inode) {
    super(net, { domain: AF_PACKET, type, protocol }, inode);
    this.#protocol = ((protocol & 0xff) << 8) | ((protocol >> 8) & 0xff);
    this.#listen();
  }

  get readable(): number {
    return this.#queue.firstLength;
  }

  bind(bytes: Uint8Array): number {
    const link = parseLink(bytes);
    if (link === undefined || familyOf(bytes) !== AF_PACKET) return -E.INVAL;
    if (link.ifindex !== 0 && this.net.interfaceAt(link.ifindex) === undefined) return -E.NODEV;
    this.#ifindex = link.ifindex;
    if (link.protocol !== 0) this.#protocol = link.protocol;
    this.#listen();
    return 0;
  }

  *connect(): Op<number> {
    return -E.OPNOTSUPP;
  }

  *send({ data, to }: OutMessage): Op<number> {
    const link = to === undefined ? undefined : parseLink(to);
    if (to !== undefined && link === undefined) return -E.INVAL;
    const netif = this.net.interfaceAt(link?.ifindex || this.#ifindex);
    if (netif === undefined) return -E.NXIO;
    if (!netif.up) return -E.NETDOWN;
    const raw = this.what.type === SOCK_RAW;
    if (!raw && (link === undefined || link.address.length < 6))
      return link === undefined ? -E.DESTADDRREQ : -E.INVAL;
    const header = raw ? 0 : ETHERNET_HEADER_BYTES;
    if (header + data.length > netif.mtu + ETHERNET_HEADER_BYTES) return -E.MSGSIZE;
    if (raw && data.length < ETHERNET_HEADER_BYTES) return -E.INVAL;
    const frame = new OwnFrame();
    frame.data = new Uint8Array(header + data.length);
    frame.data.set(data, header);
    if (!raw) {
      const protocol = link!.protocol || this.#protocol;
      frame.data.set(link!.address.subarray(0, 6));
      setMac(frame.data, 6, netif.mac);
      frame.data[12] = protocol >> 8;
      frame.data[13] = protocol;
    }
    return netif.send(frame) ? data.length : -E.NOBUFS;
  }

  *receive(into: Uint8Array, flags: number): Op<InMessage | number> {
    return yield* this.#queue.take(into, flags, () => false);
  }

  localName(): Uint8Array {
    const netif = this.net.interfaceAt(this.#ifindex);
    const address = new Uint8Array(6);
    setMac(address, 0, netif?.mac ?? 0);
    return encodeLink({
      ...{ protocol: this.#protocol, ifindex: this.#ifindex, packetType: PACKET_HOST, address },
      hardwareType: hardwareTypeOf(netif),
    });
  }

  peerName(): number {
    return -E.OPNOTSUPP;
  }

  override poll(): number {
    const readable = this.#queue.isEmpty ? 0 : POLLIN | POLLRDNORM;
    return POLLOUT | POLLWRNORM | readable | (this.error === 0 ? 0 : POLLERR);
  }

  override release(): void {
    this.#stop();
    this.#queue.clear();
    super.release();
  }

  #listen(): void {
    this.#stop();
    if (this.#protocol === 0) return;
    for (const netif of this.net.stack.interfaces) {
      if (this.#ifindex !== 0 && this.net.indexOf(netif) !== this.#ifindex) continue;
      const tap: FrameTap = (data, outgoing) => this.#seen(netif, data, outgoing);
      this.#taps.set(netif, tap);
      netif.taps.add(tap);
    }
  }

  #stop(): void {
    for (const [netif, tap] of this.#taps) netif.taps.delete(tap);
    this.#taps.clear();
  }

  #seen(netif: NetInterface, data: Uint8Array, outgoing: boolean): void {
    if (data.length < ETHERNET_HEADER_BYTES) return;
    const protocol = (data[12]! << 8) | data[13]!;
    // What goes out is for those who listen to everything.
    if (this.#protocol !== ETH_P_ALL && (outgoing || protocol !== this.#protocol)) return;
    const link: LinkAddress = {
      ...{ protocol, ifindex: this.net.indexOf(netif), hardwareType: hardwareTypeOf(netif) },
      packetType: outgoing ? PACKET_OUTGOING : packetTypeOf(netif, data),
      address: data.slice(6, 12),
    };
    const from = this.what.type === SOCK_RAW ? 0 : ETHERNET_HEADER_BYTES;
    this.#queue.put(data.slice(from), encodeLink(link));
  }
}

function packetTypeOf(netif: NetInterface, data: Uint8Array): number {
  const destination = getMac(data, 0);
  if (destination === netif.mac) return PACKET_HOST;
  if (destination === MAC_BROADCAST) return PACKET_BROADCAST;
  return (data[0]! & 1) !== 0 ? PACKET_MULTICAST : PACKET_OTHERHOST;
}

const hardwareTypeOf = (netif: NetInterface | undefined): number =>
  netif?.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
