import {
  BLKIF_OP_DISCARD,
  BLKIF_OP_INDIRECT,
  BLKIF_OP_READ,
  BlkifRequest,
  BlkifRequestDiscard,
  BlkifRequestIndirect,
  BlkifRequestSegment,
  BlkifResponse,
  GNTST_bad_gntref,
  type Gref,
  nextIdx,
  PAGE_SIZE,
  type Port,
  SRING_FIRST_EVENT,
  Sring,
  slotOffset,
  XEN_EINVAL,
} from '@domu/xen-abi';
import { XenStore } from '@domu/xenstore/server';
import type { BackendHost, GrantMapping, HostPort } from './host.ts';

/** A host with one guest: its pages by grant reference, its ports, and the queue that handlers and watches run from. */
export class FakeHost implements BackendHost {
  readonly store: XenStore;
  readonly pages: Map<number, Uint8Array> = new Map();
  /** grants that may only be read */
  readonly readonlyGrefs: Set<number> = new Set();
  /** unbound ports of the guest */
  readonly ports: Set<number> = new Set();
  readonly #handlers: Map<number, () => void> = new Map();
  readonly #jobs: (() => void)[] = [];
  nrMapped = 0;
  nrMapCalls = 0;
  nrDeferred = 0;
  nrNotified = 0;

  constructor() {
    this.store = new XenStore({ defer: (job) => this.#jobs.push(job) });
  }

  get nrBound(): number {
    return this.#handlers.size;
  }

  bindInterdomain(_domid: number, port: Port, handler: () => void): HostPort | number {
    if (!this.ports.delete(port)) return -XEN_EINVAL;
    this.#handlers.set(port, handler);
    this.kick(port);
    return {
      notify: () => {
        this.nrNotified++;
      },
      close: () => {
        if (this.#handlers.delete(port)) this.ports.add(port);
      },
    };
  }

  mapGrant(_domid: number, gref: Gref, options: { readonly readonly: boolean }): GrantMapping | number {
    const bytes = this.pages.get(gref);
    if (bytes === undefined || (!options.readonly && this.readonlyGrefs.has(gref))) return GNTST_bad_gntref;
    this.nrMapped++;
    this.nrMapCalls++;
    let held = true;
    return {
      bytes,
      release: () => {
        if (held) this.nrMapped--;
        held = false;
      },
    };
  }

  defer(job: () => void): void {
    this.nrDeferred++;
    this.#jobs.push(job);
  }

  /** The guest raises an event. */
  kick(port: number): void {
    this.#jobs.push(() => this.#handlers.get(port)?.());
  }

  /** Runs everything that is queued. */
  settle(): void {
    for (let job = this.#jobs.shift(); job !== undefined; job = this.#jobs.shift()) job();
  }

  /** Hands out a fresh page under a grant reference. */
  grantPage(gref: number): Uint8Array {
    const page = new Uint8Array(PAGE_SIZE);
    this.pages.set(gref, page);
    return page;
  }
}

export const BACKEND_PATH = '/local/domain/0/backend/vbd/5/51712';
export const FRONTEND_PATH = '/local/domain/5/device/vbd/51712';
export const RING_GREF = 8;
export const PORT = 11;
const SLOTS = 32;

/** One segment of a request as a test writes it. */
export interface TestSegment {
  readonly gref: number;
  readonly first?: number;
  readonly last?: number;
}

/** A block frontend, as well or ill behaved as the test makes it. */
export class TestFrontend {
  readonly host: FakeHost;
  ring: Uint8Array;
  view: DataView;
  #prod = 0;
  #cons = 0;

  /** Does the toolstack's part: both directories, both at Initialising. */
  constructor(host: FakeHost) {
    this.host = host;
    host.store.write(`${BACKEND_PATH}/frontend`, FRONTEND_PATH);
    host.store.write(`${BACKEND_PATH}/frontend-id`, '5');
    host.store.write(`${BACKEND_PATH}/state`, '1');
    host.store.write(`${FRONTEND_PATH}/backend`, BACKEND_PATH);
    host.store.write(`${FRONTEND_PATH}/state`, '1');
    this.ring = new Uint8Array(PAGE_SIZE);
    this.view = new DataView(this.ring.buffer);
  }

  /** Makes a fresh ring and announces it. */
  connect(nodes: Readonly<Record<string, string>> = {}, state = 3): void {
    this.ring = this.host.grantPage(RING_GREF);
    this.view = new DataView(this.ring.buffer);
    this.#prod = 0;
    this.#cons = 0;
    Sring.req_event.set(this.view, 0, SRING_FIRST_EVENT);
    Sring.rsp_event.set(this.view, 0, SRING_FIRST_EVENT);
    this.host.ports.add(PORT);
    const keys = { 'ring-ref': `${RING_GREF}`, 'event-channel': `${PORT}`, protocol: 'x86_32-abi', ...nodes };
    for (const [name, value] of Object.entries(keys))
      this.host.store.write(`${FRONTEND_PATH}/${name}`, value);
    this.setState(state);
  }

  setState(state: number): void {
    this.host.store.write(`${FRONTEND_PATH}/state`, `${state}`);
    this.host.settle();
  }

  get backendState(): string | null {
    return this.backend('state');
  }

  backend(node: string): string | null {
    return this.host.store.read(`${BACKEND_PATH}/${node}`);
  }

  /** Puts a request into the ring. @returns its id */
  put(
    operation: number,
    sector: number | bigint,
    segments: readonly TestSegment[],
    nrSegments?: number,
  ): bigint {
    const base = slotOffset(this.#prod, SLOTS, BlkifRequest.size);
    const id = BigInt(this.#prod) + 0x1234_5678_9abc_def0n;
    BlkifRequest.operation.set(this.view, base, operation);
    BlkifRequest.nr_segments.set(this.view, base, nrSegments ?? segments.length);
    BlkifRequest.id.set(this.view, base, id);
    BlkifRequest.sector_number.set(this.view, base, BigInt(sector));
    for (const [i, { gref, first = 0, last = 7 }] of segments.entries()) {
      const at = BlkifRequest.seg.at(base, i);
      BlkifRequestSegment.gref.set(this.view, at, gref);
      BlkifRequestSegment.first_sect.set(this.view, at, first);
      BlkifRequestSegment.last_sect.set(this.view, at, last);
    }
    this.#prod = nextIdx(this.#prod);
    return id;
  }

  /** Puts the bytes of a request into the ring; its id is set. @returns the id */
  putRaw(request: Uint8Array): bigint {
    const base = slotOffset(this.#prod, SLOTS, BlkifRequest.size);
    this.ring.set(request, base);
    const id = BigInt(this.#prod) + 0x1234_5678_9abc_def0n;
    BlkifRequest.id.set(this.view, base, id);
    this.#prod = nextIdx(this.#prod);
    return id;
  }

  /** A request of any form from start to end. @returns the response's operation and status */
  askRaw(request: Uint8Array): { operation: number; status: number } {
    const id = this.putRaw(request);
    this.push();
    const [response] = this.take();
    if (response?.id !== id) throw new Error('no response');
    return { operation: response.operation, status: response.status };
  }

  /** Publishes what was put and raises the event. */
  push(): void {
    Sring.req_prod.set(this.view, 0, this.#prod);
    this.host.kick(PORT);
    this.host.settle();
  }

  /** @returns the responses that have come, in order */
  take(): { id: bigint; operation: number; status: number }[] {
    const responses: { id: bigint; operation: number; status: number }[] = [];
    for (; this.#cons !== Sring.rsp_prod.get(this.view, 0); this.#cons = nextIdx(this.#cons)) {
      const base = slotOffset(this.#cons, SLOTS, BlkifRequest.size);
      responses.push({
        id: BlkifResponse.id.get(this.view, base),
        operation: BlkifResponse.operation.get(this.view, base),
        status: BlkifResponse.status.get(this.view, base),
      });
    }
    Sring.rsp_event.set(this.view, 0, nextIdx(this.#cons));
    return responses;
  }

  /** One request from start to end. @returns its status */
  ask(
    operation: number,
    sector: number | bigint,
    segments: readonly TestSegment[],
    nrSegments?: number,
  ): number {
    const id = this.put(operation, sector, segments, nrSegments);
    this.push();
    const responses = this.take();
    if (responses.length !== 1 || responses[0].id !== id || responses[0].operation !== operation) {
      throw new Error(`wrong response to operation ${operation}`);
    }
    return responses[0].status;
  }

  /** A discard. @returns its status */
  discard(sector: number | bigint, nrSectors: number | bigint, flag = 0): number {
    const view = new DataView(new ArrayBuffer(BlkifRequestDiscard.size));
    BlkifRequestDiscard.operation.set(view, 0, BLKIF_OP_DISCARD);
    BlkifRequestDiscard.flag.set(view, 0, flag);
    BlkifRequestDiscard.sector_number.set(view, 0, BigInt(sector));
    BlkifRequestDiscard.nr_sectors.set(view, 0, BigInt(nrSectors));
    return this.askRaw(new Uint8Array(view.buffer)).status;
  }

  /** An indirect request with its segments in the pages `descriptors`, which exist. @returns the response */
  indirect(...request: Parameters<TestFrontend['indirectRequest']>): { operation: number; status: number } {
    return this.askRaw(this.indirectRequest(...request));
  }

  /** Describes the segments in the pages `descriptors`. @returns the request's bytes */
  indirectRequest(
    operation: number,
    sector: number | bigint,
    segments: readonly TestSegment[],
    descriptors: readonly number[],
    nrSegments: number = segments.length,
  ): Uint8Array {
    const view = new DataView(new ArrayBuffer(BlkifRequestIndirect.size));
    BlkifRequestIndirect.operation.set(view, 0, BLKIF_OP_INDIRECT);
    BlkifRequestIndirect.indirect_op.set(view, 0, operation);
    BlkifRequestIndirect.nr_segments.set(view, 0, nrSegments);
    BlkifRequestIndirect.sector_number.set(view, 0, BigInt(sector));
    for (const [i, gref] of descriptors.entries()) BlkifRequestIndirect.indirect_grefs.set(view, 0, i, gref);
    for (const [i, { gref, first = 0, last = 7 }] of segments.entries()) {
      const page = this.host.pages.get(descriptors[i >>> 9]);
      if (page === undefined) throw new Error('no page for the descriptors');
      const at = new DataView(page.buffer, page.byteOffset + (i & 511) * BlkifRequestSegment.size);
      BlkifRequestSegment.gref.set(at, 0, gref);
      BlkifRequestSegment.first_sect.set(at, 0, first);
      BlkifRequestSegment.last_sect.set(at, 0, last);
    }
    return new Uint8Array(view.buffer);
  }

  /** @returns a page's bytes after a read */
  read(sector: number, gref = 20): Uint8Array {
    const page = this.host.grantPage(gref);
    const status = this.ask(BLKIF_OP_READ, sector, [{ gref }]);
    if (status !== 0) throw new Error(`read of sector ${sector}: ${status}`);
    return page;
  }
}
