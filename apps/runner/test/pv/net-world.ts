import { NetBack, type NetBackHost } from '@domu/backends';
import { HostGrants } from '@domu/grant-table/hypervisor';
import { NetFront, type NetFrontLimits } from '@domu/netfront';
import type { AttachedPort, EthernetNetwork, EthernetPort, Frame, Offloads } from '@domu/netstack';
import { GUEST, PvWorld } from './world.ts';

export const BACKEND = `/local/domain/0/backend/vif/${GUEST}/0`;
export const FRONTEND = `/local/domain/${GUEST}/device/vif/0`;
export const ALL_OFFLOADS: Offloads = { checksum: true, tcpv4: true, tcpv6: true };

/** A guest's network interface from end to end: netfront, netback, and what lies between. */
export class NetWorld extends PvWorld {
  readonly netHost: NetBackHost;
  back: NetBack | null = null;
  front: NetFront | null = null;

  constructor() {
    super();
    const grants = new HostGrants(this.hostGrants);
    this.netHost = {
      ...this.host,
      copyFromGrant: (domid, ref, offset, into) => grants.copyFrom({ domid, ref, offset }, into),
      copyToGrant: (domid, ref, from) => grants.copyTo({ domid, ref, offset: 0 }, from),
      transferPage: (domid, ref, from) => grants.transfer(domid, ref, from),
    };
  }

  /** Does the toolstack's part: both directories, both at Initialising. */
  plug(): void {
    this.store.transaction((tx) => {
      tx.mkdir(FRONTEND);
      tx.setPerms(FRONTEND, [`n${GUEST}`, 'r0']);
      tx.write(`${FRONTEND}/backend`, BACKEND);
      tx.write(`${FRONTEND}/backend-id`, '0');
      tx.write(`${FRONTEND}/mac`, '00:16:3e:00:00:05');
      tx.write(`${FRONTEND}/state`, '1');
      tx.mkdir(BACKEND);
      tx.setPerms(BACKEND, ['n0', `r${GUEST}`]);
      tx.write(`${BACKEND}/frontend`, FRONTEND);
      tx.write(`${BACKEND}/frontend-id`, `${GUEST}`);
      tx.write(`${BACKEND}/online`, '1');
      tx.write(`${BACKEND}/state`, '1');
    });
  }

  startBack(network: EthernetNetwork): NetBack {
    this.back = new NetBack({ host: this.netHost, store: this.store, path: BACKEND, network });
    return this.back;
  }

  startFront(limits: Partial<NetFrontLimits> = {}, offloads?: Offloads): NetFront {
    const { guest, events, grants, client, pages } = this;
    const path = 'device/vif/0';
    this.front = new NetFront({ guest, events, grants, store: client, pages, path, limits, offloads });
    return this.front;
  }

  /** Both halves on `network`, connected. */
  connect(network: EthernetNetwork, limits: Partial<NetFrontLimits> = {}, offloads?: Offloads): NetFront {
    this.plug();
    this.startBack(network);
    const front = this.startFront(limits, offloads);
    this.settle();
    return front;
  }

  backend(node: string): string | null {
    return this.store.read(`${BACKEND}/${node}`);
  }

  frontend(node: string): string | null {
    return this.store.read(`${FRONTEND}/${node}`);
  }

  /** What a device that is gone leaves: pages, ports, mappings and references in use. */
  get remains(): readonly number[] {
    return [this.nrPages, this.nrPorts, this.nrMapped, this.grants.nrLingering, this.frames.nrHeld];
  }
}

/** One end of a cable as a test holds it: keeps what comes, and sends with back-pressure. */
export class Station implements EthernetPort {
  readonly offloads: Offloads = ALL_OFFLOADS;
  readonly port: AttachedPort;
  /** Called for each frame that comes. */
  onFrame: (frame: Frame) => void = () => {};
  /** How many more frames it takes. */
  room: number = Number.POSITIVE_INFINITY;
  nrFrames = 0;
  readonly #waiting: Frame[] = [];

  constructor(network: EthernetNetwork, offloads: Offloads = ALL_OFFLOADS) {
    this.offloads = offloads;
    this.port = network.attach(this);
  }

  transmit(frame: Frame): boolean {
    if (this.room === 0) return false;
    this.room--;
    this.nrFrames++;
    this.onFrame(frame);
    return true;
  }

  /** Sends, or has the frame wait. */
  send(data: Uint8Array, how: Partial<Frame> = {}): void {
    this.#waiting.push({ data, checksum: 'present', gsoSize: 0, gsoType: 'tcpv4', ...how });
    this.resume();
  }

  /** Frames that have found no room yet. */
  get nrWaiting(): number {
    return this.#waiting.length;
  }

  resume(): void {
    while (this.#waiting.length > 0 && this.port.transmit(this.#waiting[0])) this.#waiting.shift();
  }
}

const PATTERN: Uint8Array = Uint8Array.from(
  { length: 0x20000 },
  (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 24,
);

/** @returns an Ethernet frame between two stations whose payload anybody can check */
export function testFrame(to: number, from: number, lengthBytes: number, seed: number): Uint8Array {
  const data = new Uint8Array(Math.max(20, lengthBytes));
  data.set([0x02, 0, 0, 0, 0, to, 0x02, 0, 0, 0, 0, from, 0x88, 0xb5]);
  new DataView(data.buffer).setUint32(14, seed);
  // A pattern that tells its place: copied from the start of one that is long enough.
  const from0 = (seed * 251) & 0xffff;
  data.set(PATTERN.subarray(from0, from0 + data.length - 18), 18);
  return data;
}

/** @returns the frame's seed, or -1 when its bytes are not those that `testFrame` makes */
export function checkFrame(data: Uint8Array): number {
  const seed = new DataView(data.buffer, data.byteOffset).getUint32(14);
  return Buffer.compare(data, testFrame(data[5], data[11], data.length, seed)) === 0 ? seed : -1;
}

/** Lets all worlds run until nothing happens in any of them. */
export function settleAll(...worlds: NetWorld[]): void {
  const work = (): number =>
    worlds.reduce((sum, { back, front }) => {
      const metrics = [back?.metrics, front?.metrics].flatMap((each) => (each ? Object.values(each) : []));
      return metrics.reduce((total: number, value: number) => total + value, sum);
    }, 0);
  for (let before = -1, now = work(); before !== now; ) {
    before = now;
    for (const world of worlds) world.settle();
    now = work();
  }
}
