import { HEADROOM } from '../ip/ipv4.ts';
import { MAX_FRAME_BYTES } from '../port.ts';
import { set16 } from '../wire/bytes.ts';
import { foldSum, pseudoHeaderSum } from '../wire/checksum.ts';
import { IPPROTO_TCP } from '../wire/ethernet.ts';
import { ACK, FIN, type HeaderFields, PSH, SYN, type SynOptions, writeHeader } from './segment.ts';
import { type Seq, seqAdd, seqDiff, seqMax } from './seq.ts';
import type { Tcb } from './tcb.ts';

/** Frames that one connection sends before the others have their turn. */
const QUANTUM = 4;
const MAX_HEADERS = HEADROOM + 60;
const MAX_SACK_BYTES = 28;

/** `more`: the quantum is used up. `blocked`: the interface has no room. */
export type OutputResult = 'done' | 'more' | 'blocked';

/** Sends what a connection has to send and may send now. */
export function output(tcb: Tcb): OutputResult {
  if (tcb.state === 'CLOSED' || tcb.held) return 'done';
  if (tcb.state === 'SYN_SENT' || tcb.state === 'SYN_RECEIVED') return outputSyn(tcb);
  if (tcb.fastRetransmit) {
    const { nxt } = tcb;
    tcb.nxt = tcb.una;
    const length = Math.min(tcb.mss, tcb.sendQueue.length);
    const fin = tcb.finSeq !== undefined && length === tcb.sendQueue.length;
    tcb.timedSeq = undefined;
    if (length > 0 || fin) {
      const sent = sendData(tcb, length, fin);
      tcb.nxt = seqMax(nxt, tcb.nxt);
      if (!sent) return 'blocked';
    }
    tcb.nxt = seqMax(nxt, tcb.nxt);
    tcb.fastRetransmit = false;
  }
  for (let count = 0; count < QUANTUM; count++) {
    const step = nextData(tcb);
    if (step === undefined) break;
    const beyond = tcb.probe && tcb.sendWindow === 0;
    if (!sendData(tcb, step.length, step.fin)) return 'blocked';
    tcb.probe = false;
    if (beyond) {
      probed(tcb);
      break;
    }
    if (count === QUANTUM - 1) return 'more';
  }
  tcb.probe = false;
  if (tcb.ackNow && !sendSegment(tcb, tcb.max, ACK, 0, 0)) return 'blocked';
  return 'done';
}

function outputSyn(tcb: Tcb): OutputResult {
  const first = tcb.nxt === tcb.iss;
  if (!first && !tcb.ackNow) return 'done';
  const { max } = tcb;
  const end = seqAdd(tcb.iss, 1);
  if (max === tcb.iss) timeFrom(tcb, end);
  tcb.nxt = end;
  tcb.max = end;
  if (!tcb.retransmit.isSet) tcb.retransmit.set(tcb.roundTrip.timeoutNs);
  if (sendSegment(tcb, tcb.iss, tcb.state === 'SYN_SENT' ? SYN : SYN | ACK, 0, 0)) return 'done';
  tcb.nxt = tcb.iss;
  tcb.max = max;
  return 'blocked';
}

/** What to send next, or undefined if nothing may be sent. Starts the timer that probes a closed window. */
function nextData(tcb: Tcb): { length: number; fin: boolean } | undefined {
  const { sendQueue, mss } = tcb;
  const inFlight = seqDiff(tcb.nxt, tcb.una);
  const unsent = sendQueue.length - inFlight;
  if (unsent < 0 || tcb.finAcked || (unsent === 0 && !tcb.finQueued)) return undefined;
  const window = Math.min(tcb.congestion.window, tcb.sendWindow) - inFlight;
  const gso = tcb.netifTakesLarge && !tcb.probe;
  const limit = gso ? Math.max(mss, Math.floor((MAX_FRAME_BYTES - MAX_HEADERS) / mss) * mss) : mss;
  let length = Math.max(0, Math.min(unsent, window, limit));
  if (length > mss && length < unsent) length -= length % mss;
  if (length === unsent && tcb.finQueued && (window > length || tcb.probe)) return { length, fin: true };
  const retransmitting = seqDiff(tcb.nxt, tcb.max) < 0;
  const last = length === unsent && (tcb.options.noDelay || inFlight === 0);
  const worthwhile = length >= mss || last || retransmitting || 2 * length >= tcb.maxSendWindow;
  if (length > 0 && worthwhile) return { length, fin: false };
  if (tcb.probe) return { length: Math.max(1, length), fin: false };
  if (inFlight === 0 && !tcb.retransmit.isSet) {
    tcb.persisting = true;
    tcb.retransmit.set(tcb.roundTrip.timeoutNs);
  }
  return undefined;
}

/** What went beyond the window counts as not sent: the peer may have dropped it. Another probe follows. */
function probed(tcb: Tcb): void {
  tcb.nxt = tcb.una;
  tcb.persisting = true;
  tcb.retransmit.set(tcb.roundTrip.timeoutNs);
}

/**
 * Sends a segment at `nxt` and moves on, before it is sent: the answer may come while it is.
 * @returns false if it was refused; nothing has changed then
 */
function sendData(tcb: Tcb, length: number, fin: boolean): boolean {
  const { nxt, max, finSeq, timedSeq } = tcb;
  const offset = seqDiff(nxt, tcb.una);
  const pushed = offset + length === tcb.sendQueue.length ? PSH : 0;
  const end = seqAdd(nxt, length);
  if (fin && finSeq === undefined) tcb.finSeq = end;
  tcb.nxt = fin ? seqAdd(end, 1) : end;
  if (seqDiff(tcb.nxt, max) > 0) {
    tcb.max = tcb.nxt;
    if (timedSeq === undefined && !tcb.probe) timeFrom(tcb, tcb.nxt);
  }
  if (!tcb.retransmit.isSet || tcb.persisting) {
    tcb.persisting = false;
    tcb.retransmit.set(tcb.roundTrip.timeoutNs);
  }
  if (sendSegment(tcb, nxt, ACK | pushed | (fin ? FIN : 0), offset, length)) return true;
  Object.assign(tcb, { nxt, max, finSeq, timedSeq });
  return false;
}

function timeFrom(tcb: Tcb, seq: Seq): void {
  tcb.timedSeq = seq;
  tcb.timedAtNs = tcb.host.timers.nowNs;
}

/** @returns false if the interface has no room; losses on the way are the retransmission timer's concern */
export function sendSegment(tcb: Tcb, seq: Seq, flags: number, offset: number, length: number): boolean {
  const { ipv4 } = tcb.host;
  const { localAddress, localPort, remoteAddress, remotePort } = tcb.addresses;
  const isSyn = (flags & SYN) !== 0;
  const edge = tcb.windowEdge;
  const window = Math.min(0xffff, seqDiff(edge, tcb.rcvNxt) >> (isSyn ? 0 : tcb.receiveScale));
  const fields: HeaderFields = {
    sourcePort: localPort,
    destinationPort: remotePort,
    seq,
    flags,
    window,
    ack: (flags & ACK) !== 0 ? tcb.rcvNxt : 0,
    syn: isSyn ? synOptions(tcb) : undefined,
    // A full segment has no room for options beside it.
    sack:
      tcb.sackPermitted && !tcb.outOfOrder.isEmpty && length + MAX_SACK_BYTES <= tcb.mss
        ? tcb.outOfOrder.blocks()
        : undefined,
  };
  const { ackNow, unacknowledged, advertised } = tcb;
  if ((flags & ACK) !== 0) {
    tcb.ackNow = false;
    tcb.unacknowledged = 0;
    tcb.delayedAck.stop();
    const told = seqAdd(tcb.rcvNxt, window << (isSyn ? 0 : tcb.receiveScale));
    tcb.advertised = seqMax(advertised, told);
  }
  const result = ipv4.withBuffer((buffer) => {
    const headerBytes = writeHeader(buffer, HEADROOM, fields);
    const payload = HEADROOM + headerBytes;
    if (length > 0) tcb.sendQueue.copyOut(offset, buffer.subarray(payload, payload + length));
    const bytes = headerBytes + length;
    const pseudo = pseudoHeaderSum(localAddress, remoteAddress, IPPROTO_TCP, bytes);
    set16(buffer, HEADROOM + 16, foldSum(pseudo));
    return ipv4.send(buffer, bytes, {
      source: localAddress,
      destination: remoteAddress,
      protocol: IPPROTO_TCP,
      checksum: 'blank',
      gsoSize: length > tcb.mss ? tcb.mss : 0,
      dontFragment: true,
      ttl: tcb.options.ttl,
      tos: tcb.options.tos,
    });
  }, 'sent');
  if (result === 'blocked') {
    tcb.ackNow = ackNow;
    tcb.unacknowledged = unacknowledged;
    tcb.advertised = advertised;
    return false;
  }
  tcb.sendResult = result;
  return true;
}

function synOptions(tcb: Tcb): SynOptions {
  const offered = tcb.state === 'SYN_SENT';
  return {
    mss: tcb.localMss,
    windowScale: offered || tcb.scaling ? tcb.receiveScale : undefined,
    sackPermitted: offered || tcb.sackPermitted,
  };
}
