import { FrontRing, type LentPage } from '@domu/grant-table/guest';
import { type ChecksumState, type Frame, type GsoType, MAX_FRAME_BYTES } from '@domu/netstack';
import {
  GuestMemoryBug,
  NETRXF_csum_blank,
  NETRXF_data_validated,
  NETRXF_extra_info,
  NETRXF_more_data,
  NetifExtraInfo,
  NetifRxRequest,
  NetifRxResponse,
  PAGE_SIZE,
  XEN_NETIF_EXTRA_FLAG_MORE,
  XEN_NETIF_EXTRA_TYPE_GSO,
  XEN_NETIF_GSO_TYPE_TCPV4,
  XEN_NETIF_GSO_TYPE_TCPV6,
} from '@domu/xen-abi';
import type { QueueParts } from './tx-queue.ts';

/** What was found in the ring: a frame, valid until the next call; one in error; nothing; or a ring that makes no sense. */
export type Received = Frame | 'error' | 'nothing' | 'broken';

/** A packet as it is put together. */
interface Draft {
  lengthBytes: number;
  flags: number;
  gsoSize: number;
  gsoType: number;
  bad: boolean;
}

/**
 * What the guest gets. The pages that are offered to the backend stay lent for as long as the queue lives, and are offered
 * again as soon as their data has been copied out.
 * Invariant: every page of the queue is offered, or waits to be
 */
export class RxQueue {
  readonly #parts: QueueParts;
  readonly #ring: FrontRing;
  readonly #ringPage: LentPage;
  readonly #pages: LentPage[] = [];
  /** [index of the request, modulo the ring's slots]: its page. */
  readonly #offered: (LentPage | undefined)[] = [];
  readonly #idle: LentPage[] = [];
  readonly #buffer: Uint8Array = new Uint8Array(MAX_FRAME_BYTES);
  readonly #request: Uint8Array = new Uint8Array(NetifRxRequest.size);
  readonly #requestView: DataView = new DataView(this.#request.buffer);
  readonly #response: Uint8Array = new Uint8Array(NetifRxResponse.size);
  readonly #responseView: DataView = new DataView(this.#response.buffer);

  /** @param ringPage lent to the backend; the queue gives it back */
  constructor(parts: QueueParts, ringPage: LentPage) {
    this.#parts = parts;
    this.#ringPage = ringPage;
    this.#ring = new FrontRing(parts.guest, [ringPage.va], NetifRxResponse.size);
  }

  /** The reference that the backend is told. */
  get gref(): number {
    return this.#ringPage.gref;
  }

  /** Takes pages until there are `count`, as far as there are some. @returns how many there are */
  grow(count: number): number {
    const { lender, backendDomid } = this.#parts;
    while (this.#pages.length < Math.min(count, this.#ring.slots)) {
      const page = lender.lendNew(backendDomid);
      if (page === null) break;
      this.#pages.push(page);
      this.#idle.push(page);
    }
    return this.#pages.length;
  }

  /** Offers the pages that are idle. @returns whether the backend wants an event */
  offer(): boolean {
    for (let page = this.#idle.pop(); page !== undefined; page = this.#idle.pop()) {
      const slot = this.#ring.reqProd & (this.#ring.slots - 1);
      this.#offered[slot] = page;
      NetifRxRequest.id.set(this.#requestView, 0, slot);
      NetifRxRequest.gref.set(this.#requestView, 0, page.gref);
      this.#ring.put(this.#request);
    }
    return this.#ring.publish();
  }

  /** Takes the next packet. */
  take(): Received {
    const waiting = this.#ring.waiting();
    if (waiting < 0) return 'broken';
    if (waiting === 0 && !this.#ring.await(1)) return 'nothing';
    return this.#packet(waiting);
  }

  /** Gives all pages back. */
  release(): void {
    const { lender } = this.#parts;
    for (const page of this.#pages.splice(0)) lender.takeBack(page);
    lender.takeBack(this.#ringPage);
    this.#idle.length = 0;
    this.#offered.length = 0;
  }

  #packet(waiting: number): Received {
    const draft: Draft = { lengthBytes: 0, flags: 0, gsoSize: 0, gsoType: 0, bad: false };
    let left = waiting;
    for (let [more, first] = [true, true]; more; first = false) {
      if (left === 0) return 'error';
      const flags = this.#data(draft);
      left--;
      more = (flags & NETRXF_more_data) !== 0;
      if (!first) continue;
      draft.flags = flags;
      left = flags & NETRXF_extra_info ? this.#extras(draft, left) : left;
    }
    return draft.bad ? 'error' : this.#frame(draft);
  }

  /** Copies the data of one slot. @returns NETRXF_* */
  #data(draft: Draft): number {
    const page = this.#takeSlot();
    const view = this.#responseView;
    const offset = NetifRxResponse.fields.offset.get(view, 0);
    const status = NetifRxResponse.status.get(view, 0);
    const end = draft.lengthBytes + status;
    if (status < 0 || offset + status > PAGE_SIZE || end > MAX_FRAME_BYTES || page === undefined)
      draft.bad = true;
    else {
      const into = this.#buffer.subarray(draft.lengthBytes, end);
      if (!this.#parts.guest.readBytes(page.va + offset, into)) throw new GuestMemoryBug(page.va);
      draft.lengthBytes = end;
    }
    return NetifRxResponse.flags.get(view, 0);
  }

  /** @returns how many responses are left */
  #extras(draft: Draft, waiting: number): number {
    const view = this.#responseView;
    const { gso } = NetifExtraInfo.u;
    for (let left = waiting; left > 0; ) {
      this.#takeSlot();
      left--;
      if (NetifExtraInfo.type.get(view, 0) === XEN_NETIF_EXTRA_TYPE_GSO) {
        draft.gsoSize = gso.fields.size.get(view, 0);
        draft.gsoType = gso.type.get(view, 0);
        if (draft.gsoSize === 0 || gsoTypeOf(draft.gsoType) === null) draft.bad = true;
      } else {
        draft.bad = true;
      }
      if ((NetifExtraInfo.flags.get(view, 0) & XEN_NETIF_EXTRA_FLAG_MORE) === 0) return left;
    }
    draft.bad = true;
    return 0;
  }

  /** Takes a response; its page is idle again. */
  #takeSlot(): LentPage | undefined {
    const slot = this.#ring.rspCons & (this.#ring.slots - 1);
    this.#ring.take(this.#response);
    const page = this.#offered[slot];
    this.#offered[slot] = undefined;
    if (page !== undefined) this.#idle.push(page);
    return page;
  }

  #frame({ lengthBytes, flags, gsoSize, gsoType }: Draft): Frame {
    return {
      data: this.#buffer.subarray(0, lengthBytes),
      checksum: gsoSize > 0 ? 'blank' : checksumOf(flags),
      gsoSize,
      gsoType: gsoTypeOf(gsoType) ?? 'tcpv4',
    };
  }
}

function checksumOf(flags: number): ChecksumState {
  if (flags & NETRXF_csum_blank) return 'blank';
  return flags & NETRXF_data_validated ? 'validated' : 'present';
}

function gsoTypeOf(type: number): GsoType | null {
  if (type === XEN_NETIF_GSO_TYPE_TCPV4) return 'tcpv4';
  return type === XEN_NETIF_GSO_TYPE_TCPV6 ? 'tcpv6' : null;
}
