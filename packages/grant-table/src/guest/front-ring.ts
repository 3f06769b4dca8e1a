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
 * The frontend's end of a ring over one or more lent pages, which need not be neighbours; slots are read and written as
 * bytes. Own indices are kept here; the backend's is read once and checked.
 * Throws `GuestMemoryBug` when the kernel has not mapped the pages.
 * Source: xen/include/public/io/ring.h @ RELEASE-4.18.0
 */
export class FrontRing {
  readonly slots: number;
  readonly #guest: GuestPort;
  readonly #pages: readonly LinearAddr[];
  readonly #header: LinearAddr;
  readonly #stride: number;
  #reqProd = 0;
  #published = 0;
  #rspCons = 0;

  /** Makes a fresh ring. @param pages as many as the ring has; a power of two @param stride bytes of a slot */
  constructor(guest: GuestPort, pages: readonly LinearAddr[], stride: number) {
    this.#guest = guest;
    this.#pages = pages;
    this.#header = pages[0];
    this.#stride = stride;
    this.slots = nrSlots(pages.length * PAGE_SIZE, stride);
    if (!guest.writeBytes(pages[0], new Uint8Array(SRING_HEADER_BYTES))) throw new GuestMemoryBug(pages[0]);
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
    this.#write(slotOffset(this.#reqProd, this.slots, this.#stride), request);
    this.#reqProd = nextIdx(this.#reqProd);
  }

  /** Shows the backend what was put. @returns whether it wants an event */
  publish(): boolean {
    if (this.#published === this.#reqProd) return false;
    this.#set(Sring.req_prod.offset, this.#reqProd);
    const event = kernelRead32(this.#guest, this.#header + Sring.req_event.offset);
    const notify = mustNotify(this.#published, this.#reqProd, event);
    this.#published = this.#reqProd;
    return notify;
  }

  /** @returns how many responses wait; -1 when the backend answered more than it was asked */
  waiting(): number {
    const rspProd = kernelRead32(this.#guest, this.#header + Sring.rsp_prod.offset);
    const waiting = idxDistance(rspProd, this.#rspCons);
    return waiting > idxDistance(this.#published, this.#rspCons) ? -1 : waiting;
  }

  /** Copies the next response out. Preconditions: one waits */
  take(into: Uint8Array): void {
    this.#read(slotOffset(this.#rspCons, this.slots, this.#stride), into);
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
    kernelWrite32(this.#guest, this.#header + offset, value);
  }

  #write(offset: number, bytes: Uint8Array): void {
    const va = this.#pages[Math.floor(offset / PAGE_SIZE)] + (offset % PAGE_SIZE);
    const here = Math.min(bytes.length, PAGE_SIZE - (offset % PAGE_SIZE));
    if (!this.#guest.writeBytes(va, here === bytes.length ? bytes : bytes.subarray(0, here)))
      throw new GuestMemoryBug(va);
    if (here < bytes.length) this.#write(offset + here, bytes.subarray(here));
  }

  #read(offset: number, into: Uint8Array): void {
    const va = this.#pages[Math.floor(offset / PAGE_SIZE)] + (offset % PAGE_SIZE);
    const here = Math.min(into.length, PAGE_SIZE - (offset % PAGE_SIZE));
    if (!this.#guest.readBytes(va, here === into.length ? into : into.subarray(0, here)))
      throw new GuestMemoryBug(va);
    if (here < into.length) this.#read(offset + here, into.subarray(here));
  }
}
