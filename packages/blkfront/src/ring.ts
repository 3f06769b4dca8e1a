import {
  BlkifRequest,
  BlkifResponse,
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

const STRIDE = BlkifRequest.size;

/**
 * The frontend's end of a block ring over one or more pages, which need not be neighbours. Own indices are kept here; the
 * backend's is read once and checked.
 * Throws `GuestMemoryBug` when the kernel has not mapped the pages.
 * Source: xen/include/public/io/ring.h @ RELEASE-4.18.0
 */
export class FrontRing {
  readonly slots: number;
  readonly #guest: GuestPort;
  readonly #pages: readonly LinearAddr[];
  readonly #header: number;
  readonly #response: Uint8Array = new Uint8Array(BlkifResponse.size);
  readonly #responseView: DataView = new DataView(this.#response.buffer);
  #reqProd = 0;
  #published = 0;
  #rspCons = 0;

  /** Makes a fresh ring. @param pages as many as the ring has; a power of two */
  constructor(guest: GuestPort, pages: readonly LinearAddr[]) {
    this.#guest = guest;
    this.#pages = pages;
    this.#header = pages[0];
    this.slots = nrSlots(pages.length * PAGE_SIZE, STRIDE);
    if (!guest.writeBytes(pages[0], new Uint8Array(SRING_HEADER_BYTES))) throw new GuestMemoryBug(pages[0]);
    kernelWrite32(guest, this.#header + Sring.req_event.offset, SRING_FIRST_EVENT);
    kernelWrite32(guest, this.#header + Sring.rsp_event.offset, SRING_FIRST_EVENT);
  }

  /** Requests that there is room for. */
  get free(): number {
    return freeSlots(this.#reqProd, this.#rspCons, this.slots);
  }

  /** Puts a request into the next slot; the backend sees it after `publish`. Preconditions: `free` > 0 */
  put(request: Uint8Array): void {
    this.#write(slotOffset(this.#reqProd, this.slots, STRIDE), request);
    this.#reqProd = nextIdx(this.#reqProd);
  }

  /** Shows the backend what was put. @returns whether it wants an event */
  publish(): boolean {
    if (this.#published === this.#reqProd) return false;
    kernelWrite32(this.#guest, this.#header + Sring.req_prod.offset, this.#reqProd);
    const event = kernelRead32(this.#guest, this.#header + Sring.req_event.offset);
    const notify = mustNotify(this.#published, this.#reqProd, event);
    this.#published = this.#reqProd;
    return notify;
  }

  /**
   * Takes the responses that there are.
   * @param handle is given id, operation and status (BLKIF_RSP_*); it may put requests. @returns false to stop
   * @returns false when `handle` did, or when the backend answered more than it was asked
   */
  take(handle: (id: number, operation: number, status: number) => boolean): boolean {
    for (;;) {
      const rspProd = kernelRead32(this.#guest, this.#header + Sring.rsp_prod.offset);
      const waiting = idxDistance(rspProd, this.#rspCons);
      if (waiting === 0) return true;
      if (waiting > idxDistance(this.#published, this.#rspCons)) return false;
      for (let i = 0; i < waiting; i++) {
        this.#read(slotOffset(this.#rspCons, this.slots, STRIDE), this.#response);
        this.#rspCons = nextIdx(this.#rspCons);
        const view = this.#responseView;
        const id = BlkifResponse.id.getNumber(view, 0);
        if (!handle(id, BlkifResponse.operation.get(view, 0), BlkifResponse.status.get(view, 0)))
          return false;
      }
      // Responses from here on raise an event; those that came before it was asked for are found by looking again.
      kernelWrite32(this.#guest, this.#header + Sring.rsp_event.offset, nextIdx(this.#rspCons));
    }
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
