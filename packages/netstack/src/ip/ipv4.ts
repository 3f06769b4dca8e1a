import { type NetInterface, OwnFrame } from '../interface.ts';
import type { ChecksumState, Frame } from '../port.ts';
import type { TimerQueue } from '../timers.ts';
import {
  IPV4_BROADCAST,
  type Ipv4Address,
  isLoopback,
  isMulticast,
  MAC_BROADCAST,
  type MacAddress,
} from '../wire/address.ts';
import { get16, get32, set16, set32 } from '../wire/bytes.ts';
import { checksumOf, foldSum, sumBytes } from '../wire/checksum.ts';
import { ETHERNET_HEADER_BYTES, ETHERTYPE_IPV4, writeEthernet } from '../wire/ethernet.ts';
import { Neighbours } from './neighbours.ts';
import { Reassembly } from './reassembly.ts';
import { Routes } from './routes.ts';

const IP_HEADER_BYTES = 20;
/** Where the payload of a packet is built in a buffer of {@link Ipv4.withBuffer}. */
export const HEADROOM: number = ETHERNET_HEADER_BYTES + IP_HEADER_BYTES;
const BUFFER_BYTES = HEADROOM + 65535;
/** Own packets that may be under construction at one time: answers to answers. More are not sent. */
const MAX_NESTING = 8;
const MORE_FRAGMENTS = 0x2000;
const DONT_FRAGMENT = 0x4000;
const DEFAULT_TTL = 64;

/** A packet that came in, whole. Valid during the call that passes it. */
export interface Packet {
  readonly netif: NetInterface;
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly protocol: number;
  readonly ttl: number;
  /** The type of service byte. */
  readonly tos: number;
  /** The IP header, `header` to `payload`, and the payload, `payload` to `end`. */
  readonly data: Uint8Array;
  readonly header: number;
  readonly payload: number;
  readonly end: number;
  /** Of TCP and UDP. */
  readonly checksum: ChecksumState;
  /** Of a frame that stands for several segments; else 0. */
  readonly gsoSize: number;
  /** Sent to all hosts of a net, or to a group. */
  readonly broadcast: boolean;
}

/** What is to be sent besides the payload. */
export interface SendOptions {
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly protocol: number;
  /** `blank` for TCP and UDP with the sum of the pseudo-header in place. */
  readonly checksum?: ChecksumState;
  readonly gsoSize?: number;
  readonly ttl?: number;
  readonly tos?: number;
  readonly dontFragment?: boolean;
  /** Only out of this interface. */
  readonly netif?: NetInterface;
}

/** `sent` covers what was lost on the way; `blocked`: the interface calls for more when it has room. */
export type SendResult = 'sent' | 'blocked' | 'unreachable' | 'too-big';

/** Takes the packets of one protocol; the packet is borrowed for the call. */
export type ProtocolHandler = (packet: Packet) => void;

/** What Ipv4 tells its stack. */
export interface Ipv4Host {
  readonly timers: TimerQueue;
  /** No answer to ARP for the destination of this packet (an IP header and what follows it). */
  hostUnreachable(packet: Uint8Array): void;
  /** A packet of a protocol that nobody here speaks. */
  protocolUnreachable(packet: Packet): void;
}

/** IPv4 (RFC 791) of a host with any number of interfaces: it does not forward. */
export class Ipv4 {
  readonly routes: Routes = new Routes();
  readonly neighbours: Map<NetInterface, Neighbours> = new Map();
  readonly protocols: Map<number, ProtocolHandler> = new Map();
  /** See every packet for this host before its protocol does. */
  readonly rawTaps: Set<ProtocolHandler> = new Set();
  /** Packets to any address are for this host: it stands for the rest of the world. */
  acceptsAll: boolean = false;
  /** Interfaces that take packets to any address while they have none: a DHCP client waits there. */
  readonly acceptsUnconfigured: Set<NetInterface> = new Set();
  readonly #host: Ipv4Host;
  readonly #reassembly: Reassembly;
  readonly #frame: OwnFrame = new OwnFrame();
  readonly #buffers: Uint8Array[] = [];
  #nesting = 0;
  #id: number;

  constructor(host: Ipv4Host, firstId: number) {
    this.#host = host;
    this.#reassembly = new Reassembly(host.timers);
    this.#id = firstId & 0xffff;
  }

  addInterface(netif: NetInterface): void {
    const neighbours = new Neighbours(netif, {
      timers: this.#host.timers,
      sendFrame: (to, frame) => {
        const own = Object.assign(new OwnFrame(), frame);
        if (!to.send(own)) to.counters.txDropped++;
      },
      unreachable: (_, frames) => {
        for (const { data } of frames) this.#host.hostUnreachable(data.subarray(ETHERNET_HEADER_BYTES));
      },
    });
    this.neighbours.set(netif, neighbours);
  }

  /** Whether a packet to this address, coming in on `netif`, is for this host. */
  isLocal(address: Ipv4Address): boolean {
    for (const netif of this.neighbours.keys()) if (netif.hasAddress(address)) return true;
    return isLoopback(address);
  }

  /** The address that packets to `destination` come from, or undefined if there is no way there. */
  sourceFor(destination: Ipv4Address, netif?: NetInterface): Ipv4Address | undefined {
    if (netif === undefined && this.isLocal(destination)) return destination;
    const route = this.routes.lookup(destination, netif);
    if (route !== undefined) return route.netif.addressFor(route.gateway || destination);
    return netif?.addresses[0]?.address;
  }

  /** Handles a frame with an IPv4 packet. */
  receive(netif: NetInterface, frame: Frame): void {
    const packet = parsePacket(netif, frame);
    if (packet === undefined || !this.#isForUs(packet)) {
      netif.counters.rxDropped++;
      return;
    }
    const fragmentField = get16(packet.data, packet.header + 6);
    if ((fragmentField & ~(DONT_FRAGMENT | 0x8000)) === 0) return this.#pass(packet);
    const { source, destination, protocol, data } = packet;
    const payload = this.#reassembly.add({
      source,
      destination,
      protocol,
      id: get16(data, packet.header + 4),
      offset: (fragmentField & 0x1fff) * 8,
      more: (fragmentField & MORE_FRAGMENTS) !== 0,
      payload: data.subarray(packet.payload, packet.end),
    });
    if (payload === undefined) return;
    const whole = new Uint8Array(IP_HEADER_BYTES + payload.length);
    whole.set(data.subarray(packet.header, packet.header + IP_HEADER_BYTES));
    whole[0] = 0x45;
    set16(whole, 2, whole.length);
    set16(whole, 6, 0);
    whole.set(payload, IP_HEADER_BYTES);
    const checksum = 'present';
    this.#pass({ ...packet, data: whole, header: 0, payload: IP_HEADER_BYTES, end: whole.length, checksum });
  }

  /**
   * Lends a buffer to build a packet in, its payload at {@link HEADROOM}, for up to 65515 bytes.
   * @returns what `build` returned, or `fallback` if too many packets are being built already
   */
  withBuffer<T>(build: (buffer: Uint8Array) => T, fallback: T): T {
    if (this.#nesting === MAX_NESTING) return fallback;
    this.#buffers[this.#nesting] ??= new Uint8Array(BUFFER_BYTES);
    const buffer = this.#buffers[this.#nesting++]!;
    const result = build(buffer);
    this.#nesting--;
    return result;
  }

  /**
   * Sends a packet, in fragments if it is too large for the interface and has no `gsoSize`.
   * @param buffer payload at {@link HEADROOM}; the room before it is written to
   */
  send(buffer: Uint8Array, payloadBytes: number, options: SendOptions): SendResult {
    const { destination } = options;
    const direct = destination === IPV4_BROADCAST || isMulticast(destination) ? options.netif : undefined;
    const route = direct === undefined ? this.routes.lookup(destination, options.netif) : undefined;
    const netif = direct ?? route?.netif;
    if (netif === undefined) return 'unreachable';
    if (netif.blocked) return 'blocked';
    const nextHop = route?.gateway || destination;
    const fits = HEADROOM - ETHERNET_HEADER_BYTES + payloadBytes <= netif.mtu || (options.gsoSize ?? 0) > 0;
    this.#id = (this.#id + 1) & 0xffff;
    if (fits) return this.#emit(netif, nextHop, buffer.subarray(0, HEADROOM + payloadBytes), options, 0);
    if (options.dontFragment) return 'too-big';
    const room = (netif.mtu - IP_HEADER_BYTES) & ~7;
    const whole = buffer.slice(HEADROOM, HEADROOM + payloadBytes);
    let result: SendResult = 'sent';
    for (let at = 0; at < payloadBytes && result === 'sent'; at += room) {
      const piece = whole.subarray(at, at + room);
      buffer.set(piece, HEADROOM);
      const field = (at >> 3) | (at + room < payloadBytes ? MORE_FRAGMENTS : 0);
      result = this.#emit(netif, nextHop, buffer.subarray(0, HEADROOM + piece.length), options, field);
    }
    return result;
  }

  /** Sends a payload as it is. */
  sendPayload(payload: Uint8Array, options: SendOptions): SendResult {
    if (payload.length > 65535 - IP_HEADER_BYTES) return 'too-big';
    return this.withBuffer<SendResult>((buffer) => {
      buffer.set(payload, HEADROOM);
      return this.send(buffer, payload.length, options);
    }, 'sent');
  }

  #emit(
    netif: NetInterface,
    nextHop: Ipv4Address,
    data: Uint8Array,
    options: SendOptions,
    fragmentField: number,
  ): SendResult {
    const ip = ETHERNET_HEADER_BYTES;
    data[ip] = 0x45;
    data[ip + 1] = options.tos ?? 0;
    set16(data, ip + 2, data.length - ip);
    set16(data, ip + 4, this.#id);
    set16(data, ip + 6, fragmentField | (options.dontFragment ? DONT_FRAGMENT : 0));
    data[ip + 8] = options.ttl ?? DEFAULT_TTL;
    data[ip + 9] = options.protocol;
    set16(data, ip + 10, 0);
    set32(data, ip + 12, options.source);
    set32(data, ip + 16, options.destination);
    set16(data, ip + 10, checksumOf(data, ip, HEADROOM));
    const mac = this.#macOf(netif, nextHop);
    writeEthernet(data, mac ?? 0, netif.mac, ETHERTYPE_IPV4);
    const frame = this.#nesting > 1 ? new OwnFrame() : this.#frame;
    frame.data = data;
    frame.checksum = options.checksum ?? 'present';
    frame.gsoSize = options.gsoSize ?? 0;
    if (mac === undefined) {
      this.neighbours.get(netif)?.wait(nextHop, frame);
      return 'sent';
    }
    return netif.send(frame) ? 'sent' : 'blocked';
  }

  #macOf(netif: NetInterface, nextHop: Ipv4Address): MacAddress | undefined {
    if (netif.loopback) return 0;
    if (nextHop === IPV4_BROADCAST || netif.isBroadcast(nextHop)) return MAC_BROADCAST;
    if (isMulticast(nextHop)) return 0x01005e000000 + (nextHop & 0x7fffff);
    return this.neighbours.get(netif)?.lookup(nextHop);
  }

  #isForUs({ netif, source, destination, broadcast }: Packet): boolean {
    if (!netif.loopback && (isLoopback(source) || isLoopback(destination))) return false;
    if (this.acceptsAll || broadcast || this.isLocal(destination)) return true;
    return netif.addresses.length === 0 && this.acceptsUnconfigured.has(netif);
  }

  #pass(packet: Packet): void {
    for (const tap of this.rawTaps) tap(packet);
    const handler = this.protocols.get(packet.protocol);
    if (handler !== undefined) handler(packet);
    else if (!packet.broadcast) this.#host.protocolUnreachable(packet);
  }
}

/** @returns undefined if the header is malformed or the packet cannot have come from a host */
function parsePacket(netif: NetInterface, { data, checksum, gsoSize }: Frame): Packet | undefined {
  const header = ETHERNET_HEADER_BYTES;
  if (data.length < header + IP_HEADER_BYTES) return undefined;
  const headerBytes = (data[header]! & 15) * 4;
  const totalBytes = get16(data, header + 2);
  const payload = header + headerBytes;
  const end = header + totalBytes;
  if (data[header]! >> 4 !== 4 || headerBytes < IP_HEADER_BYTES || totalBytes < headerBytes) return undefined;
  if (end > data.length || foldSum(sumBytes(0, data, header, payload)) !== 0xffff) return undefined;
  const source = get32(data, header + 12);
  const destination = get32(data, header + 16);
  if (isMulticast(source) || source === IPV4_BROADCAST || netif.isBroadcast(source)) return undefined;
  const broadcast =
    destination === IPV4_BROADCAST || isMulticast(destination) || netif.isBroadcast(destination);
  return {
    netif,
    source,
    destination,
    protocol: data[header + 9]!,
    ttl: data[header + 8]!,
    tos: data[header + 1]!,
    data,
    header,
    payload,
    end,
    checksum,
    gsoSize,
    broadcast,
  };
}
