import { FrontRing, type KernelPages, type Lender, type LentPage } from '@domu/grant-table/guest';
import type { Frame } from '@domu/netstack';
import {
  GuestMemoryBug,
  type GuestPort,
  NETIF_RSP_NULL,
  NETIF_RSP_OKAY,
  NETTXF_csum_blank,
  NETTXF_data_validated,
  NETTXF_extra_info,
  NETTXF_more_data,
  NetifExtraInfo,
  NetifTxRequest,
  NetifTxResponse,
  PAGE_SIZE,
  XEN_NETIF_EXTRA_TYPE_GSO,
  XEN_NETIF_GSO_TYPE_TCPV4,
  XEN_NETIF_GSO_TYPE_TCPV6,
} from '@domu/xen-abi';
import type { NetFrontMetrics } from './metrics.ts';

/** What both directions of a queue work with. */
export interface QueueParts {
  readonly guest: GuestPort;
  readonly lender: Lender;
  readonly pages: KernelPages;
  readonly backendDomid: number;
  readonly metrics: NetFrontMetrics;
}

/**
 * What the guest sends. Frames are copied into pages that stay lent for as long as the queue lives.
 * Invariant: a page is idle, or part of the request with its id
 */
export class TxQueue {
  readonly #parts: QueueParts;
  readonly #maxPages: number;
  readonly #ring: FrontRing;
  readonly #ringPage: LentPage;
  readonly #idle: LentPage[] = [];
  #nrPages = 0;
  /** [id]: the page of a request that the backend has. */
  readonly #inFlight: (LentPage | undefined)[] = [];
  readonly #freeIds: number[] = [];
  readonly #slot: Uint8Array = new Uint8Array(NetifTxRequest.size);
  readonly #view: DataView = new DataView(this.#slot.buffer);
  readonly #response: Uint8Array = new Uint8Array(NetifTxResponse.size);
  readonly #responseView: DataView = new DataView(this.#response.buffer);

  /** @param ringPage lent to the backend; the queue gives it back */
  constructor(parts: QueueParts, ringPage: LentPage, maxPages: number) {
    this.#parts = parts;
    this.#maxPages = maxPages;
    this.#ringPage = ringPage;
    this.#ring = new FrontRing(parts.guest, [ringPage.va], NetifTxRequest.size);
    for (let id = this.#ring.slots - 1; id >= 0; id--) this.#freeIds.push(id);
  }

  /** The reference that the backend is told. */
  get gref(): number {
    return this.#ringPage.gref;
  }

  /**
   * Puts a frame into the ring.
   * @param frame one that fits: in 65535 bytes, and in one page when the backend wants it so
   * @returns false when there is no room now
   */
  put(frame: Frame): boolean {
    const { data, gsoSize } = frame;
    const nrPages = Math.max(1, Math.ceil(data.length / PAGE_SIZE));
    if (this.#ring.free < nrPages + (gsoSize > 0 ? 1 : 0)) return false;
    const pages = this.#take(nrPages);
    if (pages === null) return false;
    for (const [i, page] of pages.entries()) {
      const bytes = data.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE);
      if (!this.#parts.guest.writeBytes(page.va, bytes)) throw new GuestMemoryBug(page.va);
      const more = i < pages.length - 1 ? NETTXF_more_data : 0;
      this.#request(page, i === 0 ? firstFlags(frame) | more : more, i === 0 ? data.length : bytes.length);
      if (i === 0 && gsoSize > 0) this.#gso(frame);
    }
    return true;
  }

  /** Shows the backend what was put. @returns whether it wants an event */
  publish(): boolean {
    return this.#ring.publish();
  }

  /**
   * Takes back what the backend has answered, and asks for an event when half of the rest is answered.
   * @returns how many slots were answered, or null when an answer made no sense
   */
  reap(): number | null {
    let reaped = 0;
    for (;;) {
      const waiting = this.#ring.waiting();
      if (waiting < 0) return null;
      for (let i = 0; i < waiting; i++) if (!this.#takeResponse()) return null;
      reaped += waiting;
      const { free, slots } = this.#ring;
      if (!this.#ring.await(((slots - free) >> 1) + 1)) return reaped;
    }
  }

  /** Gives all pages back. */
  release(): void {
    const { lender } = this.#parts;
    for (const page of this.#inFlight) if (page !== undefined) lender.takeBack(page);
    for (const page of this.#idle) lender.takeBack(page);
    lender.takeBack(this.#ringPage);
    this.#inFlight.length = 0;
    this.#idle.length = 0;
  }

  #takeResponse(): boolean {
    this.#ring.take(this.#response);
    const status = NetifTxResponse.status.get(this.#responseView, 0);
    if (status === NETIF_RSP_NULL) return true;
    const id = NetifTxResponse.id.get(this.#responseView, 0);
    const page = this.#inFlight[id];
    if (page === undefined) return false;
    this.#inFlight[id] = undefined;
    this.#freeIds.push(id);
    this.#idle.push(page);
    if (status !== NETIF_RSP_OKAY) this.#parts.metrics.txErrors++;
    return true;
  }

  /** @returns pages, all or none */
  #take(count: number): LentPage[] | null {
    const { lender, backendDomid: domid, pages } = this.#parts;
    while (this.#idle.length < count && this.#nrPages < this.#maxPages) {
      const page = pages.alloc();
      const lent = page === null ? null : lender.lend(page, { domid, readonly: true });
      if (lent === null) {
        if (page !== null) pages.free(page);
        break;
      }
      this.#nrPages++;
      this.#idle.push(lent);
    }
    return this.#idle.length < count ? null : this.#idle.splice(this.#idle.length - count);
  }

  #request(page: LentPage, flags: number, size: number): void {
    const id = this.#freeIds.pop() ?? 0;
    this.#inFlight[id] = page;
    NetifTxRequest.gref.set(this.#view, 0, page.gref);
    NetifTxRequest.offset.set(this.#view, 0, 0);
    NetifTxRequest.flags.set(this.#view, 0, flags);
    NetifTxRequest.id.set(this.#view, 0, id);
    NetifTxRequest.fields.size.set(this.#view, 0, size);
    this.#ring.put(this.#slot);
  }

  #gso({ gsoSize, gsoType }: Frame): void {
    const { gso } = NetifExtraInfo.u;
    this.#slot.fill(0);
    NetifExtraInfo.type.set(this.#view, 0, XEN_NETIF_EXTRA_TYPE_GSO);
    gso.fields.size.set(this.#view, 0, gsoSize);
    gso.type.set(this.#view, 0, gsoType === 'tcpv6' ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4);
    this.#ring.put(this.#slot);
  }
}

function firstFlags({ checksum, gsoSize }: Frame): number {
  const extra = gsoSize > 0 ? NETTXF_extra_info : 0;
  if (checksum === 'blank') return extra | NETTXF_csum_blank | NETTXF_data_validated;
  return checksum === 'validated' ? extra | NETTXF_data_validated : extra;
}
