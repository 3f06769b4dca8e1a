import type { GuestEvents } from '@domu/event-channel/guest';
import { type GuestGrants, type KernelPages, Lender } from '@domu/grant-table/guest';
import {
  type AttachedPort,
  completeChecksum,
  deliver,
  type EthernetNetwork,
  type EthernetPort,
  type Frame,
  flowHash,
  isIpv6,
  MAX_FRAME_BYTES,
  type Offloads,
} from '@domu/netstack';
import { type GuestPort, PAGE_SIZE, XenbusStateConnected } from '@domu/xen-abi';
import {
  type NodeChanges,
  type Nodes,
  type Prepared,
  readNodes,
  XenbusFrontend,
  type XenStoreClient,
} from '@domu/xenstore/client';
import { type BackendFeatures, chooseFeatures, OFFER_NODES, ownFeatures } from './features.ts';
import { type NetFrontMetrics, newMetrics } from './metrics.ts';
import { NetQueue } from './queue.ts';

/** How much a network interface may use. */
export interface NetFrontLimits {
  /** Pairs of rings; as many as the backend agrees to. */
  readonly queues: number;
  /** Pages for frames on their way out, for each queue; taken when needed. */
  readonly txPages: number;
  /** Pages offered for frames that come, for each queue. */
  readonly rxPages: number;
}

/** What a network interface asks of the kernel that it runs in. */
export interface NetFrontOptions {
  readonly guest: GuestPort;
  readonly events: GuestEvents;
  readonly grants: GuestGrants;
  readonly store: XenStoreClient;
  readonly pages: KernelPages;
  /** The device's directory, as `device/vif/0`. */
  readonly path: string;
  readonly limits?: Partial<NetFrontLimits>;
  /** What is to come as it is: large frames, blank checksums. Default: everything. */
  readonly offloads?: Offloads;
  /** The link has come or gone, or the interface has ended: look at `link`, `endedBecause`. */
  readonly onChange?: () => void;
}

const DEFAULT_LIMITS: NetFrontLimits = { queues: 1, txPages: 256, rxPages: 256 };
const ALL_OFFLOADS: Offloads = { checksum: true, tcpv4: true, tcpv6: true };
const NO_OFFLOADS: Offloads = { checksum: false, tcpv4: false, tcpv6: false };
/** A packet of the largest size, with its extra info: what a queue must be able to hold. */
const MIN_PAGES = 18;

/**
 * A network interface of a guest. What it is plugged into is the world; what is plugged into it (`attach`) is the guest's
 * own protocol stack. It is connected to again when its backend goes and comes back; frames that are sent while there is no
 * connection are dropped, as on a cable that is out.
 * Source: xen/include/public/io/netif.h @ RELEASE-4.18.0
 */
export class NetFront implements EthernetNetwork {
  readonly metrics: NetFrontMetrics = newMetrics();
  readonly #options: NetFrontOptions;
  readonly #limits: NetFrontLimits;
  readonly #lender: Lender;
  readonly #xenbus: XenbusFrontend;
  #nic: EthernetPort | null = null;
  #queues: readonly NetQueue[] = [];
  #features: BackendFeatures | null = null;
  #link = false;
  #mac: Uint8Array | null = null;
  #mtu: number | null = null;
  #endedBecause: string | null = null;

  /** Looks for the backend and connects to it; `onChange` tells when the link is there. */
  constructor(options: NetFrontOptions) {
    this.#options = options;
    const limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#limits = {
      ...limits,
      txPages: Math.max(limits.txPages, MIN_PAGES),
      rxPages: Math.max(limits.rxPages, MIN_PAGES),
    };
    this.#lender = new Lender(options.grants, options.pages);
    this.#xenbus = new XenbusFrontend(options.store, options.path, {
      announces: XenbusStateConnected,
      offers: OFFER_NODES,
      properties: ['state'],
      prepare: (offers, backendDomid) => this.#prepare(offers, backendDomid),
      connected: () => this.#connected(),
      stop: () => this.#stop(),
      release: () => this.#release(),
      ended: (reason) => this.#ended(reason),
    });
    readNodes(options.store, options.path, ['mac', 'mtu'], (nodes) => {
      this.#mac = macOf(nodes?.get('mac'));
      this.#mtu = mtuOf(nodes?.get('mtu'));
      this.#xenbus.start();
    });
  }

  /** Whether frames pass. */
  get link(): boolean {
    return this.#link;
  }

  /** The address that the toolstack gave, six bytes; null before the first connection, or when it gave none. */
  get mac(): Uint8Array | null {
    return this.#mac;
  }

  /** The MTU that the toolstack asks for, in bytes; null: the usual. */
  get mtu(): number | null {
    return this.#mtu;
  }

  /** Why there is no interface any more; null while there is one or may be one. */
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

  /** Plugs the guest's stack in, in place of one that was there. */
  attach(nic: EthernetPort): AttachedPort {
    this.#nic = nic;
    const offloads = (): Offloads => this.#features?.offloads ?? NO_OFFLOADS;
    return {
      get offloads() {
        return offloads();
      },
      transmit: (frame) => this.#nic !== nic || this.#send(frame),
      resume: () => {
        if (this.#nic === nic) for (const queue of this.#queues) queue.run();
      },
      close: () => {
        if (this.#nic === nic) this.#nic = null;
      },
    };
  }

  /** Closes the interface. @param done called when the backend has let go of everything */
  close(done: () => void): void {
    this.#xenbus.close(done);
  }

  /**
   * Connects anew after the domain was suspended and resumed elsewhere.
   * Preconditions: the client, the events and the grants have been resumed
   */
  resume(): void {
    this.#endedBecause = null;
    this.#xenbus.resume();
  }

  #send(frame: Frame): boolean {
    const features = this.#features;
    const { data } = frame;
    const fits = data.length <= MAX_FRAME_BYTES && (features?.scatterGather || data.length <= PAGE_SIZE);
    if (features === null || !this.#link || !fits || data.length === 0) {
      this.metrics.txDropped++;
      return true;
    }
    const whole =
      frame.checksum === 'blank' && !features.ipv6Checksum && isIpv6(data) ? completed(frame) : frame;
    const queue = this.#queues[this.#queues.length === 1 ? 0 : flowHash(data) % this.#queues.length];
    if (!queue.send(whole)) return false;
    this.metrics.txFrames++;
    this.metrics.txBytes += data.length;
    return true;
  }

  #prepare(offers: Nodes, backendDomid: number): Prepared {
    const features = chooseFeatures(offers, this.#limits.queues);
    if (typeof features === 'string') return { state: 'failed', reason: features };
    const { guest, events, pages, offloads = ALL_OFFLOADS } = this.#options;
    this.#lender.sweep();
    const queues: NetQueue[] = [];
    this.#queues = queues;
    while (queues.length < features.nrQueues) {
      const queue = NetQueue.create({
        guest,
        events,
        pages,
        backendDomid,
        lender: this.#lender,
        metrics: this.metrics,
        splitChannels: features.splitChannels,
        maxTxPages: this.#limits.txPages,
        rxPages: this.#limits.rxPages,
        receive: (frame) => this.#nic === null || deliver(this.#nic, frame),
        hasRoom: () => this.#nic?.resume(),
        proven: () => this.#xenbus.proven(),
        broken: () => this.#broken(),
      });
      if (typeof queue === 'string') return { state: 'failed', reason: queue };
      queues.push(queue);
    }
    this.#features = features;
    const multi = queues.length > 1;
    const rings = queues.map((queue, i) => queue.nodes(multi ? `queue-${i}/` : ''));
    const count: NodeChanges = { 'multi-queue-num-queues': multi ? `${queues.length}` : null };
    return { state: 'ready', nodes: Object.assign({}, count, ownFeatures(offloads), ...rings) };
  }

  #connected(): null {
    if (this.#link) return null;
    this.#link = true;
    this.metrics.connections++;
    for (const queue of this.#queues) queue.start();
    this.#options.onChange?.();
    this.#nic?.resume();
    return null;
  }

  #stop(): void {
    for (const queue of this.#queues) queue.stop();
    if (!this.#link) return;
    this.#link = false;
    this.#options.onChange?.();
    // What waited for room goes the way of everything that is sent over a dead cable.
    this.#nic?.resume();
  }

  #release(): void {
    for (const queue of this.#queues) queue.release();
    this.#queues = [];
    this.#features = null;
    this.#lender.sweep();
  }

  #broken(): void {
    this.metrics.broken++;
    this.#xenbus.fail('the backend answered what it was not asked');
  }

  #ended(reason: string): void {
    this.#endedBecause = reason;
    this.#options.onChange?.();
  }
}

function completed(frame: Frame): Frame {
  const data = frame.data.slice();
  completeChecksum(data);
  return { ...frame, data, checksum: 'present' };
}

function macOf(text: string | undefined): Uint8Array | null {
  if (text === undefined || !/^(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text)) return null;
  return Uint8Array.from(text.split(':'), (byte) => Number.parseInt(byte, 16));
}

function mtuOf(text: string | undefined): number | null {
  return text !== undefined && /^[0-9]{2,5}$/.test(text) && Number(text) <= MAX_FRAME_BYTES
    ? Number(text)
    : null;
}
