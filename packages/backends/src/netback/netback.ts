import {
  type AttachedPort,
  completeChecksum,
  deliver,
  type EthernetNetwork,
  type EthernetPort,
  type Frame,
  flowHash,
  isIpv6,
  type Offloads,
} from '@domu/netstack';
import { PAGE_SIZE } from '@domu/xen-abi';
import { type BackendStore, type ConnectResult, XenbusBackend } from '../xenbus/xenbus-backend.ts';

import type { NetBackHost } from './host.ts';
import { type NetBackMetrics, newMetrics } from './metrics.ts';
import { FEATURES, type Negotiated, negotiate } from './negotiation.ts';
import { NetQueue } from './queue.ts';

/** What the backend of a network interface is made of. */
export interface NetBackOptions {
  readonly host: NetBackHost;
  readonly store: BackendStore;
  /** The backend's directory, with the nodes that the toolstack writes: `frontend`, `frontend-id`, `mac`. */
  readonly path: string;
  /** What the guest's interface is plugged into. */
  readonly network: EthernetNetwork;
}

type Connection =
  | { readonly state: 'disconnected' }
  | { readonly state: 'connected'; readonly negotiated: Negotiated; readonly queues: readonly NetQueue[] };

const NO_OFFLOADS: Offloads = { checksum: false, tcpv4: false, tcpv6: false };

/**
 * netback: one network interface of one guest, plugged into a network for as long as the object lives. While no frontend is
 * connected the cable is dead: frames for the guest are taken and dropped.
 * Source: xen/include/public/io/netif.h @ RELEASE-4.18.0; Linux drivers/net/xen-netback (behaviour)
 */
export class NetBack {
  readonly metrics: NetBackMetrics = newMetrics();
  readonly #host: NetBackHost;
  readonly #xenbus: XenbusBackend;
  readonly #network: AttachedPort;
  #connection: Connection = { state: 'disconnected' };
  #carrier = true;

  /** Publishes what the backend offers, plugs into the network and waits for the frontend. */
  constructor({ host, store, path, network }: NetBackOptions) {
    this.#host = host;
    this.#network = network.attach(this.#port());
    this.#xenbus = new XenbusBackend(store, path, {
      features: FEATURES,
      connect: (frontend) => this.#connect(frontend),
      disconnect: () => this.#disconnect(),
    });
  }

  /** XenbusState* of this half, as published. */
  get state(): number {
    return this.#xenbus.state;
  }

  /** Whether the cable is in: pulled, frames of both directions are taken and dropped. */
  get carrier(): boolean {
    return this.#carrier;
  }

  set carrier(up: boolean) {
    this.#carrier = up;
    this.#resumeTx();
    if (up) this.#network.resume();
  }

  /**
   * Asks the guest to let go of the interface.
   * @param done called when it has; the object is then to be closed
   */
  unplug(done: () => void): void {
    this.#xenbus.unplug(done);
  }

  /** Lets go of the guest and of the network: for unplugging and for the end of the domain. */
  close(): void {
    this.#xenbus.stop();
    this.#network.close();
  }

  /** This interface as the network sees it. */
  #port(): EthernetPort {
    const offloads = (): Offloads =>
      this.#connection.state === 'connected' ? this.#connection.negotiated.offloads : NO_OFFLOADS;
    return {
      get offloads() {
        return offloads();
      },
      transmit: (frame) => this.#toGuest(frame),
      resume: () => this.#resumeTx(),
    };
  }

  #connect(frontend: (node: string) => string | null): ConnectResult {
    this.#disconnect();
    const negotiated = negotiate(frontend);
    if (typeof negotiated === 'string') return { state: 'failed', reason: negotiated };
    const queues: NetQueue[] = [];
    for (const nodes of negotiated.queues) {
      const queue = NetQueue.connect(
        {
          host: this.#host,
          frontendDomid: this.#xenbus.frontendDomid,
          negotiated,
          metrics: this.metrics,
          send: (frame) => !this.#carrier || deliver(this.#network, frame),
          hasRoom: () => this.#network.resume(),
          broken: (reason) => this.#broken(reason),
        },
        nodes,
      );
      if (typeof queue === 'string') {
        for (const connected of queues) connected.close();
        return { state: 'failed', reason: queue };
      }
      queues.push(queue);
    }
    this.#connection = { state: 'connected', negotiated, queues };
    return { state: 'connected', nodes: {} };
  }

  #disconnect(): void {
    const connection = this.#connection;
    if (connection.state !== 'connected') return;
    this.#connection = { state: 'disconnected' };
    for (const queue of connection.queues) queue.close();
    // What the network kept for the guest is not wanted any more.
    this.#network.resume();
  }

  #broken(reason: string): void {
    this.metrics.protocolErrors++;
    this.#xenbus.fail(reason);
  }

  #resumeTx(): void {
    if (this.#connection.state !== 'connected') return;
    for (const queue of this.#connection.queues) queue.runTx();
  }

  #toGuest(frame: Frame): boolean {
    const connection = this.#connection;
    if (connection.state !== 'connected' || !this.#carrier) return this.#drop();
    const { negotiated, queues } = connection;
    if (frame.data.length > PAGE_SIZE && !negotiated.scatterGather) return this.#drop();
    const whole =
      frame.checksum === 'blank' && !negotiated.ipv6Checksum && isIpv6(frame.data) ? completed(frame) : frame;
    const queue = queues.length === 1 ? queues[0] : queues[flowHash(whole.data) % queues.length];
    if (queue.deliver(whole)) return true;
    if (!negotiated.rxNotify) return this.#drop();
    this.metrics.rxStalls++;
    return false;
  }

  #drop(): true {
    this.metrics.rxDropped++;
    return true;
  }
}

function completed(frame: Frame): Frame {
  const data = frame.data.slice();
  completeChecksum(data);
  return { ...frame, data, checksum: 'present' };
}
