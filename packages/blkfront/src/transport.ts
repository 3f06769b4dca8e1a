import type { GuestEvents } from '@domu/event-channel/guest';
import type { KernelPages, Lender, LentPage } from '@domu/grant-table/guest';
import {
  BLKIF_MAX_SEGMENTS_PER_REQUEST,
  BLKIF_OP_DISCARD,
  BLKIF_OP_INDIRECT,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_OKAY,
  BLKIF_SECTOR_BYTES,
  type GuestPort,
  PAGE_SIZE,
} from '@domu/xen-abi';
import type { NodeChanges } from '@domu/xenstore/client';
import { indirectDescriptors, RequestEncoder, SEGMENTS_PER_INDIRECT_PAGE } from './encode.ts';
import type { RequestFeatures, RingChoice } from './features.ts';
import { PagePool } from './page-pool.ts';
import { drainPages, fillPages, type InFlight, RingQueue } from './ring-queue.ts';
import { hasData, type WorkItem } from './work.ts';

export interface TransportOptions {
  readonly guest: GuestPort;
  readonly events: GuestEvents;
  readonly lender: Lender;
  readonly pages: KernelPages;
  readonly backendDomid: number;
  /** The device's number. */
  readonly handle: number;
  readonly maxPages: number;
  readonly onEvent: () => void;
}

/** How much of an item went into a ring. */
export type Issued =
  /** up to `end` of the item's bytes */
  | { readonly state: 'issued'; readonly end: number }
  /** a slot or pages are missing; `nothing` of this device's is in flight that could bring them */
  | { readonly state: 'full'; readonly hopeless: boolean };

/** A piece of work with its BLKIF_RSP_*. */
export interface FinishedWork {
  readonly item: WorkItem;
  readonly status: number;
}

export interface Answers {
  readonly finished: readonly FinishedWork[];
  /** False when the backend answered what it was not asked. */
  readonly sane: boolean;
}

/**
 * One connection to a backend: rings, the pages that data goes through, and the requests that the backend has.
 * Invariant: a page is in the pool, or part of exactly one request in flight
 */
export class Transport {
  readonly #options: TransportOptions;
  readonly #queues: RingQueue[] = [];
  readonly #encoder = new RequestEncoder();
  #pool: PagePool | null = null;
  #features: RequestFeatures | null = null;
  #nextId = 0;
  #nextQueue = 0;
  #abandoned = false;

  constructor(options: TransportOptions) {
    this.#options = options;
  }

  /** Requests that the backend has. */
  get nrInFlight(): number {
    let sum = 0;
    for (const queue of this.#queues) sum += queue.inFlight.size;
    return sum;
  }

  /** Makes the rings. @returns nodes for the device's directory, or why not; `release` is to be called in either case */
  open({ ringPages, queues }: RingChoice): NodeChanges | string {
    const { guest, events, lender, backendDomid, onEvent } = this.#options;
    const nodes: Record<string, string | null> = {
      'ring-ref': null,
      'event-channel': null,
      'ring-page-order': ringPages === 1 ? null : `${Math.log2(ringPages)}`,
      'num-ring-pages': ringPages === 1 ? null : `${ringPages}`,
      'multi-queue-num-queues': queues === 1 ? null : `${queues}`,
    };
    for (let i = 0; i < queues; i++) {
      const queue = RingQueue.create({ guest, events, lender, backendDomid, onEvent, ringPages });
      if (typeof queue === 'string') return queue;
      this.#queues.push(queue);
      Object.assign(nodes, queue.nodes(queues === 1 ? '' : `queue-${i}/`));
    }
    return nodes;
  }

  /** Requests may be issued from now on. */
  start(features: RequestFeatures): void {
    const { lender, pages, backendDomid, maxPages } = this.#options;
    this.#features = features;
    this.#pool = new PagePool({ lender, pages, backendDomid, persistent: features.persistent, maxPages });
  }

  /** Puts as much of an item as fits into one request. Preconditions: `start` was called; its features take the operation */
  issue(item: WorkItem): Issued {
    const queue = this.#freeQueue();
    if (queue === null) return { state: 'full', hopeless: false };
    const id = this.#nextId;
    const head = {
      operation: item.operation,
      handle: this.#options.handle,
      id,
      sector: item.request.sector + item.start / BLKIF_SECTOR_BYTES,
    };
    if (item.operation === BLKIF_OP_DISCARD) {
      queue.ring.put(this.#encoder.discard(head, item.request.nrSectors, item.request.secure));
      return this.#sent(queue, { item, pages: [], descriptors: [] });
    }
    const taken = this.#takePages(item);
    if (taken === null) return { state: 'full', hopeless: this.nrInFlight === 0 };
    const { pages, descriptors } = taken;
    const end = Math.min(item.end, item.start + pages.length * PAGE_SIZE);
    const data = { pages, lengthBytes: end - item.start };
    const { guest } = this.#options;
    if (item.operation !== BLKIF_OP_READ)
      this.#copied(fillPages(guest, pages, item.request.buffer.subarray(item.start, end)));
    for (const [i, page] of descriptors.entries())
      this.#copied(fillPages(guest, [page], indirectDescriptors(data, i)));
    queue.ring.put(
      descriptors.length > 0
        ? this.#encoder.indirect(head, pages.length, descriptors)
        : this.#encoder.direct(head, data),
    );
    return this.#sent(queue, { item: { ...item, end }, pages, descriptors });
  }

  /** Shows the backend what was issued. */
  publish(): void {
    for (const queue of this.#queues) queue.publish();
  }

  /** Takes the answers that there are; data that was read is in its request's buffer then. */
  take(): Answers {
    const finished: FinishedWork[] = [];
    const sane = this.#queues.every((queue) =>
      queue.take((id, operation, status) => {
        const flight = queue.inFlight.get(id);
        if (flight === undefined || !answers(operation, flight)) return false;
        queue.inFlight.delete(id);
        const { item, pages } = flight;
        if (item.operation === BLKIF_OP_READ && status === BLKIF_RSP_OKAY) {
          const into = item.request.buffer.subarray(item.start, item.end);
          this.#copied(drainPages(this.#options.guest, pages, into));
        }
        this.#givePages(flight);
        finished.push({ item, status });
        return true;
      }),
    );
    return { finished, sane };
  }

  /** The work that the backend has not answered, for those who will not wait for it. `release` does not return it then. */
  abandon(): WorkItem[] {
    this.#abandoned = true;
    return this.#unanswered().map(({ item }) => item);
  }

  /** Gives everything back. @returns the work that the backend has not answered, in the order of its issue */
  release(): WorkItem[] {
    const flights = this.#unanswered();
    for (const flight of flights) this.#givePages(flight);
    this.#pool?.release();
    this.#pool = null;
    for (const queue of this.#queues.splice(0)) queue.release();
    return this.#abandoned ? [] : flights.map(({ item }) => item);
  }

  #unanswered(): InFlight[] {
    const flights = this.#queues.flatMap(({ inFlight }) => [...inFlight]);
    return flights.sort(([a], [b]) => a - b).map(([, flight]) => flight);
  }

  #sent(queue: RingQueue, flight: InFlight): Issued {
    queue.inFlight.set(this.#nextId++, flight);
    return { state: 'issued', end: flight.item.end };
  }

  /** Rings take turns. */
  #freeQueue(): RingQueue | null {
    for (let i = 0; i < this.#queues.length; i++) {
      const queue = this.#queues[(this.#nextQueue + i) % this.#queues.length];
      if (queue.ring.free === 0) continue;
      this.#nextQueue = (this.#nextQueue + i + 1) % this.#queues.length;
      return queue;
    }
    return null;
  }

  /** Pages for as much of the item as one request can hold and as there are pages for; null when for none of it. */
  #takePages(item: WorkItem): { pages: LentPage[]; descriptors: LentPage[] } | null {
    const pages: LentPage[] = [];
    const descriptors: LentPage[] = [];
    if (!hasData(item)) return { pages, descriptors };
    const readonly = item.operation !== BLKIF_OP_READ;
    const wanted = Math.min(Math.ceil((item.end - item.start) / PAGE_SIZE), this.#maxSegments(item));
    if (wanted > BLKIF_MAX_SEGMENTS_PER_REQUEST) {
      this.#takeInto(descriptors, Math.ceil(wanted / SEGMENTS_PER_INDIRECT_PAGE), true);
      const described = descriptors.length * SEGMENTS_PER_INDIRECT_PAGE;
      this.#takeInto(pages, Math.min(wanted, described), readonly);
      const needed =
        pages.length > BLKIF_MAX_SEGMENTS_PER_REQUEST
          ? Math.ceil(pages.length / SEGMENTS_PER_INDIRECT_PAGE)
          : 0;
      for (const page of descriptors.splice(needed)) this.#pool?.give(page);
    }
    if (pages.length === 0) this.#takeInto(pages, Math.min(wanted, BLKIF_MAX_SEGMENTS_PER_REQUEST), readonly);
    return pages.length === 0 ? null : { pages, descriptors };
  }

  #takeInto(pages: LentPage[], count: number, readonly: boolean): void {
    while (pages.length < count) {
      const page = this.#pool?.take(readonly) ?? null;
      if (page === null) return;
      pages.push(page);
    }
  }

  #givePages({ pages, descriptors }: InFlight): void {
    for (const page of pages) this.#pool?.give(page);
    for (const page of descriptors) this.#pool?.give(page);
  }

  #maxSegments({ operation }: WorkItem): number {
    const max = this.#features?.maxSegments ?? 1;
    return operation === BLKIF_OP_WRITE_BARRIER ? Math.min(max, BLKIF_MAX_SEGMENTS_PER_REQUEST) : max;
  }

  #copied(ok: boolean): void {
    if (!ok) throw new Error('bug: a page that the kernel gave for data is not mapped');
  }
}

/** Linux answers an indirect request by the operation inside, others by BLKIF_OP_INDIRECT. */
function answers(operation: number, { item, descriptors }: InFlight): boolean {
  return operation === item.operation || (descriptors.length > 0 && operation === BLKIF_OP_INDIRECT);
}
