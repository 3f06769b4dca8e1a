import { MS } from '../timers.ts';
import { Congestion } from './congestion.ts';
import { ACK, FIN, parseSynOptions, RST, type Segment, SYN } from './segment.ts';
import { seqAdd, seqDiff } from './seq.ts';
import { DEFAULT_MSS, type Tcb } from './tcb.ts';

const DELAYED_ACK = 40 * MS;
/** Segments that do not fit are answered this often: tcp_invalid_ratelimit of Linux. */
const CHALLENGE_INTERVAL = 500 * MS;

/** What the layer is to do: nothing more, answer with a reset, or treat a SYN as one for a new connection. */
export type InputResult = 'done' | 'reset' | 'reopen';

/** Handles a segment of a connection (RFC 9293 section 3.10.7, with RFC 5961). */
export function segmentArrives(tcb: Tcb, segment: Segment): InputResult {
  tcb.lastHeardNs = tcb.host.timers.nowNs;
  tcb.keepAliveProbes = 0;
  if (tcb.held) return heldSyn(tcb, segment);
  if (tcb.state === 'SYN_SENT') return synSent(tcb, segment);
  const { flags } = segment;
  if (flags & SYN && !(flags & RST)) return synInLaterState(tcb, segment);
  const trimmed = trim(tcb, segment);
  if (trimmed === undefined) {
    if (!(flags & RST)) challenge(tcb, segment);
    return 'done';
  }
  if (trimmed.isOld) challenge(tcb, segment); // the peer has missed an acknowledgement; its own may yet be news
  if (flags & RST) {
    if (segment.seq === tcb.rcvNxt) tcb.destroy(tcb.state === 'SYN_RECEIVED' ? 'refused' : 'reset');
    else challenge(tcb, segment); // RFC 5961 section 3.2: a reset must hit the very next number
    return 'done';
  }
  if (!(flags & ACK)) return 'done';
  if (tcb.state === 'SYN_RECEIVED' && !becomeEstablished(tcb, segment)) return 'reset';
  if (!handleAck(tcb, segment)) return 'done';
  if (!acceptData(tcb, trimmed)) return 'reset';
  tcb.host.queueOutput(tcb);
  return 'done';
}

/** Takes over what a peer's SYN says. */
export function takeSyn(tcb: Tcb, segment: Segment): void {
  const options = parseSynOptions(segment);
  tcb.irs = segment.seq;
  tcb.rcvNxt = seqAdd(segment.seq, 1);
  tcb.advertised = tcb.rcvNxt;
  tcb.setMss(Math.min(options.mss ?? DEFAULT_MSS, tcb.localMss));
  tcb.congestion = new Congestion(tcb.mss);
  tcb.scaling = options.windowScale !== undefined;
  tcb.sackPermitted = options.sackPermitted;
  if (tcb.scaling) tcb.sendScale = options.windowScale!;
  else tcb.receiveScale = 0;
  tcb.sendWindow = segment.window;
  tcb.maxSendWindow = segment.window;
  tcb.windowSeq = segment.seq;
  tcb.windowAck = segment.ack;
}

function acknowledgeNow(tcb: Tcb): void {
  tcb.ackNow = true;
  tcb.host.queueOutput(tcb);
}

/** Answers a segment that does not fit; rarely, unless it has data: two ends that disagree would answer each other for ever. */
function challenge(tcb: Tcb, { payload, flags }: Segment): void {
  const hasData = payload.length > 0 || (flags & FIN) !== 0;
  if (!hasData || flags & SYN) {
    const { nowNs } = tcb.host.timers;
    if (nowNs - tcb.challengedNs < CHALLENGE_INTERVAL) return;
    tcb.challengedNs = nowNs;
  }
  acknowledgeNow(tcb);
}

function heldSyn(tcb: Tcb, { flags, seq }: Segment): InputResult {
  if (flags & RST && seq === tcb.rcvNxt) tcb.destroy('reset');
  else if (flags & SYN && seq !== tcb.irs) {
    tcb.destroy('reset');
    return 'reopen';
  }
  return 'done';
}

function synSent(tcb: Tcb, segment: Segment): InputResult {
  const { flags, ack } = segment;
  const acceptable = (flags & ACK) !== 0 && ack === seqAdd(tcb.iss, 1) && tcb.max !== tcb.iss;
  if (flags & ACK && !acceptable) return flags & RST ? 'done' : 'reset';
  if (flags & RST) {
    if (acceptable) tcb.destroy('refused');
    return 'done';
  }
  if (!(flags & SYN)) return 'done';
  takeSyn(tcb, segment);
  tcb.ackNow = true;
  if (acceptable) {
    established(tcb);
    acknowledged(tcb, ack);
    // The window that our SYN offered was not scaled.
    tcb.advertised = seqAdd(tcb.rcvNxt, Math.min(0xffff, tcb.receiveRoom));
    if (segment.payload.length > 0 || flags & FIN) {
      const { payload } = segment;
      acceptData(tcb, { seq: tcb.rcvNxt, payload, fin: (flags & FIN) !== 0 });
    }
  } else {
    tcb.state = 'SYN_RECEIVED'; // both sides opened at once
    tcb.nxt = tcb.iss;
  }
  tcb.host.queueOutput(tcb);
  return 'done';
}

function synInLaterState(tcb: Tcb, segment: Segment): InputResult {
  const { seq, flags } = segment;
  if (tcb.state === 'TIME_WAIT' && seqDiff(seq, tcb.rcvNxt) > 0) {
    tcb.destroy('done');
    return 'reopen';
  }
  if (tcb.state === 'SYN_RECEIVED' && flags & ACK && seq === tcb.irs) {
    // Both sides have opened at once, or this is both of them: it is answered by an ACK, not by another SYN.
    if (!becomeEstablished(tcb, segment)) return 'reset';
    handleAck(tcb, segment);
    acknowledgeNow(tcb);
    return 'done';
  }
  challenge(tcb, segment); // our SYN, ACK was lost
  return 'done';
}

interface Trimmed {
  readonly seq: number;
  readonly payload: Uint8Array;
  readonly fin: boolean;
  /** Nothing in the segment is new; it does not lie in the window. */
  readonly isOld?: boolean;
}

/** Cuts a segment to the receive window. @returns undefined if it is not acceptable */
function trim(tcb: Tcb, { seq, payload, flags }: Segment): Trimmed | undefined {
  const fin = (flags & FIN) !== 0;
  const lengthInSeq = payload.length + (fin ? 1 : 0);
  const old = seqDiff(tcb.rcvNxt, seq);
  const room = seqDiff(tcb.advertised, seq);
  if (old > 0 && old >= lengthInSeq)
    return flags & RST
      ? undefined
      : { seq: tcb.rcvNxt, payload: payload.subarray(0, 0), fin: false, isOld: true };
  if (room < 0 || (room === 0 && old !== 0)) return undefined;
  const from = Math.max(0, old);
  if (lengthInSeq > room) {
    const cut = payload.subarray(
      Math.min(from, payload.length),
      Math.max(from, Math.min(room, payload.length)),
    );
    if (cut.length === 0) tcb.ackNow = true; // a window probe
    return { seq: seqAdd(seq, from), payload: cut, fin: false };
  }
  if (old <= 0) return { seq, payload, fin };
  return { seq: tcb.rcvNxt, payload: payload.subarray(Math.min(from, payload.length)), fin };
}

function becomeEstablished(tcb: Tcb, { ack, window }: Segment): boolean {
  if (seqDiff(ack, tcb.una) <= 0 || seqDiff(ack, tcb.max) > 0) return false;
  // A full backlog: the peer's data will be repeated, and its acknowledgement with it.
  if (tcb.listener !== null && !tcb.listener.established(tcb)) return true;
  tcb.sendWindow = window << tcb.sendScale;
  established(tcb);
  return true;
}

function established(tcb: Tcb): void {
  tcb.state = tcb.finQueued ? 'FIN_WAIT_1' : 'ESTABLISHED';
  const { keepAlive } = tcb.options;
  if (keepAlive !== null) tcb.keepAlive.set(keepAlive.idleNs);
  tcb.note('connected');
  tcb.note('writable');
}

/** @returns false if the segment is to be ignored from here on */
function handleAck(tcb: Tcb, segment: Segment): boolean {
  if (tcb.state === 'SYN_RECEIVED') return false;
  const { ack, seq } = segment;
  if (seqDiff(ack, tcb.max) > 0) {
    challenge(tcb, segment);
    return false;
  }
  const window = segment.window << tcb.sendScale;
  const acked = seqDiff(ack, tcb.una);
  if (acked > 0) acknowledged(tcb, ack);
  else if (acked === 0 && window === tcb.sendWindow && tcb.flight > 0 && isBare(segment)) {
    if (!tcb.persisting && tcb.congestion.onDuplicateAck(tcb.max, tcb.flight)) tcb.fastRetransmit = true;
  }
  const newer = seqDiff(seq, tcb.windowSeq);
  if (acked >= 0 && (newer > 0 || (newer === 0 && seqDiff(ack, tcb.windowAck) >= 0))) {
    tcb.sendWindow = window;
    tcb.maxSendWindow = Math.max(tcb.maxSendWindow, window);
    tcb.windowSeq = seq;
    tcb.windowAck = ack;
    if (tcb.persisting) reconsiderPersisting(tcb);
  }
  return tcb.state !== 'CLOSED';
}

const isBare = ({ payload, flags }: Segment): boolean => payload.length === 0 && !(flags & FIN);

/** The peer has answered a probe: the window is open, or the peer at least alive. */
function reconsiderPersisting(tcb: Tcb): void {
  tcb.retries = 0;
  if (tcb.sendWindow === 0) return;
  tcb.persisting = false;
  tcb.retransmit.stop();
  tcb.roundTrip.progress();
}

/** Everything before `ack` has arrived. */
function acknowledged(tcb: Tcb, ack: number): void {
  const limited = tcb.flight + tcb.mss > tcb.congestion.window;
  const synAcked = tcb.una === tcb.iss ? 1 : 0;
  const acked = seqDiff(ack, tcb.una);
  const room = tcb.sendRoom;
  tcb.sendQueue.drop(Math.min(acked - synAcked, tcb.sendQueue.length));
  tcb.una = ack;
  if (seqDiff(tcb.nxt, ack) < 0) tcb.nxt = ack;
  if (tcb.timedSeq !== undefined && seqDiff(ack, tcb.timedSeq) >= 0) {
    tcb.roundTrip.sample(tcb.host.timers.nowNs - tcb.timedAtNs);
    tcb.timedSeq = undefined;
  }
  tcb.retries = 0;
  tcb.roundTrip.progress();
  tcb.persisting = false;
  if (tcb.flight === 0) tcb.retransmit.stop();
  else tcb.retransmit.set(tcb.roundTrip.timeoutNs);
  if (synAcked === 0 && tcb.congestion.onAck(ack, acked, tcb.flight, limited)) tcb.fastRetransmit = true;
  const enough = tcb.options.sendBytes / 3;
  if (room < enough && tcb.sendRoom >= enough) tcb.note('writable');
  if (tcb.finAcked) finAcknowledged(tcb);
}

function finAcknowledged(tcb: Tcb): void {
  if (tcb.state === 'FIN_WAIT_1') {
    tcb.state = 'FIN_WAIT_2';
    if (tcb.orphaned) tcb.linger.set(tcb.options.lingerNs);
  } else if (tcb.state === 'CLOSING') enterTimeWait(tcb);
  else if (tcb.state === 'LAST_ACK') tcb.destroy('done');
}

function enterTimeWait(tcb: Tcb): void {
  tcb.state = 'TIME_WAIT';
  tcb.retransmit.release();
  tcb.keepAlive.release();
  tcb.linger.set(tcb.options.lingerNs);
}

/** @returns false if nobody is there to take the data */
function acceptData(tcb: Tcb, { seq, payload, fin }: Trimmed): boolean {
  if (tcb.state === 'CLOSED' || tcb.peerFinished) return true;
  if (tcb.orphaned && payload.length > 0) {
    tcb.destroy('aborted');
    return false;
  }
  if (fin) tcb.peerFinSeq ??= seqAdd(seq, payload.length);
  if (payload.length > 0) {
    if (seq === tcb.rcvNxt) takeInOrder(tcb, payload);
    else {
      tcb.outOfOrder.add(seq, payload);
      tcb.ackNow = true;
    }
  } else if (fin && seq !== tcb.rcvNxt) tcb.ackNow = true;
  if (tcb.peerFinSeq === tcb.rcvNxt) peerFinished(tcb);
  return true;
}

function takeInOrder(tcb: Tcb, payload: Uint8Array): void {
  const hadGap = !tcb.outOfOrder.isEmpty;
  tcb.receiveQueue.append(payload);
  tcb.rcvNxt = seqAdd(tcb.rcvNxt, payload.length);
  tcb.unacknowledged += payload.length;
  for (;;) {
    const bytes = hadGap ? tcb.outOfOrder.takeAt(tcb.rcvNxt) : undefined;
    if (bytes === undefined) break;
    tcb.receiveQueue.appendOwned(bytes);
    tcb.rcvNxt = seqAdd(tcb.rcvNxt, bytes.length);
  }
  tcb.note('readable');
  if (hadGap || tcb.unacknowledged >= 2 * tcb.mss) tcb.ackNow = true;
  else if (!tcb.delayedAck.isSet) tcb.delayedAck.set(DELAYED_ACK);
}

function peerFinished(tcb: Tcb): void {
  tcb.peerFinished = true;
  tcb.rcvNxt = seqAdd(tcb.rcvNxt, 1);
  tcb.ackNow = true;
  tcb.outOfOrder.clear();
  tcb.note('finished');
  tcb.note('readable');
  if (tcb.state === 'ESTABLISHED') tcb.state = 'CLOSE_WAIT';
  else if (tcb.state === 'FIN_WAIT_1') tcb.state = 'CLOSING';
  else if (tcb.state === 'FIN_WAIT_2') enterTimeWait(tcb);
}
