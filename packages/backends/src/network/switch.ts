import {
  type AttachedPort,
  deliver,
  type EthernetNetwork,
  type EthernetPort,
  type Frame,
  type Offloads,
} from '@domu/netstack';
import { FrameQueue } from './frame-queue.ts';

/** What a switch's counters count. */
export interface SwitchMetrics {
  /** frames that one port got */
  forwarded: number;
  /** frames that all ports got because nobody knew where the receiver is, or it is a group */
  flooded: number;
  /** frames that a port had neither room nor queue for */
  dropped: number;
}

/** Stations that one port may have: who claims more forgets his oldest, and nobody else's. */
const MAX_STATIONS_PER_PORT = 64;
const MAX_QUEUED_BYTES_PER_PORT = 4 << 20;
const HEADER_BYTES = 14;
/** Frames pass through as they are; `deliver` brings them down to what a port takes. */
const ALL_OFFLOADS: Offloads = { checksum: true, tcpv4: true, tcpv6: true };

/**
 * A learning switch: joins interfaces, of one machine's domains and others. A port that does not take its frames holds up
 * nobody: they wait in a queue of bounded size, then are dropped.
 * Invariants: a station is known at one port at most · a frame does not go back to the port that it came from
 */
export class VirtualSwitch implements EthernetNetwork {
  readonly metrics: SwitchMetrics = { forwarded: 0, flooded: 0, dropped: 0 };
  readonly #ports: Set<SwitchPort> = new Set();
  readonly #stations: Map<number, SwitchPort> = new Map();

  /** Number of stations whose port is known. */
  get nrStations(): number {
    return this.#stations.size;
  }

  attach(nic: EthernetPort): AttachedPort {
    const port = new SwitchPort(nic, this.metrics);
    this.#ports.add(port);
    return {
      offloads: ALL_OFFLOADS,
      transmit: (frame) => {
        if (this.#ports.has(port)) this.#forward(port, frame);
        return true;
      },
      resume: () => port.drain(),
      close: () => {
        this.#ports.delete(port);
        for (const station of port.stations) this.#stations.delete(station);
      },
    };
  }

  #forward(from: SwitchPort, frame: Frame): void {
    const { data } = frame;
    if (data.length < HEADER_BYTES) return;
    if (!isGroup(data, 6)) this.#learn(from, addressAt(data, 6));
    const to = isGroup(data, 0) ? undefined : this.#stations.get(addressAt(data, 0));
    if (to !== undefined) {
      if (to !== from) this.metrics.forwarded++;
      if (to !== from) to.send(frame);
      return;
    }
    this.metrics.flooded++;
    for (const port of this.#ports) if (port !== from) port.send(frame);
  }

  #learn(port: SwitchPort, station: number): void {
    const before = this.#stations.get(station);
    if (before === port) return;
    before?.stations.delete(station);
    this.#stations.set(station, port);
    port.stations.add(station);
    if (port.stations.size <= MAX_STATIONS_PER_PORT) return;
    const [oldest] = port.stations;
    port.stations.delete(oldest);
    this.#stations.delete(oldest);
  }
}

class SwitchPort {
  /** In the order in which they were learnt. */
  readonly stations: Set<number> = new Set();
  readonly #nic: EthernetPort;
  readonly #metrics: SwitchMetrics;
  readonly #queue: FrameQueue = new FrameQueue(MAX_QUEUED_BYTES_PER_PORT);
  #draining = false;

  constructor(nic: EthernetPort, metrics: SwitchMetrics) {
    this.#nic = nic;
    this.#metrics = metrics;
  }

  send(frame: Frame): void {
    if (this.#queue.isEmpty && deliver(this.#nic, frame)) return;
    if (!this.#queue.push(frame)) this.#metrics.dropped++;
  }

  drain(): void {
    if (this.#draining) return;
    this.#draining = true;
    for (let frame = this.#queue.peek(); frame !== undefined; frame = this.#queue.peek()) {
      if (!deliver(this.#nic, frame)) break;
      this.#queue.shift();
    }
    this.#draining = false;
  }
}

/** Whether the address at `offset` is of several stations. */
function isGroup(data: Uint8Array, offset: number): boolean {
  return (data[offset] & 1) !== 0;
}

/** @returns the 48 bits as a number */
function addressAt(data: Uint8Array, offset: number): number {
  const high = (data[offset] << 8) | data[offset + 1];
  const low =
    ((data[offset + 2] << 24) | (data[offset + 3] << 16) | (data[offset + 4] << 8) | data[offset + 5]) >>> 0;
  return high * 0x1_0000_0000 + low;
}
