import type { Caller } from '../caller.ts';
import { fromU64 } from '../u64.ts';

const FAR_AWAY_NS = 2 ** 50;
const WRAPPED_TIMEOUT_NS = 100_000_000;

/**
 * HYPERVISOR_set_timer_op: arms the caller's single-shot timer, which raises VIRQ_TIMER; 0 stops it. Always 0.
 * A negative or absurdly late time is what a guest's wrapped arithmetic gives: it fires in 100 ms, as in Xen, so that
 * neither pending work waits for ever nor an idle guest spins.
 * @param lo, hi absolute system time in ns, signed 64 bits
 * Source: xen/common/sched/core.c, "do_set_timer_op" @ RELEASE-4.18.0
 */
export function setTimerOp(caller: Caller, lo: number, hi: number): number {
  const { singleshot } = caller.vcpu.timers;
  if (lo === 0 && hi === 0) {
    singleshot.stop();
    return 0;
  }
  const nowNs = caller.machine.clock.nowNs();
  const atNs = fromU64(lo, hi);
  const wrapped = hi >>> 31 === 1 || atNs - nowNs >= FAR_AWAY_NS;
  singleshot.set(wrapped ? nowNs + WRAPPED_TIMEOUT_NS : atNs);
  return 0;
}
