import type { Ipv4, SendResult } from '../ip/ipv4.ts';
import { SECOND, Timer, type TimerQueue } from '../timers.ts';
import type { Ipv4Address } from '../wire/address.ts';
import { ByteQueue } from './byte-queue.ts';
import { Congestion } from './congestion.ts';
import { OutOfOrder } from './out-of-order.ts';
import { RoundTrip } from './round-trip.ts';
import { MAX_WINDOW_SCALE } from './segment.ts';
import { type Seq, seqAdd, seqDiff } from './seq.ts';

/** RFC 9293 section 3.3.2. LISTEN is a listener's and has no Tcb. */
export type TcpState =
  | 'CLOSED'
  | 'SYN_SENT'
  | 'SYN_RECEIVED'
  | 'ESTABLISHED'
  | 'FIN_WAIT_1'
  | 'FIN_WAIT_2'
  | 'CLOSE_WAIT'
  | 'CLOSING'
  | 'LAST_ACK'
  | 'TIME_WAIT';

/**
 * What happened on a connection: it is established; there is more to read; there is room to write again; the peer sent its
 * FIN and nothing more will come; the connection is gone (see `closeReason`). Each is told after the segment has been handled.
 */
export type TcpEvent = 'connected' | 'readable' | 'writable' | 'finished' | 'closed';

/** Why a connection is gone: both sides finished; a reset came; a reset answered the SYN; no answer; ICMP; this side aborted. */
export type CloseReason = 'done' | 'reset' | 'refused' | 'timeout' | 'unreachable' | 'aborted';

/** Where a connection runs from and to. */
export interface TcpAddresses {
  readonly localAddress: Ipv4Address;
  readonly localPort: number;
  readonly remoteAddress: Ipv4Address;
  readonly remotePort: number;
}

/** Keep-alive probing (RFC 9293 section 3.8.4). */
export interface KeepAlive {
  /** Silence before the first probe. */
  readonly idleNs: number;
  readonly intervalNs: number;
  /** Probes without an answer before the connection is given up. */
  readonly count: number;
}

/** What is configurable on a connection. */
export interface TcpOptions {
  /** Received bytes kept for the application: the largest window. */
  receiveBytes: number;
  /** Bytes kept until the peer has acknowledged them. */
  sendBytes: number;
  /** Small segments are not held back for more data (no Nagle). */
  noDelay: boolean;
  keepAlive: KeepAlive | null;
  /** Of TIME_WAIT and of FIN_WAIT_2 without an owner. */
  lingerNs: number;
  /** Of all packets; undefined: the stack's default. */
  ttl?: number;
  tos?: number;
}

export const DEFAULT_TCP_OPTIONS: TcpOptions = {
  receiveBytes: 256 * 1024,
  sendBytes: 256 * 1024,
  noDelay: false,
  keepAlive: null,
  lingerNs: 60 * SECOND,
};

/** What a connection asks of the TCP layer. */
export interface TcpHost {
  readonly ipv4: Ipv4;
  readonly timers: TimerQueue;
  /** Sees to it that the output function is called for this connection, soon but not now. */
  queueOutput(tcb: Tcb): void;
  /** Forgets the connection. */
  remove(tcb: Tcb): void;
  /** The connection timed out or got an answer; see timeouts.ts. */
  retransmitTimeout(tcb: Tcb): void;
  delayedAckTimeout(tcb: Tcb): void;
  lingerTimeout(tcb: Tcb): void;
  keepAliveTimeout(tcb: Tcb): void;
}

/** Smallest MSS believed: smaller ones would only multiply work. */
export const MIN_MSS = 88;
export const DEFAULT_MSS = 536;

/** A listener, as its connections see it. */
interface TcbOwner {
  /** @returns false if there is no room: the connection stays half-open */
  established(tcb: Tcb): boolean;
  dropped(tcb: Tcb): void;
  changed(): void;
}

/** The state of one connection (transmission control block). Internal: applications hold a TcpConnection. */
export class Tcb {
  readonly host: TcpHost;
  readonly addresses: TcpAddresses;
  readonly options: TcpOptions;
  state: TcpState = 'CLOSED';
  /** An incoming SYN that nobody has accepted or refused yet: it is not answered. */
  held: boolean = false;
  /** The next one with the same remote address and port. */
  chain: Tcb | undefined = undefined;
  /** In the queue of connections with something to send. */
  outputQueued: boolean = false;
  /** The interface refused a frame; `outputQueued` is true, too. */
  blocked: boolean = false;

  // Sending. The first byte of sendQueue has sequence number `una`, or una + 1 while a SYN is unacknowledged.
  iss: Seq;
  una: Seq;
  /** Next to send; goes back to `una` when a timeout makes all unacknowledged data be sent again. */
  nxt: Seq;
  /** One past the last ever sent. */
  max: Seq;
  /** What the peer has room for, from `una` on. */
  sendWindow: number = 0;
  maxSendWindow: number = 0;
  windowSeq: Seq = 0;
  windowAck: Seq = 0;
  sendScale: number = 0;
  mss: number = DEFAULT_MSS;
  /** What this side can take in a segment: told in the SYN. */
  localMss: number = DEFAULT_MSS;
  /** Both sides scale their windows. */
  scaling: boolean = false;
  /** What became of the last segment. */
  sendResult: SendResult = 'sent';
  readonly sendQueue: ByteQueue = new ByteQueue();
  /** The application will write no more; a FIN follows the data. */
  finQueued: boolean = false;
  /** Sequence number of the FIN once it has been sent. */
  finSeq: Seq | undefined = undefined;
  congestion: Congestion = new Congestion(DEFAULT_MSS);
  readonly roundTrip: RoundTrip = new RoundTrip();
  /** The segment being timed: its end, and when it was sent. */
  timedSeq: Seq | undefined = undefined;
  timedAtNs: number = 0;
  /** Send one segment at `una` out of turn. */
  fastRetransmit: boolean = false;
  /** Timeouts in a row. */
  retries: number = 0;
  /** The retransmission timer waits to probe a closed window. */
  persisting: boolean = false;
  /** Send one byte, or what fits, although the window forbids or discourages it. */
  probe: boolean = false;

  // Receiving.
  irs: Seq = 0;
  rcvNxt: Seq = 0;
  /** Right edge of the window that the peer has been told. */
  advertised: Seq = 0;
  receiveScale: number;
  sackPermitted: boolean = false;
  readonly receiveQueue: ByteQueue = new ByteQueue();
  readonly outOfOrder: OutOfOrder = new OutOfOrder();
  /** Sequence number of the peer's FIN, once seen. */
  peerFinSeq: Seq | undefined = undefined;
  /** The peer's FIN has been reached. */
  peerFinished: boolean = false;
  ackNow: boolean = false;
  /** Bytes that came in since the last acknowledgement went out. */
  unacknowledged: number = 0;
  lastHeardNs: number = 0;
  /** When a segment that did not fit was last answered. */
  challengedNs: number = Number.NEGATIVE_INFINITY;
  keepAliveProbes: number = 0;

  /** The application has let go: nobody reads or listens any more. */
  orphaned: boolean = false;
  closeReason: CloseReason | undefined = undefined;
  onEvent: ((event: TcpEvent) => void) | null = null;
  /** Who is told about the connection instead of `onEvent` until it is accepted. */
  listener: TcbOwner | null = null;
  /** Events to tell. */
  readonly pending: Set<TcpEvent> = new Set();

  readonly retransmit: Timer;
  readonly delayedAck: Timer;
  readonly linger: Timer;
  readonly keepAlive: Timer;

  constructor(host: TcpHost, addresses: TcpAddresses, options: TcpOptions, iss: Seq) {
    this.host = host;
    this.addresses = addresses;
    this.options = options;
    this.iss = iss;
    this.una = iss;
    this.nxt = iss;
    this.max = iss;
    let scale = 0;
    while (scale < MAX_WINDOW_SCALE && options.receiveBytes >> scale > 0xffff) scale++;
    this.receiveScale = scale;
    this.retransmit = new Timer(host.timers, () => host.retransmitTimeout(this));
    this.delayedAck = new Timer(host.timers, () => host.delayedAckTimeout(this));
    this.linger = new Timer(host.timers, () => host.lingerTimeout(this));
    this.keepAlive = new Timer(host.timers, () => host.keepAliveTimeout(this));
  }

  /** Bytes sent and not acknowledged, SYN and FIN included. */
  get flight(): number {
    return seqDiff(this.max, this.una);
  }

  /** Whether segments larger than the MSS may be handed down. */
  get netifTakesLarge(): boolean {
    const netif = this.host.ipv4.routes.lookup(this.addresses.remoteAddress)?.netif;
    return netif?.peerOffloads.checksum === true && netif.peerOffloads.tcpv4;
  }

  /** Room left for received data. */
  get receiveRoom(): number {
    return Math.max(0, this.options.receiveBytes - this.receiveQueue.length);
  }

  get sendRoom(): number {
    return Math.max(0, this.options.sendBytes - this.sendQueue.length);
  }

  /** Whether the FIN has been sent and acknowledged. */
  get finAcked(): boolean {
    return this.finSeq !== undefined && seqDiff(this.una, this.finSeq) > 0;
  }

  /**
   * The right edge to advertise: it never moves back, and forward only by a worthwhile step (RFC 9293 section 3.8.6.2.2).
   */
  get windowEdge(): Seq {
    const edge = seqAdd(this.rcvNxt, this.receiveRoom);
    const step = seqDiff(edge, this.advertised);
    const worthwhile = Math.min(this.mss, this.options.receiveBytes >> 1);
    return step >= worthwhile ? edge : this.advertised;
  }

  setMss(mss: number): void {
    this.mss = Math.max(MIN_MSS, mss);
    this.congestion.mss = this.mss;
  }

  note(event: TcpEvent): void {
    this.pending.add(event);
  }

  /** Ends the connection at once, without a word to the peer. */
  destroy(reason: CloseReason): void {
    if (this.state === 'CLOSED') return;
    this.state = 'CLOSED';
    this.closeReason = reason;
    for (const timer of [this.retransmit, this.delayedAck, this.linger, this.keepAlive]) timer.release();
    this.sendQueue.clear();
    this.outOfOrder.clear();
    if (this.orphaned) this.receiveQueue.clear();
    this.host.remove(this);
    this.listener?.dropped(this);
    this.note('closed');
  }

  /** Tells the owner what has been noted; it may do anything to the connection in turn. */
  dispatchEvents(): void {
    while (this.pending.size > 0) {
      const events = [...this.pending];
      this.pending.clear();
      if (this.orphaned) return;
      for (const event of events) this.onEvent?.(event);
    }
  }
}
