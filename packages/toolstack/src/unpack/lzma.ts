import type { ByteSink } from './byte-sink.ts';
import { ByteSource } from './byte-source.ts';
import { LzmaDecoder } from './lzma-decoder.ts';

const HEADER_BYTES = 13;
const UNKNOWN_SIZE = 0xffff_ffff;

/**
 * Decodes a .lzma file ("LZMA alone"): properties, dictionary size, u64 length or all ones, then one LZMA stream.
 * @returns whether the file is sound
 * Source: lzma-specification.txt, "lzma file format"
 */
export function decodeLzma(bytes: Uint8Array, out: ByteSink): boolean {
  const source = new ByteSource(bytes);
  const lzma = new LzmaDecoder(out);
  if (!lzma.setProperties(source.u8())) return false;
  source.u32le();
  const low = source.u32le();
  const high = source.u32le();
  if (source.failed || !lzma.range.start(bytes.subarray(HEADER_BYTES))) return false;
  if (low === UNKNOWN_SIZE && high === UNKNOWN_SIZE)
    return lzma.decode(Number.POSITIVE_INFINITY) === 'marker';
  return lzma.decode(high * 2 ** 32 + low) === 'full';
}
