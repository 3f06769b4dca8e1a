import type { DiskImage } from './disk-image.ts';
import type { HostFile } from './host-file.ts';
import { QCOW2_MAGIC, readHeader } from './qcow2/header.ts';
import { Qcow2Store } from './qcow2/qcow2-store.ts';
import { RawStore } from './raw-store.ts';

/** Formats that images may have. */
export type ImageFormat = 'raw' | 'qcow2';

/** The host's side of opening images. */
export interface ImageFiles {
  /**
   * Opens a file.
   * @param name as the user gave it, or as it stands in an image
   * @param from the image that names it as its backing file; null for the user's own
   * @returns the file, or why it cannot be opened
   */
  open(name: string, from: string | null, options: { readonly readonly: boolean }): OpenedFile | string;
}

/** A file of the host that is open. */
export interface OpenedFile {
  readonly file: HostFile;
  /** The same for every way to name the same file. */
  readonly identity: string;
}

/** Longest chain of backing files. */
const MAX_CHAIN = 64;

/**
 * Opens an image with everything below it; backing files are only read.
 * @returns the disk, or what is wrong in words that name the file
 */
export function openImage(
  files: ImageFiles,
  name: string,
  options: { readonly format: ImageFormat; readonly readonly: boolean },
): DiskImage | string {
  return openLayer(files, { name, from: null, ...options }, []);
}

interface Layer {
  readonly name: string;
  readonly from: string | null;
  readonly format: ImageFormat;
  readonly readonly: boolean;
}

/** @param above identities of the images above */
function openLayer(files: ImageFiles, layer: Layer, above: readonly string[]): DiskImage | string {
  const { name, from, format, readonly } = layer;
  const opened = files.open(name, from, { readonly });
  if (typeof opened === 'string') return opened;
  const { file, identity } = opened;
  const image = above.includes(identity)
    ? `${name} is below itself in its chain of backing files`
    : above.length >= MAX_CHAIN
      ? `${name}: more than ${MAX_CHAIN} images on top of each other`
      : format === 'raw'
        ? new RawStore(file)
        : openQcow2(files, layer, { file, identity }, above);
  if (typeof image === 'string') file.close();
  return image;
}

function openQcow2(
  files: ImageFiles,
  { name }: Layer,
  { file, identity }: OpenedFile,
  above: readonly string[],
): DiskImage | string {
  const header = readHeader(file);
  if (typeof header === 'string') return `${name}: ${header}`;
  let backing: DiskImage | null = null;
  if (header.backingName !== null) {
    const below = openBacking(files, header.backingName, header.backingFormat, [...above, identity]);
    if (typeof below === 'string') return below;
    backing = below;
  }
  const store = Qcow2Store.open({ file, header, backing });
  if (typeof store !== 'string') return store;
  backing?.close();
  return `${name}: ${store}`;
}

function openBacking(
  files: ImageFiles,
  name: string,
  format: string | null,
  above: readonly string[],
): DiskImage | string {
  const from = above[above.length - 1];
  if (format !== null && format !== 'raw' && format !== 'qcow2')
    return `${name}: a backing file of format ${format}; expected raw or qcow2`;
  const raw = openLayer(files, { name, from, format: format ?? 'raw', readonly: true }, above);
  if (format !== null || typeof raw === 'string' || !looksLikeQcow2(raw)) return raw;
  raw.close();
  // What a guest wrote to a raw disk may look like an image that names any file of the host.
  return `${name}: ${from} does not say which format it has; qemu-img rebase -u -F qcow2 -b ${name} tells it`;
}

function looksLikeQcow2(raw: DiskImage): boolean {
  const first = new Uint8Array(512);
  if (raw.sectors === 0 || !raw.read(0, first)) return false;
  return new DataView(first.buffer).getUint32(0) === QCOW2_MAGIC;
}
