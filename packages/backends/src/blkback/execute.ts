import {
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_ERROR,
  BLKIF_RSP_OKAY,
  BLKIF_SECTOR_BYTES,
  type DomId,
} from '@domu/xen-abi';
import type { BlockStore } from '../block-store/block-store.ts';
import type { BackendHost } from '../host.ts';
import type { BlkBackMetrics } from './metrics.ts';
import { fitsOnDisk, type RingRequest, type Segment, segmentsOf } from './request.ts';

/** Carries out requests of one frontend on one disk. */
export class RequestExecutor {
  readonly #host: BackendHost;
  readonly #frontendDomid: DomId;
  readonly #store: BlockStore;
  readonly #metrics: BlkBackMetrics;

  constructor(host: BackendHost, frontendDomid: DomId, store: BlockStore, metrics: BlkBackMetrics) {
    this.#host = host;
    this.#frontendDomid = frontendDomid;
    this.#store = store;
    this.#metrics = metrics;
  }

  /** @returns BLKIF_RSP_* */
  execute(request: RingRequest): number {
    this.#metrics.requests++;
    switch (request.operation) {
      case BLKIF_OP_READ:
        return this.#transfer(request, 'read');
      case BLKIF_OP_WRITE:
        return this.#transfer(request, 'write');
      case BLKIF_OP_WRITE_BARRIER:
        return this.#barrier(request);
      case BLKIF_OP_FLUSH_DISKCACHE:
        return request.nrSegments === 0 ? this.#flush() : this.#refuse();
      default:
        return BLKIF_RSP_EOPNOTSUPP;
    }
  }

  /** What was written before is durable before the barrier's own data is written, and that before it is answered. */
  #barrier(request: RingRequest): number {
    if (request.nrSegments === 0) return this.#flush();
    if (this.#flush() !== BLKIF_RSP_OKAY) return BLKIF_RSP_ERROR;
    const status = this.#transfer(request, 'write');
    return status === BLKIF_RSP_OKAY ? this.#flush() : status;
  }

  #flush(): number {
    this.#metrics.flushes++;
    if (this.#store.flush()) return BLKIF_RSP_OKAY;
    this.#metrics.hostFailures++;
    return BLKIF_RSP_ERROR;
  }

  #transfer(request: RingRequest, direction: 'read' | 'write'): number {
    const segments = segmentsOf(request);
    if (segments === null || segments.length === 0) return this.#refuse();
    if (!fitsOnDisk(request, segments, this.#store.sectors)) return this.#refuse();
    if (direction === 'write' && this.#store.readonly) return this.#refuse();
    let sector = request.sector;
    for (const segment of segments) {
      if (!this.#transferSegment(segment, sector, direction)) return BLKIF_RSP_ERROR;
      sector += segment.lengthBytes / BLKIF_SECTOR_BYTES;
    }
    const done = sector - request.sector;
    if (direction === 'read') this.#metrics.readSectors += done;
    else this.#metrics.writtenSectors += done;
    return BLKIF_RSP_OKAY;
  }

  #transferSegment(segment: Segment, sector: number, direction: 'read' | 'write'): boolean {
    const readonly = direction === 'write';
    const page = this.#host.mapGrant(this.#frontendDomid, segment.gref, { readonly });
    if (typeof page === 'number') {
      this.#metrics.grantFailures++;
      return false;
    }
    try {
      const bytes = page.bytes.subarray(segment.offset, segment.offset + segment.lengthBytes);
      const done = direction === 'read' ? this.#store.read(sector, bytes) : this.#store.write(sector, bytes);
      if (!done) this.#metrics.hostFailures++;
      return done;
    } finally {
      page.release();
    }
  }

  #refuse(): number {
    this.#metrics.refused++;
    return BLKIF_RSP_ERROR;
  }
}
