import type { LentPage } from '@domu/grant-table/guest';
import {
  BLKIF_DISCARD_SECURE,
  BLKIF_OP_DISCARD,
  BLKIF_OP_INDIRECT,
  BLKIF_SECTOR_BYTES,
  BlkifRequest,
  BlkifRequestDiscard,
  BlkifRequestIndirect,
  BlkifRequestSegment,
  PAGE_SIZE,
} from '@domu/xen-abi';

/** Segments that one page of an indirect request describes. */
export const SEGMENTS_PER_INDIRECT_PAGE: number = PAGE_SIZE / BlkifRequestSegment.size;

/** What all requests have. */
export interface RequestHead {
  /** BLKIF_OP_* */
  readonly operation: number;
  /** The device's number, its low 16 bits. */
  readonly handle: number;
  readonly id: number;
  /** First sector of 512 bytes on the disk. */
  readonly sector: number;
}

/** Data in whole pages, except the last. */
export interface RequestData {
  readonly pages: readonly LentPage[];
  readonly lengthBytes: number;
}

/** Builds requests as they stand in a ring; the bytes are reused by the next one. */
export class RequestEncoder {
  readonly #bytes: Uint8Array = new Uint8Array(BlkifRequest.size);
  readonly #view: DataView = new DataView(this.#bytes.buffer);

  /** A read, write, barrier or flush with at most 11 segments. */
  direct({ operation, handle, id, sector }: RequestHead, data: RequestData): Uint8Array {
    const view = this.#view;
    BlkifRequest.operation.set(view, 0, operation);
    BlkifRequest.nr_segments.set(view, 0, data.pages.length);
    BlkifRequest.handle.set(view, 0, handle);
    BlkifRequest.id.setNumber(view, 0, id);
    BlkifRequest.sector_number.setNumber(view, 0, sector);
    putSegments(view, BlkifRequest.seg.offset, data, 0, data.pages.length);
    return this.#bytes.subarray(0, BlkifRequest.seg.at(0, data.pages.length));
  }

  /** A read or write whose segments are described in `descriptors`, already filled. */
  indirect(
    { operation, handle, id, sector }: RequestHead,
    nrSegments: number,
    descriptors: readonly LentPage[],
  ): Uint8Array {
    const view = this.#view;
    BlkifRequestIndirect.operation.set(view, 0, BLKIF_OP_INDIRECT);
    BlkifRequestIndirect.indirect_op.set(view, 0, operation);
    BlkifRequestIndirect.nr_segments.set(view, 0, nrSegments);
    BlkifRequestIndirect.id.setNumber(view, 0, id);
    BlkifRequestIndirect.sector_number.setNumber(view, 0, sector);
    BlkifRequestIndirect.handle.set(view, 0, handle);
    for (const [i, page] of descriptors.entries())
      BlkifRequestIndirect.indirect_grefs.set(view, 0, i, page.gref);
    return this.#bytes.subarray(0, BlkifRequestIndirect.size);
  }

  /** @param nrSectors of 512 bytes */
  discard({ handle, id, sector }: RequestHead, nrSectors: number, secure: boolean): Uint8Array {
    const view = this.#view;
    BlkifRequestDiscard.operation.set(view, 0, BLKIF_OP_DISCARD);
    BlkifRequestDiscard.flag.set(view, 0, secure ? BLKIF_DISCARD_SECURE : 0);
    BlkifRequestDiscard.handle.set(view, 0, handle);
    BlkifRequestDiscard.id.setNumber(view, 0, id);
    BlkifRequestDiscard.sector_number.setNumber(view, 0, sector);
    BlkifRequestDiscard.nr_sectors.setNumber(view, 0, nrSectors);
    return this.#bytes.subarray(0, BlkifRequestDiscard.size);
  }
}

/** @returns the contents of the descriptor page `index` of an indirect request */
export function indirectDescriptors(data: RequestData, index: number): Uint8Array {
  const first = index * SEGMENTS_PER_INDIRECT_PAGE;
  const count = Math.min(data.pages.length - first, SEGMENTS_PER_INDIRECT_PAGE);
  const view = new DataView(new ArrayBuffer(count * BlkifRequestSegment.size));
  putSegments(view, 0, data, first, count);
  return new Uint8Array(view.buffer);
}

function putSegments(view: DataView, at: number, data: RequestData, first: number, count: number): void {
  for (let i = 0; i < count; i++) {
    const base = at + i * BlkifRequestSegment.size;
    const left = data.lengthBytes - (first + i) * PAGE_SIZE;
    BlkifRequestSegment.gref.set(view, base, data.pages[first + i].gref);
    BlkifRequestSegment.first_sect.set(view, base, 0);
    BlkifRequestSegment.last_sect.set(view, base, Math.min(left, PAGE_SIZE) / BLKIF_SECTOR_BYTES - 1);
  }
}
