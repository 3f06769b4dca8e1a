/**
 * A disk's contents, in sectors of 512 bytes. Calls complete before they return, so that a run under the virtual clock
 * depends on nothing but its input.
 */
export interface BlockStore {
  /** Size in sectors of 512 bytes. It may change; `BlkBack.resized` tells the guest. */
  readonly sectors: number;
  /** Whether writes are refused. */
  readonly readonly: boolean;
  /** What the medium writes at once, in bytes: a power of two. 512 when absent. */
  readonly physicalSectorBytes?: number;
  /** Unit of what `discard` gives back, in bytes. Absent when `discard` is. */
  readonly discardGranularityBytes?: number;
  /** The last failure of the host, for whoever reports it. */
  readonly lastError?: Error | null;
  /**
   * Fills `into` from `sector` on. Its length is a multiple of 512 and the range lies within the disk.
   * @returns false when the host could not read
   */
  read(sector: number, into: Uint8Array): boolean;
  /** Stores `from` at `sector`; ranges as for `read`. @returns false when the host could not write */
  write(sector: number, from: Uint8Array): boolean;
  /** As `read` into several pieces, one after the other. Faster than piece by piece where the host can do it at once. */
  readPieces?(sector: number, into: readonly Uint8Array[]): boolean;
  /** As `write` from several pieces. */
  writePieces?(sector: number, from: readonly Uint8Array[]): boolean;
  /** Makes what was written durable. @returns false when the host could not */
  flush(): boolean;
  /**
   * The sectors are not needed any more: they may read as zeros or as before. Present when space can be given back.
   * @returns false when the host could not
   */
  discard?(sector: number, nrSectors: number): boolean;
}

const SECTOR_BYTES = 512;

/** Reads into several pieces, one after the other. @returns false when the host could not */
export function readPieces(store: BlockStore, sector: number, into: readonly Uint8Array[]): boolean {
  if (into.length === 1) return store.read(sector, into[0]);
  if (store.readPieces !== undefined) return store.readPieces(sector, into);
  let at = sector;
  return into.every((piece) => {
    const done = store.read(at, piece);
    at += piece.length / SECTOR_BYTES;
    return done;
  });
}

/** Writes from several pieces, one after the other. @returns false when the host could not */
export function writePieces(store: BlockStore, sector: number, from: readonly Uint8Array[]): boolean {
  if (from.length === 1) return store.write(sector, from[0]);
  if (store.writePieces !== undefined) return store.writePieces(sector, from);
  let at = sector;
  return from.every((piece) => {
    const done = store.write(at, piece);
    at += piece.length / SECTOR_BYTES;
    return done;
  });
}
