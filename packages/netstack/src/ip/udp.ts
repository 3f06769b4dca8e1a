import type { NetInterface } from '../interface.ts';
import type { Ipv4Address } from '../wire/address.ts';
import { get16, set16 } from '../wire/bytes.ts';
import { foldSum, pseudoHeaderSum, sumBytes } from '../wire/checksum.ts';
import { IPPROTO_UDP } from '../wire/ethernet.ts';
import type { IcmpError } from './icmp.ts';
import { HEADROOM, type Ipv4, type Packet, type SendOptions, type SendResult } from './ipv4.ts';

const HEADER_BYTES = 8;
export const MAX_UDP_PAYLOAD: number = 65535 - 20 - HEADER_BYTES;

/** A datagram that came in. */
export interface Datagram {
  readonly packet: Packet;
  readonly source: Ipv4Address;
  readonly sourcePort: number;
  readonly destination: Ipv4Address;
  readonly destinationPort: number;
  /** Borrowed: valid during the call. */
  readonly payload: Uint8Array;
}

/** Who receives what comes to a port. */
export interface UdpReceiver {
  /** IPV4_ANY: any address of this host. */
  readonly address: Ipv4Address;
  readonly port: number;
  /** If set, only datagrams of this peer. */
  readonly peer?: { readonly address: Ipv4Address; readonly port: number } | undefined;
  /** If set, only what comes in there. */
  readonly netif?: NetInterface | undefined;
  receive(datagram: Datagram): void;
  /** An error came back for something sent from this port. */
  error?(error: IcmpError): void;
}

/** From where to where a datagram goes. */
export interface UdpSend extends Pick<SendOptions, 'source' | 'destination' | 'ttl' | 'tos' | 'netif'> {
  readonly sourcePort: number;
  readonly destinationPort: number;
}

/** UDP (RFC 768): who listens where. */
export class Udp {
  /** Gets a datagram that nobody listens for; returning true means that it was for somebody nonetheless. */
  onUnmatched: ((datagram: Datagram) => boolean) | null = null;
  readonly #ipv4: Ipv4;
  readonly #receivers: Map<number, UdpReceiver[]> = new Map();
  readonly #portUnreachable: (packet: Packet) => void;

  constructor(ipv4: Ipv4, portUnreachable: (packet: Packet) => void) {
    this.#ipv4 = ipv4;
    this.#portUnreachable = portUnreachable;
    ipv4.protocols.set(IPPROTO_UDP, (packet) => this.#receive(packet));
  }

  /** Those that listen to a port. */
  receiversOf(port: number): readonly UdpReceiver[] {
    return this.#receivers.get(port) ?? [];
  }

  get ports(): Iterable<readonly UdpReceiver[]> {
    return this.#receivers.values();
  }

  add(receiver: UdpReceiver): void {
    const { port } = receiver;
    this.#receivers.set(port, [...this.receiversOf(port), receiver]);
  }

  remove(receiver: UdpReceiver): void {
    const left = this.receiversOf(receiver.port).filter((other) => other !== receiver);
    if (left.length > 0) this.#receivers.set(receiver.port, left);
    else this.#receivers.delete(receiver.port);
  }

  /** Sends a datagram, in fragments if need be. */
  send(payload: Uint8Array, to: UdpSend): SendResult {
    if (payload.length > MAX_UDP_PAYLOAD) return 'too-big';
    return this.#ipv4.withBuffer((buffer) => {
      const at = HEADROOM;
      const lengthBytes = HEADER_BYTES + payload.length;
      set16(buffer, at, to.sourcePort);
      set16(buffer, at + 2, to.destinationPort);
      set16(buffer, at + 4, lengthBytes);
      buffer.set(payload, at + HEADER_BYTES);
      const pseudo = pseudoHeaderSum(to.source, to.destination, IPPROTO_UDP, lengthBytes);
      set16(buffer, at + 6, 0);
      // The checksum is complete and not left to the peer: a datagram may have to go in fragments.
      const sum = ~foldSum(sumBytes(pseudo, buffer, at, at + lengthBytes)) & 0xffff;
      set16(buffer, at + 6, sum === 0 ? 0xffff : sum);
      return this.#ipv4.send(buffer, lengthBytes, { ...to, protocol: IPPROTO_UDP });
    }, 'sent');
  }

  /** Passes an ICMP error on to whoever sent the datagram. */
  error(error: IcmpError): void {
    this.#best(error.source, error.sourcePort, error.destination, error.destinationPort)?.error?.(error);
  }

  #receive(packet: Packet): void {
    const { data, payload, end, source, destination } = packet;
    const lengthBytes = end - payload >= HEADER_BYTES ? get16(data, payload + 4) : 0;
    if (lengthBytes < HEADER_BYTES || payload + lengthBytes > end) return;
    if (packet.checksum === 'present' && get16(data, payload + 6) !== 0) {
      const pseudo = pseudoHeaderSum(source, destination, IPPROTO_UDP, lengthBytes);
      if (foldSum(sumBytes(pseudo, data, payload, payload + lengthBytes)) !== 0xffff) return;
    }
    const datagram: Datagram = {
      ...{ packet, source, destination },
      sourcePort: get16(data, payload),
      destinationPort: get16(data, payload + 2),
      payload: data.subarray(payload + HEADER_BYTES, payload + lengthBytes),
    };
    const { sourcePort, destinationPort } = datagram;
    if (packet.broadcast) {
      for (const receiver of this.receiversOf(destinationPort)) {
        if (score(receiver, packet, 0, source, sourcePort) >= 0) receiver.receive(datagram);
      }
      if (this.receiversOf(destinationPort).length === 0) this.onUnmatched?.(datagram);
      return;
    }
    const receiver = this.#best(destination, destinationPort, source, sourcePort, packet);
    if (receiver !== undefined) receiver.receive(datagram);
    else if (!this.onUnmatched?.(datagram)) this.#portUnreachable(packet);
  }

  #best(
    address: Ipv4Address,
    port: number,
    peer: Ipv4Address,
    peerPort: number,
    packet?: Packet,
  ): UdpReceiver | undefined {
    let best: UdpReceiver | undefined;
    let bestScore = -1;
    for (const receiver of this.receiversOf(port)) {
      const points = score(receiver, packet, address, peer, peerPort);
      if (points > bestScore) [best, bestScore] = [receiver, points];
    }
    return best;
  }
}

/** How closely a receiver matches; -1 if it does not. @param address 0 matches any bound address */
function score(
  receiver: UdpReceiver,
  packet: Packet | undefined,
  address: Ipv4Address,
  peer: Ipv4Address,
  peerPort: number,
): number {
  let points = 0;
  if (receiver.address !== 0 && address !== 0) {
    if (receiver.address !== address) return -1;
    points++;
  }
  if (receiver.peer !== undefined) {
    if (receiver.peer.address !== peer || receiver.peer.port !== peerPort) return -1;
    points += 2;
  }
  if (receiver.netif !== undefined && packet !== undefined) {
    if (receiver.netif !== packet.netif) return -1;
    points++;
  }
  return points;
}
