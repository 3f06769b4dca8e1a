import type { DiskImage } from './disk-image.ts';

const SECTOR_BYTES = 512;
const CHUNK_SECTORS = 8;
const CHUNK_BYTES = CHUNK_SECTORS * SECTOR_BYTES;

/** What every discarded chunk reads as. */
const ZEROS = new Uint8Array(CHUNK_BYTES);

/**
 * A disk whose changes stay in memory: what lies below is only read. It takes as much memory as was written, in pieces of
 * 4096 bytes, and never more than the size of the disk.
 */
export class OverlayStore implements DiskImage {
  readonly readonly: boolean = false;
  readonly #base: DiskImage;
  /** By number of the chunk; `ZEROS` is shared and never written. */
  readonly #chunks: Map<number, Uint8Array> = new Map();

  constructor(base: DiskImage) {
    this.#base = base;
  }

  get sectors(): number {
    return this.#base.sectors;
  }

  get lastError(): Error | null {
    return this.#base.lastError ?? null;
  }

  get discardGranularityBytes(): number {
    return CHUNK_BYTES;
  }

  /** Bytes that differ from what lies below, as far as memory goes. */
  get changedBytes(): number {
    return this.#chunks.size * CHUNK_BYTES;
  }

  read(sector: number, into: Uint8Array): boolean {
    const end = sector + into.length / SECTOR_BYTES;
    for (let at = sector; at < end; ) {
      const chunk = this.#chunks.get(Math.floor(at / CHUNK_SECTORS));
      const stop = chunk === undefined ? this.#endOfUnchanged(at, end) : Math.min(end, endOfChunk(at));
      const piece = into.subarray((at - sector) * SECTOR_BYTES, (stop - sector) * SECTOR_BYTES);
      if (chunk !== undefined)
        piece.set(chunk.subarray((at % CHUNK_SECTORS) * SECTOR_BYTES).subarray(0, piece.length));
      else if (!this.#base.read(at, piece)) return false;
      at = stop;
    }
    return true;
  }

  write(sector: number, from: Uint8Array): boolean {
    const end = sector + from.length / SECTOR_BYTES;
    for (let at = sector; at < end; ) {
      const stop = Math.min(end, endOfChunk(at));
      const chunk = this.#writable(at, stop);
      if (chunk === null) return false;
      const piece = from.subarray((at - sector) * SECTOR_BYTES, (stop - sector) * SECTOR_BYTES);
      chunk.set(piece, (at % CHUNK_SECTORS) * SECTOR_BYTES);
      at = stop;
    }
    return true;
  }

  /** Nothing of it outlives the process. */
  flush(): boolean {
    return true;
  }

  /** Whole chunks that were written read as zeros afterwards and take no memory; what lies below is read as before. */
  discard(sector: number, nrSectors: number): boolean {
    const first = Math.ceil(sector / CHUNK_SECTORS);
    const end = Math.floor((sector + nrSectors) / CHUNK_SECTORS);
    if (end - first < this.#chunks.size) {
      for (let chunk = first; chunk < end; chunk++) this.#forget(chunk);
    } else {
      // A guest may discard far more than it has written.
      for (const chunk of this.#chunks.keys()) if (chunk >= first && chunk < end) this.#forget(chunk);
    }
    return true;
  }

  close(): void {
    this.#chunks.clear();
    this.#base.close();
  }

  #forget(chunk: number): void {
    if (this.#chunks.has(chunk)) this.#chunks.set(chunk, ZEROS);
  }

  #endOfUnchanged(at: number, end: number): number {
    let stop = endOfChunk(at);
    while (stop < end && !this.#chunks.has(Math.floor(stop / CHUNK_SECTORS))) stop += CHUNK_SECTORS;
    return Math.min(stop, end);
  }

  /** @returns the chunk with [at, stop), to be written; null when what lies below cannot be read */
  #writable(at: number, stop: number): Uint8Array | null {
    const number = Math.floor(at / CHUNK_SECTORS);
    const present = this.#chunks.get(number);
    if (present !== undefined && present !== ZEROS) return present;
    const chunk = new Uint8Array(CHUNK_BYTES);
    const first = number * CHUNK_SECTORS;
    const sectors = Math.min(CHUNK_SECTORS, this.sectors - first);
    if (present === undefined && stop - at < sectors) {
      if (!this.#base.read(first, chunk.subarray(0, sectors * SECTOR_BYTES))) return null;
    }
    this.#chunks.set(number, chunk);
    return chunk;
  }
}

function endOfChunk(sector: number): number {
  return (Math.floor(sector / CHUNK_SECTORS) + 1) * CHUNK_SECTORS;
}
