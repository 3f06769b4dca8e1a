import {
  freeSlots,
  GuestMemoryBug,
  type GuestPort,
  idxDistance,
  kernelRead32,
  kernelWrite32,
  type LinearAddr,
  mustNotify,
  nextIdx,
  nrSlots,
  PAGE_SIZE,
  SRING_FIRST_EVENT,
  SRING_HEADER_BYTES,
  Sring,
  slotOffset,
} from '@domu/xen-abi';

/**
 * The frontend's end of a one-page ring whose slots are read and written as bytes. Own indices are kept here; the backend's
 * is read once and checked.
 * Throws `GuestMemoryBug` when the kernel has not mapped the page.
 * Source: xen/include/public/io/ring.h @ RELEASE-4.18.0
 */
export class FrontRing {
  readonly slots: number;
  readonly #guest: GuestPort;
  readonly #page: LinearAddr;
  readonly #stride: number;
  #reqProd = 0;
  #published = 0;
  #rspCons = 0;

  /** Makes a fresh ring. @param stride bytes of a slot */
  constructor(guest: GuestPort, page: LinearAddr, stride: number) {
    this.#guest = guest;
    this.#page = page;
    this.#stride = stride;
    this.slots = nrSlots(PAGE_SIZE, stride);
    if (!guest.writeBytes(page, new Uint8Array(SRING_HEADER_BYTES))) throw new GuestMemoryBug(page);
    this.#set(Sring.req_event.offset, SRING_FIRST_EVENT);
    this.#set(Sring.rsp_event.offset, SRING_FIRST_EVENT);
  }

  /** Index of the next request. */
  get reqProd(): number {
    return this.#reqProd;
  }

  /** Index of the next response. */
  get rspCons(): number {
    return this.#rspCons;
  }

  /** Requests that there is room for. */
  get free(): number {
    return freeSlots(this.#reqProd, this.#rspCons, this.slots);
  }

  /** Puts a request into the next slot; the backend sees it after `publish`. Preconditions: `free` > 0 */
  put(request: Uint8Array): void {
    const at = this.#page + slotOffset(this.#reqProd, this.slots, this.#stride);
    if (!this.#guest.writeBytes(at, request)) throw new GuestMemoryBug(at);
    this.#reqProd = nextIdx(this.#reqProd);
  }

  /** Shows the backend what was put. @returns whether it wants an event */
  publish(): boolean {
    if (this.#published === this.#reqProd) return false;
    this.#set(Sring.req_prod.offset, this.#reqProd);
    const event = kernelRead32(this.#guest, this.#page + Sring.req_event.offset);
    const notify = mustNotify(this.#published, this.#reqProd, event);
    this.#published = this.#reqProd;
    return notify;
  }

  /** @returns how many responses wait; -1 when the backend answered more than it was asked */
  waiting(): number {
    const rspProd = kernelRead32(this.#guest, this.#page + Sring.rsp_prod.offset);
    const waiting = idxDistance(rspProd, this.#rspCons);
    return waiting > idxDistance(this.#published, this.#rspCons) ? -1 : waiting;
  }

  /** Copies the next response out. Preconditions: one waits */
  take(into: Uint8Array): void {
    const at = this.#page + slotOffset(this.#rspCons, this.slots, this.#stride);
    if (!this.#guest.readBytes(at, into)) throw new GuestMemoryBug(at);
    this.#rspCons = nextIdx(this.#rspCons);
  }

  /**
   * Asks for an event when `count` more responses are there, then looks again: what came before that was asked for raises
   * none.
   * @returns whether responses wait
   */
  await(count: number): boolean {
    this.#set(Sring.rsp_event.offset, (this.#rspCons + count) >>> 0);
    return this.waiting() !== 0;
  }

  #set(offset: number, value: number): void {
    kernelWrite32(this.#guest, this.#page + offset, value);
  }
}
