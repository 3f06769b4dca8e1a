import type { NetInterface, OwnFrame } from '../interface.ts';
import { MS, SECOND, Timer, type TimerQueue } from '../timers.ts';
import {
  getMac,
  type Ipv4Address,
  isMulticast,
  isMulticastMac,
  MAC_BROADCAST,
  type MacAddress,
  onSameNet,
  setMac,
} from '../wire/address.ts';
import { get16, get32, set16, set32 } from '../wire/bytes.ts';
import { ETHERNET_HEADER_BYTES, ETHERTYPE_ARP, ETHERTYPE_IPV4, writeEthernet } from '../wire/ethernet.ts';

const ARP_BYTES = 28;
const ARPOP_REQUEST = 1;
const ARPOP_REPLY = 2;

const MAX_NEIGHBOURS = 1024;
/** Packets that wait for one address. */
const MAX_WAITING = 8;
const PROBES = 3;
const PROBE_INTERVAL = SECOND;
/** After this an entry is confirmed again while it is used. */
const REACHABLE_TIME = 60 * SECOND;

interface Neighbour {
  readonly address: Ipv4Address;
  /** Undefined while it is asked for. */
  mac: MacAddress | undefined;
  confirmedAt: number;
  probes: number;
  /** Whole frames, the destination address still blank. */
  readonly waiting: WaitingFrame[];
}

type WaitingFrame = Pick<OwnFrame, 'data' | 'checksum' | 'gsoSize' | 'gsoType'>;

/** What the table asks of its stack. */
export interface NeighbourHost {
  readonly timers: TimerQueue;
  /** Sends a frame of at most 42 bytes, or drops it. */
  sendFrame(netif: NetInterface, frame: WaitingFrame): void;
  /** Nobody answered for an address that these packets wanted. */
  unreachable(netif: NetInterface, frames: readonly WaitingFrame[]): void;
}

/** ARP (RFC 826) on one interface: who is where, and the packets that wait to know. Memory is bounded. */
export class Neighbours {
  readonly #netif: NetInterface;
  readonly #host: NeighbourHost;
  /** In the order of their making, so that the oldest goes first. */
  readonly #table: Map<Ipv4Address, Neighbour> = new Map();
  readonly #timer: Timer;

  constructor(netif: NetInterface, host: NeighbourHost) {
    this.#netif = netif;
    this.#host = host;
    this.#timer = new Timer(host.timers, () => this.#probeAgain());
  }

  /** The table, for SIOCGARP and /proc/net/arp. */
  *entries(): IterableIterator<{ address: Ipv4Address; mac: MacAddress | undefined }> {
    for (const { address, mac } of this.#table.values()) yield { address, mac };
  }

  /** @returns undefined if the address is not known; `wait` asks for it */
  lookup(address: Ipv4Address): MacAddress | undefined {
    const neighbour = this.#table.get(address);
    if (neighbour?.mac === undefined) return undefined;
    const now = this.#host.timers.nowNs;
    if (now - neighbour.confirmedAt > REACHABLE_TIME) {
      neighbour.confirmedAt = now - REACHABLE_TIME + 5 * SECOND;
      this.#ask(neighbour, neighbour.mac);
    }
    return neighbour.mac;
  }

  /** Keeps a frame until the address is known; copies it. */
  wait(address: Ipv4Address, frame: WaitingFrame): void {
    const known = this.#table.get(address);
    const neighbour = known ?? this.#make(address);
    if (neighbour.waiting.length === MAX_WAITING) {
      neighbour.waiting.shift();
      this.#netif.counters.txDropped++;
    }
    const { data, checksum, gsoSize, gsoType } = frame;
    neighbour.waiting.push({ data: data.slice(), checksum, gsoSize, gsoType });
    if (known !== undefined) return;
    if (!this.#timer.isSet) this.#timer.set(PROBE_INTERVAL);
    this.#ask(neighbour, MAC_BROADCAST); // last, because the answer may come before it returns
  }

  /** Notes where an address is and sends what waited for it. */
  learn(address: Ipv4Address, mac: MacAddress): void {
    const neighbour = this.#table.get(address) ?? this.#make(address);
    neighbour.mac = mac;
    neighbour.confirmedAt = this.#host.timers.nowNs;
    neighbour.probes = 0;
    for (const frame of neighbour.waiting.splice(0)) {
      setMac(frame.data, 0, mac);
      this.#host.sendFrame(this.#netif, frame);
    }
  }

  forget(address: Ipv4Address): boolean {
    return this.#table.delete(address);
  }

  /** Handles an ARP packet: answers requests for own addresses and learns. @returns false if it is malformed */
  receive(data: Uint8Array): boolean {
    const arp = ETHERNET_HEADER_BYTES;
    if (data.length < arp + ARP_BYTES) return false;
    if (get16(data, arp) !== 1 || get16(data, arp + 2) !== ETHERTYPE_IPV4 || get16(data, arp + 4) !== 0x0604)
      return false;
    const operation = get16(data, arp + 6);
    const senderMac = getMac(data, arp + 8);
    const sender = get32(data, arp + 14);
    const target = get32(data, arp + 24);
    if (isMulticastMac(senderMac) || isMulticast(sender)) return false;
    const forUs = this.#netif.hasAddress(target);
    if (sender !== 0 && !this.#netif.hasAddress(sender) && (forUs || this.#table.has(sender)))
      this.learn(sender, senderMac);
    if (operation === ARPOP_REQUEST && forUs) this.#send(ARPOP_REPLY, target, senderMac, sender, senderMac);
    return operation === ARPOP_REQUEST || operation === ARPOP_REPLY;
  }

  /** Tells the net where an own address is (RFC 5227 announcement). */
  announce(address: Ipv4Address): void {
    this.#send(ARPOP_REQUEST, address, 0, address, MAC_BROADCAST);
  }

  close(): void {
    this.#timer.release();
    this.#table.clear();
  }

  #make(address: Ipv4Address): Neighbour {
    if (this.#table.size >= MAX_NEIGHBOURS) this.#table.delete(this.#table.keys().next().value!);
    const neighbour: Neighbour = { address, mac: undefined, confirmedAt: 0, probes: 0, waiting: [] };
    this.#table.set(address, neighbour);
    return neighbour;
  }

  #ask({ address }: Neighbour, destination: MacAddress): void {
    const { addresses } = this.#netif;
    const source = addresses.find((own) => onSameNet(own.address, address, own.prefixLength)) ?? addresses[0];
    this.#send(ARPOP_REQUEST, source?.address ?? 0, 0, address, destination);
  }

  #probeAgain(): void {
    let more = false;
    for (const neighbour of this.#table.values()) {
      if (neighbour.mac !== undefined) continue;
      if (++neighbour.probes < PROBES) {
        this.#ask(neighbour, MAC_BROADCAST);
        more = true;
        continue;
      }
      this.#table.delete(neighbour.address);
      this.#netif.counters.txDropped += neighbour.waiting.length;
      this.#host.unreachable(this.#netif, neighbour.waiting);
    }
    if (more) this.#timer.set(PROBE_INTERVAL + MS);
  }

  #send(
    operation: number,
    sender: Ipv4Address,
    targetMac: MacAddress,
    target: Ipv4Address,
    destination: MacAddress,
  ): void {
    const arp = ETHERNET_HEADER_BYTES;
    const data = new Uint8Array(arp + ARP_BYTES);
    writeEthernet(data, destination, this.#netif.mac, ETHERTYPE_ARP);
    set16(data, arp, 1);
    set16(data, arp + 2, ETHERTYPE_IPV4);
    set16(data, arp + 4, 0x0604);
    set16(data, arp + 6, operation);
    setMac(data, arp + 8, this.#netif.mac);
    set32(data, arp + 14, sender);
    setMac(data, arp + 18, targetMac);
    set32(data, arp + 24, target);
    this.#host.sendFrame(this.#netif, { data, checksum: 'present', gsoSize: 0, gsoType: 'tcpv4' });
  }
}
