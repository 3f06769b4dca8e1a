import type { ByteSink } from './byte-sink.ts';
import type { ByteSource } from './byte-source.ts';
import { LzmaDecoder } from './lzma-decoder.ts';

const END = 0;
const RAW_NEW_DICTIONARY = 1;
const RAW = 2;
/** Control bytes of LZMA chunks: bit 7, and how much starts anew in bits 5-6. */
const LZMA = 0x80;
const RESET_STATE = 1;
const RESET_PROPERTIES = 2;
const RESET_ALL = 3;

/**
 * Decodes LZMA2: chunks of LZMA or of raw bytes, up to the end marker; the source stands behind it then.
 * @returns whether the stream is sound
 * Source: the comments of liblzma's lzma2_decoder.c, which are the format's only description
 */
export function decodeLzma2(source: ByteSource, out: ByteSink): boolean {
  const lzma = new LzmaDecoder(out);
  let needs = RESET_ALL;
  for (;;) {
    const control = source.u8();
    if (source.failed) return false;
    if (control === END) return true;
    if (control < LZMA) {
      if (control > RAW || (control === RAW && needs === RESET_ALL)) return false;
      if (control === RAW_NEW_DICTIONARY) {
        lzma.resetDictionary();
        needs = RESET_PROPERTIES;
      }
      out.append(source.take(source.u16be() + 1));
    } else {
      const reset = (control >> 5) & 3;
      if (reset < needs || !lzmaChunk(source, out, lzma, { control, reset })) return false;
      needs = 0;
    }
    if (source.failed || out.failed) return false;
  }
}

function lzmaChunk(
  source: ByteSource,
  out: ByteSink,
  lzma: LzmaDecoder,
  { control, reset }: { readonly control: number; readonly reset: number },
): boolean {
  const unpacked = ((control & 31) << 16) + source.u16be() + 1;
  const packed = source.u16be() + 1;
  if (reset === RESET_ALL) lzma.resetDictionary();
  if (reset >= RESET_PROPERTIES) {
    if (!lzma.setProperties(source.u8())) return false;
  } else if (reset === RESET_STATE) {
    lzma.resetState();
  }
  if (!lzma.range.start(source.take(packed)) || source.failed) return false;
  return lzma.decode(out.length + unpacked) === 'full' && lzma.range.finished;
}
