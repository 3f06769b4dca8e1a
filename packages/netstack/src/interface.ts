import type { EthernetPort, Frame, GsoType, Offloads } from './port.ts';
import { broadcastOf, type Ipv4Address, type MacAddress, onSameNet } from './wire/address.ts';
import { completeChecksum } from './wire/offload.ts';

/** An address of an interface. */
export interface InterfaceAddress {
  readonly address: Ipv4Address;
  /** 0 to 32. */
  readonly prefixLength: number;
}

/** What an interface has seen. */
export interface InterfaceCounters {
  rxFrames: number;
  rxBytes: number;
  /** Frames that were malformed or for nobody here. */
  rxDropped: number;
  txFrames: number;
  txBytes: number;
  /** Frames dropped for want of a link, a neighbour's address or room. */
  txDropped: number;
}

/** What an interface is called, and what it is like. */
export interface InterfaceOptions {
  readonly name: string;
  readonly mac: MacAddress;
  /** Largest IP packet; 1500 by default. */
  readonly mtu?: number;
  /** No Ethernet addresses are needed: what is sent comes back. */
  readonly loopback?: boolean;
}

/** Sees frames as they pass. @param outgoing sent by this stack */
export type FrameTap = (data: Uint8Array, outgoing: boolean) => void;

/** A frame that its owner fills in again and again. */
export class OwnFrame implements Frame {
  data: Uint8Array = new Uint8Array(0);
  checksum: Frame['checksum'] = 'present';
  gsoSize: number = 0;
  gsoType: GsoType = 'tcpv4';
}

const TAKES_ALL: Offloads = { checksum: true, tcpv4: true, tcpv6: false };
const TAKES_NOTHING: Offloads = { checksum: false, tcpv4: false, tcpv6: false };

/** The interface of a stack to a network: the stack's end of the cable. */
export class NetInterface implements EthernetPort {
  readonly name: string;
  mac: MacAddress;
  mtu: number;
  readonly loopback: boolean;
  readonly offloads: Offloads = TAKES_ALL;
  /** Administratively up (IFF_UP). */
  up: boolean = true;
  readonly addresses: InterfaceAddress[] = [];
  readonly counters: InterfaceCounters = {
    rxFrames: 0,
    rxBytes: 0,
    rxDropped: 0,
    txFrames: 0,
    txBytes: 0,
    txDropped: 0,
  };
  /** Packet sockets and captures. */
  readonly taps: Set<FrameTap> = new Set();
  /** The last `transmit` was refused and `resume` has not come. */
  blocked: boolean = false;
  readonly #receive: (netif: NetInterface, frame: Frame) => void;
  readonly #resumed: (netif: NetInterface) => void;
  #peer: EthernetPort | null = null;

  /** Made by `NetStack.addInterface`, which gives what handles its frames. */
  constructor(
    options: InterfaceOptions,
    receive: (netif: NetInterface, frame: Frame) => void,
    resumed: (netif: NetInterface) => void,
  ) {
    this.name = options.name;
    this.mac = options.mac;
    this.mtu = options.mtu ?? 1500;
    this.loopback = options.loopback ?? false;
    this.#receive = receive;
    this.#resumed = resumed;
  }

  /** Plugs the cable in, or out (null). What waited for the old peer is sent to the new one or dropped. */
  connect(peer: EthernetPort | null): void {
    this.#peer = peer;
    this.resume();
  }

  /** Whether a cable is plugged in. */
  get running(): boolean {
    return this.#peer !== null;
  }

  /** What the other end takes. */
  get peerOffloads(): Offloads {
    return this.#peer?.offloads ?? TAKES_NOTHING;
  }

  transmit(frame: Frame): boolean {
    if (!this.up) return true;
    this.counters.rxFrames++;
    this.counters.rxBytes += frame.data.length;
    for (const tap of this.taps) tap(frame.data, false);
    this.#receive(this, frame);
    return true;
  }

  resume(): void {
    if (!this.blocked) return;
    this.blocked = false;
    this.#resumed(this);
  }

  /**
   * Sends a frame of the stack's own; its checksum is completed in place if the other end wants that.
   * @param frame its `gsoSize` obeys `peerOffloads`
   * @returns false if the frame must wait until the peer has room
   */
  send(frame: OwnFrame): boolean {
    const peer = this.#peer;
    if (!this.up || peer === null) {
      this.counters.txDropped++;
      return true;
    }
    if (this.blocked) return false;
    if (frame.checksum === 'blank' && !peer.offloads.checksum) {
      completeChecksum(frame.data);
      frame.checksum = 'present';
    }
    if (!peer.transmit(frame)) {
      this.blocked = true;
      return false;
    }
    this.counters.txFrames++;
    this.counters.txBytes += frame.data.length;
    for (const tap of this.taps) tap(frame.data, true);
    return true;
  }

  hasAddress(address: Ipv4Address): boolean {
    return this.addresses.some((own) => own.address === address);
  }

  /** Whether a packet to this address is for every host of a net of this interface. */
  isBroadcast(address: Ipv4Address): boolean {
    return this.addresses.some(
      (own) => own.prefixLength < 31 && broadcastOf(own.address, own.prefixLength) === address,
    );
  }

  /** The own address to use towards a neighbour. */
  addressFor(neighbour: Ipv4Address): Ipv4Address | undefined {
    const near = this.addresses.find((own) => onSameNet(own.address, neighbour, own.prefixLength));
    return (near ?? this.addresses[0])?.address;
  }
}
