import {
  BLKIF_DISCARD_SECURE,
  BLKIF_MAX_SEGMENTS_PER_REQUEST,
  BLKIF_OP_DISCARD,
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_INDIRECT,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_ERROR,
  BLKIF_RSP_OKAY,
  BlkifRequest,
} from '@domu/xen-abi';
import { type BlockStore, readPieces, writePieces } from '../block-store/block-store.ts';
import { MAX_INDIRECT_SEGMENTS } from './features.ts';
import type { BlkBackMetrics } from './metrics.ts';
import type { BlockObserver } from './observer.ts';
import type { PageAccess } from './page-access.ts';
import {
  descriptorPage,
  discardFlags,
  nrSectorsToDiscard,
  nrSegmentsOf,
  type RingRequest,
  readIndirect,
  readSegments,
  SEGMENTS_PER_PAGE,
  type Segment,
  sectorsOf,
} from './request.ts';
import type { Answer } from './ring-io.ts';

/** What requests are carried out on. */
export interface ExecutorOptions {
  readonly pages: PageAccess;
  readonly store: BlockStore;
  readonly metrics: BlkBackMetrics;
  /** Whether discards are offered. */
  readonly discard: boolean;
  /** The host could not do what the guest asked for; `store.lastError` may say why. */
  readonly onHostFailure: () => void;
  readonly observer: BlockObserver | null;
}

/** Carries out requests of one connection on one disk. A request is done as a whole or answered with an error. */
export class RequestExecutor {
  readonly #pages: PageAccess;
  readonly #store: BlockStore;
  readonly #metrics: BlkBackMetrics;
  readonly #discards: boolean;
  readonly #onHostFailure: () => void;
  readonly #observer: BlockObserver | null;

  constructor({ pages, store, metrics, discard, onHostFailure, observer }: ExecutorOptions) {
    this.#observer = observer;
    this.#pages = pages;
    this.#store = store;
    this.#metrics = metrics;
    this.#discards = discard;
    this.#onHostFailure = onHostFailure;
  }

  execute(request: RingRequest): Answer {
    const metrics = this.#metrics;
    metrics.requests++;
    const moved = metrics.readSectors + metrics.writtenSectors;
    this.#observer?.requestBegins();
    const inner =
      request.operation === BLKIF_OP_INDIRECT ? readIndirect(request).operation : request.operation;
    const status = this.#statusOf(request);
    this.#pages.endRequest();
    const nrSectors = metrics.readSectors + metrics.writtenSectors - moved;
    this.#observer?.requestEnds(inner, request.sector, nrSectors, status);
    return { operation: inner, status };
  }

  #statusOf(request: RingRequest): number {
    switch (request.operation) {
      case BLKIF_OP_READ:
      case BLKIF_OP_WRITE:
      case BLKIF_OP_WRITE_BARRIER:
      case BLKIF_OP_FLUSH_DISKCACHE:
        return this.#direct(request);
      case BLKIF_OP_INDIRECT:
        return this.#indirect(request);
      case BLKIF_OP_DISCARD:
        return this.#discard(request);
      default:
        return BLKIF_RSP_EOPNOTSUPP;
    }
  }

  #direct(request: RingRequest): number {
    const count = nrSegmentsOf(request);
    const segments: Segment[] = [];
    if (count > BLKIF_MAX_SEGMENTS_PER_REQUEST) return this.#refuse();
    if (!readSegments(request.slot, BlkifRequest.seg.offset, count, segments)) return this.#refuse();
    if (request.operation === BLKIF_OP_READ || request.operation === BLKIF_OP_WRITE)
      return this.#transfer(request, segments, request.operation);
    if (count === 0) return this.#flush();
    return this.#durableWrite(request, segments);
  }

  #indirect(request: RingRequest): number {
    const { operation, nrSegments } = readIndirect(request);
    if (operation !== BLKIF_OP_READ && operation !== BLKIF_OP_WRITE) return this.#refuse();
    if (nrSegments > MAX_INDIRECT_SEGMENTS) return this.#refuse();
    const segments: Segment[] = [];
    for (let first = 0; first < nrSegments; first += SEGMENTS_PER_PAGE) {
      const page = this.#pages.page(descriptorPage(request, first / SEGMENTS_PER_PAGE), { readonly: true });
      if (typeof page === 'number') return this.#notMapped();
      const copy = page.slice();
      const count = Math.min(nrSegments - first, SEGMENTS_PER_PAGE);
      if (!readSegments(new DataView(copy.buffer), 0, count, segments)) return this.#refuse();
    }
    return this.#transfer(request, segments, operation);
  }

  /** What was written before is durable before the barrier's own data is written, and that before it is answered. */
  #durableWrite(request: RingRequest, segments: readonly Segment[]): number {
    if (this.#flush() !== BLKIF_RSP_OKAY) return BLKIF_RSP_ERROR;
    const status = this.#transfer(request, segments, BLKIF_OP_WRITE);
    return status === BLKIF_RSP_OKAY ? this.#flush() : status;
  }

  #flush(): number {
    this.#metrics.flushes++;
    return this.#store.flush() ? BLKIF_RSP_OKAY : this.#hostFailed();
  }

  #discard(request: RingRequest): number {
    const store = this.#store;
    if (!this.#discards || store.discard === undefined) return BLKIF_RSP_EOPNOTSUPP;
    // Whoever asks for this must not be told that no copy remains.
    if (discardFlags(request) & BLKIF_DISCARD_SECURE) return BLKIF_RSP_EOPNOTSUPP;
    const nrSectors = nrSectorsToDiscard(request);
    if (nrSectors === 0 || !this.#onDisk(request.sector, nrSectors) || store.readonly) return this.#refuse();
    if (!store.discard(request.sector, nrSectors)) return this.#hostFailed();
    this.#metrics.discardedSectors += nrSectors;
    return BLKIF_RSP_OKAY;
  }

  #transfer(request: RingRequest, segments: readonly Segment[], operation: number): number {
    const { sector } = request;
    const write = operation === BLKIF_OP_WRITE;
    const nrSectors = sectorsOf(segments);
    if (nrSectors === 0 || !this.#onDisk(sector, nrSectors)) return this.#refuse();
    if (write && this.#store.readonly) return this.#refuse();
    const pieces = this.#map(segments, { readonly: write });
    if (pieces === null) return this.#notMapped();
    const done = write ? writePieces(this.#store, sector, pieces) : readPieces(this.#store, sector, pieces);
    if (!done) return this.#hostFailed();
    if (write) this.#metrics.writtenSectors += nrSectors;
    else this.#metrics.readSectors += nrSectors;
    return BLKIF_RSP_OKAY;
  }

  /** Neighbours become one piece. @returns null when a page cannot be mapped */
  #map(segments: readonly Segment[], options: { readonly readonly: boolean }): Uint8Array[] | null {
    const pieces: Uint8Array[] = [];
    for (const { gref, offset, lengthBytes } of segments) {
      const page = this.#pages.page(gref, options);
      if (typeof page === 'number') return null;
      const before = pieces.at(-1);
      const start = page.byteOffset + offset;
      if (before?.buffer === page.buffer && before.byteOffset + before.length === start) {
        const length = before.length + lengthBytes;
        pieces[pieces.length - 1] = new Uint8Array(page.buffer, before.byteOffset, length);
      } else pieces.push(page.subarray(offset, offset + lengthBytes));
    }
    return pieces;
  }

  #onDisk(sector: number, nrSectors: number): boolean {
    return sector + nrSectors <= this.#store.sectors;
  }

  #refuse(): number {
    this.#metrics.refused++;
    return BLKIF_RSP_ERROR;
  }

  #notMapped(): number {
    this.#metrics.grantFailures++;
    return BLKIF_RSP_ERROR;
  }

  #hostFailed(): number {
    this.#metrics.hostFailures++;
    this.#onHostFailure();
    return BLKIF_RSP_ERROR;
  }
}
