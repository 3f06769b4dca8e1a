import type { HostFile } from './host-file.ts';
import { QCOW2_MAGIC } from './qcow2/header.ts';
import { putU64 } from './qcow2/refcounts.ts';

const MAX_BYTES = 64 << 20;

/** A file in memory that fails when it is told to. It does not grow beyond 64 MiB. */
export class MemoryFile implements HostFile {
  readonly name: string = 'memory';
  readonly readonly: boolean;
  bytes: Uint8Array;
  lastError: Error | null = null;
  failing = false;
  nrFlushed = 0;
  closed = false;

  constructor(bytes: Uint8Array, options: { readonly readonly?: boolean } = {}) {
    this.bytes = bytes;
    this.readonly = options.readonly ?? false;
  }

  get sizeBytes(): number {
    return this.bytes.length;
  }

  read(offset: number, into: Uint8Array): number {
    if (this.failing) return -1;
    const found = this.bytes.subarray(offset, offset + into.length);
    into.set(found);
    into.fill(0, found.length);
    return found.length;
  }

  readPieces(offset: number, into: readonly Uint8Array[]): number {
    let total = 0;
    for (const piece of into) total += Math.max(0, this.read(offset + total, piece));
    return total;
  }

  write(offset: number, from: Uint8Array): boolean {
    if (this.failing || this.readonly || offset + from.length > MAX_BYTES) return false;
    if (offset + from.length > this.bytes.length) {
      const longer = new Uint8Array(offset + from.length);
      longer.set(this.bytes);
      this.bytes = longer;
    }
    this.bytes.set(from, offset);
    return true;
  }

  writePieces(offset: number, from: readonly Uint8Array[]): boolean {
    let at = offset;
    return from.every((piece) => {
      const done = this.write(at, piece);
      at += piece.length;
      return done;
    });
  }

  flush(): boolean {
    this.nrFlushed++;
    return !this.failing;
  }

  close(): void {
    this.closed = true;
  }
}

/** What a test's image is like. */
export interface TestImage {
  readonly sizeBytes: number;
  readonly clusterBits?: number;
  readonly version?: 2 | 3;
  readonly backing?: { readonly name: string; readonly format?: string };
}

/** @returns an empty qcow2 image: header, refcount table and block, L1 table, a cluster each */
export function emptyQcow2({ sizeBytes, clusterBits = 12, version = 3, backing }: TestImage): Uint8Array {
  const clusterBytes = 2 ** clusterBits;
  const bytes = new Uint8Array(4 * clusterBytes);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, QCOW2_MAGIC);
  view.setUint32(4, version);
  view.setUint32(20, clusterBits);
  putU64(view, 24, sizeBytes);
  view.setUint32(36, Math.ceil(sizeBytes / (clusterBytes * (clusterBytes / 8))));
  putU64(view, 40, 3 * clusterBytes);
  putU64(view, 48, clusterBytes);
  view.setUint32(56, 1);
  if (version === 3) {
    view.setUint32(96, 4);
    view.setUint32(100, 104);
  }
  if (backing !== undefined) putBacking(bytes, version === 3 ? 104 : 72, backing);
  putU64(view, clusterBytes, 2 * clusterBytes);
  for (let cluster = 0; cluster < 4; cluster++) view.setUint16(2 * clusterBytes + 2 * cluster, 1);
  return bytes;
}

function putBacking(
  bytes: Uint8Array,
  end: number,
  { name, format }: NonNullable<TestImage['backing']>,
): void {
  const view = new DataView(bytes.buffer);
  const text = new TextEncoder();
  let at = end;
  if (format !== undefined) {
    view.setUint32(at, 0xe2792aca);
    view.setUint32(at + 4, format.length);
    bytes.set(text.encode(format), at + 8);
    at += 8 + Math.ceil(format.length / 8) * 8;
  }
  at += 8;
  putU64(view, 8, at);
  view.setUint32(16, name.length);
  bytes.set(text.encode(name), at);
}
