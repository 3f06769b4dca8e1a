import type { GuestEvents } from '@domu/event-channel/guest';
import type { GuestGrants } from '@domu/grant-table/guest';
import { type KernelPages, Lender } from '@domu/grant-table/guest';
import {
  BLKIF_MAX_SEGMENTS_PER_REQUEST,
  BLKIF_OP_DISCARD,
  BLKIF_OP_FLUSH_DISKCACHE,
  BLKIF_OP_READ,
  BLKIF_OP_WRITE,
  BLKIF_OP_WRITE_BARRIER,
  BLKIF_RSP_EOPNOTSUPP,
  BLKIF_RSP_ERROR,
  BLKIF_RSP_OKAY,
  BLKIF_SECTOR_BYTES,
  type GuestPort,
  PAGE_SIZE,
  XEN_IO_PROTO_ABI_X86_32,
} from '@domu/xen-abi';
import { type Nodes, type Prepared, XenbusFrontend, type XenStoreClient } from '@domu/xenstore/client';
import {
  type BlkfrontLimits,
  chooseRings,
  DEFAULT_LIMITS,
  type DiskProperties,
  OFFER_NODES,
  PROPERTY_NODES,
  type RequestFeatures,
  readFeatures,
  readProperties,
} from './features.ts';
import { type BlkfrontMetrics, newMetrics } from './metrics.ts';
import { Transport } from './transport.ts';
import { BlockRequest, FENCE, hasData, type RequestDone, type Work, type WorkItem } from './work.ts';

/** What a disk asks of the kernel that it runs in. */
export interface BlkfrontOptions {
  readonly guest: GuestPort;
  readonly events: GuestEvents;
  readonly grants: GuestGrants;
  readonly store: XenStoreClient;
  readonly pages: KernelPages;
  /** The device's directory, as `device/vbd/51712`. */
  readonly path: string;
  readonly limits?: Partial<BlkfrontLimits>;
  /** The disk has appeared, has changed its size, or is gone: look at `disk`. */
  readonly onChange?: () => void;
}

/** Data goes through pages; with fewer a request would hardly move. */
const MIN_PAGES = 16;

/**
 * A virtual disk of a guest. Requests may be made at any time: they wait while there is no connection, and those that a
 * backend has not answered when it goes are made again to the next one. They are refused once the device is gone.
 * `done` is called exactly once, from within the request when it is refused at once, else from the upcall of an event.
 * Requests may overtake each other; `flush` covers those that are done when it is made, `writeBarrier` orders all.
 * Source: xen/include/public/io/blkif.h @ RELEASE-4.18.0
 */
export class Blkfront {
  readonly metrics: BlkfrontMetrics = newMetrics();
  readonly #options: BlkfrontOptions;
  readonly #limits: BlkfrontLimits;
  readonly #lender: Lender;
  readonly #xenbus: XenbusFrontend;
  readonly #queue: Work[] = [];
  #transport: Transport | null = null;
  #features: RequestFeatures | null = null;
  #disk: DiskProperties | null = null;
  #pumping = false;
  #endedBecause: string | null = null;

  /** Looks for the backend and connects to it; `onChange` tells when the disk is there. */
  constructor(options: BlkfrontOptions) {
    this.#options = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#limits = { ...limits, pages: Math.max(limits.pages, MIN_PAGES) };
    this.#lender = new Lender(options.grants, options.pages);
    this.#xenbus = new XenbusFrontend(options.store, options.path, {
      offers: OFFER_NODES,
      properties: PROPERTY_NODES,
      prepare: (offers, backendDomid) => this.#prepare(offers, backendDomid),
      connected: (properties) => this.#connected(properties),
      stop: () => this.#stop(),
      release: () => this.#release(),
      ended: (reason) => this.#ended(reason),
    });
    this.#xenbus.start();
  }

  /** The disk, from the first connection until it is gone for good. */
  get disk(): DiskProperties | null {
    return this.#disk;
  }

  /** Why there is no disk any more; null while there is one or may be one. */
  get endedBecause(): string | null {
    return this.#endedBecause;
  }

  /** XenbusState* of this half. */
  get state(): number {
    return this.#xenbus.state;
  }

  /** Pages that a backend still held when it should have let go of them. */
  get nrPagesHeld(): number {
    this.#lender.sweep();
    return this.#lender.nrWaiting;
  }

  /**
   * Reads into `into`, whose length is a multiple of the sector size.
   * @param sector of 512 bytes
   */
  read(sector: number, into: Uint8Array, done: RequestDone): void {
    this.#transfer(BLKIF_OP_READ, sector, into, done);
  }

  /** Writes `from`, which must stay as it is until `done`; lengths as for `read`. */
  write(sector: number, from: Uint8Array, done: RequestDone): void {
    this.#transfer(BLKIF_OP_WRITE, sector, from, done);
  }

  /** Writes after everything that was asked for before and before everything that is asked for later, durably. */
  writeBarrier(sector: number, from: Uint8Array, done: RequestDone): void {
    if (!isWhole(from)) return done(BLKIF_RSP_ERROR);
    const native = this.#features?.barrier && from.length <= BLKIF_MAX_SEGMENTS_PER_REQUEST * PAGE_SIZE;
    const request = new BlockRequest({ sector, buffer: from }, native ? 1 : 3, done);
    const data = { request, start: 0, end: from.length };
    const flush: WorkItem = { operation: BLKIF_OP_FLUSH_DISKCACHE, request, start: 0, end: 0 };
    if (native) this.#enqueue(FENCE, { operation: BLKIF_OP_WRITE_BARRIER, ...data }, FENCE);
    else this.#enqueue(FENCE, flush, FENCE, { operation: BLKIF_OP_WRITE, ...data }, FENCE, flush, FENCE);
  }

  /** Makes durable what was written and is done. */
  flush(done: RequestDone): void {
    const request = new BlockRequest({}, 1, done);
    this.#enqueue({ operation: BLKIF_OP_FLUSH_DISKCACHE, request, start: 0, end: 0 });
  }

  /**
   * Tells that sectors are not needed any more: what they read as is undefined.
   * @param options.secure no copy may remain. BLKIF_RSP_EOPNOTSUPP when the backend cannot do it
   */
  discard(sector: number, nrSectors: number, options: { readonly secure: boolean }, done: RequestDone): void {
    const request = new BlockRequest({ sector, nrSectors, secure: options.secure }, 1, done);
    this.#enqueue({ operation: BLKIF_OP_DISCARD, request, start: 0, end: 0 });
  }

  /** Closes the device; what waits is refused. @param done called when the backend has let go of everything */
  close(done: () => void): void {
    this.#xenbus.close(done);
  }

  /**
   * Connects anew after the domain was suspended and resumed elsewhere; requests go on.
   * Preconditions: the client, the events and the grants have been resumed
   */
  resume(): void {
    this.#endedBecause = null;
    this.#xenbus.resume();
  }

  #transfer(operation: WorkItem['operation'], sector: number, buffer: Uint8Array, done: RequestDone): void {
    if (!isWhole(buffer)) return done(BLKIF_RSP_ERROR);
    const request = new BlockRequest({ sector, buffer }, 1, done);
    this.#enqueue({ operation, request, start: 0, end: buffer.length });
  }

  #enqueue(...work: Work[]): void {
    if (this.#endedBecause === null) {
      this.#queue.push(...work);
      return this.#pump();
    }
    for (const item of work) if (item !== FENCE) item.request.finishPart(BLKIF_RSP_ERROR);
  }

  /** Issues what there is room for. */
  #pump(): void {
    const transport = this.#transport;
    if (this.#pumping || transport === null || this.#features === null) return;
    this.#pumping = true;
    for (let more = true; more && this.#transport === transport && this.#queue.length > 0; )
      more = this.#step(transport, this.#queue[0]);
    this.#pumping = false;
    if (this.#transport === transport) transport.publish();
  }

  /** Begins the first work of the queue. @returns false when it has to wait */
  #step(transport: Transport, work: Work): boolean {
    if (work === FENCE) {
      if (transport.nrInFlight > 0) return false;
      this.#queue.shift();
      return true;
    }
    const item = this.#translate(work);
    if (typeof item === 'number') return this.#settle(item);
    const issued = transport.issue(item);
    if (issued.state === 'full') return issued.hopeless ? this.#settle(BLKIF_RSP_ERROR) : false;
    this.metrics.requests++;
    if (issued.end === work.end) this.#queue.shift();
    else {
      work.request.split();
      this.#queue[0] = { ...work, start: issued.end };
    }
    return true;
  }

  #settle(status: number): true {
    const work = this.#queue.shift();
    if (work !== undefined && work !== FENCE) work.request.finishPart(status);
    return true;
  }

  /** @returns what to issue for an item, or the status that it has at once */
  #translate(item: WorkItem): WorkItem | number {
    const features = this.#features;
    const disk = this.#disk;
    if (features === null || disk === null) return BLKIF_RSP_ERROR;
    if (item.operation === BLKIF_OP_DISCARD) {
      if (!features.discard || (item.request.secure && !features.discardSecure)) return BLKIF_RSP_EOPNOTSUPP;
      return disk.readonly ? BLKIF_RSP_ERROR : item;
    }
    if (!hasData(item)) {
      if (features.flush) return { ...item, operation: BLKIF_OP_FLUSH_DISKCACHE };
      // A backend that has neither writes through.
      return features.barrier ? { ...item, operation: BLKIF_OP_WRITE_BARRIER } : BLKIF_RSP_OKAY;
    }
    if (!aligned(item, disk)) return BLKIF_RSP_ERROR;
    if (item.operation === BLKIF_OP_READ) return item;
    if (item.operation === BLKIF_OP_WRITE_BARRIER && !features.barrier) return BLKIF_RSP_EOPNOTSUPP;
    return disk.readonly ? BLKIF_RSP_ERROR : item;
  }

  /** An event of a ring. */
  #onEvent(): void {
    const transport = this.#transport;
    if (transport === null || this.#features === null) return;
    // What `done` callbacks ask for is issued together, at the end.
    const { finished, sane } = transport.take();
    this.#pumping = true;
    for (const { item, status } of finished) this.#finished(item, status);
    this.#pumping = false;
    if (!sane && this.#transport === transport) {
      this.metrics.broken++;
      return this.#xenbus.fail('the backend answered what it was not asked');
    }
    this.#pump();
  }

  #finished(item: WorkItem, status: number): void {
    this.#xenbus.proven();
    const sectors = (item.end - item.start) / BLKIF_SECTOR_BYTES;
    if (status === BLKIF_RSP_OKAY) {
      if (item.operation === BLKIF_OP_READ) this.metrics.readSectors += sectors;
      else this.metrics.writtenSectors += sectors;
      return item.request.finishPart(status);
    }
    this.metrics.errors++;
    const known = status === BLKIF_RSP_EOPNOTSUPP ? this.#notSupported(item) : BLKIF_RSP_ERROR;
    item.request.finishPart(known);
  }

  /** A backend may take an offer back. @returns the status for the request */
  #notSupported(item: WorkItem): number {
    if (this.#features === null) return BLKIF_RSP_ERROR;
    switch (item.operation) {
      case BLKIF_OP_DISCARD:
        this.#features.discard = false;
        return BLKIF_RSP_EOPNOTSUPP;
      case BLKIF_OP_FLUSH_DISKCACHE:
        this.#features.flush = false;
        return BLKIF_RSP_OKAY;
      case BLKIF_OP_WRITE_BARRIER:
        this.#features.barrier = false;
        return hasData(item) ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_OKAY;
      default:
        return BLKIF_RSP_ERROR;
    }
  }

  #prepare(offers: Nodes, backendDomid: number): Prepared {
    const { guest, events, pages, path } = this.#options;
    const handle = Number(path.slice(path.lastIndexOf('/') + 1)) & 0xffff;
    const onEvent = (): void => this.#onEvent();
    const maxPages = this.#limits.pages;
    const lender = this.#lender;
    lender.sweep();
    this.#transport = new Transport({
      guest,
      events,
      lender,
      pages,
      backendDomid,
      handle,
      maxPages,
      onEvent,
    });
    const nodes = this.#transport.open(chooseRings(offers, this.#limits));
    if (typeof nodes === 'string') return { state: 'failed', reason: nodes };
    const persistent = this.#limits.persistent ? '1' : '0';
    return {
      state: 'ready',
      nodes: { ...nodes, protocol: XEN_IO_PROTO_ABI_X86_32, 'feature-persistent': persistent },
    };
  }

  #connected(properties: Nodes): string | null {
    const disk = readProperties(properties);
    if (typeof disk === 'string') return disk;
    this.#disk = disk;
    if (this.#features === null && this.#transport !== null) {
      this.#features = readFeatures(properties, this.#limits);
      this.#transport.start(this.#features);
      this.metrics.connections++;
    }
    this.#options.onChange?.();
    this.#pump();
    return null;
  }

  /** Answers that are there already are taken: what they say happened. */
  #stop(): void {
    const finished = this.#features === null ? [] : (this.#transport?.take().finished ?? []);
    this.#features = null;
    for (const { item, status } of finished) this.#finished(item, status);
  }

  #release(): void {
    const unanswered = this.#transport?.release() ?? [];
    this.#transport = null;
    this.#lender.sweep();
    if (this.#endedBecause !== null) return;
    this.metrics.requeued += unanswered.length;
    this.#queue.unshift(...unanswered);
  }

  #ended(reason: string): void {
    this.#endedBecause = reason;
    this.#disk = null;
    const unanswered = this.#transport?.abandon() ?? [];
    for (const work of [...unanswered, ...this.#queue.splice(0)])
      if (work !== FENCE) work.request.finishPart(BLKIF_RSP_ERROR);
    this.#options.onChange?.();
  }
}

function isWhole(buffer: Uint8Array): boolean {
  return buffer.length > 0 && buffer.length % BLKIF_SECTOR_BYTES === 0;
}

function aligned({ request, start, end }: WorkItem, disk: DiskProperties): boolean {
  const unit = disk.sectorBytes / BLKIF_SECTOR_BYTES;
  const first = request.sector + start / BLKIF_SECTOR_BYTES;
  const last = request.sector + end / BLKIF_SECTOR_BYTES;
  return first >= 0 && last <= disk.sectors && first % unit === 0 && last % unit === 0;
}
