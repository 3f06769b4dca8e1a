import type { NetInterface } from '../interface.ts';
import type { Datagram, UdpReceiver } from '../ip/udp.ts';
import type { NetStack } from '../stack.ts';
import { MS, SECOND, Timer } from '../timers.ts';
import { IPV4_ANY, IPV4_BROADCAST, type Ipv4Address, prefixMask } from '../wire/address.ts';
import {
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  DHCPACK,
  DHCPDISCOVER,
  DHCPNAK,
  DHCPOFFER,
  DHCPREQUEST,
  DHO_DOMAIN_NAME_SERVERS,
  DHO_INTERFACE_MTU,
  DHO_LEASE_TIME,
  DHO_MESSAGE_TYPE,
  DHO_PARAMETER_REQUEST_LIST,
  DHO_REBINDING_TIME,
  DHO_RENEWAL_TIME,
  DHO_REQUESTED_ADDRESS,
  DHO_ROUTERS,
  DHO_SERVER_IDENTIFIER,
  DHO_SUBNET_MASK,
  type DhcpMessage,
  encodeDhcp,
  numbers32,
  option32,
  optionList,
  parseDhcp,
} from './message.ts';

const FIRST_RETRY = 500 * MS;
const MAX_RETRY = 64 * SECOND;
const REQUEST_RETRIES = 4;
const DEFAULT_LEASE_SECONDS = 3600;

/** What a server has given. */
export interface DhcpLease {
  readonly address: Ipv4Address;
  readonly prefixLength: number;
  readonly router: Ipv4Address | undefined;
  readonly nameServers: readonly Ipv4Address[];
  readonly server: Ipv4Address;
  readonly leaseSeconds: number;
}

/** Which interface is to get its address by DHCP. */
export interface DhcpClientOptions {
  readonly stack: NetStack;
  readonly netif: NetInterface;
  readonly random32: () => number;
  /** A lease was given or renewed, or lost (undefined). The address and the default route are in place already, or gone. */
  readonly onLease?: (lease: DhcpLease | undefined) => void;
}

type Phase =
  | { readonly name: 'selecting' }
  | { readonly name: 'requesting'; readonly server: Ipv4Address; readonly address: Ipv4Address }
  | { readonly name: 'bound' | 'renewing' | 'rebinding'; readonly lease: DhcpLease; readonly since: number };

/** A DHCP client (RFC 2131 section 4.4) that configures one interface. Starts at once. */
export class DhcpClient {
  readonly #options: DhcpClientOptions;
  readonly #receiver: UdpReceiver;
  readonly #timer: Timer;
  #phase: Phase = { name: 'selecting' };
  #xid = 0;
  #tries = 0;

  constructor(options: DhcpClientOptions) {
    this.#options = options;
    const { stack, netif } = options;
    this.#timer = new Timer(stack.timers, () => this.#timeout());
    const receive = (datagram: Datagram): void => this.#receive(datagram);
    this.#receiver = { address: IPV4_ANY, port: DHCP_CLIENT_PORT, netif, receive };
    stack.udp.add(this.#receiver);
    stack.ipv4.acceptsUnconfigured.add(netif);
    this.#start();
  }

  get lease(): DhcpLease | undefined {
    return 'lease' in this.#phase ? this.#phase.lease : undefined;
  }

  /** Stops; the lease is left in place. */
  close(): void {
    this.#timer.release();
    this.#options.stack.udp.remove(this.#receiver);
    this.#options.stack.ipv4.acceptsUnconfigured.delete(this.#options.netif);
  }

  #start(): void {
    this.#phase = { name: 'selecting' };
    this.#xid = this.#options.random32();
    this.#tries = 0;
    this.#send();
  }

  /** Sends what the phase calls for and waits for an answer. */
  #send(): void {
    // First, because the answer may come before `send` returns.
    this.#timer.set(Math.min(FIRST_RETRY * 2 ** this.#tries++, MAX_RETRY));
    const phase = this.#phase;
    const { stack, netif } = this.#options;
    const options = new Map<number, Uint8Array>([
      [DHO_MESSAGE_TYPE, Uint8Array.of(phase.name === 'selecting' ? DHCPDISCOVER : DHCPREQUEST)],
    ]);
    if (phase.name === 'requesting') {
      options.set(DHO_REQUESTED_ADDRESS, numbers32(phase.address));
      options.set(DHO_SERVER_IDENTIFIER, numbers32(phase.server));
    }
    const wishes = [DHO_SUBNET_MASK, DHO_ROUTERS, DHO_DOMAIN_NAME_SERVERS, DHO_INTERFACE_MTU, DHO_LEASE_TIME];
    options.set(DHO_PARAMETER_REQUEST_LIST, Uint8Array.from(wishes));
    const ciaddr = 'lease' in phase ? phase.lease.address : 0;
    const message: DhcpMessage = {
      ...{ reply: false, xid: this.#xid, secs: 0, broadcast: ciaddr === 0, ciaddr, yiaddr: 0, options },
      chaddr: netif.mac,
    };
    stack.udp.send(encodeDhcp(message), {
      ...{ source: ciaddr, sourcePort: DHCP_CLIENT_PORT, destinationPort: DHCP_SERVER_PORT, netif },
      destination: phase.name === 'renewing' ? phase.lease.server : IPV4_BROADCAST,
    });
  }

  #timeout(): void {
    const phase = this.#phase;
    if (phase.name === 'requesting' && this.#tries > REQUEST_RETRIES) return this.#start();
    if (!('lease' in phase)) return this.#send();
    const { lease, since } = phase;
    const elapsed = this.#options.stack.timers.nowNs - since;
    if (elapsed >= lease.leaseSeconds * SECOND) return this.#lose();
    const name = elapsed >= lease.leaseSeconds * SECOND * 0.875 ? 'rebinding' : 'renewing';
    if (phase.name === 'bound') this.#tries = 0;
    this.#phase = { name, lease, since };
    this.#send();
  }

  #receive({ payload }: Datagram): void {
    const reply = parseDhcp(payload);
    if (!reply?.reply || reply.xid !== this.#xid || reply.chaddr !== this.#options.netif.mac) return;
    const type = reply.options.get(DHO_MESSAGE_TYPE)![0];
    const server = option32(reply, DHO_SERVER_IDENTIFIER);
    const phase = this.#phase;
    if (phase.name === 'selecting') {
      if (type !== DHCPOFFER || server === undefined || reply.yiaddr === 0) return;
      this.#phase = { name: 'requesting', server, address: reply.yiaddr };
      this.#tries = 0;
      this.#send();
    } else if (type === DHCPNAK && phase.name !== 'bound') this.#lose();
    else if (type === DHCPACK && phase.name !== 'bound') this.#bind(reply, server ?? 0);
  }

  #bind(reply: DhcpMessage, server: Ipv4Address): void {
    const { stack, netif, onLease } = this.#options;
    const mask = option32(reply, DHO_SUBNET_MASK) ?? prefixMask(24);
    const prefixLength = Math.clz32(~mask);
    const [router] = optionList(reply, DHO_ROUTERS);
    const leaseSeconds = Math.max(60, option32(reply, DHO_LEASE_TIME) ?? DEFAULT_LEASE_SECONDS);
    const nameServers = optionList(reply, DHO_DOMAIN_NAME_SERVERS);
    const lease = { address: reply.yiaddr, prefixLength, router, nameServers, server, leaseSeconds };
    const before = this.lease;
    if (before !== undefined && before.address !== lease.address) stack.removeAddress(netif, before.address);
    this.#phase = { name: 'bound', lease, since: stack.timers.nowNs };
    const renewal = option32(reply, DHO_RENEWAL_TIME) ?? leaseSeconds / 2;
    const rebinding = option32(reply, DHO_REBINDING_TIME) ?? leaseSeconds;
    this.#timer.set(Math.min(renewal, rebinding, leaseSeconds) * SECOND);
    stack.addAddress(netif, lease.address, prefixLength);
    if (router !== undefined)
      stack.ipv4.routes.add({ destination: 0, prefixLength: 0, gateway: router, netif, metric: 0 });
    onLease?.(lease);
  }

  #lose(): void {
    const { lease } = this;
    if (lease !== undefined) {
      this.#options.stack.removeAddress(this.#options.netif, lease.address);
      this.#options.onLease?.(undefined);
    }
    this.#start();
  }
}
