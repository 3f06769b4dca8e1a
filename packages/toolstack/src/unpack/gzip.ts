import { Inflate } from 'fflate';
import type { ByteSink } from './byte-sink.ts';
import { ByteSource } from './byte-source.ts';
import { crc32 } from './crc32.ts';

const FHCRC = 2;
const FEXTRA = 4;
const FNAME = 8;
const FCOMMENT = 16;
const TRAILER_BYTES = 8;
/** Deflate makes at most 1032 bytes of one: so little at a time keeps what is in flight small. */
const CHUNK_BYTES = 16_384;

/**
 * Decodes a .gz file of one member.
 * @returns whether the file is sound, checksum and length included
 * Source: RFC 1952
 */
export function decodeGzip(bytes: Uint8Array, out: ByteSink): boolean {
  const start = headerBytes(bytes);
  const end = bytes.length - TRAILER_BYTES;
  if (start > end) return false;
  const inflate = new Inflate();
  inflate.ondata = (chunk) => out.append(chunk);
  try {
    for (let at = start; at < end && !out.failed; at += CHUNK_BYTES) {
      inflate.push(bytes.subarray(at, Math.min(end, at + CHUNK_BYTES)), at + CHUNK_BYTES >= end);
    }
  } catch (error) {
    // fflate reports damaged input by exceptions that carry a code.
    if (error instanceof Error && 'code' in error) return false;
    throw error;
  }
  const trailer = new ByteSource(bytes.subarray(end));
  const { written } = out;
  return !out.failed && trailer.u32le() === crc32(written) && trailer.u32le() === written.length;
}

function headerBytes(bytes: Uint8Array): number {
  const flags = bytes[3];
  const source = new ByteSource(bytes);
  source.take(10);
  if (flags & FEXTRA) source.take(source.u8() | (source.u8() << 8));
  for (const text of [FNAME, FCOMMENT]) if (flags & text) while (source.u8() !== 0);
  if (flags & FHCRC) source.take(2);
  return source.failed ? Number.POSITIVE_INFINITY : source.at;
}
