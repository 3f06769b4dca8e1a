import type { ChecksumState, Frame } from '@domu/netstack';
import {
  type DomId,
  GNTST_okay,
  gref,
  NETIF_RSP_ERROR,
  NETIF_RSP_OKAY,
  NETTXF_csum_blank,
  NETTXF_data_validated,
  port,
  XEN_NETIF_GSO_TYPE_TCPV4,
  XEN_NETIF_GSO_TYPE_TCPV6,
} from '@domu/xen-abi';
import type { GrantMapping, HostPort } from '../host.ts';
import type { NetBackHost } from './host.ts';
import type { NetBackMetrics } from './metrics.ts';
import type { Negotiated, QueueNodes } from './negotiation.ts';
import { RxRing } from './rx-ring.ts';
import { type TxPacket, TxRing } from './tx-ring.ts';

/** What a queue works with. */
export interface QueueParts {
  readonly host: NetBackHost;
  readonly frontendDomid: DomId;
  readonly negotiated: Negotiated;
  readonly metrics: NetBackMetrics;
  /** Gives a frame of the guest to the network. @returns false: not taken, to be offered again */
  readonly send: (frame: Frame) => boolean;
  /** The guest has offered pages after a frame had found no room. */
  readonly hasRoom: () => void;
  /** The frontend broke the protocol: the queue is not to be used any more. */
  readonly broken: (reason: string) => void;
}

/** One pair of rings, connected. */
export class NetQueue {
  readonly #parts: QueueParts;
  readonly #pages: readonly GrantMapping[];
  readonly #ports: HostPort[] = [];
  readonly #tx: TxRing;
  readonly #rx: RxRing;
  readonly #buffer: Uint8Array = new Uint8Array(0x10000);
  /** A packet in `#buffer` that the network had no room for. */
  #held: { readonly packet: TxPacket; readonly frame: Frame } | null = null;
  /** Slots that a frame to the guest wants; 0 when none waits. */
  #wantedSlots = 0;
  #sending = false;
  #closed = false;

  private constructor(parts: QueueParts, tx: GrantMapping, rx: GrantMapping) {
    this.#parts = parts;
    this.#pages = [tx, rx];
    const { host, frontendDomid, negotiated } = parts;
    this.#tx = new TxRing(tx.bytes);
    this.#rx = new RxRing(rx.bytes, (ref, bytes) =>
      negotiated.rxCopy
        ? host.copyToGrant(frontendDomid, ref, bytes)
        : host.transferPage(frontendDomid, ref, bytes),
    );
  }

  /** @returns the queue, or why it could not be connected; nothing is held then */
  static connect(parts: QueueParts, nodes: QueueNodes): NetQueue | string {
    const { host, frontendDomid } = parts;
    const tx = host.mapGrant(frontendDomid, gref(nodes.txRef), { readonly: false });
    if (typeof tx === 'number') return `mapping tx-ring-ref ${nodes.txRef}: ${tx}`;
    const rx = host.mapGrant(frontendDomid, gref(nodes.rxRef), { readonly: false });
    if (typeof rx === 'number') {
      tx.release();
      return `mapping rx-ring-ref ${nodes.rxRef}: ${rx}`;
    }
    const queue = new NetQueue(parts, tx, rx);
    const split = nodes.txPort !== nodes.rxPort;
    const handlers: [remotePort: number, handler: () => void][] = split
      ? [
          [nodes.txPort, () => queue.runTx()],
          [nodes.rxPort, () => queue.#runRx()],
        ]
      : [
          [
            nodes.txPort,
            () => {
              queue.runTx();
              queue.#runRx();
            },
          ],
        ];
    for (const [remotePort, handler] of handlers) {
      const bound = host.bindInterdomain(frontendDomid, port(remotePort), handler);
      if (typeof bound === 'number') {
        queue.close();
        return `binding event-channel ${remotePort}: ${bound}`;
      }
      queue.#ports.push(bound);
    }
    return queue;
  }

  /** Takes what the guest sends, until the ring is empty or the network has no room. */
  runTx(): void {
    if (this.#sending) return;
    this.#sending = true;
    let notify = false;
    try {
      while (!this.#closed) {
        const step = this.#sendNext();
        if (step === 'wait') break;
        notify = step || notify;
      }
    } finally {
      this.#sending = false;
    }
    if (notify && !this.#closed) this.#ports[0].notify();
  }

  /** Puts a frame into the guest's pages. @returns false when there is no room, and `hasRoom` will be called */
  deliver(frame: Frame): boolean {
    const { metrics } = this.#parts;
    const outcome = this.#rx.put(frame);
    if (outcome === 'broken') {
      this.#parts.broken('impossible number of receive requests');
      return true;
    }
    if (outcome === 'full') {
      this.#wantedSlots = RxRing.slotsOf(frame);
      return false;
    }
    metrics.rxPackets++;
    metrics.rxBytes += frame.data.length;
    metrics.rxErrors += outcome.errors;
    if (outcome.notify) this.#ports[this.#ports.length - 1].notify();
    return true;
  }

  close(): void {
    this.#closed = true;
    for (const bound of this.#ports) bound.close();
    for (const page of this.#pages) page.release();
  }

  /** @returns 'wait' when there is nothing to do now; else whether the frontend wants to be notified */
  #sendNext(): boolean | 'wait' {
    const { metrics, send } = this.#parts;
    const next = this.#held ?? this.#nextPacket();
    if (next === null) return 'wait';
    const { packet, frame } = next;
    if (frame !== null) {
      this.#held = { packet, frame };
      if (!send(frame)) return 'wait';
      this.#held = null;
      // The network may have closed us from inside its call.
      if (this.#closed) return 'wait';
      metrics.txPackets++;
      metrics.txBytes += frame.data.length;
      return this.#tx.respond(packet, NETIF_RSP_OKAY);
    }
    if (packet.control) return this.#tx.respond(packet, NETIF_RSP_OKAY);
    metrics.txErrors++;
    return this.#tx.respond(packet, NETIF_RSP_ERROR);
  }

  /** @returns the next packet, with its data unless it is an order or in error; null when there is none */
  #nextPacket(): { packet: TxPacket; frame: Frame | null } | null {
    const packet = this.#tx.take();
    if (typeof packet === 'string') {
      this.#parts.broken(packet);
      return null;
    }
    if (packet === null) return null;
    if (packet.gsoSize > 0 && !isGsoType(packet.gsoType)) {
      this.#parts.broken(`GSO of type ${packet.gsoType}`);
      return null;
    }
    return { packet, frame: packet.refused || packet.control ? null : this.#read(packet) };
  }

  #read(packet: TxPacket): Frame | null {
    const { host, frontendDomid } = this.#parts;
    let length = 0;
    for (const { gref: ref, offset, size } of packet.slots) {
      const into = this.#buffer.subarray(length, length + size);
      if (size > 0 && host.copyFromGrant(frontendDomid, gref(ref), offset, into) !== GNTST_okay) return null;
      length += size;
    }
    return {
      data: this.#buffer.subarray(0, length),
      checksum: checksumOf(packet),
      gsoSize: packet.gsoSize,
      gsoType: packet.gsoType === XEN_NETIF_GSO_TYPE_TCPV6 ? 'tcpv6' : 'tcpv4',
    };
  }

  #runRx(): void {
    if (this.#closed || this.#wantedSlots === 0 || !this.#rx.hasRoom(this.#wantedSlots)) return;
    this.#wantedSlots = 0;
    this.#parts.hasRoom();
  }
}

/** A frame to be cut has its checksums computed anew, also when a frontend forgets to say so. */
function checksumOf({ flags, gsoSize }: TxPacket): ChecksumState {
  if (flags & NETTXF_csum_blank || gsoSize > 0) return 'blank';
  return flags & NETTXF_data_validated ? 'validated' : 'present';
}

function isGsoType(type: number): boolean {
  return type === XEN_NETIF_GSO_TYPE_TCPV4 || type === XEN_NETIF_GSO_TYPE_TCPV6;
}
