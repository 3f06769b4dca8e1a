import type { ByteSink } from './byte-sink.ts';
import { ByteSource } from './byte-source.ts';

export const LZ4_LEGACY_MAGIC = 0x184c_2102;

/**
 * Decodes the legacy LZ4 format, which `lz4 -l` writes and kernels use: blocks of at most 8 MiB, each with its length.
 * @returns whether the file is sound
 * Source: lz4_Frame_format.md, "Legacy frame"; lz4_Block_format.md
 */
export function decodeLz4(bytes: Uint8Array, out: ByteSink): boolean {
  const source = new ByteSource(bytes);
  if (source.u32le() !== LZ4_LEGACY_MAGIC) return false;
  while (source.left > 0) {
    const length = source.u32le();
    if (length === LZ4_LEGACY_MAGIC) continue;
    if (!decodeBlock(new ByteSource(source.take(length)), out) || source.failed) return false;
  }
  return true;
}

function decodeBlock(source: ByteSource, out: ByteSink): boolean {
  while (source.left > 0) {
    const token = source.u8();
    out.append(source.take(extended(source, token >>> 4)));
    // The last sequence of a block has literals only.
    if (source.left === 0) break;
    const distance = source.u8() | (source.u8() << 8);
    out.copy(distance, extended(source, token & 15) + 4);
    if (source.failed || out.failed) return false;
  }
  return !source.failed && !out.failed;
}

function extended(source: ByteSource, length: number): number {
  if (length < 15) return length;
  let total = length;
  for (;;) {
    const more = source.u8();
    total += more;
    if (more !== 255) return total;
  }
}
