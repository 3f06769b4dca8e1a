import {
  idxDistance,
  isOverflow,
  mustNotify,
  NETIF_RSP_NULL,
  NETTXF_extra_info,
  NETTXF_more_data,
  NetifExtraInfo,
  NetifTxRequest,
  NetifTxResponse,
  nextIdx,
  nrSlots,
  PAGE_SIZE,
  Sring,
  slotOffset,
  XEN_NETIF_EXTRA_FLAG_MORE,
  XEN_NETIF_EXTRA_TYPE_GSO,
  XEN_NETIF_EXTRA_TYPE_HASH,
  XEN_NETIF_EXTRA_TYPE_MAX,
  XEN_NETIF_NR_SLOTS_MIN,
} from '@domu/xen-abi';

const STRIDE = NetifTxRequest.size;
const SLOTS = nrSlots(PAGE_SIZE, STRIDE);
/** Slots after the first from which on a frontend is taken for malicious. Source: Linux, FATAL_SKB_SLOTS_DEFAULT */
const FATAL_SLOTS = 20;
const MIN_PACKET_BYTES = 14;

/** One request of a packet, copied out of the ring. */
export interface TxSlot {
  readonly gref: number;
  readonly offset: number;
  /** Bytes in this slot. */
  readonly size: number;
  readonly id: number;
}

/** A packet that the guest sends. */
export interface TxPacket {
  /** Index of its first request, and of its first response. */
  readonly start: number;
  readonly nrExtras: number;
  readonly slots: readonly TxSlot[];
  /** NETTXF_* of the first slot. */
  readonly flags: number;
  /** Bytes of the whole packet. */
  readonly size: number;
  /** From the extra info; 0: none. */
  readonly gsoSize: number;
  /** XEN_NETIF_GSO_TYPE_*. */
  readonly gsoType: number;
  /** Set when the packet is to be answered with an error and not looked at. */
  readonly refused: boolean;
  /** It holds orders for the backend, and nothing to send. */
  readonly control: boolean;
}

/** What was found in the ring: a packet, nothing, or the reason why the frontend cannot be served any more. */
export type TxFound = TxPacket | null | string;

interface Extras {
  readonly nr: number;
  readonly gsoSize: number;
  readonly gsoType: number;
  readonly control: boolean;
}

/**
 * The backend's end of a transmit ring. Requests are copied once and then checked; packets are answered in order.
 * What is fatal and what is an error of one packet is as Linux's netback has it.
 * Source: xen/include/public/io/netif.h; Linux drivers/net/xen-netback/netback.c (behaviour)
 */
export class TxRing {
  readonly #view: DataView;
  #cons: number;

  constructor(page: Uint8Array) {
    this.#view = new DataView(page.buffer, page.byteOffset, PAGE_SIZE);
    this.#cons = Sring.rsp_prod.get(this.#view, 0);
  }

  /** Takes the next packet. It must be answered by `respond` before the one after it. */
  take(): TxFound {
    const reqProd = Sring.req_prod.get(this.#view, 0);
    if (isOverflow(reqProd, this.#cons, SLOTS)) return 'impossible number of transmit requests';
    const available = idxDistance(reqProd, this.#cons);
    if (available === 0) {
      Sring.req_event.set(this.#view, 0, nextIdx(this.#cons));
      return null;
    }
    const start = this.#cons;
    const first = this.#request(start);
    const extras = this.#extras(start, available - 1, first.flags);
    if (typeof extras === 'string') return extras;
    if (extras.control) return this.#packet(start, extras, [first], { size: 0, flags: 0, refused: false });
    return this.#collect(start, available, first, extras);
  }

  /**
   * Answers a packet.
   * @param status NETIF_RSP_*
   * @returns whether the frontend wants to be notified
   */
  respond(packet: TxPacket, status: number): boolean {
    let idx = packet.start;
    for (const [i, slot] of packet.slots.entries()) {
      this.#response(idx, slot.id, status);
      idx = nextIdx(idx);
      for (let extra = i === 0 ? packet.nrExtras : 0; extra > 0; extra--) {
        NetifTxResponse.status.set(this.#view, slotOffset(idx, SLOTS, STRIDE), NETIF_RSP_NULL);
        idx = nextIdx(idx);
      }
    }
    Sring.rsp_prod.set(this.#view, 0, idx);
    return mustNotify(packet.start, idx, Sring.rsp_event.get(this.#view, 0));
  }

  /** Takes the slots that follow the first and its extras. */
  #collect(start: number, available: number, first: Request, extras: Extras): TxPacket | string {
    const slots: TxSlot[] = [];
    let left = first.size;
    let refused = false;
    let idx = (start + 1 + extras.nr) >>> 0;
    for (let { flags } = first; flags & NETTXF_more_data; idx = nextIdx(idx)) {
      if (1 + extras.nr + slots.length >= available) return 'a packet continues beyond the last request';
      if (slots.length >= FATAL_SLOTS) return `a packet in more than ${FATAL_SLOTS} slots`;
      const slot = this.#request(idx);
      if (slot.offset + slot.size > PAGE_SIZE) return 'a transmit request crosses the end of its page';
      if (slots.length >= XEN_NETIF_NR_SLOTS_MIN || slot.size > left) refused = true;
      left -= slot.size;
      slots.push(slot);
      flags = slot.flags;
    }
    if (!refused && first.size < MIN_PACKET_BYTES) refused = true;
    if (!refused && first.offset + left > PAGE_SIZE) return 'a transmit request crosses the end of its page';
    const all = [{ ...first, size: left }, ...slots];
    return this.#packet(start, extras, all, { size: first.size, flags: first.flags, refused });
  }

  #packet(
    start: number,
    extras: Extras,
    slots: TxSlot[],
    rest: Pick<TxPacket, 'size' | 'flags' | 'refused'>,
  ): TxPacket {
    const { nr, gsoSize, gsoType, control } = extras;
    this.#cons = (start + nr + slots.length) >>> 0;
    return { start, nrExtras: nr, slots, gsoSize, gsoType, control, ...rest };
  }

  #extras(start: number, available: number, flags: number): Extras | string {
    let [nr, gsoSize, gsoType, control] = [0, 0, 0, false];
    for (let more = (flags & NETTXF_extra_info) !== 0; more; ) {
      if (nr >= available) return 'extra info is missing';
      nr++;
      const at = slotOffset((start + nr) >>> 0, SLOTS, STRIDE);
      const type = NetifExtraInfo.type.get(this.#view, at);
      if (type === 0 || type >= XEN_NETIF_EXTRA_TYPE_MAX) return `extra info of type ${type}`;
      if (type === XEN_NETIF_EXTRA_TYPE_GSO) {
        gsoSize = NetifExtraInfo.u.gso.fields.size.get(this.#view, at);
        gsoType = NetifExtraInfo.u.gso.type.get(this.#view, at);
        if (gsoSize === 0) return 'GSO size 0';
      } else if (type < XEN_NETIF_EXTRA_TYPE_HASH) {
        control = true;
      }
      more = (NetifExtraInfo.flags.get(this.#view, at) & XEN_NETIF_EXTRA_FLAG_MORE) !== 0;
    }
    return { nr, gsoSize, gsoType, control };
  }

  #request(idx: number): Request {
    const at = slotOffset(idx, SLOTS, STRIDE);
    return {
      gref: NetifTxRequest.gref.get(this.#view, at),
      offset: NetifTxRequest.offset.get(this.#view, at),
      flags: NetifTxRequest.flags.get(this.#view, at),
      id: NetifTxRequest.id.get(this.#view, at),
      size: NetifTxRequest.fields.size.get(this.#view, at),
    };
  }

  #response(idx: number, id: number, status: number): void {
    const at = slotOffset(idx, SLOTS, STRIDE);
    NetifTxResponse.id.set(this.#view, at, id);
    NetifTxResponse.status.set(this.#view, at, status);
  }
}

interface Request extends TxSlot {
  readonly flags: number;
}
