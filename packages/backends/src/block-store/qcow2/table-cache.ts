import type { HostFile } from '../host-file.ts';

/** Tables that are kept at hand, each of one cluster. */
const MAX_TABLES = 64;

/**
 * Clusters full of table entries, kept in memory and written through: what is in the file is never older than what is here.
 * Invariant: at most `MAX_TABLES` clusters are held
 */
export class TableCache {
  readonly #file: HostFile;
  readonly #clusterBytes: number;
  /** By offset in the file; the one used last is at the end. */
  readonly #tables: Map<number, DataView> = new Map();

  constructor(file: HostFile, clusterBytes: number) {
    this.#file = file;
    this.#clusterBytes = clusterBytes;
  }

  /** @param offset where the table begins. @returns its bytes, or null when they cannot be read or are not in the file */
  get(offset: number): DataView | null {
    const present = this.#tables.get(offset);
    if (present !== undefined) {
      this.#tables.delete(offset);
      this.#tables.set(offset, present);
      return present;
    }
    if (offset >= this.#file.sizeBytes) return null;
    const bytes = new Uint8Array(this.#clusterBytes);
    if (this.#file.read(offset, bytes) < 0) return null;
    return this.#keep(offset, new DataView(bytes.buffer));
  }

  /** Writes a whole new table. @returns null when that fails */
  create(offset: number, bytes: Uint8Array): DataView | null {
    if (!this.#file.write(offset, bytes)) return null;
    return this.#keep(offset, new DataView(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  /** Writes [from, to) of a table that was changed in memory. @returns false when that fails: the table is forgotten then */
  flush(offset: number, table: DataView, from: number, to: number): boolean {
    if (this.#file.write(offset + from, new Uint8Array(table.buffer, table.byteOffset + from, to - from)))
      return true;
    this.#tables.delete(offset);
    return false;
  }

  /** The cluster is used for something else now. */
  forget(offset: number): void {
    this.#tables.delete(offset);
  }

  #keep(offset: number, table: DataView): DataView {
    this.#tables.set(offset, table);
    for (const oldest of this.#tables.keys()) {
      if (this.#tables.size <= MAX_TABLES) break;
      this.#tables.delete(oldest);
    }
    return table;
  }
}
