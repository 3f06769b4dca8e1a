const ETHERTYPE_IPV4 = 0x0800;
const ETHERTYPE_IPV6 = 0x86dd;
const IP_OFFSET = 14;

/** Whether an Ethernet frame says that it holds IPv6. */
export function isIpv6(frame: Uint8Array): boolean {
  return etherType(frame) === ETHERTYPE_IPV6;
}

/** @returns a number that frames of one flow share, so that they stay in order: addresses, and ports behind plain headers */
export function flowHash(frame: Uint8Array): number {
  switch (etherType(frame)) {
    case ETHERTYPE_IPV4:
      return hash(frame, IP_OFFSET + 12, (frame[IP_OFFSET] & 15) === 5 ? 12 : 8);
    case ETHERTYPE_IPV6:
      return hash(frame, IP_OFFSET + 8, 36);
    default:
      return hash(frame, 0, 12);
  }
}

function etherType(frame: Uint8Array): number {
  return frame.length < IP_OFFSET ? 0 : (frame[12] << 8) | frame[13];
}

/** FNV-1a over what there is of the range. */
function hash(bytes: Uint8Array, from: number, lengthBytes: number): number {
  let value = 0x811c9dc5;
  const end = Math.min(from + lengthBytes, bytes.length);
  for (let i = from; i < end; i++) value = Math.imul(value ^ bytes[i], 0x01000193);
  return value >>> 0;
}
