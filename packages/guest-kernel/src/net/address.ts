/** sockaddr_in and sockaddr_ll as bytes. */
import { AF_INET, AF_PACKET } from '../abi/socket.ts';

export interface InetAddress {
  readonly address: number;
  readonly port: number;
}

/** sa_family of an address, undefined if it is too short to have one. */
export function familyOf(bytes: Uint8Array): number | undefined {
  return bytes.length < 2 ? undefined : bytes[0]! | (bytes[1]! << 8);
}

/** @returns undefined if it is too short */
export function parseInet(bytes: Uint8Array): InetAddress | undefined {
  if (bytes.length < 8) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  return { port: view.getUint16(2), address: view.getUint32(4) };
}

/** struct sockaddr_in, 16 bytes. */
export function encodeInet({ address, port }: InetAddress): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_INET, true);
  view.setUint16(2, port);
  view.setUint32(4, address);
  return bytes;
}

/** struct sockaddr_ll. */
export interface LinkAddress {
  /** EtherType. */
  readonly protocol: number;
  readonly ifindex: number;
  /** sll_pkttype: PACKET_HOST and so on. */
  readonly packetType: number;
  readonly hardwareType: number;
  readonly address: Uint8Array;
}

const SOCKADDR_LL_BYTES = 20;

export function parseLink(bytes: Uint8Array): LinkAddress | undefined {
  if (bytes.length < 12) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const addressBytes = Math.min(bytes[11]!, 8, bytes.length - 12);
  return {
    protocol: view.getUint16(2),
    ifindex: view.getInt32(4, true),
    hardwareType: view.getUint16(8, true),
    packetType: bytes[10]!,
    address: bytes.slice(12, 12 + addressBytes),
  };
}

export function encodeLink(link: LinkAddress): Uint8Array {
  const bytes = new Uint8Array(SOCKADDR_LL_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, AF_PACKET, true);
  view.setUint16(2, link.protocol);
  view.setInt32(4, link.ifindex, true);
  view.setUint16(8, link.hardwareType, true);
  bytes[10] = link.packetType;
  bytes[11] = link.address.length;
  bytes.set(link.address, 12);
  return bytes;
}
