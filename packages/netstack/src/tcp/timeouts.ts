import { sendSegment } from './output.ts';
import { ACK } from './segment.ts';
import { seqAdd } from './seq.ts';
import type { Tcb } from './tcb.ts';

const SYN_RETRIES = 5;
const DATA_RETRIES = 10;
/** An application that has let go of its connection does not wait as long. */
const ORPHAN_RETRIES = 6;

/** No acknowledgement in time, or time to probe a closed window. */
export function retransmitTimeout(tcb: Tcb): void {
  if (tcb.blocked) return tcb.retransmit.set(tcb.roundTrip.timeoutNs); // nothing was lost: it could not be sent
  const opening = tcb.state === 'SYN_SENT' || tcb.state === 'SYN_RECEIVED';
  const allowed = opening ? SYN_RETRIES : tcb.orphaned ? ORPHAN_RETRIES : DATA_RETRIES;
  if (++tcb.retries > allowed) {
    tcb.destroy('timeout');
    return tcb.dispatchEvents();
  }
  tcb.roundTrip.backOff();
  tcb.timedSeq = undefined;
  if (tcb.persisting) {
    tcb.probe = true;
    // Armed in any case: what the probe sends may be held back by the interface.
    tcb.retransmit.set(tcb.roundTrip.timeoutNs);
  } else {
    tcb.congestion.onTimeout(tcb.flight);
    tcb.nxt = tcb.una;
    tcb.fastRetransmit = false;
  }
  tcb.host.queueOutput(tcb);
}

export function delayedAckTimeout(tcb: Tcb): void {
  tcb.ackNow = true;
  tcb.host.queueOutput(tcb);
}

/** TIME_WAIT, or the wait for an FIN that nobody is interested in, is over. */
export function lingerTimeout(tcb: Tcb): void {
  tcb.destroy('done');
  tcb.dispatchEvents();
}

/** Asks a silent peer whether it is still there. */
export function keepAliveTimeout(tcb: Tcb): void {
  const { keepAlive } = tcb.options;
  if (keepAlive === null) return;
  const silence = tcb.host.timers.nowNs - tcb.lastHeardNs;
  if (tcb.keepAliveProbes === 0 && silence < keepAlive.idleNs)
    return tcb.keepAlive.set(keepAlive.idleNs - silence);
  if (tcb.keepAliveProbes >= keepAlive.count) {
    tcb.destroy('timeout');
    return tcb.dispatchEvents();
  }
  tcb.keepAliveProbes++;
  sendSegment(tcb, seqAdd(tcb.una, -1), ACK, 0, 0);
  tcb.keepAlive.set(keepAlive.intervalNs);
}
