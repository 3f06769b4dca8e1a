import { fail, ok, type Result } from '../result.ts';
import { ByteSink } from './byte-sink.ts';
import { decodeBzip2 } from './bzip2.ts';
import { decodeGzip } from './gzip.ts';
import { decodeLz4 } from './lz4.ts';
import { decodeLzma } from './lzma.ts';
import { decodeLzo } from './lzo.ts';
import { decodeXz } from './xz.ts';
import { decodeZstd } from './zstd.ts';

/** Largest kernel that a compressed file may hold. */
export const MAX_UNPACKED_BYTES: number = 256 << 20;

/** One way to compress a file, and how such files begin. */
interface Format {
  readonly name: string;
  readonly magic: readonly number[];
  /** Writes what the file holds. @returns whether the file is sound */
  readonly decode: (bytes: Uint8Array, out: ByteSink) => boolean;
}

const FORMATS: readonly Format[] = [
  { name: 'gzip', magic: [0x1f, 0x8b, 8], decode: decodeGzip },
  { name: 'xz', magic: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0], decode: decodeXz },
  { name: 'lzma', magic: [0x5d, 0, 0], decode: decodeLzma },
  { name: 'bzip2', magic: [0x42, 0x5a, 0x68], decode: decodeBzip2 },
  { name: 'lz4', magic: [0x02, 0x21, 0x4c, 0x18], decode: decodeLz4 },
  { name: 'lzo', magic: [0x89, 0x4c, 0x5a, 0x4f, 0, 0x0d, 0x0a, 0x1a, 0x0a], decode: decodeLzo },
  { name: 'zstd', magic: [0x28, 0xb5, 0x2f, 0xfd], decode: decodeZstd },
];

/** @returns how the file is compressed: 'gzip', 'xz', …; null when it is not, or not in a way that is known here */
export function compressionOf(bytes: Uint8Array): string | null {
  return formatOf(bytes)?.name ?? null;
}

/**
 * Decompresses a file of any format that `compressionOf` names.
 * @param limit most bytes that may come out
 * @returns what it holds, or one line that says what is wrong; never throws, and takes memory only as output comes
 */
export function unpack(bytes: Uint8Array, limit: number = MAX_UNPACKED_BYTES): Result<Uint8Array> {
  const format = formatOf(bytes);
  if (!format) return fail('not compressed in a known way; expected gzip, xz, lzma, bzip2, lz4, lzo or zstd');
  const out = new ByteSink(limit);
  if (format.decode(bytes, out)) return ok(out.written);
  return fail(
    out.length >= limit || out.failed
      ? `damaged ${format.name} data, or more than ${limit} bytes of it`
      : `damaged or truncated ${format.name} data`,
  );
}

function formatOf(bytes: Uint8Array): Format | undefined {
  return FORMATS.find(({ magic }) => magic.every((byte, i) => bytes[i] === byte));
}
