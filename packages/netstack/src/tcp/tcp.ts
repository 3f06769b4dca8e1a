import type { NetInterface } from '../interface.ts';
import type { IcmpError } from '../ip/icmp.ts';
import { ICMP_DEST_UNREACH, ICMP_FRAG_NEEDED } from '../ip/icmp.ts';
import { HEADROOM, type Ipv4, type Packet } from '../ip/ipv4.ts';
import type { StackHost, TimerQueue } from '../timers.ts';
import { IPV4_ANY, type Ipv4Address } from '../wire/address.ts';
import { set16 } from '../wire/bytes.ts';
import { foldSum, pseudoHeaderSum, sumBytes } from '../wire/checksum.ts';
import { IPPROTO_TCP } from '../wire/ethernet.ts';
import { TcpConnection } from './connection.ts';
import { segmentArrives, takeSyn } from './input.ts';
import { type ListenOptions, TcpListener } from './listener.ts';
import { output } from './output.ts';
import { ACK, FIN, parseSegment, RST, type Segment, SYN, writeHeader } from './segment.ts';
import { type Seq, seqAdd } from './seq.ts';
import { TcbTable } from './table.ts';
import { DEFAULT_TCP_OPTIONS, Tcb, type TcpAddresses, type TcpOptions } from './tcb.ts';
import { delayedAckTimeout, keepAliveTimeout, lingerTimeout, retransmitTimeout } from './timeouts.ts';

/** What the layer gets from its stack. */
export interface TcpLayerHost {
  readonly ipv4: Ipv4;
  readonly timers: TimerQueue;
  readonly random: Pick<StackHost, 'random32'>;
  /** Runs `drain` as soon as no input is being handled. */
  flush(): void;
}

/** Limits of the layer. */
export interface TcpLimits {
  /** Connections in any state. Beyond it the oldest in TIME_WAIT makes room, or new ones are refused. */
  readonly maxConnections: number;
}

/** What there is to tell of a connection; its queues in bytes. */
type ListedConnection = Readonly<Pick<Tcb, 'state' | 'addresses'>> & {
  readonly receiveQueue: { readonly length: number };
  readonly sendQueue: { readonly length: number };
};

/** TCP (RFC 9293): who is connected to whom, who listens where, and whose turn it is to send. */
export class Tcp {
  /**
   * Gets connections that nobody listens for, their SYN unanswered until `accept`; null: they are reset. The handler sets
   * `onEvent` and may decide later.
   */
  onConnection: ((connection: TcpConnection) => void) | null = null;
  readonly #host: TcpLayerHost;
  readonly #limits: TcpLimits;
  readonly #table: TcbTable = new TcbTable();
  readonly #listeners: Map<number, TcpListener[]> = new Map();
  #ready: Tcb[] = [];
  #blocked: Tcb[] = [];
  readonly #secret: number;

  constructor(host: TcpLayerHost, limits: TcpLimits) {
    this.#host = host;
    this.#limits = limits;
    this.#secret = host.random.random32();
    host.ipv4.protocols.set(IPPROTO_TCP, (packet) => this.#receive(packet));
  }

  /** Connections in any state. */
  get size(): number {
    return this.#table.size;
  }

  /** All connections, for those who list them. */
  connections(): Iterable<ListedConnection> {
    return this.#table;
  }

  get listeners(): Iterable<readonly TcpListener[]> {
    return this.#listeners.values();
  }

  /** @returns undefined if somebody listens there already */
  listen(options: ListenOptions): TcpListener | undefined {
    const others = this.#listeners.get(options.port) ?? [];
    if (others.some(({ address }) => address === options.address)) return undefined;
    const listener = new TcpListener(options, (closed) => {
      const left = (this.#listeners.get(closed.port) ?? []).filter((other) => other !== closed);
      if (left.length > 0) this.#listeners.set(closed.port, left);
      else this.#listeners.delete(closed.port);
    });
    this.#listeners.set(options.port, [...others, listener]);
    return listener;
  }

  /** Whether a connection or listener has this local port. */
  isPortUsed(port: number, address: Ipv4Address = IPV4_ANY): boolean {
    const clashes = (other: Ipv4Address): boolean => address === 0 || other === 0 || other === address;
    if (this.#listeners.get(port)?.some((listener) => clashes(listener.address))) return true;
    for (const { addresses } of this.#table)
      if (addresses.localPort === port && clashes(addresses.localAddress)) return true;
    return false;
  }

  /** Whether there is a connection with these very addresses. */
  isConnected(addresses: TcpAddresses): boolean {
    const tcb = this.#table.find(addresses);
    return tcb !== undefined && tcb.state !== 'TIME_WAIT';
  }

  /**
   * Starts to open a connection.
   * @returns undefined if there is one with these addresses, or no room for it
   */
  connect(addresses: TcpAddresses, options: Partial<TcpOptions> = {}): TcpConnection | undefined {
    const old = this.#table.find(addresses);
    if (old?.state === 'TIME_WAIT') old.destroy('done');
    else if (old !== undefined) return undefined;
    const tcb = this.#make(addresses, options);
    if (tcb === undefined) return undefined;
    tcb.state = 'SYN_SENT';
    this.queueOutput(tcb);
    const connection = new TcpConnection(tcb, this.#connectionHost);
    this.#host.flush();
    return connection;
  }

  /** Sends what is queued. @returns whether there was anything to do */
  drain(): boolean {
    if (this.#ready.length === 0) return false;
    const turn = this.#ready;
    this.#ready = [];
    for (const tcb of turn) {
      tcb.outputQueued = false;
      const result = output(tcb);
      if (result === 'more') this.queueOutput(tcb);
      else if (result === 'blocked') {
        tcb.outputQueued = true;
        tcb.blocked = true;
        this.#blocked.push(tcb);
      } else if (tcb.sendResult === 'too-big') {
        tcb.setMss(Math.min(tcb.mss, this.#mssTo(tcb.addresses.remoteAddress))); // the MTU was lowered
      } else if (tcb.sendResult === 'unreachable' && tcb.state === 'SYN_SENT') {
        tcb.destroy('unreachable');
        tcb.dispatchEvents();
      }
    }
    return true;
  }

  /** An interface has room again. */
  resumed(_netif: NetInterface): void {
    for (const tcb of this.#blocked) {
      tcb.blocked = false;
      this.#ready.push(tcb);
    }
    this.#blocked = [];
    this.#host.flush();
  }

  /** An ICMP error for a segment of ours. Only an opening connection is given up for it (RFC 5461). */
  error(error: IcmpError): void {
    const tcb = this.#table.find({
      ...{ localAddress: error.source, localPort: error.sourcePort },
      ...{ remoteAddress: error.destination, remotePort: error.destinationPort },
    });
    if (tcb === undefined) return;
    if (error.type === ICMP_DEST_UNREACH && error.code === ICMP_FRAG_NEEDED) {
      if (error.mtu - 40 < tcb.mss && error.mtu >= 68) tcb.setMss(error.mtu - 40);
    } else if (error.type === ICMP_DEST_UNREACH && tcb.state === 'SYN_SENT') {
      tcb.destroy('unreachable');
      tcb.dispatchEvents();
    }
  }

  queueOutput(tcb: Tcb): void {
    if (tcb.outputQueued || tcb.state === 'CLOSED') return;
    tcb.outputQueued = true;
    this.#ready.push(tcb);
  }

  readonly #connectionHost = {
    flush: (): void => this.#host.flush(),
    sendReset: (tcb: Tcb): void => {
      const seq = tcb.state === 'SYN_RECEIVED' && tcb.held ? 0 : tcb.nxt;
      this.#sendReset(tcb.addresses, seq, tcb.rcvNxt);
    },
  };

  #receive(packet: Packet): void {
    const segment = packet.broadcast ? undefined : parseSegment(packet);
    if (segment === undefined || !hasGoodChecksum(packet)) return;
    const addresses: TcpAddresses = {
      localAddress: packet.destination,
      localPort: segment.destinationPort,
      remoteAddress: packet.source,
      remotePort: segment.sourcePort,
    };
    const tcb = this.#table.find(addresses);
    const result = tcb === undefined ? 'reopen' : segmentArrives(tcb, segment);
    const { listener } = tcb ?? {};
    if (result === 'reopen') this.#open(addresses, segment);
    else if (result === 'reset') this.#resetAnswer(addresses, segment);
    tcb?.dispatchEvents();
    if (listener && tcb?.state !== 'SYN_RECEIVED') listener.changed();
  }

  /** A segment for which there is no connection. */
  #open(addresses: TcpAddresses, segment: Segment): void {
    const { flags } = segment;
    if (flags & RST) return;
    if ((flags & (SYN | ACK)) !== SYN) return this.#resetAnswer(addresses, segment);
    const listener = this.#listenerFor(addresses);
    if (listener === undefined && this.onConnection === null) return this.#resetAnswer(addresses, segment);
    if (listener !== undefined && !listener.hasRoom) return;
    const tcb = this.#make(addresses, listener?.options ?? {});
    if (tcb === undefined) return;
    takeSyn(tcb, segment);
    tcb.state = 'SYN_RECEIVED';
    tcb.lastHeardNs = this.#host.timers.nowNs;
    const connection = new TcpConnection(tcb, this.#connectionHost);
    if (listener !== undefined) {
      listener.add(tcb, connection);
      this.queueOutput(tcb);
    } else {
      tcb.held = true;
      this.onConnection!(connection);
    }
  }

  #listenerFor({ localAddress, localPort }: TcpAddresses): TcpListener | undefined {
    const all = this.#listeners.get(localPort) ?? [];
    return all.find((one) => one.address === localAddress) ?? all.find((one) => one.address === IPV4_ANY);
  }

  #make(addresses: TcpAddresses, options: Partial<TcpOptions>): Tcb | undefined {
    if (this.#table.size >= this.#limits.maxConnections && !this.#table.recycle()) return undefined;
    const tcb = new Tcb(
      {
        ipv4: this.#host.ipv4,
        timers: this.#host.timers,
        queueOutput: (which) => this.queueOutput(which),
        remove: (which) => this.#table.remove(which),
        ...{ retransmitTimeout, delayedAckTimeout, lingerTimeout, keepAliveTimeout },
      },
      addresses,
      { ...DEFAULT_TCP_OPTIONS, ...options },
      this.#initialSeq(addresses),
    );
    tcb.localMss = this.#mssTo(addresses.remoteAddress);
    tcb.setMss(tcb.localMss);
    this.#table.add(tcb);
    return tcb;
  }

  /** What fits into a packet there. */
  #mssTo(address: Ipv4Address): number {
    const mtu = this.#host.ipv4.routes.lookup(address)?.netif.mtu ?? 1500;
    return Math.max(0, Math.min(0xffff, mtu - 40));
  }

  /** A clock of 4 µs plus a number that differs between connections (RFC 6528). */
  #initialSeq({ localAddress, localPort, remoteAddress, remotePort }: TcpAddresses): Seq {
    let hash = this.#secret;
    for (const part of [localAddress, remoteAddress, (localPort << 16) | remotePort]) {
      hash = Math.imul(hash ^ part, 0x9e3779b1);
      hash ^= hash >>> 15;
    }
    return seqAdd(hash >>> 0, Math.floor(this.#host.timers.nowNs / 4000) % 0x100000000);
  }

  /** RFC 9293 section 3.10.7.1. */
  #resetAnswer(addresses: TcpAddresses, { flags, seq, ack, payload }: Segment): void {
    if (flags & RST) return;
    if (flags & ACK) return this.#sendReset(addresses, ack, undefined);
    const length = payload.length + (flags & SYN ? 1 : 0) + (flags & FIN ? 1 : 0);
    this.#sendReset(addresses, 0, seqAdd(seq, length));
  }

  #sendReset(addresses: TcpAddresses, seq: Seq, ack: Seq | undefined): void {
    const { ipv4 } = this.#host;
    const { localAddress: source, remoteAddress: destination } = addresses;
    ipv4.withBuffer((buffer) => {
      const bytes = writeHeader(buffer, HEADROOM, {
        ...{ sourcePort: addresses.localPort, destinationPort: addresses.remotePort, window: 0, seq },
        ...{ ack: ack ?? 0, flags: ack === undefined ? RST : RST | ACK },
      });
      set16(buffer, HEADROOM + 16, foldSum(pseudoHeaderSum(source, destination, IPPROTO_TCP, bytes)));
      return ipv4.send(buffer, bytes, { source, destination, protocol: IPPROTO_TCP, checksum: 'blank' });
    }, 'sent');
  }
}

function hasGoodChecksum({ checksum, data, payload, end, source, destination }: Packet): boolean {
  if (checksum !== 'present') return true;
  const pseudo = pseudoHeaderSum(source, destination, IPPROTO_TCP, end - payload);
  return foldSum(sumBytes(pseudo, data, payload, end)) === 0xffff;
}
