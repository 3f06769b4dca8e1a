import type { HostFile } from '../host-file.ts';
import { type Qcow2Header, REFCOUNT_TABLE_FIELDS_OFFSET, roundUp, u64 } from './header.ts';
import { TableCache } from './table-cache.ts';

/** Clusters that were freed and are remembered for the next that are needed. */
const MAX_FREE = 65_536;

/**
 * Who uses which cluster of the file: two levels of tables with a count for each cluster. New clusters come from those that
 * were freed since the image was opened, else from the end of the file.
 * Invariant: a cluster's count is written before anything in the file points to the cluster, and lowered after nothing does:
 *   a process that is killed leaves clusters that nobody uses, never clusters that are used twice
 * Source: QEMU docs/interop/qcow2.txt, "Host cluster management"
 */
export class Refcounts {
  readonly #file: HostFile;
  readonly #clusterBytes: number;
  readonly #order: number;
  readonly #perBlock: number;
  readonly #blocks: TableCache;
  readonly #free: number[] = [];
  #tableOffset: number;
  /** Offsets of the refcount blocks, 0 where there is none. */
  #table: number[];
  /** First cluster behind everything that is in use. */
  #end: number;

  private constructor(file: HostFile, header: Qcow2Header, table: number[]) {
    this.#file = file;
    this.#clusterBytes = 2 ** header.clusterBits;
    this.#order = header.refcountOrder;
    this.#perBlock = (this.#clusterBytes * 8) / 2 ** this.#order;
    this.#blocks = new TableCache(file, this.#clusterBytes);
    this.#tableOffset = header.refcountTableOffset;
    this.#table = table;
    this.#end = Math.ceil(file.sizeBytes / this.#clusterBytes);
  }

  /** @returns null when the table cannot be read */
  static open(file: HostFile, header: Qcow2Header): Refcounts | null {
    const bytes = new Uint8Array(header.refcountTableClusters * 2 ** header.clusterBits);
    if (file.read(header.refcountTableOffset, bytes) < 0) return null;
    const view = new DataView(bytes.buffer);
    const table = Array.from({ length: bytes.length / 8 }, (_, i) => u64(view, 8 * i));
    return new Refcounts(file, header, table);
  }

  /**
   * Takes clusters that are neighbours, with a count of 1 each.
   * @returns the offset of the first, or -1 when the host fails. Fresh ones lie at the end of the file: unwritten parts of
   *   them read as zeros; one that was used before is full of what it was used for
   */
  allocate(count: number): { readonly offset: number; readonly fresh: boolean } | null {
    const reused = count === 1 ? this.#free.pop() : undefined;
    const first = reused ?? this.#end;
    if (reused === undefined) this.#end += count;
    for (let done = 0; done < count; ) {
      const cluster = first + done;
      const inBlock = Math.min(count - done, this.#perBlock - (cluster % this.#perBlock));
      if (!this.#setRange(cluster, inBlock, 1)) return null;
      done += inBlock;
    }
    return { offset: first * this.#clusterBytes, fresh: reused === undefined };
  }

  /** One user less of the cluster at `offset`. @returns false when the host or the image fails */
  release(offset: number): boolean {
    return this.releaseAll([offset]);
  }

  /** One user less of each of these clusters; fewer writes than one by one. @returns as `release` */
  releaseAll(offsets: readonly number[]): boolean {
    const byBlock = new Map<number, number[]>();
    for (const offset of offsets) {
      const cluster = Math.floor(offset / this.#clusterBytes);
      const block = Math.floor(cluster / this.#perBlock);
      const clusters = byBlock.get(block);
      if (clusters === undefined) byBlock.set(block, [cluster]);
      else clusters.push(cluster);
    }
    for (const [block, clusters] of byBlock) if (!this.#releaseIn(block, clusters)) return false;
    return true;
  }

  #releaseIn(blockIndex: number, clusters: readonly number[]): boolean {
    const offset = this.#table[blockIndex] ?? 0;
    // Nobody counts them: the image is not in order, and counting further down would make it worse.
    if (offset === 0) return true;
    const block = this.#block(offset);
    if (block === null) return false;
    let [first, last] = [this.#perBlock, -1];
    for (const cluster of clusters) {
      const index = cluster % this.#perBlock;
      const before = readCount(block, index, this.#order);
      if (before === 0) continue;
      writeCount(block, index, this.#order, before - 1);
      if (before === 1 && this.#free.length < MAX_FREE) this.#free.push(cluster);
      [first, last] = [Math.min(first, index), Math.max(last, index)];
    }
    return last < 0 || this.#flushCounts(offset, block, first, last - first + 1);
  }

  #flushCounts(offset: number, block: DataView, first: number, count: number): boolean {
    const bits = 2 ** this.#order;
    const end = Math.ceil(((first + count) * bits) / 8);
    return this.#blocks.flush(offset, block, Math.floor((first * bits) / 8), end);
  }

  #block(offset: number): DataView | null {
    return offset % this.#clusterBytes === 0 ? this.#blocks.get(offset) : null;
  }

  /** Preconditions: the range lies in one block */
  #setRange(cluster: number, count: number, value: number): boolean {
    const offset = this.#blockFor(cluster);
    const block = offset === null ? null : this.#block(offset);
    if (offset === null || block === null) return false;
    const first = cluster % this.#perBlock;
    for (let i = 0; i < count; i++) writeCount(block, first + i, this.#order, value);
    return this.#flushCounts(offset, block, first, count);
  }

  /** @returns the offset of the block that counts `cluster`, which is made if need be; null when the host fails */
  #blockFor(cluster: number): number | null {
    const index = Math.floor(cluster / this.#perBlock);
    if (index >= this.#table.length && !this.#growTable(index + 1)) return null;
    const present = this.#table[index];
    if (present !== 0) return present;
    const own = this.#end++;
    const offset = own * this.#clusterBytes;
    const bytes = new Uint8Array(this.#clusterBytes);
    // A block may count itself.
    const countsItself = Math.floor(own / this.#perBlock) === index;
    if (countsItself) writeCount(new DataView(bytes.buffer), own % this.#perBlock, this.#order, 1);
    if (this.#blocks.create(offset, bytes) === null) return null;
    if (!countsItself && !this.#setRange(own, 1, 1)) return null;
    if (!this.#writeTableEntry(index, offset)) return null;
    return offset;
  }

  #writeTableEntry(index: number, offset: number): boolean {
    const entry = new DataView(new ArrayBuffer(8));
    putU64(entry, 0, offset);
    if (!this.#file.write(this.#tableOffset + 8 * index, new Uint8Array(entry.buffer))) return false;
    this.#table[index] = offset;
    return true;
  }

  /** Moves the table to where it has room for `entries`. */
  #growTable(entries: number): boolean {
    const before = { offset: this.#tableOffset, clusters: (this.#table.length * 8) / this.#clusterBytes };
    // Room for half as much again, so that it moves seldom.
    const clusters = roundUp(Math.ceil(entries * 1.5) * 8, this.#clusterBytes) / this.#clusterBytes;
    const first = this.#end;
    this.#end += clusters;
    const table = [
      ...this.#table,
      ...new Array<number>((clusters * this.#clusterBytes) / 8 - this.#table.length).fill(0),
    ];
    const offset = first * this.#clusterBytes;
    const bytes = new Uint8Array(clusters * this.#clusterBytes);
    const view = new DataView(bytes.buffer);
    for (const [i, entry] of table.entries()) putU64(view, 8 * i, entry);
    if (!this.#file.write(offset, bytes)) return false;
    // The new table counts its own clusters; only then does the header name it.
    this.#table = table;
    this.#tableOffset = offset;
    for (let i = 0; i < clusters; i++) if (!this.#setRange(first + i, 1, 1)) return false;
    const fields = new DataView(new ArrayBuffer(12));
    putU64(fields, 0, offset);
    fields.setUint32(8, clusters);
    if (!this.#file.write(REFCOUNT_TABLE_FIELDS_OFFSET, new Uint8Array(fields.buffer))) return false;
    for (let i = 0; i < before.clusters; i++)
      if (!this.release(before.offset + i * this.#clusterBytes)) return false;
    return true;
  }
}

/** Stores a big-endian u64. */
export function putU64(view: DataView, at: number, value: number): void {
  view.setUint32(at, Math.floor(value / 2 ** 32));
  view.setUint32(at + 4, value >>> 0);
}

/** @param order a count has 2^order bits; below 8 bits the first is in the lowest bits of its byte */
function readCount(block: DataView, index: number, order: number): number {
  switch (order) {
    case 3:
      return block.getUint8(index);
    case 4:
      return block.getUint16(2 * index);
    case 5:
      return block.getUint32(4 * index);
    case 6:
      return u64(block, 8 * index);
    default: {
      const bits = 1 << order;
      const at = index * bits;
      return (block.getUint8(at >>> 3) >>> (at & 7)) & ((1 << bits) - 1);
    }
  }
}

function writeCount(block: DataView, index: number, order: number, value: number): void {
  switch (order) {
    case 3:
      return block.setUint8(index, value);
    case 4:
      return block.setUint16(2 * index, value);
    case 5:
      return block.setUint32(4 * index, value);
    case 6:
      return putU64(block, 8 * index, value);
    default: {
      const bits = 1 << order;
      const at = index * bits;
      const mask = ((1 << bits) - 1) << (at & 7);
      const rest = block.getUint8(at >>> 3) & ~mask;
      block.setUint8(at >>> 3, rest | ((value << (at & 7)) & mask));
    }
  }
}
