import { get16 } from './bytes.ts';

/**
 * Adds bytes to an unfolded Internet checksum (RFC 1071).
 * @param sum what was summed before, over an even number of bytes
 * @returns the new sum, exact as long as fewer than 2^36 bytes are summed
 */
export function sumBytes(sum: number, bytes: Uint8Array, from: number, to: number): number {
  let total = sum;
  let at = from;
  const even = to - ((to - from) & 1);
  for (; at < even; at += 2) total += (bytes[at]! << 8) | bytes[at + 1]!;
  if (at < to) total += bytes[at]! << 8;
  return total;
}

/** Folds a sum to 16 bits, without complementing it. */
export function foldSum(sum: number): number {
  let total = sum;
  while (total > 0xffff) total = (total % 0x10000) + Math.floor(total / 0x10000);
  return total;
}

/** The checksum over bytes whose checksum field is zero; over bytes that contain their checksum it is 0 if they are whole. */
export function checksumOf(bytes: Uint8Array, from: number, to: number, sum = 0): number {
  return ~foldSum(sumBytes(sum, bytes, from, to)) & 0xffff;
}

/** The unfolded sum of the pseudo-header of TCP and UDP over IPv4 (RFC 9293 section 3.1). */
export function pseudoHeaderSum(
  source: number,
  destination: number,
  protocol: number,
  lengthBytes: number,
): number {
  return (
    (source >>> 16) +
    (source & 0xffff) +
    (destination >>> 16) +
    (destination & 0xffff) +
    protocol +
    lengthBytes
  );
}

/** The same for IPv6 (RFC 8200 section 8.1); `addresses` is where the source address starts in `bytes`. */
export function pseudoHeaderSum6(
  bytes: Uint8Array,
  addresses: number,
  protocol: number,
  lengthBytes: number,
): number {
  let sum = protocol + lengthBytes;
  for (let at = addresses; at < addresses + 32; at += 2) sum += get16(bytes, at);
  return sum;
}
