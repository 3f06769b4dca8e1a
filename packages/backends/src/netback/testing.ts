import type { AttachedPort, EthernetNetwork, EthernetPort, Frame, Offloads } from '@domu/netstack';
import {
  GNTST_bad_copy_arg,
  GNTST_bad_gntref,
  GNTST_okay,
  type Gref,
  NETRXF_extra_info,
  NETRXF_more_data,
  NetifExtraInfo,
  NetifRxRequest,
  NetifRxResponse,
  NetifTxRequest,
  NetifTxResponse,
  nextIdx,
  PAGE_SIZE,
  SRING_FIRST_EVENT,
  Sring,
  slotOffset,
} from '@domu/xen-abi';
import { FakeHost } from '../testing.ts';
import type { NetBackHost } from './host.ts';

export const BACKEND_PATH = '/local/domain/0/backend/vif/5/0';
export const FRONTEND_PATH = '/local/domain/5/device/vif/0';
const SLOTS = 256;

/** A host whose guest's pages can be copied, and given in exchange. */
export class NetFakeHost extends FakeHost implements NetBackHost {
  /** pages that were given for a reference */
  readonly transferred: Map<number, Uint8Array> = new Map();
  /** references that accept a transfer */
  readonly accepting: Set<number> = new Set();

  copyFromGrant(_domid: number, gref: Gref, offset: number, into: Uint8Array): number {
    const page = this.pages.get(gref);
    if (page === undefined) return GNTST_bad_gntref;
    if (offset + into.length > PAGE_SIZE) return GNTST_bad_copy_arg;
    into.set(page.subarray(offset, offset + into.length));
    return GNTST_okay;
  }

  copyToGrant(_domid: number, gref: Gref, from: Uint8Array): number {
    const page = this.pages.get(gref);
    if (page === undefined || this.readonlyGrefs.has(gref)) return GNTST_bad_gntref;
    page.set(from);
    return GNTST_okay;
  }

  transferPage(_domid: number, gref: Gref, from: Uint8Array): number {
    if (!this.accepting.delete(gref)) return GNTST_bad_gntref;
    const page = new Uint8Array(PAGE_SIZE);
    page.set(from);
    this.transferred.set(gref, page);
    return GNTST_okay;
  }
}

/** A network that writes down what it is given, and gives what the test says. */
export class TestNetwork implements EthernetNetwork {
  readonly offloads: Offloads = { checksum: true, tcpv4: true, tcpv6: true };
  readonly frames: (Frame & { data: Uint8Array })[] = [];
  nic: EthernetPort | null = null;
  /** How many more frames it takes. */
  room: number = Number.POSITIVE_INFINITY;
  nrResumed = 0;
  /** Called for each frame that is taken. */
  onFrame: (frame: Frame) => void = () => {};

  attach(nic: EthernetPort): AttachedPort {
    this.nic = nic;
    return {
      offloads: this.offloads,
      transmit: (frame) => {
        if (this.room === 0) return false;
        this.room--;
        this.frames.push({ ...frame, data: frame.data.slice() });
        this.onFrame(frame);
        return true;
      },
      resume: () => {
        this.nrResumed++;
      },
      close: () => {
        this.nic = null;
      },
    };
  }
}

/** A part of a packet as the guest puts it into its ring. */
export interface TestSlot {
  readonly gref: number;
  readonly offset?: number;
  readonly size: number;
  readonly flags?: number;
}

export interface TestExtra {
  readonly type: number;
  readonly flags?: number;
  readonly size?: number;
  readonly gsoType?: number;
}

export interface RxSlot {
  readonly id: number;
  readonly flags: number;
  readonly status: number;
}

/** One queue of a network frontend, as well or ill behaved as the test makes it. */
export class TestQueue {
  readonly host: NetFakeHost;
  readonly tx: DataView;
  readonly rx: DataView;
  readonly txPort: number;
  readonly rxPort: number;
  #txProd = 0;
  #txCons = 0;
  #rxProd = 0;
  #rxCons = 0;

  constructor(host: NetFakeHost, grefs: readonly [tx: number, rx: number], ports: readonly [number, number]) {
    this.host = host;
    const view = (gref: number): DataView => {
      const page = new DataView(host.grantPage(gref).buffer);
      Sring.req_event.set(page, 0, SRING_FIRST_EVENT);
      Sring.rsp_event.set(page, 0, SRING_FIRST_EVENT);
      return page;
    };
    [this.tx, this.rx] = [view(grefs[0]), view(grefs[1])];
    [this.txPort, this.rxPort] = ports;
    for (const port of ports) host.ports.add(port);
  }

  /** Puts one request for each slot, and the extras behind the first. Ids count from 1000 on. */
  put(slots: readonly TestSlot[], extras: readonly TestExtra[] = []): void {
    for (const [i, { gref, offset = 0, size, flags = 0 }] of slots.entries()) {
      const at = slotOffset(this.#txProd, SLOTS, NetifTxRequest.size);
      NetifTxRequest.gref.set(this.tx, at, gref);
      NetifTxRequest.offset.set(this.tx, at, offset);
      NetifTxRequest.flags.set(this.tx, at, flags);
      NetifTxRequest.id.set(this.tx, at, 1000 + this.#txProd);
      NetifTxRequest.fields.size.set(this.tx, at, size);
      this.#txProd = nextIdx(this.#txProd);
      if (i === 0) for (const extra of extras) this.#putExtra(extra);
    }
  }

  #putExtra({ type, flags = 0, size = 0, gsoType = 0 }: TestExtra): void {
    const at = slotOffset(this.#txProd, SLOTS, NetifTxRequest.size);
    NetifExtraInfo.type.set(this.tx, at, type);
    NetifExtraInfo.flags.set(this.tx, at, flags);
    NetifExtraInfo.u.gso.fields.size.set(this.tx, at, size);
    NetifExtraInfo.u.gso.type.set(this.tx, at, gsoType);
    this.#txProd = nextIdx(this.#txProd);
  }

  /** Publishes what was put and raises the event. @param prod another index to publish */
  push(prod: number = this.#txProd): void {
    Sring.req_prod.set(this.tx, 0, prod);
    this.host.kick(this.txPort);
    this.host.settle();
  }

  /** @returns the transmit responses that have come: id and status */
  responses(): [id: number, status: number][] {
    const found: [number, number][] = [];
    for (; this.#txCons !== Sring.rsp_prod.get(this.tx, 0); this.#txCons = nextIdx(this.#txCons)) {
      const at = slotOffset(this.#txCons, SLOTS, NetifTxRequest.size);
      found.push([NetifTxResponse.id.get(this.tx, at), NetifTxResponse.status.get(this.tx, at)]);
    }
    Sring.rsp_event.set(this.tx, 0, nextIdx(this.#txCons));
    return found;
  }

  /** Sends one packet out of pages and tells its statuses. */
  send(slots: readonly TestSlot[], extras: readonly TestExtra[] = []): number[] {
    this.put(slots, extras);
    this.push();
    return this.responses().map(([, status]) => status);
  }

  /** Offers pages for what comes; the id is the reference. */
  offer(...grefs: readonly number[]): void {
    for (const gref of grefs) {
      const at = slotOffset(this.#rxProd, SLOTS, NetifRxResponse.size);
      NetifRxRequest.id.set(this.rx, at, gref);
      NetifRxRequest.gref.set(this.rx, at, gref);
      this.#rxProd = nextIdx(this.#rxProd);
    }
    Sring.req_prod.set(this.rx, 0, this.#rxProd);
    this.host.kick(this.rxPort);
    this.host.settle();
  }

  /** @returns the responses of the receive ring, and where the GSO extra is its fields */
  received(): (RxSlot | { gsoSize: number; gsoType: number })[] {
    const found: (RxSlot | { gsoSize: number; gsoType: number })[] = [];
    let extra = false;
    for (; this.#rxCons !== Sring.rsp_prod.get(this.rx, 0); this.#rxCons = nextIdx(this.#rxCons)) {
      const at = slotOffset(this.#rxCons, SLOTS, NetifRxResponse.size);
      const { gso } = NetifExtraInfo.u;
      if (extra) {
        found.push({ gsoSize: gso.fields.size.get(this.rx, at), gsoType: gso.type.get(this.rx, at) });
        extra = false;
        continue;
      }
      const flags = NetifRxResponse.flags.get(this.rx, at);
      const status = NetifRxResponse.status.get(this.rx, at);
      found.push({ id: NetifRxResponse.id.get(this.rx, at), flags, status });
      extra = (flags & NETRXF_extra_info) !== 0;
    }
    Sring.rsp_event.set(this.rx, 0, nextIdx(this.#rxCons));
    return found;
  }

  /** @returns whole packets that were received, from the pages that were offered */
  packets(): Uint8Array[] {
    const packets: Uint8Array[] = [];
    let parts: number[] = [];
    for (const slot of this.received()) {
      if (!('id' in slot)) continue;
      parts.push(...(this.host.pages.get(slot.id) ?? new Uint8Array(0)).subarray(0, slot.status));
      if (slot.flags & NETRXF_more_data) continue;
      packets.push(Uint8Array.from(parts));
      parts = [];
    }
    return packets;
  }
}

/** What a modern frontend says that it can do. */
export const MODERN: Readonly<Record<string, string>> = {
  'request-rx-copy': '1',
  'feature-rx-notify': '1',
  'feature-sg': '1',
  'feature-gso-tcpv4': '1',
  'feature-gso-tcpv6': '1',
  'feature-ipv6-csum-offload': '1',
};

/** The toolstack's part: both directories, both at Initialising. */
export function createNodes(host: NetFakeHost): void {
  host.store.write(`${BACKEND_PATH}/frontend`, FRONTEND_PATH);
  host.store.write(`${BACKEND_PATH}/frontend-id`, '5');
  host.store.write(`${BACKEND_PATH}/state`, '1');
  host.store.write(`${FRONTEND_PATH}/backend`, BACKEND_PATH);
  host.store.write(`${FRONTEND_PATH}/state`, '1');
}

/** Announces `queues` and goes to `state`. */
export function announce(
  host: NetFakeHost,
  queues: readonly TestQueue[],
  nodes: Readonly<Record<string, string>> = MODERN,
  state = 4,
): void {
  const keys: Record<string, string> = { ...nodes };
  if (queues.length > 1) keys['multi-queue-num-queues'] = `${queues.length}`;
  for (const [i, { txPort, rxPort }] of queues.entries()) {
    const prefix = queues.length > 1 ? `queue-${i}/` : '';
    keys[`${prefix}tx-ring-ref`] = `${8 + 2 * i}`;
    keys[`${prefix}rx-ring-ref`] = `${9 + 2 * i}`;
    if (txPort === rxPort) keys[`${prefix}event-channel`] = `${txPort}`;
    else {
      keys[`${prefix}event-channel-tx`] = `${txPort}`;
      keys[`${prefix}event-channel-rx`] = `${rxPort}`;
    }
  }
  for (const [name, value] of Object.entries(keys)) host.store.write(`${FRONTEND_PATH}/${name}`, value);
  setState(host, state);
}

export function setState(host: NetFakeHost, state: number): void {
  host.store.write(`${FRONTEND_PATH}/state`, `${state}`);
  host.settle();
}

/** @returns `lengthBytes` of an Ethernet frame that holds nothing known */
export function frameOf(lengthBytes: number, seed = 1): Uint8Array {
  const data = new Uint8Array(lengthBytes);
  for (let i = 0; i < lengthBytes; i++) data[i] = (i * 7 + seed) & 0xff;
  data.set([0x88, 0xb5], 12);
  return data;
}

export function plainFrame(data: Uint8Array): Frame {
  return { data, checksum: 'present', gsoSize: 0, gsoType: 'tcpv4' };
}
