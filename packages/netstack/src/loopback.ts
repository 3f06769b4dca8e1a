import type { NetInterface, OwnFrame } from './interface.ts';
import type { EthernetPort, Frame, Offloads } from './port.ts';

const MAX_QUEUED = 64;

/** The far end of a loopback interface's cable: hands back what it gets, one frame at a time and never from inside `transmit`. */
export class LoopbackPort implements EthernetPort {
  readonly offloads: Offloads = { checksum: true, tcpv4: true, tcpv6: false };
  readonly #netif: NetInterface;
  readonly #arrived: () => void;
  #queue: Pick<OwnFrame, 'data' | 'checksum' | 'gsoSize' | 'gsoType'>[] = [];

  constructor(netif: NetInterface, arrived: () => void) {
    this.#netif = netif;
    this.#arrived = arrived;
  }

  transmit({ data, checksum, gsoSize, gsoType }: Frame): boolean {
    if (this.#queue.length === MAX_QUEUED) return false;
    this.#queue.push({ data: data.slice(), checksum, gsoSize, gsoType });
    if (this.#queue.length === 1) this.#arrived();
    return true;
  }

  resume(): void {}

  /** Hands back what is there. @returns whether there was anything */
  pass(): boolean {
    if (this.#queue.length === 0) return false;
    const frames = this.#queue;
    this.#queue = [];
    this.#netif.resume();
    for (const frame of frames) this.#netif.transmit(frame);
    return true;
  }
}
