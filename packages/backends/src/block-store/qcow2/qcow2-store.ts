import type { DiskImage } from '../disk-image.ts';
import type { HostFile } from '../host-file.ts';
import { decompressCluster } from './decompress.ts';
import { AUTOCLEAR_OFFSET, type Qcow2Header } from './header.ts';
import { type Mapping, readL1, readL2, writeOwn, writeZero } from './mapping.ts';
import { Refcounts } from './refcounts.ts';
import { TableCache } from './table-cache.ts';

const SECTOR_BYTES = 512;
/** Clusters that one discard looks at. */
const MAX_DISCARDED_CLUSTERS = 1 << 20;

/** Something is wrong with the image; what the host itself refuses is in its file's `lastError`. */
export class Qcow2Damage extends Error {
  constructor(what: string) {
    super(what);
    this.name = 'Qcow2Damage';
  }
}

/** An open image and what lies below it. */
export interface Qcow2Parts {
  readonly file: HostFile;
  readonly header: Qcow2Header;
  /** Where clusters are read that the image does not have; null for zeros. */
  readonly backing: DiskImage | null;
}

/** An L2 table at hand. */
interface L2Table {
  readonly offset: number;
  readonly entries: DataView;
}

/**
 * A disk in a qcow2 image, of version 2 or 3. Clusters that others use too (snapshots), compressed ones and those of the
 * backing file are copied when they are written. Tables are written as they change, and in an order that leaves the image in
 * order whenever the process is killed.
 * Source: QEMU docs/interop/qcow2.txt
 */
export class Qcow2Store implements DiskImage {
  readonly readonly: boolean;
  readonly sectors: number;
  readonly #file: HostFile;
  readonly #header: Qcow2Header;
  readonly #backing: DiskImage | null;
  readonly #clusterBytes: number;
  readonly #entriesPerTable: number;
  readonly #l1: DataView;
  readonly #tables: TableCache;
  readonly #refcounts: Refcounts | null;
  #damage: Error | null = null;
  /** The compressed cluster that was unpacked last: neighbouring sectors are read soon. */
  #unpacked: { readonly offset: number; readonly bytes: Uint8Array } | null = null;

  private constructor({ file, header, backing }: Qcow2Parts, l1: DataView, refcounts: Refcounts | null) {
    this.#file = file;
    this.#header = header;
    this.#backing = backing;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#entriesPerTable = this.#clusterBytes / 8;
    this.#l1 = l1;
    this.#tables = new TableCache(file, this.#clusterBytes);
    this.#refcounts = refcounts;
    this.readonly = refcounts === null;
    this.sectors = Math.floor(header.sizeBytes / SECTOR_BYTES);
  }

  /**
   * Opens an image for reading, and for writing unless the file is read-only.
   * @returns the disk, or why it cannot be used so
   */
  static open(parts: Qcow2Parts): Qcow2Store | string {
    const { file, header } = parts;
    const l1 = new Uint8Array(header.l1Entries * 8);
    if (file.read(header.l1Offset, l1) < 0) return 'its L1 table cannot be read';
    const view = new DataView(l1.buffer);
    if (file.readonly) return new Qcow2Store(parts, view, null);
    if (header.corrupt)
      return 'it is marked as corrupt and can only be read; qemu-img check -r all may repair it';
    if (header.dirty) return 'it was not closed and can only be read; qemu-img check -r all repairs it';
    const refcounts = Refcounts.open(file, header);
    if (refcounts === null) return 'its refcount table cannot be read';
    if (header.autoclear && !file.write(AUTOCLEAR_OFFSET, new Uint8Array(8)))
      return 'its header cannot be written';
    return new Qcow2Store(parts, view, refcounts);
  }

  get lastError(): Error | null {
    return this.#damage ?? this.#file.lastError ?? this.#backing?.lastError ?? null;
  }

  get discardGranularityBytes(): number {
    return this.#clusterBytes;
  }

  read(sector: number, into: Uint8Array): boolean {
    const start = sector * SECTOR_BYTES;
    const end = start + into.length;
    for (let at = start; at < end; ) {
      const mapping = this.#lookUp(at);
      const stop =
        mapping.kind === 'data' ? this.#endOfRun(at, end, mapping.offset) : this.#endOfCluster(at, end);
      if (!this.#readMapped(mapping, at, into.subarray(at - start, stop - start))) return false;
      at = stop;
    }
    return true;
  }

  readPieces(sector: number, into: readonly Uint8Array[]): boolean {
    const bytes = new Uint8Array(into.reduce((sum, { length }) => sum + length, 0));
    if (!this.read(sector, bytes)) return false;
    let at = 0;
    for (const piece of into) {
      piece.set(bytes.subarray(at, at + piece.length));
      at += piece.length;
    }
    return true;
  }

  write(sector: number, from: Uint8Array): boolean {
    if (this.#refcounts === null) return false;
    const start = sector * SECTOR_BYTES;
    const end = start + from.length;
    for (let at = start; at < end; ) {
      const mapping = this.#lookUp(at);
      let stop = this.#endOfCluster(at, end);
      let done: boolean;
      if (mapping.kind === 'data' && mapping.own) {
        stop = this.#endOfRun(at, end, mapping.offset, { own: true });
        const offset = mapping.offset + (at % this.#clusterBytes);
        const inFile = mapping.offset < this.#file.sizeBytes || this.#damaged(behindTheEnd(mapping.offset));
        done = inFile && this.#file.write(offset, from.subarray(at - start, stop - start));
      } else {
        stop = this.#endOfNew(at, end);
        done = this.#writeNew(at, from.subarray(at - start, stop - start));
      }
      if (!done) return false;
      at = stop;
    }
    return true;
  }

  writePieces(sector: number, from: readonly Uint8Array[]): boolean {
    const bytes = new Uint8Array(from.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const piece of from) {
      bytes.set(piece, at);
      at += piece.length;
    }
    return this.write(sector, bytes);
  }

  flush(): boolean {
    return this.readonly || this.#file.flush();
  }

  /**
   * Whole clusters that the image has are given back, and read as zeros; with version 2 only where nothing lies below. What
   * it has not is read as before. Of a huge range a part is done: a discard is a hint.
   */
  discard(sector: number, nrSectors: number): boolean {
    if (this.#refcounts === null) return false;
    if (this.#header.version === 2 && this.#backing !== null) return true;
    const first = Math.ceil((sector * SECTOR_BYTES) / this.#clusterBytes);
    const end = Math.floor(((sector + nrSectors) * SECTOR_BYTES) / this.#clusterBytes);
    let left = MAX_DISCARDED_CLUSTERS;
    for (let cluster = first; cluster < end && left > 0; ) {
      const index = Math.floor(cluster / this.#entriesPerTable);
      const stop = Math.min(end, (index + 1) * this.#entriesPerTable, cluster + left);
      if (readL1(this.#l1, index).offset !== 0) {
        if (!this.#discardInTable(cluster, stop)) return false;
        left -= stop - cluster;
      }
      cluster = stop;
    }
    return true;
  }

  close(): void {
    this.#file.close();
    this.#backing?.close();
  }

  /** Preconditions: clusters [first, end) have the same L2 table, and it is there */
  #discardInTable(first: number, end: number): boolean {
    const dropped: Mapping[] = [];
    let table: L2Table | null = null;
    for (let cluster = first; cluster < end; cluster++) {
      const mapping = this.#lookUp(cluster * this.#clusterBytes);
      if (mapping.kind === 'invalid') return false;
      if (mapping.kind === 'zero' || mapping.kind === 'unallocated') continue;
      table ??= this.#ownTable(cluster * this.#clusterBytes);
      if (table === null) return false;
      const index = cluster % this.#entriesPerTable;
      if (this.#header.version === 3) writeZero(table.entries, index);
      else writeOwn(table.entries, index, 0);
      dropped.push(mapping);
    }
    if (table === null) return true;
    const from = first % this.#entriesPerTable;
    if (!this.#tables.flush(table.offset, table.entries, 8 * from, 8 * (from + end - first))) return false;
    return this.#letGo(dropped);
  }

  #lookUp(at: number): Mapping {
    const cluster = Math.floor(at / this.#clusterBytes);
    const l1 = readL1(this.#l1, Math.floor(cluster / this.#entriesPerTable));
    if (l1.offset === 0) return { kind: 'unallocated' };
    const entries = this.#table(l1.offset);
    if (entries === null) return { kind: 'invalid' };
    const { clusterBits, version } = this.#header;
    const mapping = readL2(entries, cluster % this.#entriesPerTable, clusterBits, version);
    if (mapping.kind === 'invalid')
      this.#damaged(`an entry for offset ${at} points into the middle of a cluster`);
    return mapping;
  }

  #table(offset: number): DataView | null {
    const entries = offset % this.#clusterBytes === 0 ? this.#tables.get(offset) : null;
    if (entries === null && this.#file.lastError === null)
      this.#damaged(`an L2 table at ${offset} is not there`);
    return entries;
  }

  #endOfCluster(at: number, end: number): number {
    return Math.min(end, (Math.floor(at / this.#clusterBytes) + 1) * this.#clusterBytes);
  }

  /** @returns where clusters end that follow each other on the disk and in the file */
  #endOfRun(at: number, end: number, offset: number, options: { readonly own?: boolean } = {}): number {
    let stop = this.#endOfCluster(at, end);
    for (let next = offset + this.#clusterBytes; stop < end; next += this.#clusterBytes) {
      const mapping = this.#lookUp(stop);
      if (mapping.kind !== 'data' || mapping.offset !== next || (options.own && !mapping.own)) break;
      stop = this.#endOfCluster(stop, end);
    }
    return stop;
  }

  /** @returns where clusters end that get new places together: whole ones behind `at`, of one table */
  #endOfNew(at: number, end: number): number {
    let stop = this.#endOfCluster(at, end);
    if (at % this.#clusterBytes !== 0 || stop - at < this.#clusterBytes) return stop;
    const tableBytes = this.#entriesPerTable * this.#clusterBytes;
    const endOfTable = (Math.floor(at / tableBytes) + 1) * tableBytes;
    while (stop + this.#clusterBytes <= Math.min(end, endOfTable)) {
      const mapping = this.#lookUp(stop);
      if (mapping.kind === 'invalid' || (mapping.kind === 'data' && mapping.own)) break;
      stop += this.#clusterBytes;
    }
    return stop;
  }

  #readMapped(mapping: Mapping, at: number, into: Uint8Array): boolean {
    const inCluster = at % this.#clusterBytes;
    switch (mapping.kind) {
      case 'unallocated':
        return this.#readBacking(at, into);
      case 'zero':
        into.fill(0);
        return true;
      case 'data':
        if (mapping.offset < this.#file.sizeBytes)
          return this.#file.read(mapping.offset + inCluster, into) >= 0;
        return this.#damaged(behindTheEnd(mapping.offset));
      case 'compressed': {
        const bytes = this.#unpack(mapping.offset, mapping.lengthBytes);
        if (bytes === null) return false;
        into.set(bytes.subarray(inCluster, inCluster + into.length));
        return true;
      }
      case 'invalid':
        return false;
    }
  }

  #readBacking(at: number, into: Uint8Array): boolean {
    const backing = this.#backing;
    const present =
      backing === null ? 0 : Math.min(into.length, Math.max(0, backing.sectors * SECTOR_BYTES - at));
    into.fill(0, present);
    return present === 0 || backing === null || backing.read(at / SECTOR_BYTES, into.subarray(0, present));
  }

  #unpack(offset: number, lengthBytes: number): Uint8Array | null {
    if (this.#unpacked?.offset === offset) return this.#unpacked.bytes;
    const packed = new Uint8Array(lengthBytes);
    if (offset >= this.#file.sizeBytes || this.#file.read(offset, packed) < 0) {
      this.#damaged(`compressed data at ${offset} is not there`);
      return null;
    }
    const bytes = decompressCluster(packed, this.#clusterBytes, this.#header.compression);
    if (bytes === null) this.#damaged(`compressed data at ${offset} is no good`);
    else this.#unpacked = { offset, bytes };
    return bytes;
  }

  /** Gives clusters new places and writes them. @param from whole clusters, or a part of one */
  #writeNew(at: number, from: Uint8Array): boolean {
    const refcounts = this.#refcounts;
    const table = this.#ownTable(at);
    if (refcounts === null || table === null) return false;
    const count = Math.ceil(from.length / this.#clusterBytes);
    const index = Math.floor(at / this.#clusterBytes) % this.#entriesPerTable;
    const before = Array.from({ length: count }, (_, i) => this.#lookUp(at + i * this.#clusterBytes));
    const whole = from.length % this.#clusterBytes === 0;
    const place = refcounts.allocate(count);
    if (place === null) return false;
    if (!whole && place.fresh && this.#readsAsZeros(before[0], at)) {
      // What is not written of a fresh cluster reads as zeros.
      if (!this.#file.write(place.offset + (at % this.#clusterBytes), from)) return false;
    } else {
      const data = whole ? from : this.#merged(before[0], at, from);
      if (data === null || !this.#file.write(place.offset, data)) return false;
    }
    for (let i = 0; i < count; i++) writeOwn(table.entries, index + i, place.offset + i * this.#clusterBytes);
    if (!this.#tables.flush(table.offset, table.entries, 8 * index, 8 * (index + count))) return false;
    return this.#letGo(before);
  }

  #readsAsZeros(mapping: Mapping, at: number): boolean {
    if (mapping.kind !== 'unallocated') return mapping.kind === 'zero';
    const start = at - (at % this.#clusterBytes);
    return this.#backing === null || start >= this.#backing.sectors * SECTOR_BYTES;
  }

  /** @returns a cluster as it was, with `from` written over it at `at`; null when it cannot be read */
  #merged(mapping: Mapping, at: number, from: Uint8Array): Uint8Array | null {
    const cluster = new Uint8Array(this.#clusterBytes);
    const start = at - (at % this.#clusterBytes);
    if (!this.#readMapped(mapping, start, cluster)) return null;
    cluster.set(from, at - start);
    return cluster;
  }

  /** One user less of what clusters were before. */
  #letGo(mappings: readonly Mapping[]): boolean {
    const offsets: number[] = [];
    for (const mapping of mappings) {
      if (mapping.kind === 'data') offsets.push(mapping.offset);
      else if (mapping.kind === 'zero' && mapping.offset !== 0) offsets.push(mapping.offset);
      else if (mapping.kind === 'compressed') {
        this.#unpacked = null;
        const end = mapping.offset + mapping.lengthBytes;
        const first = mapping.offset - (mapping.offset % this.#clusterBytes);
        for (let cluster = first; cluster < end; cluster += this.#clusterBytes) offsets.push(cluster);
      }
    }
    return this.#refcounts?.releaseAll(offsets) ?? false;
  }

  /** The L2 table for `at`, made if there is none, copied if others use it. @returns null when the host or the image fails */
  #ownTable(at: number): L2Table | null {
    const refcounts = this.#refcounts;
    const index = Math.floor(at / (this.#clusterBytes * this.#entriesPerTable));
    const l1 = readL1(this.#l1, index);
    if (refcounts === null) return null;
    const present = l1.offset === 0 ? null : this.#table(l1.offset);
    if (l1.offset !== 0 && present === null) return null;
    if (l1.own && present !== null) return { offset: l1.offset, entries: present };
    const place = refcounts.allocate(1);
    const bytes =
      present === null
        ? new Uint8Array(this.#clusterBytes)
        : new Uint8Array(present.buffer, present.byteOffset, this.#clusterBytes).slice();
    const entries = place === null ? null : this.#tables.create(place.offset, bytes);
    if (place === null || entries === null) return null;
    if (!this.#writeL1(index, place.offset)) return null;
    if (l1.offset !== 0) {
      this.#tables.forget(l1.offset);
      if (!refcounts.release(l1.offset)) return null;
    }
    return { offset: place.offset, entries };
  }

  #writeL1(index: number, offset: number): boolean {
    const bytes = new Uint8Array(this.#l1.buffer, 8 * index, 8);
    const before = bytes.slice();
    writeOwn(this.#l1, index, offset);
    if (this.#file.write(this.#header.l1Offset + 8 * index, bytes)) return true;
    bytes.set(before);
    return false;
  }

  #damaged(what: string): false {
    this.#damage ??= new Qcow2Damage(`${this.#file.name}: ${what}`);
    return false;
  }
}

function behindTheEnd(offset: number): string {
  return `a cluster at ${offset} lies behind the end of the file`;
}
