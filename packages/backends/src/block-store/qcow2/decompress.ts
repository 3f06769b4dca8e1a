import { inflateSync } from 'fflate';
import { decompress } from 'fzstd';
import type { CompressionType } from './header.ts';

const ZSTD_MAGIC = 0xfd2fb528;

/**
 * Unpacks a compressed cluster.
 * @param packed its bytes, and possibly those of others behind them
 * @returns the cluster, or null when the data is no good
 */
export function decompressCluster(
  packed: Uint8Array,
  clusterBytes: number,
  type: CompressionType,
): Uint8Array | null {
  const into = new Uint8Array(clusterBytes);
  // Both libraries tell what is wrong with their input by throwing.
  try {
    if (type === 'deflate') return inflateSync(packed, { out: into }).length === clusterBytes ? into : null;
    const end = zstdFrameEnd(packed);
    if (end < 0) return null;
    return decompress(packed.subarray(0, end), into).length === clusterBytes ? into : null;
  } catch {
    return null;
  }
}

/**
 * Finds the end of a zstd frame.
 * @returns -1 when there is none, or when it is longer than `bytes`
 * Source: RFC 8878, 3.1.1
 */
function zstdFrameEnd(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (bytes.length < 6 || view.getUint32(0, true) !== ZSTD_MAGIC) return -1;
  const descriptor = bytes[4];
  const singleSegment = (descriptor >>> 5) & 1;
  const dictionaryBytes = [0, 1, 2, 4][descriptor & 3];
  const sizeBytes = [singleSegment, 2, 4, 8][descriptor >>> 6];
  let at = 5 + (1 - singleSegment) + dictionaryBytes + sizeBytes;
  for (let last = false; !last; ) {
    if (at + 3 > bytes.length) return -1;
    const header = bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16);
    const runLength = ((header >>> 1) & 3) === 1;
    last = (header & 1) !== 0;
    at += 3 + (runLength ? 1 : header >>> 3);
  }
  if (descriptor & 4) at += 4;
  return at <= bytes.length ? at : -1;
}
