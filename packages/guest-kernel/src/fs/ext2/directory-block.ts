/** The entries in one block of a directory. Source: Linux fs/ext2/dir.c, struct ext2_dir_entry_2. */
import { fromByteString, toByteString } from '../../abi/bytes.ts';

/** One entry, at `offset` of its block. */
export interface BlockEntry {
  readonly offset: number;
  readonly ino: number;
  /** Bytes up to the next entry. */
  readonly length: number;
  readonly name: string;
  /** EXT2_FT_ number, 0 where the file system has none. */
  readonly fileType: number;
}

const HEADER_BYTES = 8;

/** Bytes that an entry needs. */
export function entryBytes(nameLength: number): number {
  return (HEADER_BYTES + nameLength + 3) & ~3;
}

/** The entries of a block in order, unused ones (ino 0) included. Ends at the first that makes no sense. */
export function* entriesOf(bytes: Uint8Array, hasFileType: boolean, from = 0): Generator<BlockEntry> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset + HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint16(offset + 4, true);
    const nameLength = hasFileType ? view.getUint8(offset + 6) : view.getUint16(offset + 6, true);
    const bad = length < entryBytes(nameLength) || length % 4 !== 0 || offset + length > bytes.length;
    if (bad || length < 12) return;
    if (offset >= from) {
      const start = offset + HEADER_BYTES;
      const name = toByteString(bytes.subarray(start, start + nameLength));
      const fileType = hasFileType ? view.getUint8(offset + 7) : 0;
      yield { offset, ino: view.getUint32(offset, true), length, name, fileType };
    }
    offset += length;
  }
}

/** Finds a name without making strings of the others. @returns its offset, or -1 */
export function findEntry(bytes: Uint8Array, name: Uint8Array, hasFileType: boolean): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let offset = 0; offset + HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint16(offset + 4, true);
    if (length < 12 || offset + length > bytes.length) return -1;
    const nameLength = hasFileType ? view.getUint8(offset + 6) : view.getUint16(offset + 6, true);
    if (nameLength === name.length && view.getUint32(offset, true) !== 0) {
      let at = 0;
      while (at < nameLength && bytes[offset + HEADER_BYTES + at] === name[at]) at++;
      if (at === nameLength) return offset;
    }
    offset += length;
  }
  return -1;
}

/** Writes an entry at `offset`. */
export function putEntry(
  bytes: Uint8Array,
  offset: number,
  entry: {
    readonly ino: number;
    readonly length: number;
    readonly name: Uint8Array;
    readonly fileType: number;
  },
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  view.setUint32(offset, entry.ino, true);
  view.setUint16(offset + 4, entry.length, true);
  // Without file types the length has 16 bits; names are shorter than 256 either way.
  view.setUint8(offset + 6, entry.name.length);
  view.setUint8(offset + 7, entry.fileType);
  bytes.set(entry.name, offset + HEADER_BYTES);
}

/** Puts a name into the first gap of the block that takes it. @returns whether there was one */
export function insertEntry(
  bytes: Uint8Array,
  hasFileType: boolean,
  entry: { readonly ino: number; readonly name: Uint8Array; readonly fileType: number },
): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const needed = entryBytes(entry.name.length);
  for (let offset = 0; offset + HEADER_BYTES <= bytes.length; ) {
    const length = view.getUint16(offset + 4, true);
    const nameLength = hasFileType ? view.getUint8(offset + 6) : view.getUint16(offset + 6, true);
    const used = view.getUint32(offset, true) === 0 ? 0 : entryBytes(nameLength);
    if (length < 12 || offset + length > bytes.length || used > length) return false;
    if (length - used >= needed) {
      if (used > 0) view.setUint16(offset + 4, used, true);
      putEntry(bytes, offset + used, { ...entry, length: length - used });
      return true;
    }
    offset += length;
  }
  return false;
}

/** Takes the entry at `offset` out: the one before it gets its place. */
export function removeEntry(bytes: Uint8Array, offset: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint16(offset + 4, true);
  view.setUint32(offset, 0, true);
  for (let before = 0; before < offset; ) {
    const step = view.getUint16(before + 4, true);
    if (before + step === offset) {
      view.setUint16(before + 4, step + length, true);
      return;
    }
    if (step < 12) return;
    before += step;
  }
}

/** Fills a block with entries, one behind the other; the last takes what is left. */
export function packEntries(
  bytes: Uint8Array,
  entries: readonly { readonly ino: number; readonly name: string; readonly fileType: number }[],
): void {
  bytes.fill(0);
  let offset = 0;
  for (const [place, { ino, name, fileType }] of entries.entries()) {
    const last = place === entries.length - 1;
    const length = last ? bytes.length - offset : entryBytes(name.length);
    putEntry(bytes, offset, { ino, length, name: fromByteString(name), fileType });
    offset += length;
  }
  if (entries.length > 0) return;
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength).setUint16(4, bytes.length, true);
}
