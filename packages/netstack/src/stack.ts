import { type InterfaceOptions, NetInterface } from './interface.ts';
import type { IcmpError } from './ip/icmp.ts';
import {
  ICMP_DEST_UNREACH,
  ICMP_HOST_UNREACH,
  ICMP_PORT_UNREACH,
  ICMP_PROT_UNREACH,
  Icmp,
} from './ip/icmp.ts';
import { Ipv4 } from './ip/ipv4.ts';
import { Udp } from './ip/udp.ts';
import { LoopbackPort } from './loopback.ts';
import type { Frame } from './port.ts';
import { Tcp } from './tcp/tcp.ts';
import { type StackHost, TimerQueue } from './timers.ts';
import { IPV4_LOOPBACK, type Ipv4Address, onSameNet, prefixMask } from './wire/address.ts';
import { get16 } from './wire/bytes.ts';
import {
  ETHERNET_HEADER_BYTES,
  ETHERTYPE_ARP,
  ETHERTYPE_IPV4,
  IPPROTO_TCP,
  IPPROTO_UDP,
} from './wire/ethernet.ts';

/** How much a stack may keep. */
export interface StackOptions {
  /** TCP connections in any state; 4096 by default. */
  readonly maxTcpConnections?: number;
}

/**
 * A host's network protocols over any number of interfaces. It never waits, throws on nothing that comes from a network, and
 * gets time and randomness from its host: call `tick` when `nextDeadlineNs` has come.
 */
export class NetStack {
  readonly timers: TimerQueue;
  readonly ipv4: Ipv4;
  readonly icmp: Icmp;
  readonly udp: Udp;
  readonly tcp: Tcp;
  /** Get ICMP errors that came back, after TCP and UDP. */
  readonly errorTaps: Set<(error: IcmpError) => void> = new Set();
  readonly #interfaces: NetInterface[] = [];
  readonly #loopbacks: LoopbackPort[] = [];
  /** Inputs being handled, one inside the other. */
  #inputs = 0;
  #flushing = false;

  constructor(host: StackHost, options: StackOptions = {}) {
    this.timers = new TimerQueue(host);
    this.ipv4 = new Ipv4(
      {
        timers: this.timers,
        hostUnreachable: (packet) => this.icmp.reportLocally(packet, ICMP_DEST_UNREACH, ICMP_HOST_UNREACH),
        protocolUnreachable: (packet) => this.icmp.sendError(packet, ICMP_DEST_UNREACH, ICMP_PROT_UNREACH),
      },
      host.random32(),
    );
    this.icmp = new Icmp(this.ipv4, this.timers, (error) => this.#error(error));
    this.udp = new Udp(this.ipv4, (packet) =>
      this.icmp.sendError(packet, ICMP_DEST_UNREACH, ICMP_PORT_UNREACH),
    );
    const flush = (): void => this.#flush();
    const { ipv4, timers } = this;
    this.tcp = new Tcp(
      { ipv4, timers, random: host, flush },
      { maxConnections: options.maxTcpConnections ?? 4096 },
    );
  }

  get interfaces(): readonly NetInterface[] {
    return this.#interfaces;
  }

  /** When `tick` wants to be called; Infinity if there is nothing to wait for. */
  nextDeadlineNs(): number {
    return this.timers.nextDeadlineNs();
  }

  /** Does what is due by now. Calling it early or often does no harm. */
  tick(): void {
    this.#inputs++;
    this.timers.tick();
    this.#inputs--;
    this.#flush();
  }

  /** Makes an interface; `connect` plugs it in. */
  addInterface(options: InterfaceOptions): NetInterface {
    const netif = new NetInterface(
      options,
      (from, frame) => this.#receive(from, frame),
      (from) => this.tcp.resumed(from),
    );
    this.#interfaces.push(netif);
    this.ipv4.addInterface(netif);
    return netif;
  }

  /** Makes the interface that leads back here, 127.0.0.1/8. */
  addLoopback(name = 'lo'): NetInterface {
    const netif = this.addInterface({ name, mac: 0, mtu: 65520, loopback: true });
    const port = new LoopbackPort(netif, () => this.#flush());
    this.#loopbacks.push(port);
    netif.connect(port);
    this.addAddress(netif, IPV4_LOOPBACK, 8);
    return netif;
  }

  /** Gives an interface an address and the routes that come with it. @returns false if it has the address */
  addAddress(netif: NetInterface, address: Ipv4Address, prefixLength: number): boolean {
    if (netif.hasAddress(address)) return false;
    netif.addresses.push({ address, prefixLength });
    const destination = (address & prefixMask(prefixLength)) >>> 0;
    this.ipv4.routes.add({ destination, prefixLength, gateway: 0, netif, metric: 0 });
    const loopback = this.#interfaces.find((one) => one.loopback);
    if (loopback !== undefined && !netif.loopback)
      this.ipv4.routes.add({
        destination: address,
        prefixLength: 32,
        gateway: 0,
        netif: loopback,
        metric: 0,
      });
    if (!netif.loopback) this.ipv4.neighbours.get(netif)?.announce(address);
    return true;
  }

  /** Takes an address away, with the routes that came with it and those through gateways that only it could reach. */
  removeAddress(netif: NetInterface, address: Ipv4Address): boolean {
    const own = netif.addresses.find((one) => one.address === address);
    if (own === undefined) return false;
    netif.addresses.splice(netif.addresses.indexOf(own), 1);
    const { prefixLength } = own;
    const { routes } = this.ipv4;
    routes.remove(
      (route) => route.destination === address && route.prefixLength === 32 && route.netif.loopback,
    );
    const still = netif.addresses.some((one) => onSameNet(one.address, address, prefixLength));
    while (
      !still &&
      routes.remove(
        (route) =>
          route.netif === netif && onSameNet(route.gateway || route.destination, address, prefixLength),
      )
    );
    return true;
  }

  #receive(netif: NetInterface, frame: Frame): void {
    const { data } = frame;
    if (data.length < ETHERNET_HEADER_BYTES) {
      netif.counters.rxDropped++;
      return;
    }
    this.#inputs++;
    const etherType = get16(data, 12);
    if (etherType === ETHERTYPE_IPV4) this.ipv4.receive(netif, frame);
    else if (etherType !== ETHERTYPE_ARP || !this.ipv4.neighbours.get(netif)?.receive(data))
      netif.counters.rxDropped++;
    this.#inputs--;
    this.#flush();
  }

  /** Sends what is queued, unless input is being handled: answers to it go out when it is done. */
  #flush(): void {
    if (this.#inputs > 0 || this.#flushing) return;
    this.#flushing = true;
    let busy = true;
    while (busy) {
      busy = this.tcp.drain();
      for (const port of this.#loopbacks) busy = port.pass() || busy;
    }
    this.#flushing = false;
  }

  #error(error: IcmpError): void {
    if (error.protocol === IPPROTO_TCP) this.tcp.error(error);
    else if (error.protocol === IPPROTO_UDP) this.udp.error(error);
    for (const tap of this.errorTaps) tap(error);
  }
}
