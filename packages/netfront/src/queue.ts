import type { GuestEventPort, GuestEvents } from '@domu/event-channel/guest';
import type { Frame } from '@domu/netstack';
import { RxQueue } from './rx-queue.ts';
import { type QueueParts, TxQueue } from './tx-queue.ts';

export interface NetQueueParts extends QueueParts {
  readonly events: GuestEvents;
  /** Whether each direction has an event channel of its own. */
  readonly splitChannels: boolean;
  readonly maxTxPages: number;
  readonly rxPages: number;
  /** Takes a frame that came. @returns false: not now, to be offered again */
  readonly receive: (frame: Frame) => boolean;
  /** There is room again after `send` had none. */
  readonly hasRoom: () => void;
  /** The backend answered: it works. */
  readonly proven: () => void;
  /** The backend broke the protocol. */
  readonly broken: () => void;
}

/** A pair of rings with their event channels. */
export class NetQueue {
  readonly #parts: NetQueueParts;
  readonly #tx: TxQueue;
  readonly #rx: RxQueue;
  readonly #ports: GuestEventPort[] = [];
  /** A frame that nobody had room for. */
  #held: Frame | null = null;
  #senderWaits = false;
  #receiving = false;
  #running = false;
  #released = false;

  private constructor(parts: NetQueueParts, tx: TxQueue, rx: RxQueue) {
    this.#parts = parts;
    this.#tx = tx;
    this.#rx = rx;
  }

  /** Makes rings and ports. @returns why not, when that fails; nothing is held then */
  static create(parts: NetQueueParts): NetQueue | string {
    const { lender, backendDomid, events, splitChannels } = parts;
    const [txPage, rxPage] = [lender.lendNew(backendDomid), lender.lendNew(backendDomid)];
    if (txPage === null || rxPage === null) {
      for (const page of [txPage, rxPage]) if (page !== null) lender.takeBack(page);
      return 'no page or no grant for the rings';
    }
    const tx = new TxQueue(parts, txPage, parts.maxTxPages);
    const queue = new NetQueue(parts, tx, new RxQueue(parts, rxPage));
    const handlers = splitChannels
      ? [() => queue.#onTx(), () => queue.run()]
      : [
          () => {
            queue.#onTx();
            queue.run();
          },
        ];
    for (const handler of handlers) {
      const port = events.allocUnbound(backendDomid, handler);
      if (typeof port === 'number') {
        queue.release();
        return `no event channel: ${port}`;
      }
      queue.#ports.push(port);
    }
    if (queue.#rx.grow(parts.rxPages) > 0) return queue;
    queue.release();
    return 'no page or no grant to receive into';
  }

  /** Nodes that tell the backend of this queue. */
  nodes(prefix: string): Record<string, string | null> {
    const [tx, rx] = this.#ports.map(({ port }) => `${port}`);
    const split = rx !== undefined;
    return {
      [`${prefix}tx-ring-ref`]: `${this.#tx.gref}`,
      [`${prefix}rx-ring-ref`]: `${this.#rx.gref}`,
      [`${prefix}event-channel`]: split ? null : tx,
      [`${prefix}event-channel-tx`]: split ? tx : null,
      [`${prefix}event-channel-rx`]: split ? rx : null,
    };
  }

  /** Lets frames pass: the backend is connected. */
  start(): void {
    this.#running = true;
    this.run();
  }

  /** Takes what has come, and offers pages for more. */
  run(): void {
    if (!this.#running || this.#receiving) return;
    this.#receiving = true;
    while (this.#running && this.#receiveNext()) {}
    this.#receiving = false;
    if (this.#running && this.#rx.offer()) this.#ports[this.#ports.length - 1].notify();
  }

  /** @returns false when there is no room; `hasRoom` tells when there is again */
  send(frame: Frame): boolean {
    if (!this.#tx.put(frame)) {
      if (!this.#reap()) return true;
      if (!this.#tx.put(frame)) {
        this.#senderWaits = true;
        return false;
      }
    }
    if (this.#tx.publish()) this.#ports[0].notify();
    return true;
  }

  /** Nothing may pass any more; the backend may still use what it has. */
  stop(): void {
    this.#running = false;
  }

  /** Gives everything back. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#running = false;
    for (const port of this.#ports) port.close();
    this.#tx.release();
    this.#rx.release();
  }

  /** @returns whether to go on */
  #receiveNext(): boolean {
    const { receive, broken, proven, metrics } = this.#parts;
    const received = this.#held ?? this.#rx.take();
    if (received === 'nothing') return false;
    if (received === 'broken') {
      broken();
      return false;
    }
    if (received === 'error') {
      metrics.rxErrors++;
      return true;
    }
    this.#held = received;
    if (!receive(received)) return false;
    this.#held = null;
    metrics.rxFrames++;
    metrics.rxBytes += received.data.length;
    proven();
    return true;
  }

  #onTx(): void {
    if (this.#reap() && this.#senderWaits) {
      this.#senderWaits = false;
      this.#parts.hasRoom();
    }
  }

  /** @returns false when the backend broke the protocol */
  #reap(): boolean {
    const reaped = this.#released ? 0 : this.#tx.reap();
    if (reaped === null) {
      this.#parts.broken();
      return false;
    }
    if (reaped > 0) this.#parts.proven();
    return true;
  }
}
