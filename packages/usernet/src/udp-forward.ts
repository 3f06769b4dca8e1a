import type { Datagram, NetStack } from '@domu/netstack';
import type { GuestEndpoint, HostDatagramSocket, HostEndpoint, HostNetwork, NetworkLog } from './host.ts';
import type { Forward } from './options.ts';
import { reply } from './udp-flows.ts';

/** Peers of one forward that the guest can answer at one time. */
const MAX_PEERS = 256;
const FIRST_PORT = 49152;

export interface UdpForwardParts {
  readonly stack: NetStack;
  readonly host: HostNetwork;
  readonly forward: Forward;
  /** As whom the guest sees the host. */
  readonly gateway: number;
  readonly guest: () => GuestEndpoint;
  /** Ports of the gateway in use by forwards: whom an answer is for. */
  readonly ports: Map<number, (payload: Uint8Array) => void>;
  readonly log: NetworkLog;
}

/** A UDP port of the host that leads to the guest; each peer appears as a port of the gateway. */
export class UdpForward {
  readonly #parts: UdpForwardParts;
  readonly #socket: HostDatagramSocket;
  /** Host-side peer → its port of the gateway; the one heard from least recently first. */
  readonly #peers: Map<string, number> = new Map();

  constructor(parts: UdpForwardParts) {
    this.#parts = parts;
    const { address, port } = parts.forward.host;
    this.#socket = parts.host.openUdp(
      parts.forward.host,
      (payload, from) => this.#receive(payload, from),
      (reason) => parts.log(`hostfwd: udp port ${address}:${port} cannot be opened: ${reason}`),
    );
  }

  close(): void {
    this.#socket.close();
    for (const port of this.#peers.values()) this.#parts.ports.delete(port);
    this.#peers.clear();
  }

  #receive(payload: Uint8Array, from: HostEndpoint): void {
    const { stack, gateway, guest } = this.#parts;
    const key = `${from.address} ${from.port}`;
    const port = this.#peers.get(key) ?? this.#portFor(from);
    this.#peers.delete(key);
    this.#peers.set(key, port);
    reply(stack, payload, { address: gateway, port }, guest());
  }

  #portFor(from: HostEndpoint): number {
    const { ports } = this.#parts;
    if (this.#peers.size === MAX_PEERS) {
      const [oldest, freed] = this.#peers.entries().next().value!;
      this.#peers.delete(oldest);
      ports.delete(freed);
    }
    let port = ports.has(from.port) || from.port === 53 ? FIRST_PORT : from.port;
    while (ports.has(port)) port++;
    ports.set(port, (payload) => this.#socket.send(payload, from));
    return port;
  }
}

/** Sends the guest's answer to a peer of a forward on. @returns false if it is no such answer */
export function answerForward(
  { destinationPort, payload }: Datagram,
  ports: ReadonlyMap<number, (payload: Uint8Array) => void>,
): boolean {
  const send = ports.get(destinationPort);
  send?.(payload.slice());
  return send !== undefined;
}
