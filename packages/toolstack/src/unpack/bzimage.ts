import { fail, ok, type Result } from '../result.ts';
import { compressionOf, MAX_UNPACKED_BYTES, unpack } from './unpack.ts';

/** Fields of the setup header. Source: Documentation/x86/boot.txt (Linux) */
const SETUP_SECTS = 0x1f1;
const BOOT_FLAG = 0x1fe;
const MAGIC = 0x202;
const VERSION = 0x206;
const PAYLOAD_OFFSET = 0x248;
const PAYLOAD_LENGTH = 0x24c;
const HEADER_END = 0x250;

const BOOT_FLAG_VALUE = 0xaa55;
const HDRS = 0x5372_6448;
/** Boot protocol 2.08 brought the payload fields. */
const VERSION_PAYLOAD = 0x0208;
const SECTOR_BYTES = 512;
const DEFAULT_SETUP_SECTS = 4;
/** Behind all but gzip's, whose own trailer says it. */
const SIZE_BYTES = 4;

/** A Linux bzImage has its kernel packed into it. */
export function isBzImage(bytes: Uint8Array): boolean {
  if (bytes.length < HEADER_END) return false;
  const view = viewOf(bytes);
  return view.getUint16(BOOT_FLAG, true) === BOOT_FLAG_VALUE && view.getUint32(MAGIC, true) === HDRS;
}

/**
 * Takes the vmlinux out of a bzImage.
 * @returns the ELF file, or one line that says what is wrong; never throws
 * Preconditions: isBzImage
 * Source: Documentation/x86/boot.txt, payload_offset; tools/libs/guest/xg_dom_bzimageloader.c @ RELEASE-4.18.0
 */
export function unpackBzImage(bytes: Uint8Array): Result<Uint8Array> {
  const found = bzImagePayload(bytes);
  if (!found.ok) return found;
  const { payload, compression, size } = found.value;
  const kernel = unpack(compression === 'gzip' ? payload : payload.subarray(0, -SIZE_BYTES), size);
  if (!kernel.ok) return fail(`a bzImage with ${kernel.error}`);
  if (kernel.value.length === size) return kernel;
  return fail(`a bzImage whose payload gives ${kernel.value.length} bytes; expected ${size}`);
}

/** The compressed kernel in a bzImage, its size at its end. */
interface Payload {
  readonly payload: Uint8Array;
  readonly compression: string;
  /** Bytes of the kernel that is in it, as the bzImage announces them. */
  readonly size: number;
}

/** Finds the compressed kernel in a bzImage. Preconditions: isBzImage */
export function bzImagePayload(bytes: Uint8Array): Result<Payload> {
  const view = viewOf(bytes);
  const version = view.getUint16(VERSION, true);
  if (version < VERSION_PAYLOAD) {
    return fail(
      `a bzImage of boot protocol ${version >> 8}.${version & 255}, without payload fields; expected 2.8 or newer, or its vmlinux`,
    );
  }
  const setupSectors = 1 + (view.getUint8(SETUP_SECTS) || DEFAULT_SETUP_SECTS);
  const start = setupSectors * SECTOR_BYTES + view.getUint32(PAYLOAD_OFFSET, true);
  const end = start + view.getUint32(PAYLOAD_LENGTH, true);
  if (end > bytes.length || end - start < SIZE_BYTES) {
    return fail(`truncated: a bzImage of ${bytes.length} bytes; expected its payload at ${start} to ${end}`);
  }
  const payload = bytes.subarray(start, end);
  const compression = compressionOf(payload);
  if (compression === null) {
    return fail(
      'a bzImage whose payload is compressed in an unknown way; expected gzip, xz, lzma, bzip2, lz4, lzo or zstd',
    );
  }
  const size = view.getUint32(end - SIZE_BYTES, true);
  if (size > MAX_UNPACKED_BYTES) {
    return fail(`a bzImage that claims to hold ${size} bytes; expected at most ${MAX_UNPACKED_BYTES}`);
  }
  return ok({ payload, compression, size });
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
