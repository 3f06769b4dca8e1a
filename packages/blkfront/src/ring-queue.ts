import type { GuestEventPort, GuestEvents } from '@domu/event-channel/guest';
import { FrontRing, type Lender, type LentPage } from '@domu/grant-table/guest';
import { type GuestPort, PAGE_SIZE } from '@domu/xen-abi';
import { AnswerReader, STRIDE } from './ring.ts';
import type { WorkItem } from './work.ts';

/** A request that the backend has. */
export interface InFlight {
  /** The piece of work that it is. */
  readonly item: WorkItem;
  /** Pages with its data, and with the descriptions of its segments. */
  readonly pages: readonly LentPage[];
  readonly descriptors: readonly LentPage[];
}

export interface RingQueueOptions {
  readonly guest: GuestPort;
  readonly events: GuestEvents;
  readonly lender: Lender;
  readonly backendDomid: number;
  readonly ringPages: number;
  readonly onEvent: () => void;
}

/** One ring with its event channel and what is in flight on it. */
export class RingQueue {
  readonly ring: FrontRing;
  readonly port: GuestEventPort;
  /** By id. */
  readonly inFlight: Map<number, InFlight> = new Map();
  readonly #answers: AnswerReader = new AnswerReader();
  readonly #lender: Lender;
  readonly #pages: readonly LentPage[];

  private constructor(options: RingQueueOptions, pages: readonly LentPage[], port: GuestEventPort) {
    this.#lender = options.lender;
    this.#pages = pages;
    this.port = port;
    this.ring = new FrontRing(
      options.guest,
      pages.map(({ va }) => va),
      STRIDE,
    );
  }

  /** Makes a ring, lends its pages and makes a port for the backend to bind to. @returns why not, when that fails */
  static create(options: RingQueueOptions): RingQueue | string {
    const { lender, backendDomid, ringPages, events, onEvent } = options;
    const pages: LentPage[] = [];
    for (let i = 0; i < ringPages; i++) {
      const page = lender.lendNew(backendDomid);
      if (page === null) {
        for (const lent of pages) lender.takeBack(lent);
        return 'no page or no grant for the ring';
      }
      pages.push(page);
    }
    const port = events.allocUnbound(backendDomid, onEvent);
    if (typeof port !== 'number') return new RingQueue(options, pages, port);
    for (const lent of pages) lender.takeBack(lent);
    return `no event channel: ${port}`;
  }

  /** Nodes that tell the backend of this ring. */
  nodes(directory: string): Record<string, string | null> {
    const nodes: Record<string, string | null> = { [`${directory}event-channel`]: `${this.port.port}` };
    if (this.#pages.length === 1) nodes[`${directory}ring-ref`] = `${this.#pages[0].gref}`;
    else for (const [i, page] of this.#pages.entries()) nodes[`${directory}ring-ref${i}`] = `${page.gref}`;
    return nodes;
  }

  /** Shows the backend what was put. */
  publish(): void {
    if (this.ring.publish()) this.port.notify();
  }

  /** Takes the responses that there are: see AnswerReader. */
  take(handle: (id: number, operation: number, status: number) => boolean): boolean {
    return this.#answers.take(this.ring, handle);
  }

  /** Closes the port and gives the ring's pages back. */
  release(): void {
    this.port.close();
    for (const page of this.#pages) this.#lender.takeBack(page);
  }
}

/** Copies data into pages. @returns false when a page is not mapped */
export function fillPages(guest: GuestPort, pages: readonly LentPage[], data: Uint8Array): boolean {
  return pages.every((page, i) =>
    guest.writeBytes(page.va, data.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE)),
  );
}

/** Copies data out of pages. @returns false when a page is not mapped */
export function drainPages(guest: GuestPort, pages: readonly LentPage[], into: Uint8Array): boolean {
  return pages.every((page, i) =>
    guest.readBytes(page.va, into.subarray(i * PAGE_SIZE, (i + 1) * PAGE_SIZE)),
  );
}
