import {
  type AttachedPort,
  broadcastOf,
  type Datagram,
  DhcpServer,
  DNS_PORT,
  type EthernetNetwork,
  type EthernetPort,
  type Frame,
  formatIpv4,
  isLoopback,
  isMulticast,
  type NetInterface,
  NetStack,
  onSameNet,
  SECOND,
  type StackHost,
  type TcpConnection,
} from '@domu/netstack';
import type { GuestEndpoint, HostEndpoint, HostListener, HostNetwork, NetworkLog } from './host.ts';
import { DEFAULT_OPTIONS, type Forward, type UserNetworkOptions } from './options.ts';
import { TcpFlow } from './tcp-flow.ts';
import { UdpFlows } from './udp-flows.ts';
import { answerForward, UdpForward } from './udp-forward.ts';

const GATEWAY_MAC = 0x525400123502;
const HOST_LOOPBACK = '127.0.0.1';
const FIRST_PORT = 32768;
const LAST_PORT = 60999;

/** What a network runs on. */
export interface UserNetworkParts {
  /** Time and randomness; `deadlineChanged` says that `tick` is wanted earlier. */
  readonly clock: StackHost;
  readonly host: HostNetwork;
  readonly log?: NetworkLog;
}

/**
 * A network for one interface that reaches the world through ordinary sockets of the host, without any privilege. To the
 * guest it looks like a router with DHCP and a name server behind it.
 */
export class UserNetwork implements EthernetNetwork {
  readonly #parts: UserNetworkParts;
  readonly #options: UserNetworkOptions;
  readonly #stack: NetStack;
  readonly #netif: NetInterface;
  readonly #udp: UdpFlows;
  readonly #flows: Set<TcpFlow> = new Set();
  readonly #listeners: (HostListener | UdpForward)[];
  /** Ports of the gateway that stand for peers of UDP forwards. */
  readonly #forwardPorts: Map<number, (payload: Uint8Array) => void> = new Map();
  #nextPort = FIRST_PORT;
  #attached: AttachedPort | null = null;

  constructor(parts: UserNetworkParts, options: Partial<UserNetworkOptions> = {}) {
    this.#parts = parts;
    this.#options = { ...DEFAULT_OPTIONS, ...options };
    const { network, prefixLength, gateway, nameServer, dhcpStart, hostName, maxTcpFlows, maxUdpFlows } =
      this.#options;
    const stack = new NetStack(parts.clock, { maxTcpConnections: maxTcpFlows });
    this.#stack = stack;
    this.#netif = stack.addInterface({ name: 'user', mac: GATEWAY_MAC });
    stack.addAddress(this.#netif, gateway, prefixLength);
    stack.addAddress(this.#netif, nameServer, prefixLength);
    stack.ipv4.acceptsAll = true;
    stack.tcp.onConnection = (connection) => this.#outgoing(connection);
    stack.udp.onUnmatched = (datagram) => this.#datagram(datagram);
    stack.icmp.onEcho = ({ destination }) => this.#placeOf(destination) === 'nowhere';
    const translate = (to: GuestEndpoint): HostEndpoint | undefined => this.#translate(to);
    this.#udp = new UdpFlows({ stack, host: parts.host, maxFlows: maxUdpFlows, translate });
    new DhcpServer({
      ...{ stack, netif: this.#netif, address: gateway, prefixLength, router: gateway, hostName },
      ...{ first: dhcpStart, last: broadcastOf(network, prefixLength) - 1, nameServers: [nameServer] },
    });
    this.#listeners = this.#options.forwards.map((forward) => this.#open(forward));
  }

  /** When `tick` wants to be called, by the clock's time; Infinity if there is nothing to wait for. */
  nextDeadlineNs(): number {
    return this.#stack.nextDeadlineNs();
  }

  tick(): void {
    this.#stack.tick();
  }

  /** TCP connections and UDP sockets of the host in use. */
  get flowCount(): { readonly tcp: number; readonly udp: number } {
    return { tcp: this.#flows.size, udp: this.#udp.size };
  }

  /** Plugs the guest's interface in; one that was plugged in before is unplugged. */
  attach(nic: EthernetPort): AttachedPort {
    this.#attached?.close();
    const netif = this.#netif;
    const attached: AttachedPort = {
      offloads: netif.offloads,
      transmit: (frame: Frame) => (this.#attached === attached ? netif.transmit(frame) : true),
      resume: () => {
        if (this.#attached === attached) netif.resume();
      },
      close: () => {
        if (this.#attached !== attached) return;
        this.#attached = null;
        netif.connect(null);
      },
    };
    this.#attached = attached;
    netif.connect(nic);
    return attached;
  }

  /** Ends all connections and forwards. */
  close(): void {
    for (const listener of this.#listeners.splice(0)) listener.close();
    for (const flow of [...this.#flows]) flow.abort();
    this.#udp.close();
    this.#attached?.close();
  }

  /** What an address of the guest's world stands for. */
  #placeOf(address: number): 'gateway' | 'name server' | 'world' | 'nowhere' {
    const { network, prefixLength, gateway, nameServer } = this.#options;
    if (address === gateway) return 'gateway';
    if (address === nameServer) return 'name server';
    const nowhere =
      onSameNet(address, network, prefixLength) ||
      isMulticast(address) ||
      isLoopback(address) ||
      address >>> 24 === 0 ||
      address >>> 28 === 15;
    return nowhere ? 'nowhere' : 'world';
  }

  #translate({ address, port }: GuestEndpoint): HostEndpoint | undefined {
    if (this.#options.restrict) return undefined;
    switch (this.#placeOf(address)) {
      case 'gateway':
        return { address: HOST_LOOPBACK, port };
      case 'name server':
        return port === DNS_PORT ? (this.#options.resolver ?? this.#parts.host.resolvers()[0]) : undefined;
      case 'world':
        return { address: formatIpv4(address), port };
      case 'nowhere':
        return undefined;
    }
  }

  /** The guest opens a connection: it is answered as the host is. */
  #outgoing(connection: TcpConnection): void {
    const { localAddress, localPort } = connection.addresses;
    const target = this.#translate({ address: localAddress, port: localPort });
    if (target === undefined) return connection.abort();
    this.#tune(connection);
    const flow = new TcpFlow(connection, 'outgoing', () => this.#flows.delete(flow));
    this.#flows.add(flow);
    flow.attach(this.#parts.host.connectTcp(target, flow));
  }

  #datagram(datagram: Datagram): boolean {
    if (datagram.packet.broadcast) return true;
    const { destination } = datagram;
    if (destination === this.#options.gateway && answerForward(datagram, this.#forwardPorts)) return true;
    return this.#udp.send(datagram);
  }

  #tune(connection: TcpConnection): void {
    const { bufferBytes } = this.#options;
    connection.configure({ receiveBytes: bufferBytes, sendBytes: bufferBytes, lingerNs: SECOND });
    connection.setNoDelay(true);
  }

  #open(forward: Forward): HostListener | UdpForward {
    const { host, log = () => {} } = this.#parts;
    const { gateway, dhcpStart } = this.#options;
    const guest = (): GuestEndpoint => ({
      address: forward.guestAddress ?? dhcpStart,
      port: forward.guestPort,
    });
    if (forward.protocol === 'udp') {
      return new UdpForward({
        stack: this.#stack,
        host,
        forward,
        gateway,
        guest,
        ports: this.#forwardPorts,
        log,
      });
    }
    return host.listenTcp(
      forward.host,
      (stream, from) => {
        const connection = this.#connectToGuest(guest(), from.port);
        if (connection === undefined) {
          stream.destroy(true);
          return DEAF;
        }
        this.#tune(connection);
        const flow = new TcpFlow(connection, 'incoming', () => this.#flows.delete(flow));
        this.#flows.add(flow);
        flow.attach(stream);
        return flow;
      },
      (reason) => {
        const { address, port } = forward.host;
        log(`hostfwd: tcp port ${address}:${port} cannot be opened: ${reason}`);
      },
    );
  }

  #connectToGuest({ address, port }: GuestEndpoint, wishedPort: number): TcpConnection | undefined {
    const localAddress = this.#options.gateway;
    for (let tries = 0, localPort = wishedPort; tries < 64; tries++) {
      const addresses = { localAddress, localPort, remoteAddress: address, remotePort: port };
      const connection = this.#stack.tcp.connect(addresses);
      if (connection !== undefined) return connection;
      localPort = this.#nextPort++;
      if (this.#nextPort > LAST_PORT) this.#nextPort = FIRST_PORT;
    }
    return undefined;
  }
}

const DEAF = { connected() {}, data() {}, drained() {}, ended() {}, closed() {} };
