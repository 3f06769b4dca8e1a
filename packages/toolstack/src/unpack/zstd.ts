import type { ByteSink } from './byte-sink.ts';
import { ByteSource } from './byte-source.ts';
import { type HuffmanCode, MAX_BLOCK_BYTES, readLiterals } from './zstd-literals.ts';
import { runSequences, SequenceState } from './zstd-sequences.ts';

export const ZSTD_MAGIC = 0xfd2f_b528;
const RAW = 0;
const RLE = 1;
const COMPRESSED = 2;
/** Bytes of the dictionary id and of the content size, by the two bits that announce them. */
const DICTIONARY_BYTES = [0, 1, 2, 4];
const SIZE_BYTES = [0, 2, 4, 8];

/**
 * Decodes a .zst file without a dictionary. Its checksum is not verified.
 * @returns whether the file is sound
 * Source: RFC 8878
 */
export function decodeZstd(bytes: Uint8Array, out: ByteSink): boolean {
  const source = new ByteSource(bytes);
  while (source.left > 0) {
    if (source.u32le() !== ZSTD_MAGIC || !decodeFrame(source, out)) return false;
  }
  return !source.failed;
}

function decodeFrame(source: ByteSource, out: ByteSink): boolean {
  const descriptor = source.u8();
  const singleSegment = (descriptor & 0x20) !== 0;
  const hasChecksum = (descriptor & 4) !== 0;
  if (!singleSegment) source.u8();
  source.take(DICTIONARY_BYTES[descriptor & 3]);
  source.take(descriptor < 0x40 && singleSegment ? 1 : SIZE_BYTES[descriptor >> 6]);
  if ((descriptor & 0x0b) !== 0 || source.failed) return false;
  const sequences = new SequenceState();
  let code: HuffmanCode | null = null;
  for (;;) {
    const header = source.u8() | (source.u8() << 8) | (source.u8() << 16);
    const size = header >> 3;
    const type = (header >> 1) & 3;
    if (source.failed || size > MAX_BLOCK_BYTES || type > COMPRESSED) return false;
    if (type === RAW) {
      out.append(source.take(size));
    } else if (type === RLE) {
      out.append(new Uint8Array(size).fill(source.u8()));
    } else {
      const block = source.take(size);
      const literals = readLiterals(block, code);
      if (literals === null) return false;
      ({ code } = literals);
      if (!runSequences(block.subarray(literals.length), literals.bytes, sequences, out)) return false;
    }
    if (source.failed || out.failed) return false;
    if (header & 1) break;
  }
  if (hasChecksum) source.u32le();
  return true;
}
