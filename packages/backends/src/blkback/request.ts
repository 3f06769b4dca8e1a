import {
  BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST,
  BLKIF_SECTOR_BYTES,
  BlkifRequest,
  BlkifRequestDiscard,
  BlkifRequestIndirect,
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
  /** Echoed in the response. */
  readonly id: bigint;
  /** First sector on the disk; exact below 2^53. */
  readonly sector: number;
  /** The slot's bytes; the functions below make sense of what depends on the operation. */
  readonly slot: DataView;
}

/** What an indirect request says of its segments. */
export interface IndirectRequest {
  /** BLKIF_OP_READ or BLKIF_OP_WRITE, or anything else. */
  readonly operation: number;
  readonly nrSegments: number;
}

const SECTORS_PER_PAGE = PAGE_SIZE / BLKIF_SECTOR_BYTES;
/** Segments that one page of an indirect request describes. */
export const SEGMENTS_PER_PAGE: number = PAGE_SIZE / BlkifRequestSegment.size;

/** Copies a request out of its slot. @param slot a private copy of the slot's bytes */
export function readRequest(slot: DataView): RingRequest {
  return {
    operation: BlkifRequest.operation.get(slot, 0),
    id: BlkifRequest.id.get(slot, 0),
    sector: BlkifRequest.sector_number.getNumber(slot, 0),
    slot,
  };
}

/** @returns number of segments of a request that is not indirect: 0..255 */
export function nrSegmentsOf({ slot }: RingRequest): number {
  return BlkifRequest.nr_segments.get(slot, 0);
}

export function readIndirect({ slot }: RingRequest): IndirectRequest {
  return {
    operation: BlkifRequestIndirect.indirect_op.get(slot, 0),
    nrSegments: BlkifRequestIndirect.nr_segments.get(slot, 0),
  };
}

/** @returns the page that describes segments `index` * 512 and on. Preconditions: `index` < 8 */
export function descriptorPage({ slot }: RingRequest, index: number): Gref {
  if (index >= BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST) throw new RangeError(`bug: descriptor page ${index}`);
  return gref(BlkifRequestIndirect.indirect_grefs.get(slot, 0, index));
}

/** Sectors of a discard; exact below 2^53. */
export function nrSectorsToDiscard({ slot }: RingRequest): number {
  return BlkifRequestDiscard.nr_sectors.getNumber(slot, 0);
}

/** BLKIF_DISCARD_*. */
export function discardFlags({ slot }: RingRequest): number {
  return BlkifRequestDiscard.flag.get(slot, 0);
}

/**
 * Reads segment descriptions.
 * @param view a private copy of them
 * @param at offset of the first, in bytes
 * @returns false when one lies outside its page
 */
export function readSegments(view: DataView, at: number, count: number, into: Segment[]): boolean {
  for (let i = 0; i < count; i++) {
    const base = at + i * BlkifRequestSegment.size;
    const first = BlkifRequestSegment.first_sect.get(view, base);
    const last = BlkifRequestSegment.last_sect.get(view, base);
    if (last < first || last >= SECTORS_PER_PAGE) return false;
    into.push({
      gref: gref(BlkifRequestSegment.gref.get(view, base)),
      offset: first * BLKIF_SECTOR_BYTES,
      lengthBytes: (last - first + 1) * BLKIF_SECTOR_BYTES,
    });
  }
  return true;
}

/** @returns how many sectors the segments hold */
export function sectorsOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { lengthBytes }) => sum + lengthBytes, 0) / BLKIF_SECTOR_BYTES;
}
