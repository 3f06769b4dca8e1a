import { VIRQ_TIMER } from '@domu/xen-abi';
import type { Timer } from './timers.ts';
import type { Vcpu } from './vcpu.ts';

/** Xen starts every vCPU with a 100 Hz tick; guests that do not want it turn it off. */
const DEFAULT_PERIOD_NS = 10_000_000;

/**
 * The timers of one vCPU: single shot and periodic tick (both raise VIRQ_TIMER), and the poll timeout.
 * As in Xen the tick runs only while its vCPU holds a CPU; a tick that was missed meanwhile is made up once.
 * Source: xen/common/sched/core.c, vcpu_periodic_timer_work @ RELEASE-4.18.0
 */
export class VcpuTimers {
  /** set_timer_op and VCPUOP_set_singleshot_timer. */
  readonly singleshot: Timer;
  /** SCHEDOP_poll's timeout. */
  readonly poll: Timer;
  readonly #periodic: Timer;
  readonly #vcpu: Vcpu;
  #periodNs = DEFAULT_PERIOD_NS;
  #lastTickNs = 0;

  constructor(vcpu: Vcpu) {
    this.#vcpu = vcpu;
    const { timers, scheduler } = vcpu.domain.machine;
    this.singleshot = timers.create(() => this.#raise());
    this.poll = timers.create(() => scheduler.wake(vcpu));
    this.#periodic = timers.create(() => this.scheduledIn(vcpu.domain.machine.clock.nowNs()));
  }

  /** Nanoseconds between ticks, 0: no tick (VCPUOP_set_periodic_timer, VCPUOP_stop_periodic_timer). */
  setPeriod(periodNs: number): void {
    this.#periodNs = periodNs;
    const { clock, scheduler } = this.#vcpu.domain.machine;
    this.#lastTickNs = clock.nowNs();
    this.#periodic.stop();
    if (this.#vcpu === scheduler.running) this.scheduledIn(this.#lastTickNs);
  }

  /** The vCPU got the CPU, or its tick expired. */
  scheduledIn(nowNs: number): void {
    if (this.#periodNs === 0) return;
    if (nowNs >= this.#lastTickNs + this.#periodNs) {
      this.#lastTickNs = nowNs;
      this.#raise();
    }
    this.#periodic.set(this.#lastTickNs + this.#periodNs);
  }

  /** The vCPU lost the CPU. */
  scheduledOut(): void {
    this.#periodic.stop();
  }

  stopAll(): void {
    this.singleshot.stop();
    this.poll.stop();
    this.#periodic.stop();
  }

  #raise(): void {
    this.#vcpu.domain.evtchn.raiseVirq(VIRQ_TIMER, this.#vcpu.id);
  }
}
