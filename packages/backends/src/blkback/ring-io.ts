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

/** What became of a request. */
export interface Answer {
  /** BLKIF_OP_* that the response names: for an indirect request the one inside. */
  readonly operation: number;
  /** BLKIF_RSP_* */
  readonly status: number;
}

/** What a look at the ring came to. */
export interface Served {
  /** The frontend wants to be notified. */
  readonly notify: boolean;
  /** Requests were left for later. */
  readonly more: boolean;
}

/**
 * The backend's end of a block ring over one or more pages. Own indices are kept here, not in the shared pages, so that a
 * frontend that writes over them harms itself only.
 * Source: xen/include/public/io/ring.h
 */
export class BlkRing {
  readonly #pages: readonly Uint8Array[];
  readonly #header: DataView;
  readonly #slots: number;
  readonly #response: Uint8Array = new Uint8Array(BlkifResponse.size);
  readonly #responseView: DataView = new DataView(this.#response.buffer);
  /** The next request to take; requests are answered in order, so it is the next response too. */
  #next: number;

  /** Takes up a ring where its responses end, which is at 0 for a fresh one. @param pages their number is a power of two */
  constructor(pages: readonly Uint8Array[]) {
    this.#pages = pages;
    this.#header = new DataView(pages[0].buffer, pages[0].byteOffset, PAGE_SIZE);
    this.#slots = nrSlots(pages.length * PAGE_SIZE, STRIDE);
    this.#next = Sring.rsp_prod.get(this.#header, 0);
  }

  /**
   * Answers the requests that are published now, at most a ringful, until there were `enough`.
   * @returns 'broken' when the frontend published more than the ring holds
   */
  serve(execute: (request: RingRequest) => Answer, enough: () => boolean): Served | 'broken' {
    const reqProd = Sring.req_prod.get(this.#header, 0);
    if (isOverflow(reqProd, this.#next, this.#slots)) return 'broken';
    const before = this.#next;
    for (let left = idxDistance(reqProd, before); left > 0 && !enough(); left--) {
      const offset = slotOffset(this.#next, this.#slots, STRIDE);
      const request = readRequest(new DataView(this.#copyOut(offset).buffer));
      const { operation, status } = execute(request);
      BlkifResponse.id.set(this.#responseView, 0, request.id);
      BlkifResponse.operation.set(this.#responseView, 0, operation);
      BlkifResponse.status.set(this.#responseView, 0, status);
      this.#copyIn(offset, this.#response);
      this.#next = nextIdx(this.#next);
    }
    Sring.rsp_prod.set(this.#header, 0, this.#next);
    Sring.req_event.set(this.#header, 0, nextIdx(this.#next));
    const notify = mustNotify(before, this.#next, Sring.rsp_event.get(this.#header, 0));
    return { notify, more: this.#next !== reqProd };
  }

  #copyOut(offset: number): Uint8Array {
    const page = this.#pages[Math.floor(offset / PAGE_SIZE)];
    const at = offset % PAGE_SIZE;
    if (at + STRIDE <= PAGE_SIZE) return page.slice(at, at + STRIDE);
    const copy = new Uint8Array(STRIDE);
    copy.set(page.subarray(at));
    copy.set(
      this.#pages[Math.floor(offset / PAGE_SIZE) + 1].subarray(0, at + STRIDE - PAGE_SIZE),
      PAGE_SIZE - at,
    );
    return copy;
  }

  #copyIn(offset: number, bytes: Uint8Array): void {
    const at = offset % PAGE_SIZE;
    const here = Math.min(bytes.length, PAGE_SIZE - at);
    this.#pages[Math.floor(offset / PAGE_SIZE)].set(bytes.subarray(0, here), at);
    if (here < bytes.length) this.#pages[Math.floor(offset / PAGE_SIZE) + 1].set(bytes.subarray(here), 0);
  }
}
