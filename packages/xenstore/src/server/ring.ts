import {
  idxDistance,
  PAGE_SIZE,
  XenstoreDomainInterface as Page,
  XENSTORE_CONNECTED,
  XENSTORE_ERROR_NONE,
  XENSTORE_ERROR_PROTO,
  XENSTORE_ERROR_RINGIDX,
  XENSTORE_PAYLOAD_MAX,
  XENSTORE_RING_SIZE,
  XENSTORE_SERVER_FEATURE_ERROR,
  XsdSockmsg,
} from '@domu/xen-abi';
import type { XenStoreConnection } from './connection.ts';
import { OutputQueue } from './output-queue.ts';
import { serve } from './requests.ts';
import type { StoreCore } from './store-core.ts';

/** The store's end of a domain's event channel. */
export interface RingPort {
  /** Raises the event in the domain. */
  notify(): void;
  /** Unbinds; the handler is not called again. */
  close(): void;
}

/** What serves a domain's ring. */
export interface XenStoreRingOptions {
  /** The domain's ring page, 4096 bytes, shared with it. */
  readonly page: Uint8Array;
  /** Binds the domain's event channel; `onEvent` is to be called when the domain raises it. */
  readonly bind: (onEvent: () => void) => RingPort;
}

/** What a ring's counters count. */
export interface RingMetrics {
  requests: number;
  /** times the domain broke the protocol and was cut off */
  violations: number;
}

/**
 * Serves one domain's ring. Whatever the page holds, a run does a bounded amount of work and throws nothing: a domain
 * that breaks the protocol gets its `error` field set and is not listened to any more until the ring is reset.
 * Source: tools/xenstored/domain.c, "readchn", "writechn", "ignore_connection"; core.c, "handle_input" @ RELEASE-4.18.0
 */
export class XenStoreRing {
  readonly connection: XenStoreConnection;
  readonly metrics: RingMetrics = { requests: 0, violations: 0 };
  readonly #core: StoreCore;
  readonly #page: Uint8Array;
  readonly #view: DataView;
  readonly #port: RingPort;
  readonly #output: OutputQueue;
  readonly #header = new Uint8Array(XsdSockmsg.size);
  readonly #headerView: DataView = new DataView(this.#header.buffer);
  #payload: Uint8Array | null = null;
  #received = 0;
  #state: 'open' | 'ignored' | 'closed' = 'open';
  #running = false;

  /** Connects and serves what is already waiting: events sent before the port was bound are lost. */
  constructor(core: StoreCore, connection: XenStoreConnection, { page, bind }: XenStoreRingOptions) {
    this.connection = connection;
    this.#core = core;
    this.#page = page.subarray(0, PAGE_SIZE);
    this.#view = new DataView(page.buffer, page.byteOffset, PAGE_SIZE);
    this.#output = new OutputQueue(core.quotas.queuedBytes);
    Page.server_features.set(this.#view, 0, XENSTORE_SERVER_FEATURE_ERROR);
    this.#port = bind(() => this.run());
    connection.onDisconnect = () => this.#shut();
    this.run();
  }

  /** Takes requests and delivers output for as long as there is anything to do and room to do it. */
  run(): void {
    if (this.#state !== 'open' || this.#running) return;
    this.#running = true;
    let moved = false;
    for (let progress = true; progress && this.#state === 'open'; ) {
      const read = this.#mayRead() && this.#receive();
      const written = this.#state === 'open' && this.#send();
      progress = read || written;
      moved ||= progress;
    }
    this.#running = false;
    if (moved) this.#port.notify();
  }

  /** Starts over after a resume or a reconnection: empty ring, no watches, no transactions. */
  reset(): void {
    if (this.#state === 'closed') return;
    this.#forget();
    this.#state = 'open';
    for (const index of [Page.req_cons, Page.req_prod, Page.rsp_cons, Page.rsp_prod])
      index.set(this.#view, 0, 0);
    Page.error.set(this.#view, 0, XENSTORE_ERROR_NONE);
    if (Page.connection.get(this.#view, 0) !== XENSTORE_CONNECTED) {
      Page.connection.set(this.#view, 0, XENSTORE_CONNECTED);
      this.#port.notify();
    }
  }

  /** Disconnects for good; the page is not touched any more. */
  close(): void {
    this.#core.disconnect(this.connection);
  }

  #shut(): void {
    this.#state = 'closed';
    this.#output.clear();
    this.#port.close();
  }

  #mayRead(): boolean {
    const { outstandingReplies } = this.#core.quotas;
    return this.connection.privileged || this.#output.nrReplies < outstandingReplies;
  }

  /** Takes bytes until one request is complete or the ring is empty. @returns whether it took any */
  #receive(): boolean {
    let took = 0;
    while (this.#payload === null) {
      const n = this.#take(this.#header, this.#received);
      took += n;
      this.#received += n;
      if (this.#received < this.#header.length || this.#state !== 'open') return took > 0;
      const length = XsdSockmsg.len.get(this.#headerView, 0);
      if (length > XENSTORE_PAYLOAD_MAX) {
        this.#ignore(XENSTORE_ERROR_PROTO);
        return true;
      }
      this.#payload = new Uint8Array(length);
      this.#received = 0;
    }
    const n = this.#take(this.#payload, this.#received);
    took += n;
    this.#received += n;
    if (this.#received < this.#payload.length || this.#state !== 'open') return took > 0;
    const payload = this.#payload;
    this.#payload = null;
    this.#received = 0;
    this.#serve(payload);
    return true;
  }

  #serve(payload: Uint8Array): void {
    this.metrics.requests++;
    const type = XsdSockmsg.type.get(this.#headerView, 0);
    const reqId = XsdSockmsg.req_id.get(this.#headerView, 0);
    const txId = XsdSockmsg.tx_id.get(this.#headerView, 0);
    serve(this.#core, this.connection, { type, txId, payload }, this.#event, (replyType, body) =>
      this.#output.addReply(replyType, reqId, txId, body),
    );
  }

  /**
   * Takes an event of one of the domain's watches. That happens in the middle of whatever changed the store, so
   * nothing but output is done here.
   */
  readonly #event = (path: string, token: string): void => {
    if (this.#state !== 'open') return;
    this.#output.addEvent(path, token);
    if (this.#running) return;
    let moved = false;
    while (this.#state === 'open' && this.#send()) moved = true;
    if (moved) this.#port.notify();
  };

  /** Copies request bytes into `target` from `from` on. @returns how many; indices are read once, then checked */
  #take(target: Uint8Array, from: number): number {
    const cons = Page.req_cons.get(this.#view, 0);
    const available = idxDistance(Page.req_prod.get(this.#view, 0), cons);
    if (available > XENSTORE_RING_SIZE) {
      this.#ignore(XENSTORE_ERROR_RINGIDX);
      return 0;
    }
    const count = Math.min(available, target.length - from);
    for (let i = 0; i < count; i++) {
      target[from + i] = this.#page[Page.req.offset + ((cons + i) & (XENSTORE_RING_SIZE - 1))];
    }
    Page.req_cons.set(this.#view, 0, cons + count);
    return count;
  }

  /** @returns whether bytes of queued output went into the ring */
  #send(): boolean {
    const prod = Page.rsp_prod.get(this.#view, 0);
    const used = idxDistance(prod, Page.rsp_cons.get(this.#view, 0));
    if (used > XENSTORE_RING_SIZE) {
      this.#ignore(XENSTORE_ERROR_RINGIDX);
      return false;
    }
    const chunk = this.#output.take(XENSTORE_RING_SIZE - used);
    for (let i = 0; i < chunk.length; i++) {
      this.#page[Page.rsp.offset + ((prod + i) & (XENSTORE_RING_SIZE - 1))] = chunk[i];
    }
    Page.rsp_prod.set(this.#view, 0, prod + chunk.length);
    return chunk.length > 0;
  }

  #ignore(error: number): void {
    this.metrics.violations++;
    this.#state = 'ignored';
    Page.error.set(this.#view, 0, error);
    this.#forget();
  }

  #forget(): void {
    this.connection.reset();
    this.#output.clear();
    this.#payload = null;
    this.#received = 0;
  }
}
