import {
  BLKIF_MAX_SEGMENTS_PER_REQUEST,
  BLKIF_SECTOR_BYTES,
  BlkifRequest,
  BlkifRequestSegment,
  type Gref,
  gref,
  PAGE_SIZE,
} from '@domu/xen-abi';

/** One page's part of a request. */
export interface Segment {
  readonly gref: Gref;
  /** Byte offset in the page. */
  readonly offset: number;
  readonly lengthBytes: number;
}

/** A request as the frontend put it into the ring, copied out once. */
export interface RingRequest {
  /** BLKIF_OP_*, or anything else. */
  readonly operation: number;
  readonly nrSegments: number;
  /** Echoed in the response. */
  readonly id: bigint;
  /** First sector on the disk; exact below 2^53. */
  readonly sector: number;
  /** The slot's segments as bytes; `segmentsOf` makes sense of them. */
  readonly slot: DataView;
}

const SECTORS_PER_PAGE = PAGE_SIZE / BLKIF_SECTOR_BYTES;

/** Copies a request out of its slot. @param slot a private copy of the slot's bytes */
export function readRequest(slot: DataView): RingRequest {
  return {
    operation: BlkifRequest.operation.get(slot, 0),
    nrSegments: BlkifRequest.nr_segments.get(slot, 0),
    id: BlkifRequest.id.get(slot, 0),
    sector: BlkifRequest.sector_number.getNumber(slot, 0),
    slot,
  };
}

/** @returns the segments of a read or write, or null when there are too many or one lies outside its page */
export function segmentsOf(request: RingRequest): Segment[] | null {
  if (request.nrSegments > BLKIF_MAX_SEGMENTS_PER_REQUEST) return null;
  const segments: Segment[] = [];
  for (let i = 0; i < request.nrSegments; i++) {
    const base = BlkifRequest.seg.at(0, i);
    const first = BlkifRequestSegment.first_sect.get(request.slot, base);
    const last = BlkifRequestSegment.last_sect.get(request.slot, base);
    if (last < first || last >= SECTORS_PER_PAGE) return null;
    segments.push({
      gref: gref(BlkifRequestSegment.gref.get(request.slot, base)),
      offset: first * BLKIF_SECTOR_BYTES,
      lengthBytes: (last - first + 1) * BLKIF_SECTOR_BYTES,
    });
  }
  return segments;
}

/** @returns whether the request's segments lie on a disk of `sectors` sectors */
export function fitsOnDisk(request: RingRequest, segments: readonly Segment[], sectors: number): boolean {
  const lengthBytes = segments.reduce((sum, segment) => sum + segment.lengthBytes, 0);
  return request.sector + lengthBytes / BLKIF_SECTOR_BYTES <= sectors;
}
