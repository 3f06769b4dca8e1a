import type { Frame } from '@domu/netstack';
import {
  GNTST_okay,
  type Gref,
  gref,
  idxDistance,
  isOverflow,
  mustNotify,
  NETIF_RSP_ERROR,
  NETRXF_csum_blank,
  NETRXF_data_validated,
  NETRXF_extra_info,
  NETRXF_more_data,
  NetifExtraInfo,
  NetifRxRequest,
  NetifRxResponse,
  nextIdx,
  nrSlots,
  PAGE_SIZE,
  Sring,
  slotOffset,
  XEN_NETIF_EXTRA_TYPE_GSO,
  XEN_NETIF_GSO_TYPE_TCPV4,
  XEN_NETIF_GSO_TYPE_TCPV6,
} from '@domu/xen-abi';

const STRIDE = NetifRxResponse.size;
const SLOTS = nrSlots(PAGE_SIZE, STRIDE);

/** Puts bytes at the start of a page that the guest has offered. @returns GNTST_* */
export type FillPage = (page: Gref, bytes: Uint8Array) => number;

/** What became of a frame: no room for it, a ring that makes no sense, or how it went in. */
export type RxOutcome = 'full' | 'broken' | { readonly notify: boolean; readonly errors: number };

/**
 * The backend's end of a receive ring. A response goes into the slot of its request; a frame takes as many as it has
 * pages, and one more when it says how it is to be cut.
 * Source: xen/include/public/io/netif.h, "RX"
 */
export class RxRing {
  readonly #view: DataView;
  readonly #fill: FillPage;
  #cons: number;

  constructor(page: Uint8Array, fill: FillPage) {
    this.#view = new DataView(page.buffer, page.byteOffset, PAGE_SIZE);
    this.#cons = Sring.rsp_prod.get(this.#view, 0);
    this.#fill = fill;
  }

  /** @returns how many slots the frame takes */
  static slotsOf({ data, gsoSize }: Frame): number {
    return Math.max(1, Math.ceil(data.length / PAGE_SIZE)) + (gsoSize > 0 ? 1 : 0);
  }

  /** Whether there is room for `slots`; if not, the frontend is asked for an event when it offers more. */
  hasRoom(slots: number): boolean {
    const reqProd = Sring.req_prod.get(this.#view, 0);
    if (idxDistance(reqProd, this.#cons) >= slots) return true;
    Sring.req_event.set(this.#view, 0, nextIdx(reqProd));
    return false;
  }

  put(frame: Frame): RxOutcome {
    if (isOverflow(Sring.req_prod.get(this.#view, 0), this.#cons, SLOTS)) return 'broken';
    if (!this.hasRoom(RxRing.slotsOf(frame))) return 'full';
    const before = this.#cons;
    const { data, gsoSize } = frame;
    let errors = 0;
    let flags = firstFlags(frame);
    for (let done = 0; done < data.length; ) {
      const bytes = data.subarray(done, done + PAGE_SIZE);
      done += bytes.length;
      if (done < data.length) flags |= NETRXF_more_data;
      if (!this.#putData(bytes, flags)) errors++;
      if (flags & NETRXF_extra_info) this.#putGso(frame, gsoSize);
      flags = 0;
    }
    Sring.rsp_prod.set(this.#view, 0, this.#cons);
    return { notify: mustNotify(before, this.#cons, Sring.rsp_event.get(this.#view, 0)), errors };
  }

  #putData(bytes: Uint8Array, flags: number): boolean {
    const at = this.#nextSlot();
    const id = NetifRxRequest.id.get(this.#view, at);
    const filled = this.#fill(gref(NetifRxRequest.gref.get(this.#view, at)), bytes) === GNTST_okay;
    NetifRxResponse.id.set(this.#view, at, id);
    NetifRxResponse.fields.offset.set(this.#view, at, 0);
    NetifRxResponse.flags.set(this.#view, at, flags);
    NetifRxResponse.status.set(this.#view, at, filled ? bytes.length : NETIF_RSP_ERROR);
    return filled;
  }

  /** Takes the place of a request, whose page stays unused. */
  #putGso({ gsoType }: Frame, gsoSize: number): void {
    const at = this.#nextSlot();
    const { gso } = NetifExtraInfo.u;
    NetifExtraInfo.type.set(this.#view, at, XEN_NETIF_EXTRA_TYPE_GSO);
    NetifExtraInfo.flags.set(this.#view, at, 0);
    gso.fields.size.set(this.#view, at, gsoSize);
    gso.type.set(this.#view, at, gsoType === 'tcpv6' ? XEN_NETIF_GSO_TYPE_TCPV6 : XEN_NETIF_GSO_TYPE_TCPV4);
    gso.pad.set(this.#view, at, 0);
    gso.features.set(this.#view, at, 0);
  }

  #nextSlot(): number {
    const at = slotOffset(this.#cons, SLOTS, STRIDE);
    this.#cons = nextIdx(this.#cons);
    return at;
  }
}

function firstFlags({ checksum, gsoSize }: Frame): number {
  const extra = gsoSize > 0 ? NETRXF_extra_info : 0;
  if (checksum === 'blank') return extra | NETRXF_csum_blank | NETRXF_data_validated;
  return checksum === 'validated' ? extra | NETRXF_data_validated : extra;
}
