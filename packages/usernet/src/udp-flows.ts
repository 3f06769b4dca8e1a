import { type Datagram, MS, type NetStack, SECOND, Timer } from '@domu/netstack';
import type { GuestEndpoint, HostDatagramSocket, HostEndpoint, HostNetwork } from './host.ts';

const IDLE = 120 * SECOND;
/** Peers that one guest socket can hear from at one time. */
const MAX_PEERS = 64;

interface Flow {
  readonly guest: GuestEndpoint;
  readonly socket: HostDatagramSocket;
  /** Host-side address → what the guest calls it. */
  readonly peers: Map<string, GuestEndpoint>;
  usedAtNs: number;
}

export interface UdpFlowsOptions {
  readonly stack: NetStack;
  readonly host: HostNetwork;
  readonly maxFlows: number;
  /** Where a destination of the guest's lies in the host's world; undefined: nowhere. */
  readonly translate: (to: GuestEndpoint) => HostEndpoint | undefined;
}

/**
 * The guest's UDP sockets, each with one of the host's (endpoint-independent mapping): answers come from whom the guest has
 * written to. Idle ones are given up.
 */
export class UdpFlows {
  readonly #options: UdpFlowsOptions;
  /** By guest endpoint; the one used least recently first. */
  readonly #flows: Map<number, Flow> = new Map();
  readonly #timer: Timer;

  constructor(options: UdpFlowsOptions) {
    this.#options = options;
    this.#timer = new Timer(options.stack.timers, () => this.#expire());
  }

  get size(): number {
    return this.#flows.size;
  }

  /** Sends a datagram of the guest on. @returns false if its destination cannot be reached */
  send({ source, sourcePort, destination, destinationPort, payload }: Datagram): boolean {
    const { translate, maxFlows, stack } = this.#options;
    const to = { address: destination, port: destinationPort };
    const target = translate(to);
    if (target === undefined) return false;
    const key = source * 0x10000 + sourcePort;
    let flow = this.#flows.get(key);
    if (flow === undefined) {
      if (this.#flows.size >= maxFlows) this.#close(this.#flows.keys().next().value!);
      flow = this.#open(key, { address: source, port: sourcePort });
    }
    this.#flows.delete(key);
    this.#flows.set(key, flow);
    flow.usedAtNs = stack.timers.nowNs;
    const peer = `${target.address} ${target.port}`;
    flow.peers.delete(peer);
    if (flow.peers.size === MAX_PEERS) flow.peers.delete(flow.peers.keys().next().value!);
    flow.peers.set(peer, to);
    if (!this.#timer.isSet) this.#timer.set(IDLE);
    flow.socket.send(payload.slice(), target);
    return true;
  }

  close(): void {
    this.#timer.release();
    for (const key of [...this.#flows.keys()]) this.#close(key);
  }

  #open(key: number, guest: GuestEndpoint): Flow {
    const { host, stack } = this.#options;
    const receive = (payload: Uint8Array, from: HostEndpoint): void => {
      const as = flow.peers.get(`${from.address} ${from.port}`);
      if (as === undefined || this.#flows.get(key) !== flow) return;
      flow.usedAtNs = stack.timers.nowNs;
      reply(stack, payload, as, guest);
    };
    const failed = (): void => {
      if (this.#flows.get(key) === flow) this.#close(key);
    };
    const socket = host.openUdp(undefined, receive, failed);
    const flow: Flow = { guest, socket, peers: new Map(), usedAtNs: 0 };
    return flow;
  }

  #close(key: number): void {
    this.#flows.get(key)?.socket.close();
    this.#flows.delete(key);
  }

  #expire(): void {
    const now = this.#options.stack.timers.nowNs;
    for (const [key, { usedAtNs }] of [...this.#flows]) if (now - usedAtNs >= IDLE) this.#close(key);
    if (this.#flows.size > 0) this.#timer.set(IDLE / 4 + MS);
  }
}

/** Sends a datagram to the guest. */
export function reply(stack: NetStack, payload: Uint8Array, from: GuestEndpoint, to: GuestEndpoint): void {
  stack.udp.send(payload, {
    ...{ source: from.address, sourcePort: from.port },
    ...{ destination: to.address, destinationPort: to.port },
  });
}
