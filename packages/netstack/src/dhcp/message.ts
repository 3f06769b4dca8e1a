import type { Ipv4Address, MacAddress } from '../wire/address.ts';
import { getMac, setMac } from '../wire/address.ts';
import { get16, get32, set16, set32 } from '../wire/bytes.ts';

export const DHCP_SERVER_PORT = 67;
export const DHCP_CLIENT_PORT = 68;

/** Option 53. */
export const DHCPDISCOVER = 1;
export const DHCPOFFER = 2;
export const DHCPREQUEST = 3;
export const DHCPDECLINE = 4;
export const DHCPACK = 5;
export const DHCPNAK = 6;
export const DHCPRELEASE = 7;
export const DHCPINFORM = 8;

/** Options (RFC 2132). */
export const DHO_SUBNET_MASK = 1;
export const DHO_ROUTERS = 3;
export const DHO_DOMAIN_NAME_SERVERS = 6;
export const DHO_HOST_NAME = 12;
export const DHO_DOMAIN_NAME = 15;
export const DHO_INTERFACE_MTU = 26;
export const DHO_BROADCAST_ADDRESS = 28;
export const DHO_REQUESTED_ADDRESS = 50;
export const DHO_LEASE_TIME = 51;
export const DHO_MESSAGE_TYPE = 53;
export const DHO_SERVER_IDENTIFIER = 54;
export const DHO_PARAMETER_REQUEST_LIST = 55;
export const DHO_RENEWAL_TIME = 58;
export const DHO_REBINDING_TIME = 59;
const DHO_PAD = 0;
const DHO_END = 255;

const BOOTREQUEST = 1;
const BOOTREPLY = 2;
const HTYPE_ETHER = 1;
const MAGIC = 0x63825363;
const FIXED_BYTES = 240;
/** RFC 1542: what every relay and client takes. */
const MIN_MESSAGE_BYTES = 300;
const FLAG_BROADCAST = 0x8000;

/** A DHCP message (RFC 2131 section 2). */
export interface DhcpMessage {
  readonly reply: boolean;
  readonly xid: number;
  readonly secs: number;
  /** The client can take its answer only as a broadcast. */
  readonly broadcast: boolean;
  /** The client's address, if it has and can use it. */
  readonly ciaddr: Ipv4Address;
  /** The address given to the client. */
  readonly yiaddr: Ipv4Address;
  readonly chaddr: MacAddress;
  /** By code, as sent. */
  readonly options: ReadonlyMap<number, Uint8Array>;
}

/** @returns undefined if it is no well-formed DHCP message of an Ethernet client */
export function parseDhcp(bytes: Uint8Array): DhcpMessage | undefined {
  if (bytes.length < FIXED_BYTES || get32(bytes, 236) !== MAGIC) return undefined;
  const operation = bytes[0];
  if ((operation !== BOOTREQUEST && operation !== BOOTREPLY) || bytes[1] !== HTYPE_ETHER || bytes[2] !== 6)
    return undefined;
  const options = new Map<number, Uint8Array>();
  for (let at = FIXED_BYTES; at < bytes.length; ) {
    const code = bytes[at]!;
    if (code === DHO_END) break;
    if (code === DHO_PAD) {
      at++;
      continue;
    }
    const end = at + 2 + (bytes[at + 1] ?? 0);
    if (at + 2 > bytes.length || end > bytes.length) return undefined;
    if (!options.has(code)) options.set(code, bytes.slice(at + 2, end));
    at = end;
  }
  if (options.get(DHO_MESSAGE_TYPE)?.length !== 1) return undefined;
  return {
    reply: operation === BOOTREPLY,
    xid: get32(bytes, 4),
    secs: get16(bytes, 8),
    broadcast: (get16(bytes, 10) & FLAG_BROADCAST) !== 0,
    ciaddr: get32(bytes, 12),
    yiaddr: get32(bytes, 16),
    chaddr: getMac(bytes, 28),
    options,
  };
}

/** @returns the message as the payload of a datagram, padded to the least length that BOOTP asks for */
export function encodeDhcp(message: DhcpMessage): Uint8Array {
  let lengthBytes = FIXED_BYTES + 1;
  for (const value of message.options.values()) lengthBytes += 2 + value.length;
  const bytes = new Uint8Array(Math.max(lengthBytes, MIN_MESSAGE_BYTES));
  bytes[0] = message.reply ? BOOTREPLY : BOOTREQUEST;
  bytes[1] = HTYPE_ETHER;
  bytes[2] = 6;
  set32(bytes, 4, message.xid);
  set16(bytes, 8, message.secs);
  set16(bytes, 10, message.broadcast ? FLAG_BROADCAST : 0);
  set32(bytes, 12, message.ciaddr);
  set32(bytes, 16, message.yiaddr);
  setMac(bytes, 28, message.chaddr);
  set32(bytes, 236, MAGIC);
  let at = FIXED_BYTES;
  for (const [code, value] of message.options) {
    bytes[at] = code;
    bytes[at + 1] = value.length;
    bytes.set(value, at + 2);
    at += 2 + value.length;
  }
  bytes[at] = DHO_END;
  return bytes;
}

/** The first 32-bit number of an option: an address, or a time in seconds. */
export function option32({ options }: DhcpMessage, code: number): number | undefined {
  const value = options.get(code);
  return value !== undefined && value.length >= 4 ? get32(value, 0) : undefined;
}

/** All 32-bit numbers of an option. */
export function optionList({ options }: DhcpMessage, code: number): number[] {
  const value = options.get(code) ?? new Uint8Array(0);
  return Array.from({ length: value.length >> 2 }, (_, index) => get32(value, 4 * index));
}

/** The value of an option that holds 32-bit numbers. */
export function numbers32(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  for (const [index, value] of values.entries()) set32(bytes, 4 * index, value);
  return bytes;
}
