import {
  idxDistance,
  XenstoreDomainInterface as Page,
  XENSTORE_PAYLOAD_MAX,
  XENSTORE_RING_SIZE,
  XsdSockmsg,
} from '@domu/xen-abi';
import type { RingMemory } from './ring-memory.ts';

/** A message that came from the store. */
export interface Message {
  /** XS_* */
  readonly type: number;
  readonly reqId: number;
  readonly payload: Uint8Array;
}

/** A message for the store. */
export interface OutgoingMessage extends Message {
  readonly txId: number;
}

/**
 * The guest's end of the ring page: whole messages in, whole messages out, in whatever pieces fit. The store's indices
 * are read once and checked; a ring that makes no sense is `broken` and moves nothing any more.
 * Source: xen/include/public/io/xs_wire.h
 */
export class MessageRing {
  readonly #page: RingMemory;
  readonly #header = new Uint8Array(XsdSockmsg.size);
  readonly #headerView: DataView = new DataView(this.#header.buffer);
  #payload: Uint8Array | null = null;
  #received = 0;
  #outgoing: Uint8Array[] = [];
  broken = false;

  /** @param page the ring page, shared with the store */
  constructor(page: RingMemory) {
    this.#page = page;
  }

  /** Drops messages that are half sent or half received: for a ring that starts over. */
  reset(): void {
    this.#payload = null;
    this.#received = 0;
    this.#outgoing = [];
    this.broken = false;
  }

  /** Queues a message; `pump` sends it. */
  queue({ type, reqId, txId, payload }: OutgoingMessage): void {
    const bytes = new Uint8Array(XsdSockmsg.size + payload.length);
    const view = new DataView(bytes.buffer);
    XsdSockmsg.type.set(view, 0, type);
    XsdSockmsg.req_id.set(view, 0, reqId);
    XsdSockmsg.tx_id.set(view, 0, txId);
    XsdSockmsg.len.set(view, 0, payload.length);
    bytes.set(payload, XsdSockmsg.size);
    this.#outgoing.push(bytes);
  }

  /**
   * Moves what there is and what there is room for.
   * @param deliver takes each complete message
   * @returns whether the store is to be notified
   */
  pump(deliver: (message: Message) => void): boolean {
    const received = this.#receive(deliver);
    const sent = this.#send();
    return (received || sent) && !this.broken;
  }

  #send(): boolean {
    const prod = this.#page.read32(Page.req_prod.offset);
    const used = idxDistance(prod, this.#page.read32(Page.req_cons.offset));
    if (used > XENSTORE_RING_SIZE) this.broken = true;
    if (this.broken) return false;
    let sent = 0;
    while (this.#outgoing.length > 0 && used + sent < XENSTORE_RING_SIZE) {
      const chunk = this.#outgoing[0].subarray(0, XENSTORE_RING_SIZE - used - sent);
      const start = (prod + sent) & (XENSTORE_RING_SIZE - 1);
      const upToEnd = XENSTORE_RING_SIZE - start;
      this.#page.write(Page.req.offset + start, chunk.subarray(0, upToEnd));
      this.#page.write(Page.req.offset, chunk.subarray(upToEnd));
      sent += chunk.length;
      this.#outgoing[0] = this.#outgoing[0].subarray(chunk.length);
      if (this.#outgoing[0].length === 0) this.#outgoing.shift();
    }
    this.#page.write32(Page.req_prod.offset, (prod + sent) >>> 0);
    return sent > 0;
  }

  #receive(deliver: (message: Message) => void): boolean {
    let took = 0;
    for (let count = this.#take(); count > 0; count = this.#take()) {
      took += count;
      const message = this.#complete();
      if (message !== null) deliver(message);
    }
    return took > 0;
  }

  /** Takes bytes for the header or the payload at hand. @returns how many */
  #take(): number {
    const target = this.#payload ?? this.#header;
    const cons = this.#page.read32(Page.rsp_cons.offset);
    const available = idxDistance(this.#page.read32(Page.rsp_prod.offset), cons);
    if (available > XENSTORE_RING_SIZE) this.broken = true;
    if (this.broken) return 0;
    const count = Math.min(available, target.length - this.#received);
    const start = cons & (XENSTORE_RING_SIZE - 1);
    const upToEnd = Math.min(count, XENSTORE_RING_SIZE - start);
    const end = this.#received + count;
    this.#page.read(Page.rsp.offset + start, target.subarray(this.#received, this.#received + upToEnd));
    this.#page.read(Page.rsp.offset, target.subarray(this.#received + upToEnd, end));
    this.#page.write32(Page.rsp_cons.offset, (cons + count) >>> 0);
    this.#received = end;
    return count;
  }

  /** @returns the message that is complete now, if one is */
  #complete(): Message | null {
    if (this.#payload === null) {
      if (this.#received < this.#header.length) return null;
      const length = XsdSockmsg.len.get(this.#headerView, 0);
      if (length > XENSTORE_PAYLOAD_MAX) {
        this.broken = true;
        return null;
      }
      this.#payload = new Uint8Array(length);
      this.#received = 0;
    }
    if (this.#received < this.#payload.length) return null;
    const payload = this.#payload;
    this.#payload = null;
    this.#received = 0;
    return {
      type: XsdSockmsg.type.get(this.#headerView, 0),
      reqId: XsdSockmsg.req_id.get(this.#headerView, 0),
      payload,
    };
  }
}
