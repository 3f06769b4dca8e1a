import type { BlockStore } from '../block-store/block-store.ts';
import type { BackendHost } from '../host.ts';
import { type BackendStore, type ConnectResult, XenbusBackend } from '../xenbus/xenbus-backend.ts';
import { type ConnectedRing, connectRings, releaseRing } from './connection.ts';
import { RequestExecutor } from './execute.ts';
import {
  type BlkBackFeatures,
  diskNodes,
  featureNodes,
  type MediumKind,
  offersDiscard,
  readFrontend,
  transportNodes,
} from './features.ts';
import { type BlkBackMetrics, newMetrics } from './metrics.ts';
import type { BlockObserver } from './observer.ts';
import { PageAccess } from './page-access.ts';

/** What a disk backend is made of. */
export interface BlkBackOptions {
  readonly host: BackendHost;
  readonly store: BackendStore;
  /** The backend's directory, with the nodes that the toolstack writes: `frontend`, `frontend-id`. */
  readonly path: string;
  readonly disk: BlockStore;
  /** Shown to the guest as a CD-ROM, or as removable; default neither. */
  readonly cdrom?: boolean;
  readonly removable?: boolean;
  readonly features?: Partial<BlkBackFeatures>;
  /** The host failed to read or write: called once for a disk, whatever else fails after it. */
  readonly onHostError?: (error: Error | null) => void;
  readonly observer?: BlockObserver;
}

/** What one ring may have moved before guests have a turn: 8 MiB. */
const MAX_SECTORS_AT_ONCE = 16_384;

interface Connection {
  readonly rings: readonly ConnectedRing[];
  readonly pages: PageAccess;
  readonly executor: RequestExecutor;
}

/**
 * blkback: one virtual disk of one guest.
 * Source: xen/include/public/io/blkif.h @ RELEASE-4.18.0; Linux drivers/block/xen-blkback (behaviour)
 */
export class BlkBack {
  readonly metrics: BlkBackMetrics = newMetrics();
  readonly #host: BackendHost;
  readonly #kind: MediumKind;
  readonly #features: BlkBackFeatures;
  readonly #xenbus: XenbusBackend;
  readonly #observer: BlockObserver | null;
  readonly #onHostError: (error: Error | null) => void;
  #disk: BlockStore;
  #connection: Connection | null = null;
  #errorReported = false;

  /** Publishes what the backend offers and waits for the frontend. */
  constructor(options: BlkBackOptions) {
    const { host, store, path, disk, cdrom = false, removable = false } = options;
    this.#host = host;
    this.#disk = disk;
    this.#kind = { cdrom, removable };
    this.#observer = options.observer ?? null;
    this.#onHostError = options.onHostError ?? (() => {});
    const discard = store.read(`${path}/discard-enable`) !== '0';
    this.#features = { persistent: true, discard, ...options.features };
    this.#xenbus = new XenbusBackend(store, path, {
      features: { ...transportNodes(), ...featureNodes(disk, this.#features) },
      connect: (frontend) => this.#connect(frontend),
      disconnect: () => this.#disconnect(),
    });
  }

  /** XenbusState* of this half, as published. */
  get state(): number {
    return this.#xenbus.state;
  }

  /** Lets go of the guest: for the end of the domain and of the backend. The disk is flushed, not closed. */
  close(): void {
    this.#xenbus.stop();
    this.#flush();
  }

  /**
   * Asks the guest to let go of the disk (`block-detach`).
   * @param done called when it has; never if the guest does not answer. The disk is flushed, not closed
   */
  unplug(done: () => void): void {
    this.#xenbus.unplug(() => {
      this.close();
      done();
    });
  }

  /** The disk has another size now: the guest is told. */
  resized(): void {
    this.#xenbus.announce(diskNodes(this.#disk, this.#kind));
  }

  /**
   * Puts another medium into the drive. A guest that is connected is told of the size; requests go to the new medium from now
   * on. The old one is flushed, not closed.
   * Preconditions: both are read-only, or both are not
   */
  changeMedium(disk: BlockStore): void {
    this.#flush();
    this.#disk = disk;
    this.#errorReported = false;
    const connection = this.#connection;
    if (connection !== null)
      this.#connection = { ...connection, executor: this.#newExecutor(connection.pages) };
    this.resized();
  }

  #flush(): void {
    if (!this.#disk.readonly && !this.#disk.flush()) this.#hostFailed();
  }

  #connect(frontend: (node: string) => string | null): ConnectResult {
    this.#disconnect();
    const choice = readFrontend(frontend);
    if (typeof choice === 'string') return { state: 'failed', reason: choice };
    const domid = this.#xenbus.frontendDomid;
    // Requests that came before the binding are served by the handler's first run, after Connected is published.
    const rings = connectRings(this.#host, domid, choice, (ring) => this.#run(ring));
    if (typeof rings === 'string') return { state: 'failed', reason: rings };
    const persistent = choice.persistent && this.#features.persistent;
    const pages = new PageAccess(this.#host, domid, { persistent });
    this.#connection = { rings, pages, executor: this.#newExecutor(pages) };
    return { state: 'connected', nodes: diskNodes(this.#disk, this.#kind) };
  }

  #newExecutor(pages: PageAccess): RequestExecutor {
    return new RequestExecutor({
      pages,
      store: this.#disk,
      metrics: this.metrics,
      discard: offersDiscard(this.#disk, this.#features),
      onHostFailure: () => this.#hostFailed(),
      observer: this.#observer,
    });
  }

  /** Answers what is in a ring; when that is much, guests have a turn in between. */
  #run(connected: ConnectedRing): void {
    const connection = this.#connection;
    if (connection === null) return;
    const { metrics } = this;
    const { defer } = this.#host;
    const moved = (): number => metrics.readSectors + metrics.writtenSectors;
    const limit = defer === undefined ? Number.POSITIVE_INFINITY : moved() + MAX_SECTORS_AT_ONCE;
    const served = connected.ring.serve(
      (request) => connection.executor.execute(request),
      () => moved() >= limit,
    );
    if (served === 'broken') {
      metrics.brokenRings++;
      return this.#xenbus.fail('frontend provided bogus ring requests');
    }
    if (served.notify) connected.port.notify();
    if (served.more)
      this.#host.defer?.(() => {
        if (this.#connection?.rings.includes(connected)) this.#run(connected);
      });
  }

  #hostFailed(): void {
    if (this.#errorReported) return;
    this.#errorReported = true;
    this.#onHostError(this.#disk.lastError ?? null);
  }

  #disconnect(): void {
    const connection = this.#connection;
    if (connection === null) return;
    this.#connection = null;
    for (const ring of connection.rings) releaseRing(ring);
    connection.pages.release();
  }
}
