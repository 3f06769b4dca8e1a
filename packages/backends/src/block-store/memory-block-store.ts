import { BLKIF_SECTOR_BYTES } from '@domu/xen-abi';
import type { DiskImage } from './disk-image.ts';

/** A disk in memory. */
export class MemoryBlockStore implements DiskImage {
  readonly bytes: Uint8Array;
  readonly readonly: boolean;
  readonly sectors: number;

  /** @param bytes the contents, used in place; a partial last sector does not count */
  constructor(bytes: Uint8Array, options: { readonly readonly?: boolean } = {}) {
    this.bytes = bytes;
    this.readonly = options.readonly ?? false;
    this.sectors = Math.floor(bytes.length / BLKIF_SECTOR_BYTES);
  }

  read(sector: number, into: Uint8Array): boolean {
    const start = sector * BLKIF_SECTOR_BYTES;
    into.set(this.bytes.subarray(start, start + into.length));
    return true;
  }

  write(sector: number, from: Uint8Array): boolean {
    if (this.readonly) return false;
    this.bytes.set(from, sector * BLKIF_SECTOR_BYTES);
    return true;
  }

  flush(): boolean {
    return true;
  }

  discard(sector: number, nrSectors: number): boolean {
    if (this.readonly) return false;
    this.bytes.fill(0, sector * BLKIF_SECTOR_BYTES, (sector + nrSectors) * BLKIF_SECTOR_BYTES);
    return true;
  }

  /** Nothing is held: the bytes are whoever's gave them. */
  close(): void {}
}
