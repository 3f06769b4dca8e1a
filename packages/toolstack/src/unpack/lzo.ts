import type { ByteSink } from './byte-sink.ts';
import { ByteSource } from './byte-source.ts';

const MAGIC_BYTES = 9;
/** From this version of lzop on, headers have more fields. */
const VERSION_LONG_HEADER = 0x0940;
const F_ADLER32_D = 0x1;
const F_ADLER32_C = 0x2;
const F_CRC32_D = 0x100;
const F_CRC32_C = 0x200;
const F_H_FILTER = 0x800;

/**
 * Decodes an .lzo file as `lzop` writes it. Checksums are not verified.
 * @returns whether the file is sound
 * Source: Documentation/lzo.txt (Linux) for the code; lib/decompress_unlzo.c, parse_header, for the fields of the file
 */
export function decodeLzo(bytes: Uint8Array, out: ByteSink): boolean {
  const source = new ByteSource(bytes);
  const flags = readHeader(source);
  for (;;) {
    const unpacked = source.u32be();
    if (source.failed || unpacked === 0) return !source.failed;
    const packed = source.u32be();
    if (flags & F_ADLER32_D) source.u32be();
    if (flags & F_CRC32_D) source.u32be();
    if (packed < unpacked && flags & F_ADLER32_C) source.u32be();
    if (packed < unpacked && flags & F_CRC32_C) source.u32be();
    const data = source.take(packed);
    const from = out.length;
    if (packed === unpacked) out.append(data);
    else if (!decodeBlock(new ByteSource(data), out, from)) return false;
    if (source.failed || out.failed || out.length - from !== unpacked) return false;
  }
}

/** @returns the file's flags */
function readHeader(source: ByteSource): number {
  source.take(MAGIC_BYTES);
  const long = source.u16be() >= VERSION_LONG_HEADER;
  source.take(long ? 4 : 2); // versions of the library, and needed to extract
  source.take(long ? 2 : 1); // method, level
  const flags = source.u32be();
  if (flags & F_H_FILTER) source.u32be();
  source.take(long ? 12 : 8); // mode, time
  source.take(source.u8()); // name
  source.u32be();
  return flags;
}

/** One block of LZO1X. `from`: where its output begins, before which nothing may be copied. */
function decodeBlock(source: ByteSource, out: ByteSink, from: number): boolean {
  /** Literals that the last instruction said come next: 0 to 3, and 4 for any longer run. */
  let literals = 0;
  let token = source.u8();
  if (token > 17) {
    const count = token - 17;
    out.append(source.take(count));
    literals = Math.min(count, 4);
    token = source.u8();
  }
  for (;;) {
    if (source.failed || out.failed) return false;
    if (token < 16 && literals === 0) {
      out.append(source.take(3 + (token === 0 ? longLength(source, 15) : token)));
      literals = 4;
    } else {
      const match = readMatch(source, token, literals);
      if (match === null) return source.left === 0 && !source.failed;
      if (match.distance > out.length - from) return false;
      out.copy(match.distance, match.length);
      literals = match.literals;
      out.append(source.take(literals));
    }
    token = source.u8();
  }
}

/** @returns null at the end of the block */
function readMatch(
  source: ByteSource,
  token: number,
  literals: number,
): { distance: number; length: number; literals: number } | null {
  if (token >= 64) {
    const distance = 1 + ((token >> 2) & 7) + (source.u8() << 3);
    return { distance, length: (token >> 5) + 1, literals: token & 3 };
  }
  if (token >= 16) {
    const far = token < 32;
    const bits = far ? 7 : 31;
    const short = token & bits;
    const length = 2 + (short === 0 ? longLength(source, bits) : short);
    const word = source.u8() | (source.u8() << 8);
    const distance = (word >> 2) + (far ? (token & 8) << 11 : 1);
    if (far && distance === 0) return null;
    return { distance: far ? distance + 0x4000 : distance, length, literals: word & 3 };
  }
  const afterRun = literals === 4;
  const distance = (afterRun ? 0x801 : 1) + (token >> 2) + (source.u8() << 2);
  return { distance, length: afterRun ? 3 : 2, literals: token & 3 };
}

/** A length that did not fit into its token: 255 for each zero byte, then the rest. */
function longLength(source: ByteSource, base: number): number {
  let total = base;
  for (;;) {
    const byte = source.u8();
    if (byte !== 0 || source.failed) return total + byte;
    total += 255;
  }
}
