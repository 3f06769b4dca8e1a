import {
  BlkifRequest,
  BlkifResponse,
  idxDistance,
  isOverflow,
  mustNotify,
  nextIdx,
  nrSlots,
  PAGE_SIZE,
  Sring,
  slotOffset,
} from '@domu/xen-abi';
import { type RingRequest, readRequest } from './request.ts';

const STRIDE = BlkifRequest.size;
const SLOTS = nrSlots(PAGE_SIZE, STRIDE);

/**
 * The backend's end of a single-page block ring. Own indices are kept here, not in the shared page, so that a frontend
 * that writes over them harms itself only.
 * Source: xen/include/public/io/ring.h
 */
export class BlkRing {
  readonly #page: Uint8Array;
  readonly #view: DataView;
  /** The next request to take; requests are answered in order, so it is the next response too. */
  #next: number;

  /** Takes up a ring where its responses end, which is at 0 for a fresh one. */
  constructor(page: Uint8Array) {
    this.#page = page;
    this.#view = new DataView(page.buffer, page.byteOffset, PAGE_SIZE);
    this.#next = Sring.rsp_prod.get(this.#view, 0);
  }

  /**
   * Answers all requests that are published now, at most a ringful.
   * @param execute returns the request's BLKIF_RSP_*
   * @returns whether the frontend wants to be notified; or 'broken' when it published more than the ring holds
   */
  serve(execute: (request: RingRequest) => number): boolean | 'broken' {
    const reqProd = Sring.req_prod.get(this.#view, 0);
    if (isOverflow(reqProd, this.#next, SLOTS)) return 'broken';
    const before = this.#next;
    for (let left = idxDistance(reqProd, before); left > 0; left--) {
      const offset = slotOffset(this.#next, SLOTS, STRIDE);
      const copy = this.#page.slice(offset, offset + STRIDE);
      const request = readRequest(new DataView(copy.buffer, copy.byteOffset, STRIDE));
      const status = execute(request);
      BlkifResponse.id.set(this.#view, offset, request.id);
      BlkifResponse.operation.set(this.#view, offset, request.operation);
      BlkifResponse.status.set(this.#view, offset, status);
      this.#next = nextIdx(this.#next);
    }
    Sring.rsp_prod.set(this.#view, 0, this.#next);
    Sring.req_event.set(this.#view, 0, nextIdx(this.#next));
    return mustNotify(before, this.#next, Sring.rsp_event.get(this.#view, 0));
  }
}
