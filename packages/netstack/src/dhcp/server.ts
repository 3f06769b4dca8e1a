import type { NetInterface } from '../interface.ts';
import type { Datagram, UdpReceiver } from '../ip/udp.ts';
import type { NetStack } from '../stack.ts';
import { IPV4_BROADCAST, type Ipv4Address, type MacAddress, prefixMask } from '../wire/address.ts';
import {
  DHCP_CLIENT_PORT,
  DHCP_SERVER_PORT,
  DHCPACK,
  DHCPDECLINE,
  DHCPDISCOVER,
  DHCPINFORM,
  DHCPNAK,
  DHCPOFFER,
  DHCPRELEASE,
  DHCPREQUEST,
  DHO_DOMAIN_NAME,
  DHO_DOMAIN_NAME_SERVERS,
  DHO_HOST_NAME,
  DHO_LEASE_TIME,
  DHO_MESSAGE_TYPE,
  DHO_REQUESTED_ADDRESS,
  DHO_ROUTERS,
  DHO_SERVER_IDENTIFIER,
  DHO_SUBNET_MASK,
  type DhcpMessage,
  encodeDhcp,
  numbers32,
  option32,
  parseDhcp,
} from './message.ts';

/** What a DHCP server gives, and where. */
export interface DhcpServerOptions {
  readonly stack: NetStack;
  readonly netif: NetInterface;
  /** The server's own address. */
  readonly address: Ipv4Address;
  readonly prefixLength: number;
  /** First and last address to give away. */
  readonly first: Ipv4Address;
  readonly last: Ipv4Address;
  readonly router: Ipv4Address;
  readonly nameServers: readonly Ipv4Address[];
  readonly leaseSeconds?: number;
  readonly hostName?: string;
  readonly domainName?: string;
}

/** A DHCP server (RFC 2131) for one net: the same client always gets the same address, the first one the lowest. */
export class DhcpServer {
  readonly #options: DhcpServerOptions;
  /** Bounded by the range of addresses. */
  readonly #leases: Map<MacAddress, Ipv4Address> = new Map();
  readonly #receiver: UdpReceiver;

  constructor(options: DhcpServerOptions) {
    this.#options = options;
    const receive = (datagram: Datagram): void => this.#receive(datagram);
    this.#receiver = { address: 0, port: DHCP_SERVER_PORT, netif: options.netif, receive };
    options.stack.udp.add(this.#receiver);
  }

  close(): void {
    this.#options.stack.udp.remove(this.#receiver);
  }

  #receive({ payload }: Datagram): void {
    const request = parseDhcp(payload);
    if (request === undefined || request.reply) return;
    const type = request.options.get(DHO_MESSAGE_TYPE)![0];
    const { address } = this.#options;
    if (type === DHCPRELEASE || type === DHCPDECLINE) return;
    if (type === DHCPINFORM) return this.#answer(request, DHCPACK, 0);
    const lease = this.#leaseFor(request);
    if (lease === undefined) return;
    if (type === DHCPDISCOVER) return this.#answer(request, DHCPOFFER, lease);
    if (type !== DHCPREQUEST) return;
    const server = option32(request, DHO_SERVER_IDENTIFIER);
    if (server !== undefined && server !== address) return; // it chose another server
    const wanted = option32(request, DHO_REQUESTED_ADDRESS) ?? request.ciaddr;
    if (wanted === lease) this.#answer(request, DHCPACK, lease);
    else this.#answer(request, DHCPNAK, 0);
  }

  #leaseFor({ chaddr }: DhcpMessage): Ipv4Address | undefined {
    const known = this.#leases.get(chaddr);
    if (known !== undefined) return known;
    const { first, last } = this.#options;
    // The range is full: who came first has most likely gone.
    if (this.#leases.size > last - first) {
      const [oldest, freed] = this.#leases.entries().next().value!;
      this.#leases.delete(oldest);
      this.#leases.set(chaddr, freed);
      return freed;
    }
    const taken = new Set(this.#leases.values());
    let lease = first;
    while (taken.has(lease)) lease++;
    this.#leases.set(chaddr, lease);
    return lease;
  }

  #answer(request: DhcpMessage, type: number, yiaddr: Ipv4Address): void {
    const { stack, netif, address, prefixLength, router, nameServers } = this.#options;
    const { leaseSeconds = 86400, hostName, domainName } = this.#options;
    const options = new Map<number, Uint8Array>([[DHO_MESSAGE_TYPE, Uint8Array.of(type)]]);
    options.set(DHO_SERVER_IDENTIFIER, numbers32(address));
    if (type !== DHCPNAK) {
      if (yiaddr !== 0) options.set(DHO_LEASE_TIME, numbers32(leaseSeconds));
      options.set(DHO_SUBNET_MASK, numbers32(prefixMask(prefixLength)));
      options.set(DHO_ROUTERS, numbers32(router));
      options.set(DHO_DOMAIN_NAME_SERVERS, numbers32(...nameServers));
      if (hostName) options.set(DHO_HOST_NAME, new TextEncoder().encode(hostName).subarray(0, 255));
      if (domainName) options.set(DHO_DOMAIN_NAME, new TextEncoder().encode(domainName).subarray(0, 255));
    }
    const { ciaddr, chaddr } = request;
    const reply: DhcpMessage = { ...request, reply: true, secs: 0, yiaddr, options };
    const unicast = type !== DHCPNAK && ciaddr !== 0;
    // Who has no address yet cannot be asked for its MAC; broadcasts always arrive.
    if (unicast) stack.ipv4.neighbours.get(netif)?.learn(ciaddr, chaddr);
    stack.udp.send(encodeDhcp(reply), {
      ...{ source: address, sourcePort: DHCP_SERVER_PORT, destinationPort: DHCP_CLIENT_PORT, netif },
      destination: unicast ? ciaddr : IPV4_BROADCAST,
    });
  }
}
