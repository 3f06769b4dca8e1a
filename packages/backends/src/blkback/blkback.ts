import {
  BLKIF_SECTOR_BYTES,
  gref,
  port,
  VDISK_CDROM,
  VDISK_READONLY,
  VDISK_REMOVABLE,
  XEN_IO_PROTO_ABI_X86_32,
} from '@domu/xen-abi';
import type { BlockStore } from '../block-store/block-store.ts';
import type { BackendHost, GrantMapping, HostPort } from '../host.ts';
import { type BackendStore, type ConnectResult, XenbusBackend } from '../xenbus/xenbus-backend.ts';
import { RequestExecutor } from './execute.ts';
import { type BlkBackMetrics, newMetrics } from './metrics.ts';
import { BlkRing } from './ring-io.ts';

export interface BlkBackOptions {
  readonly host: BackendHost;
  readonly store: BackendStore;
  /** The backend's directory, with the nodes that the toolstack writes: `frontend`, `frontend-id`. */
  readonly path: string;
  readonly disk: BlockStore;
  /** Shown to the guest as a CD-ROM, or as removable; default neither. */
  readonly cdrom?: boolean;
  readonly removable?: boolean;
}

type Connection =
  | { readonly state: 'disconnected' }
  | {
      readonly state: 'connected';
      readonly page: GrantMapping;
      readonly port: HostPort;
      readonly ring: BlkRing;
    };

/**
 * What is offered. Not offered: discard, indirect segments, persistent grants, rings of several pages, several rings.
 */
const FEATURES: Readonly<Record<string, string>> = { 'feature-barrier': '1', 'feature-flush-cache': '1' };

/**
 * blkback: one virtual disk of one guest.
 * Source: xen/include/public/io/blkif.h @ RELEASE-4.18.0
 */
export class BlkBack {
  readonly metrics: BlkBackMetrics = newMetrics();
  readonly #host: BackendHost;
  readonly #disk: BlockStore;
  readonly #info: number;
  readonly #xenbus: XenbusBackend;
  readonly #executor: RequestExecutor;
  #connection: Connection = { state: 'disconnected' };

  /** Publishes what the backend offers and waits for the frontend. */
  constructor({ host, store, path, disk, cdrom = false, removable = false }: BlkBackOptions) {
    this.#host = host;
    this.#disk = disk;
    this.#info =
      (cdrom ? VDISK_CDROM : 0) | (removable ? VDISK_REMOVABLE : 0) | (disk.readonly ? VDISK_READONLY : 0);
    this.#xenbus = new XenbusBackend(store, path, {
      features: FEATURES,
      connect: (frontend) => this.#connect(frontend),
      disconnect: () => this.#disconnect(),
    });
    this.#executor = new RequestExecutor(host, this.#xenbus.frontendDomid, disk, this.metrics);
  }

  /** XenbusState* of this half, as published. */
  get state(): number {
    return this.#xenbus.state;
  }

  /** Lets go of the guest: for unplugging and for the end of the domain. The disk is flushed, not closed. */
  close(): void {
    this.#xenbus.stop();
    this.#disk.flush();
  }

  #connect(frontend: (node: string) => string | null): ConnectResult {
    const failed = (reason: string): ConnectResult => ({ state: 'failed', reason });
    const number = (node: string): number | null => {
      const text = frontend(node);
      return text !== null && /^[0-9]{1,10}$/.test(text) ? Number(text) : null;
    };
    this.#disconnect();
    const protocol = frontend('protocol') ?? XEN_IO_PROTO_ABI_X86_32;
    if (protocol !== XEN_IO_PROTO_ABI_X86_32) return failed(`unknown fe protocol ${protocol}`);
    if ((number('ring-page-order') ?? 0) !== 0) return failed('ring-page-order not supported');
    const [ref, remotePort] = [number('ring-ref'), number('event-channel')];
    if (ref === null || remotePort === null) return failed('reading ring-ref and event-channel');

    const page = this.#host.mapGrant(this.#xenbus.frontendDomid, gref(ref), { readonly: false });
    if (typeof page === 'number') return failed(`mapping ring-ref ${ref}: ${page}`);
    const ring = new BlkRing(page.bytes);
    const bound = this.#host.bindInterdomain(this.#xenbus.frontendDomid, port(remotePort), () => this.#run());
    if (typeof bound === 'number') {
      page.release();
      return failed(`binding event-channel ${remotePort}: ${bound}`);
    }
    // Requests that came before the binding are served by the handler's first run, after Connected is published.
    this.#connection = { state: 'connected', page, port: bound, ring };
    return {
      state: 'connected',
      nodes: {
        sectors: `${this.#disk.sectors}`,
        info: `${this.#info}`,
        'sector-size': `${BLKIF_SECTOR_BYTES}`,
        'physical-sector-size': `${BLKIF_SECTOR_BYTES}`,
      },
    };
  }

  /** Answers what is in the ring. */
  #run(): void {
    const connection = this.#connection;
    if (connection.state !== 'connected') return;
    const wantsEvent = connection.ring.serve((request) => this.#executor.execute(request));
    if (wantsEvent === 'broken') {
      this.metrics.brokenRings++;
      this.#xenbus.fail('frontend provided bogus ring requests');
    } else if (wantsEvent) {
      connection.port.notify();
    }
  }

  #disconnect(): void {
    const connection = this.#connection;
    if (connection.state !== 'connected') return;
    this.#connection = { state: 'disconnected' };
    connection.port.close();
    connection.page.release();
  }
}
