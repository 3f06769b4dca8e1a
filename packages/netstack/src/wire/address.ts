import { get16, get32, set16, set32 } from './bytes.ts';

/** An IPv4 address as an unsigned 32-bit number, the first octet on top. */
export type Ipv4Address = number;
/** A MAC address as an unsigned 48-bit number, the first octet on top. */
export type MacAddress = number;

export const MAC_BROADCAST: MacAddress = 0xffffffffffff;
export const IPV4_ANY: Ipv4Address = 0;
export const IPV4_BROADCAST: Ipv4Address = 0xffffffff;
export const IPV4_LOOPBACK: Ipv4Address = 0x7f000001;

/** Reads the six bytes at `at`. */
export function getMac(bytes: Uint8Array, at: number): MacAddress {
  return get16(bytes, at) * 0x100000000 + get32(bytes, at + 2);
}

/** Writes the six bytes at `at`. */
export function setMac(bytes: Uint8Array, at: number, mac: MacAddress): void {
  set16(bytes, at, Math.floor(mac / 0x100000000));
  set32(bytes, at + 2, mac % 0x100000000);
}

/** Whether an address is a group's, the broadcast address among them. */
export const isMulticastMac = (mac: MacAddress): boolean => (Math.floor(mac / 0x10000000000) & 1) === 1;
/** Whether an address is in 224.0.0.0/4. */
export const isMulticast = (address: Ipv4Address): boolean => address >>> 28 === 0xe;
/** Whether an address is in 127.0.0.0/8. */
export const isLoopback = (address: Ipv4Address): boolean => address >>> 24 === 127;

/** The first `length` bits set. @param length 0 to 32 */
export const prefixMask = (length: number): number => (length === 0 ? 0 : (-1 << (32 - length)) >>> 0);

/** Whether two addresses have the same first `prefixLength` bits. */
export const onSameNet = (a: Ipv4Address, b: Ipv4Address, prefixLength: number): boolean =>
  ((a ^ b) & prefixMask(prefixLength)) === 0;

/** The broadcast address of a net. */
export const broadcastOf = (address: Ipv4Address, prefixLength: number): Ipv4Address =>
  (address | ~prefixMask(prefixLength)) >>> 0;

/** @returns an address as 10.0.2.15 */
export function formatIpv4(address: Ipv4Address): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

/** @returns undefined unless the text is four decimal octets */
export function parseIpv4(text: string): Ipv4Address | undefined {
  const octets = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text)?.slice(1).map(Number);
  if (octets === undefined || octets.some((octet) => octet > 255)) return undefined;
  return octets.reduce((address, octet) => address * 256 + octet, 0);
}

/** @returns an address as 00:16:3e:00:00:01 */
export function formatMac(mac: MacAddress): string {
  return mac
    .toString(16)
    .padStart(12, '0')
    .replace(/..(?!$)/g, '$&:');
}

/** @returns undefined unless the text is six hexadecimal octets with colons */
export function parseMac(text: string): MacAddress | undefined {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)
    ? Number.parseInt(text.replaceAll(':', ''), 16)
    : undefined;
}
