import type { DiskImage } from './disk-image.ts';
import type { HostFile } from './host-file.ts';

const SECTOR_BYTES = 512;

/** A disk that is a file as it stands; a partial last sector does not count. */
export class RawStore implements DiskImage {
  readonly readonly: boolean;
  readonly sectors: number;
  readonly #file: HostFile;
  #shortened: Error | null = null;

  constructor(file: HostFile) {
    this.#file = file;
    this.readonly = file.readonly;
    this.sectors = Math.floor(file.sizeBytes / SECTOR_BYTES);
  }

  get lastError(): Error | null {
    return this.#file.lastError ?? this.#shortened;
  }

  get physicalSectorBytes(): number | undefined {
    return this.#file.physicalSectorBytes;
  }

  read(sector: number, into: Uint8Array): boolean {
    return this.#complete(this.#file.read(sector * SECTOR_BYTES, into), into.length);
  }

  write(sector: number, from: Uint8Array): boolean {
    return !this.readonly && this.#file.write(sector * SECTOR_BYTES, from);
  }

  readPieces(sector: number, into: readonly Uint8Array[]): boolean {
    const lengthBytes = into.reduce((sum, { length }) => sum + length, 0);
    return this.#complete(this.#file.readPieces(sector * SECTOR_BYTES, into), lengthBytes);
  }

  writePieces(sector: number, from: readonly Uint8Array[]): boolean {
    return !this.readonly && this.#file.writePieces(sector * SECTOR_BYTES, from);
  }

  flush(): boolean {
    return this.readonly || this.#file.flush();
  }

  close(): void {
    this.#file.close();
  }

  #complete(read: number, wanted: number): boolean {
    if (read >= 0 && read < wanted) this.#shortened ??= new Error(`${this.#file.name} was shortened`);
    return read === wanted;
  }
}
