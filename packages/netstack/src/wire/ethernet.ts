import { type MacAddress, setMac } from './address.ts';
import { set16 } from './bytes.ts';

export const ETHERNET_HEADER_BYTES = 14;
export const ETHERTYPE_IPV4 = 0x0800;
export const ETHERTYPE_ARP = 0x0806;
export const ETHERTYPE_IPV6 = 0x86dd;

export const IPPROTO_ICMP = 1;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;

/** Writes the 14 bytes in front of a payload. */
export function writeEthernet(
  frame: Uint8Array,
  destination: MacAddress,
  source: MacAddress,
  etherType: number,
): void {
  setMac(frame, 0, destination);
  setMac(frame, 6, source);
  set16(frame, 12, etherType);
}
