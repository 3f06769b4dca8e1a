import {
  type DomId,
  domId,
  idxDistance,
  PAGE_SIZE,
  XenstoreDomainInterface as Page,
  XENSTORE_RING_SIZE,
  XsdSockmsg,
} from '@domu/xen-abi';
import { fromText } from './payload.ts';
import type { XenStoreRing } from './ring.ts';
import { XenStore, type XenStoreOptions } from './xen-store.ts';

/** A message as a guest sees it; the payload is text of one character per byte. */
export interface WireMessage {
  readonly type: number;
  readonly reqId: number;
  readonly txId: number;
  readonly payload: string;
}

/** A store whose deferred callbacks run when the test says so. */
export class TestStore extends XenStore {
  readonly #jobs: (() => void)[];

  constructor(options: Omit<XenStoreOptions, 'defer'> = {}) {
    const jobs: (() => void)[] = [];
    super({ defer: (job) => jobs.push(job), ...options });
    this.#jobs = jobs;
  }

  /** Runs deferred callbacks, those that they defer included. */
  settle(): void {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) job();
  }
}

/** The guest's end of a ring, byte by byte, as well or ill behaved as the test makes it. */
export class WireGuest {
  readonly page: Uint8Array = new Uint8Array(PAGE_SIZE);
  readonly view: DataView = new DataView(this.page.buffer);
  readonly ring: XenStoreRing;
  /** Events that the store has raised. */
  nrNotified = 0;
  portClosed = false;
  #onEvent: () => void = () => {};
  #lastReqId = 0;
  #inbox = '';

  /** @param prepare runs before the store sees the ring */
  constructor(store: XenStore, domid: number | DomId, prepare: (guest: WireGuest) => void = () => {}) {
    prepare(this);
    this.ring = store.introduceDomain(domId(domid), {
      page: this.page,
      bind: (onEvent) => {
        this.#onEvent = onEvent;
        return {
          notify: () => {
            this.nrNotified++;
          },
          close: () => {
            this.portClosed = true;
          },
        };
      },
    });
  }

  /** Raises the event. */
  kick(): void {
    this.#onEvent();
  }

  /** Puts as many bytes into the request ring as fit. @returns how many */
  put(bytes: Uint8Array): number {
    const prod = Page.req_prod.get(this.view, 0);
    const room = XENSTORE_RING_SIZE - idxDistance(prod, Page.req_cons.get(this.view, 0));
    const count = Math.min(room, bytes.length);
    for (let i = 0; i < count; i++) this.page[(prod + i) & (XENSTORE_RING_SIZE - 1)] = bytes[i];
    Page.req_prod.set(this.view, 0, prod + count);
    return count;
  }

  /** Takes what is in the response ring. @returns the complete messages, in order */
  take(): WireMessage[] {
    const prod = Page.rsp_prod.get(this.view, 0);
    let cons = Page.rsp_cons.get(this.view, 0);
    for (; cons !== prod; cons = (cons + 1) >>> 0) {
      this.#inbox += String.fromCharCode(this.page[Page.rsp.offset + (cons & (XENSTORE_RING_SIZE - 1))]);
    }
    Page.rsp_cons.set(this.view, 0, cons);
    const messages: WireMessage[] = [];
    while (this.#inbox.length >= XsdSockmsg.size) {
      const header = new DataView(fromText(this.#inbox.slice(0, XsdSockmsg.size)).buffer as ArrayBuffer);
      const end = XsdSockmsg.size + XsdSockmsg.len.get(header, 0);
      if (this.#inbox.length < end) break;
      messages.push({
        type: XsdSockmsg.type.get(header, 0),
        reqId: XsdSockmsg.req_id.get(header, 0),
        txId: XsdSockmsg.tx_id.get(header, 0),
        payload: this.#inbox.slice(XsdSockmsg.size, end),
      });
      this.#inbox = this.#inbox.slice(end);
    }
    return messages;
  }

  /** @returns a request's bytes */
  encode(type: number, payload: string, txId = 0): Uint8Array {
    const bytes = new Uint8Array(XsdSockmsg.size + payload.length);
    const view = new DataView(bytes.buffer);
    XsdSockmsg.type.set(view, 0, type);
    XsdSockmsg.req_id.set(view, 0, ++this.#lastReqId);
    XsdSockmsg.tx_id.set(view, 0, txId);
    XsdSockmsg.len.set(view, 0, payload.length);
    bytes.set(fromText(payload), XsdSockmsg.size);
    return bytes;
  }

  /** Sends a request, however many ringfuls it takes. @returns all that came back, in order */
  exchange(type: number, payload: string, txId = 0): WireMessage[] {
    const messages: WireMessage[] = [];
    let bytes = this.encode(type, payload, txId);
    do {
      bytes = bytes.subarray(this.put(bytes));
      this.kick();
      for (let got = this.take(); ; got = this.take()) {
        messages.push(...got);
        const before = Page.rsp_prod.get(this.view, 0);
        this.kick();
        if (Page.rsp_prod.get(this.view, 0) === before) break;
      }
    } while (bytes.length > 0);
    return messages;
  }

  /** @returns the reply to a request; events that came with it are left out */
  ask(type: number, payload: string, txId = 0): WireMessage {
    const messages = this.exchange(type, payload, txId);
    const reply = messages.find((message) => message.reqId === this.#lastReqId);
    if (reply === undefined) throw new Error(`no reply among ${JSON.stringify(messages)}`);
    return reply;
  }
}
