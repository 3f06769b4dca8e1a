import { SECOND, type TimerQueue } from '../timers.ts';
import type { Ipv4Address } from '../wire/address.ts';
import { get16, get32, set16, set32 } from '../wire/bytes.ts';
import { checksumOf } from '../wire/checksum.ts';
import { IPPROTO_ICMP } from '../wire/ethernet.ts';
import { HEADROOM, type Ipv4, type Packet } from './ipv4.ts';

export const ICMP_ECHOREPLY = 0;
export const ICMP_DEST_UNREACH = 3;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;

/** Codes of ICMP_DEST_UNREACH. */
export const ICMP_HOST_UNREACH = 1;
export const ICMP_PROT_UNREACH = 2;
export const ICMP_PORT_UNREACH = 3;
export const ICMP_FRAG_NEEDED = 4;

const HEADER_BYTES = 8;
/** Errors sent in one second at most (RFC 1812 section 4.3.2.8). */
const MAX_ERRORS_PER_SECOND = 100;
/** How much of a packet an error quotes: its IP header and this. */
const QUOTED_BYTES = 64;

/** An error that came back for a packet of ours. */
export interface IcmpError {
  readonly type: number;
  readonly code: number;
  /** Who says so. */
  readonly from: Ipv4Address;
  /** Of the packet that met the error. */
  readonly protocol: number;
  readonly source: Ipv4Address;
  readonly destination: Ipv4Address;
  readonly sourcePort: number;
  readonly destinationPort: number;
  /** Next hop's MTU, of ICMP_FRAG_NEEDED; else 0. */
  readonly mtu: number;
}

/** ICMP (RFC 792): answers echo requests, sends errors at a bounded rate, and passes on those that concern this host. */
export class Icmp {
  /** Decides about an echo request; returning true means that it has been or will be answered elsewhere. */
  onEcho: ((packet: Packet) => boolean) | null = null;
  readonly #ipv4: Ipv4;
  readonly #timers: TimerQueue;
  readonly #onError: (error: IcmpError) => void;
  #second = -1;
  #errors = 0;

  constructor(ipv4: Ipv4, timers: TimerQueue, onError: (error: IcmpError) => void) {
    this.#ipv4 = ipv4;
    this.#timers = timers;
    this.#onError = onError;
    ipv4.protocols.set(IPPROTO_ICMP, (packet) => this.#receive(packet));
  }

  /** Sends a message whose checksum is still to be filled in. @param message from the type byte on */
  send(source: Ipv4Address, destination: Ipv4Address, message: Uint8Array): void {
    this.#ipv4.withBuffer((buffer) => {
      buffer.set(message, HEADROOM);
      set16(buffer, HEADROOM + 2, 0);
      set16(buffer, HEADROOM + 2, checksumOf(buffer, HEADROOM, HEADROOM + message.length));
      return this.#ipv4.send(buffer, message.length, { source, destination, protocol: IPPROTO_ICMP });
    }, 'sent');
  }

  /** Answers a packet with an error, unless the rules or the rate forbid it. */
  sendError(packet: Packet, type: number, code: number): void {
    const { data, header, payload, end, source, destination } = packet;
    if (packet.broadcast || source === 0) return;
    const isIcmp = packet.protocol === IPPROTO_ICMP;
    if (isIcmp && data[payload] !== ICMP_ECHO) return;
    const second = Math.floor(this.#timers.nowNs / SECOND);
    if (second !== this.#second) this.#errors = 0;
    this.#second = second;
    if (++this.#errors > MAX_ERRORS_PER_SECOND) return;
    const quoted = data.subarray(header, Math.min(end, payload + QUOTED_BYTES));
    const message = new Uint8Array(HEADER_BYTES + quoted.length);
    message[0] = type;
    message[1] = code;
    message.set(quoted, HEADER_BYTES);
    this.send(destination, source, message);
  }

  /** Tells this host itself that a packet of its own cannot be delivered. @param packet an IP header and what follows */
  reportLocally(packet: Uint8Array, type: number, code: number): void {
    this.#report(packet, 0, type, code, get32(packet, 12));
  }

  #receive(packet: Packet): void {
    const { data, payload, end, source, destination } = packet;
    if (end - payload < HEADER_BYTES || checksumOf(data, payload, end) !== 0) return;
    const type = data[payload]!;
    if (type === ICMP_ECHO) {
      if (packet.broadcast || this.onEcho?.(packet)) return;
      const message = data.slice(payload, end);
      message[0] = ICMP_ECHOREPLY;
      this.send(destination, source, message);
    } else if (type === ICMP_DEST_UNREACH || type === ICMP_TIME_EXCEEDED) {
      const quoted = data.subarray(payload + HEADER_BYTES, end);
      this.#report(quoted, get16(data, payload + 6), type, data[payload + 1]!, source);
    }
  }

  #report(packet: Uint8Array, mtu: number, type: number, code: number, from: number): void {
    const ports = (packet[0]! & 15) * 4;
    if (packet.length < ports + 4 || ports < 20) return;
    this.#onError({
      ...{
        type,
        code,
        from,
        protocol: packet[9]!,
        source: get32(packet, 12),
        destination: get32(packet, 16),
      },
      ...{ sourcePort: get16(packet, ports), destinationPort: get16(packet, ports + 2) },
      mtu: type === ICMP_DEST_UNREACH && code === ICMP_FRAG_NEEDED ? mtu : 0,
    });
  }
}

/** An echo request. @param id 16 bits @param sequence 16 bits */
export function echoRequest(id: number, sequence: number, payload: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEADER_BYTES + payload.length);
  message[0] = ICMP_ECHO;
  set32(message, 4, (id << 16) | sequence);
  message.set(payload, HEADER_BYTES);
  return message;
}
