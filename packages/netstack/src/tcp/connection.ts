import { seqAdd, seqDiff } from './seq.ts';
import type { CloseReason, KeepAlive, Tcb, TcpAddresses, TcpEvent, TcpOptions, TcpState } from './tcb.ts';

/** What a connection asks of its layer. */
export interface ConnectionHost {
  /** Sends what the connection has queued, unless that is under way already. */
  flush(): void;
  sendReset(tcb: Tcb): void;
}

/**
 * One TCP connection in the hands of an application: the guest kernel's socket, or a flow of the host's NAT. Nothing here
 * blocks; `onEvent` tells when to try again.
 */
export class TcpConnection {
  readonly #tcb: Tcb;
  readonly #host: ConnectionHost;

  /** Made by the layer. */
  constructor(tcb: Tcb, host: ConnectionHost) {
    this.#tcb = tcb;
    this.#host = host;
  }

  get state(): TcpState {
    return this.#tcb.state;
  }

  get addresses(): TcpAddresses {
    return this.#tcb.addresses;
  }

  /** Why the connection is gone; undefined while it is there. */
  get closeReason(): CloseReason | undefined {
    return this.#tcb.closeReason;
  }

  /**
   * Gets the connection's events; one owner at a time. Over a cable without delay they come from inside `read`, `take`, `write`
   * and the rest: a handler that calls these again must expect to be nested in itself.
   */
  set onEvent(handler: ((event: TcpEvent) => void) | null) {
    this.#tcb.onEvent = handler;
  }

  /** Bytes that can be read now. */
  get readableBytes(): number {
    return this.#tcb.receiveQueue.length;
  }

  /** Bytes that `write` would take now; 0 if the connection cannot send (any more). */
  get writableBytes(): number {
    return this.#canWrite ? this.#tcb.sendRoom : 0;
  }

  /** Bytes written and not yet acknowledged by the peer. */
  get unsentBytes(): number {
    return this.#tcb.sendQueue.length;
  }

  /** The peer's FIN has come: what is readable now is all. */
  get peerHasFinished(): boolean {
    return this.#tcb.peerFinished;
  }

  /** All that the peer sent has been read, and it will send no more. */
  get atEnd(): boolean {
    return this.readableBytes === 0 && (this.#tcb.peerFinished || this.#tcb.state === 'CLOSED');
  }

  /** Both windows and the MSS, for TCP_INFO and TCP_MAXSEG. */
  get mss(): number {
    return this.#tcb.mss;
  }

  /** Smoothed round-trip time in nanoseconds, if measured. */
  get roundTripNs(): number | undefined {
    return this.#tcb.roundTrip.smoothedNs;
  }

  /** Answers a SYN that the layer's `onConnection` passed on. */
  accept(): void {
    const tcb = this.#tcb;
    if (!tcb.held || tcb.state === 'CLOSED') return;
    tcb.held = false;
    tcb.host.queueOutput(tcb);
    this.#host.flush();
  }

  /** Takes bytes out of the receive queue. @returns how many, 0 if there are none */
  read(into: Uint8Array): number {
    const count = this.#tcb.receiveQueue.read(into);
    this.#windowMayOpen();
    return count;
  }

  /** Looks at the first bytes of the receive queue without taking them. @returns how many */
  peek(into: Uint8Array): number {
    const count = Math.min(into.length, this.readableBytes);
    this.#tcb.receiveQueue.copyOut(0, into.subarray(0, count));
    return count;
  }

  /** Takes the next chunk of the receive queue without copying; the caller owns it. */
  take(): Uint8Array | undefined {
    const chunk = this.#tcb.receiveQueue.take();
    this.#windowMayOpen();
    return chunk;
  }

  /** Copies bytes to the send queue. @returns how many it had room for, 0 if the connection cannot send */
  write(from: Uint8Array): number {
    const count = Math.min(from.length, this.writableBytes);
    if (count === 0) return 0;
    this.#tcb.sendQueue.append(from.subarray(0, count));
    this.#send();
    return count;
  }

  /**
   * Queues a chunk that the caller will not change any more, without copying and even beyond the queue's limit: for sources
   * that cannot take back what they gave. @returns false if the connection cannot send; the chunk is lost then
   */
  writeOwned(chunk: Uint8Array): boolean {
    if (!this.#canWrite) return false;
    if (chunk.length > 0) this.#tcb.sendQueue.appendOwned(chunk);
    this.#send();
    return true;
  }

  /** Half-close: a FIN follows what is queued. */
  shutdown(): void {
    const tcb = this.#tcb;
    if (tcb.finQueued || tcb.state === 'CLOSED') return;
    tcb.finQueued = true;
    if (tcb.state === 'SYN_SENT' || tcb.held) return;
    if (tcb.state === 'ESTABLISHED') tcb.state = 'FIN_WAIT_1';
    else if (tcb.state === 'CLOSE_WAIT') tcb.state = 'LAST_ACK';
    this.#send();
  }

  /**
   * Lets go of the connection: no more events; it ends by itself, in the orderly way if everything that came in was read,
   * else with a reset (RFC 1122 section 4.2.2.13).
   */
  close(): void {
    const tcb = this.#tcb;
    if (tcb.orphaned) return;
    if (tcb.state === 'SYN_SENT' || tcb.held || tcb.receiveQueue.length > 0) return this.abort();
    tcb.orphaned = true;
    this.shutdown();
    if (tcb.state === 'FIN_WAIT_2') tcb.linger.set(tcb.options.lingerNs);
  }

  /** Ends the connection at once, with a reset if the peer knows of it; lets go of it. */
  abort(): void {
    const tcb = this.#tcb;
    const silent = tcb.state === 'CLOSED' || tcb.state === 'SYN_SENT' || tcb.state === 'TIME_WAIT';
    tcb.orphaned = true;
    if (!silent) this.#host.sendReset(tcb);
    tcb.destroy('aborted');
    tcb.receiveQueue.clear();
  }

  /** Gives an unanswered SYN up without an answer: the peer will repeat it or time out. */
  ignore(): void {
    this.#tcb.orphaned = true;
    this.#tcb.destroy('aborted');
  }

  setNoDelay(noDelay: boolean): void {
    this.#tcb.options.noDelay = noDelay;
    if (noDelay) this.#send();
  }

  setKeepAlive(keepAlive: KeepAlive | null): void {
    const tcb = this.#tcb;
    tcb.options.keepAlive = keepAlive;
    if (keepAlive === null) tcb.keepAlive.stop();
    else if (tcb.state !== 'SYN_SENT' && tcb.state !== 'CLOSED') tcb.keepAlive.set(keepAlive.idleNs);
  }

  /** Changes queue limits, lifetimes and header fields of what is sent from now on. */
  configure(options: Partial<Omit<TcpOptions, 'noDelay' | 'keepAlive'>>): void {
    Object.assign(this.#tcb.options, options);
    this.#windowMayOpen();
  }

  get #canWrite(): boolean {
    const { state, finQueued, held } = this.#tcb;
    if (finQueued || held) return false;
    return state === 'ESTABLISHED' || state === 'CLOSE_WAIT' || state === 'SYN_RECEIVED';
  }

  #send(): void {
    this.#tcb.host.queueOutput(this.#tcb);
    this.#host.flush();
  }

  /** Tells the peer of room once it is at least twice what the peer still believes to have. */
  #windowMayOpen(): void {
    const tcb = this.#tcb;
    if (tcb.state === 'CLOSED' || tcb.peerFinished || tcb.held) return;
    const believed = seqDiff(tcb.advertised, tcb.rcvNxt);
    const edge = seqAdd(tcb.rcvNxt, tcb.receiveRoom);
    const step = seqDiff(edge, tcb.advertised);
    if (step < Math.min(tcb.mss, tcb.options.receiveBytes >> 1) || step < believed) return;
    if (tcb.state === 'SYN_SENT' || tcb.state === 'SYN_RECEIVED') return;
    tcb.ackNow = true;
    this.#send();
  }
}
