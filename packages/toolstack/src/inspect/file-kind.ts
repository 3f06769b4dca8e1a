import { cString } from '../elf/elf.ts';
import { isBzImage } from '../unpack/bzimage.ts';
import { compressionOf } from '../unpack/unpack.ts';

/** What a file is, as its first bytes tell. */
export type FileKind =
  | 'empty'
  | 'elf'
  | 'bzimage'
  | 'compressed'
  | 'script'
  | 'text'
  | 'cpio'
  | 'tar'
  | 'deb'
  | 'zip'
  | 'pe'
  | 'qcow2'
  | 'ext'
  | 'iso9660'
  | 'boot-sector'
  | 'data';

interface Magic {
  readonly kind: FileKind;
  readonly at: number;
  /** Latin-1. */
  readonly text: string;
}

/** In the order in which they are tried: a more special one comes first. */
const MAGICS: readonly Magic[] = [
  { kind: 'elf', at: 0, text: '\x7fELF' },
  { kind: 'script', at: 0, text: '#!' },
  { kind: 'cpio', at: 0, text: '070701' },
  { kind: 'cpio', at: 0, text: '070702' },
  { kind: 'deb', at: 0, text: '!<arch>\ndebian' },
  { kind: 'zip', at: 0, text: 'PK\x03\x04' },
  { kind: 'qcow2', at: 0, text: 'QFI\xfb' },
  { kind: 'tar', at: 257, text: 'ustar' },
  { kind: 'ext', at: 1080, text: '\x53\xef' },
  { kind: 'iso9660', at: 0x8001, text: 'CD001' },
  { kind: 'pe', at: 0, text: 'MZ' },
  { kind: 'boot-sector', at: 510, text: '\x55\xaa' },
];
/** So much of a file decides whether it is text. */
const TEXT_SAMPLE_BYTES = 4096;

/** @returns what a file is */
export function fileKind(bytes: Uint8Array): FileKind {
  if (bytes.length === 0) return 'empty';
  if (isBzImage(bytes)) return 'bzimage';
  if (compressionOf(bytes) !== null) return 'compressed';
  const found = MAGICS.find(({ at, text }) => [...text].every((c, i) => bytes[at + i] === c.charCodeAt(0)));
  if (found) return found.kind;
  return isText(bytes.subarray(0, TEXT_SAMPLE_BYTES)) ? 'text' : 'data';
}

/** The interpreter that a script names in its first line. */
export function interpreterOf(bytes: Uint8Array): string {
  const [line] = cString(bytes.subarray(2, 128)).split('\n');
  return line.trim().replace(/[^\x20-\x7e]/g, '?');
}

function isText(sample: Uint8Array): boolean {
  return sample.every((byte) => byte >= 0x20 || (byte >= 0x07 && byte <= 0x0d) || byte === 0x1b);
}
