import { type EthernetPort, type Frame, MAX_FRAME_BYTES } from '../port.ts';
import { get16, get32, set16, set32 } from './bytes.ts';
import { checksumOf, foldSum, pseudoHeaderSum, pseudoHeaderSum6, sumBytes } from './checksum.ts';
import {
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_IPV4,
  ETHERTYPE_IPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from './ethernet.ts';

/** Segments smaller than this are nobody's MSS; cutting a frame into them would only multiply work (Linux: TCP_MIN_SND_MSS). */
const MIN_GSO_SIZE = 48;

const FIN = 0x01;
const PSH = 0x08;
const CWR = 0x80;

/** Where the parts of a TCP or UDP packet lie. */
interface Layout {
  readonly ipv6: boolean;
  readonly protocol: number;
  readonly transport: number;
  /** One past the packet: shorter than the frame if that is padded. */
  readonly end: number;
}

/** @returns undefined if the frame holds no whole TCP or UDP packet (fragments and IPv6 extension headers count as none) */
function layoutOf(data: Uint8Array): Layout | undefined {
  const ip = ETHERNET_HEADER_BYTES;
  if (data.length < ip + 20) return undefined;
  const etherType = get16(data, 12);
  let layout: Layout;
  if (etherType === ETHERTYPE_IPV4) {
    const headerBytes = (data[ip]! & 15) * 4;
    if (data[ip]! >> 4 !== 4 || headerBytes < 20 || (get16(data, ip + 6) & 0x3fff) !== 0) return undefined;
    const end = ip + get16(data, ip + 2);
    layout = { ipv6: false, protocol: data[ip + 9]!, transport: ip + headerBytes, end };
  } else if (etherType === ETHERTYPE_IPV6 && data.length >= ip + 40) {
    const end = ip + 40 + get16(data, ip + 4);
    layout = { ipv6: true, protocol: data[ip + 6]!, transport: ip + 40, end };
  } else return undefined;
  const minimum = layout.protocol === IPPROTO_TCP ? 20 : layout.protocol === IPPROTO_UDP ? 8 : Infinity;
  return layout.end <= data.length && layout.transport + minimum <= layout.end ? layout : undefined;
}

function pseudoSum(data: Uint8Array, { ipv6, protocol, transport, end }: Layout): number {
  const ip = ETHERNET_HEADER_BYTES;
  return ipv6
    ? pseudoHeaderSum6(data, ip + 8, protocol, end - transport)
    : pseudoHeaderSum(get32(data, ip + 12), get32(data, ip + 16), protocol, end - transport);
}

/**
 * Fills in the TCP or UDP checksum of a frame, whatever its field holds.
 * @returns false if the frame holds no whole TCP or UDP packet; it is unchanged then
 */
export function completeChecksum(data: Uint8Array): boolean {
  const layout = layoutOf(data);
  if (layout === undefined) return false;
  const at = layout.transport + (layout.protocol === IPPROTO_TCP ? 16 : 6);
  set16(data, at, 0);
  const checksum = checksumOf(data, layout.transport, layout.end, pseudoSum(data, layout));
  set16(data, at, checksum === 0 && layout.protocol === IPPROTO_UDP ? 0xffff : checksum);
  return true;
}

/** Whether the TCP or UDP checksum in a frame is right. True for a frame that holds none. */
export function verifyChecksum(data: Uint8Array): boolean {
  const layout = layoutOf(data);
  if (layout === undefined) return true;
  if (layout.protocol === IPPROTO_UDP && get16(data, layout.transport + 6) === 0) return true;
  return foldSum(sumBytes(pseudoSum(data, layout), data, layout.transport, layout.end)) === 0xffff;
}

/**
 * Cuts a frame with `gsoSize` into ordinary frames with complete checksums.
 * @param emit gets each frame, in a buffer that is used again; returning false ends the work
 * @returns false if the frame is none that can be cut
 */
export function segmentFrame(frame: Frame, emit: (data: Uint8Array) => boolean): boolean {
  const { data, gsoSize } = frame;
  const layout = layoutOf(data);
  if (layout === undefined || layout.protocol !== IPPROTO_TCP || gsoSize < MIN_GSO_SIZE) return false;
  const { ipv6, transport, end } = layout;
  const payload = transport + (data[transport + 12]! >> 4) * 4;
  if (payload < transport + 20 || payload > end) return false;
  const ip = ETHERNET_HEADER_BYTES;
  const piece = new Uint8Array(payload + Math.min(gsoSize, end - payload));
  piece.set(data.subarray(0, payload));
  const flags = data[transport + 13]!;
  const sequence = get32(data, transport + 4);
  const id = get16(data, ip + 4);
  for (let at = payload, index = 0; at < end || index === 0; at += gsoSize, index++) {
    const count = Math.min(gsoSize, end - at);
    const last = at + count >= end;
    piece.set(data.subarray(at, at + count), payload);
    const whole = piece.subarray(0, payload + count);
    set32(whole, transport + 4, sequence + (at - payload));
    whole[transport + 13] = flags & ~((last ? 0 : FIN | PSH) | (index === 0 ? 0 : CWR));
    if (ipv6) {
      set16(whole, ip + 4, payload - ip - 40 + count);
    } else {
      set16(whole, ip + 2, payload - ip + count);
      set16(whole, ip + 4, id + index);
      set16(whole, ip + 10, 0);
      set16(whole, ip + 10, checksumOf(whole, ip, transport));
    }
    completeChecksum(whole);
    if (!emit(whole)) break;
  }
  return true;
}

/**
 * Hands a frame to a port as the port can take it: checksum completed in a copy, large frames cut.
 * @returns what the port's `transmit` said. Of a frame that is cut, what the port has no room for after the first piece is lost
 */
export function deliver(port: EthernetPort, frame: Frame): boolean {
  if (frame.data.length > MAX_FRAME_BYTES) return true;
  const { checksum, tcpv4, tcpv6 } = port.offloads;
  if (frame.gsoSize !== 0 && !(checksum && (frame.gsoType === 'tcpv4' ? tcpv4 : tcpv6))) {
    let taken = 0;
    let refused = false;
    segmentFrame(frame, (data) => {
      refused = !port.transmit(ordinaryFrame(data));
      if (!refused) taken++;
      return !refused;
    });
    return taken > 0 || !refused;
  }
  if (frame.checksum === 'blank' && !checksum) {
    const data = frame.data.slice();
    completeChecksum(data);
    return port.transmit(ordinaryFrame(data));
  }
  return port.transmit(frame);
}

/** A frame as it comes from a wire. */
export function ordinaryFrame(data: Uint8Array): Frame {
  return { data, checksum: 'present', gsoSize: 0, gsoType: 'tcpv4' };
}
