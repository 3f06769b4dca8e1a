import { undoBcjX86 } from './bcj-x86.ts';
import type { ByteSink } from './byte-sink.ts';
import { ByteSource } from './byte-source.ts';
import { crc32 } from './crc32.ts';
import { decodeLzma2 } from './lzma2.ts';

const HEADER_MAGIC = 6;
const FILTER_X86 = 0x04;
const FILTER_LZMA2 = 0x21;
const CHECK_CRC32 = 1;
/** Bytes of a check by its id: none, CRC32, CRC64 and so on in groups of three. */
const CHECK_BYTES = [0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64];
const MAX_VLI_BYTES = 9;

/**
 * Decodes an .xz file: LZMA2, with or without the x86 filter. CRC-32 checks are verified; others are not.
 * @returns whether the file is sound
 * Source: xz-file-format.txt 1.2.0
 */
export function decodeXz(bytes: Uint8Array, out: ByteSink): boolean {
  const source = new ByteSource(bytes);
  source.take(HEADER_MAGIC);
  const flags = source.take(2);
  if (source.u32le() !== crc32(flags) || flags[0] !== 0 || flags[1] > 15) return false;
  const check = flags[1];
  for (;;) {
    const sizeByte = source.u8();
    if (source.failed) return false;
    // The index follows; it only repeats what the blocks have said.
    if (sizeByte === 0) return true;
    const header = bytes.subarray(source.at - 1, source.at - 1 + sizeByte * 4);
    source.take(sizeByte * 4 - 1);
    if (source.u32le() !== crc32(header) || source.failed) return false;
    const filters = readFilters(header);
    if (filters === null || !decodeBlock(source, out, { check, x86: filters.x86 })) return false;
  }
}

function decodeBlock(
  source: ByteSource,
  out: ByteSink,
  { check, x86 }: { readonly check: number; readonly x86: boolean },
): boolean {
  const start = source.at;
  const from = out.length;
  if (!decodeLzma2(source, out)) return false;
  while ((source.at - start) % 4 !== 0) if (source.u8() !== 0) return false;
  const block = out.written.subarray(from);
  if (x86) undoBcjX86(block);
  const sum = new ByteSource(source.take(CHECK_BYTES[check]));
  if (source.failed) return false;
  return check !== CHECK_CRC32 || sum.u32le() === crc32(block);
}

/** @returns which filters a block header names, or null when there is one that is not known here */
function readFilters(header: Uint8Array): { x86: boolean } | null {
  const source = new ByteSource(header);
  source.u8();
  const flags = source.u8();
  if ((flags & 0x3c) !== 0) return null;
  if (flags & 0x40) readVli(source);
  if (flags & 0x80) readVli(source);
  const ids: number[] = [];
  for (let i = 0; i <= (flags & 3); i++) {
    const id = readVli(source);
    const properties = new ByteSource(source.take(readVli(source)));
    // A start offset of the x86 filter other than 0 is not in use.
    if (id === FILTER_X86 && properties.left > 0 && properties.u32le() !== 0) return null;
    ids.push(id);
  }
  if (source.failed || ids.at(-1) !== FILTER_LZMA2) return null;
  const before = ids.slice(0, -1);
  if (before.length > 1 || before.some((id) => id !== FILTER_X86)) return null;
  return { x86: before.length === 1 };
}

function readVli(source: ByteSource): number {
  let value = 0;
  for (let i = 0; i < MAX_VLI_BYTES; i++) {
    const byte = source.u8();
    value += (byte & 0x7f) * 2 ** (7 * i);
    if ((byte & 0x80) === 0) return value;
  }
  return Number.POSITIVE_INFINITY;
}
