import { RUNSTATE_blocked, RUNSTATE_offline, RUNSTATE_runnable, RUNSTATE_running } from '@domu/xen-abi';
import type { Machine } from './machine.ts';
import type { Vcpu } from './vcpu.ts';

/** How long a vCPU may keep the physical CPU while others wait. */
const TIME_SLICE_NS = 10_000_000;

/**
 * Round robin over one physical CPU. The run queue holds runnable vCPUs in arrival order, so the interleaving is a
 * pure function of what the guests do and of the clock.
 */
export class Scheduler {
  readonly #machine: Machine;
  readonly #queue: Vcpu[] = [];
  #sliceEndNs = 0;
  /** The vCPU that holds the CPU, or null when none may run. */
  running: Vcpu | null = null;
  /** The running vCPU wants to give way. */
  yielded: boolean = false;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Makes a vCPU eligible: ends its block or poll; a vCPU that is already eligible is left where it is. */
  wake(vcpu: Vcpu): void {
    vcpu.blocked = false;
    if (vcpu.pollPorts !== null) {
      vcpu.pollPorts = null;
      vcpu.timers.poll.stop();
    }
    this.resume(vcpu);
  }

  /** Queues a vCPU that may run now (it came up, or woke); one that sleeps goes on sleeping. */
  resume(vcpu: Vcpu): void {
    if (vcpu === this.running || vcpu.queued) return;
    const { runstate } = vcpu;
    if (vcpu.runnable) {
      runstate.change(this.#machine.clock.nowNs(), RUNSTATE_runnable);
      this.#enqueue(vcpu);
    } else if (!vcpu.blocked && runstate.state === RUNSTATE_blocked) {
      runstate.change(this.#machine.clock.nowNs(), RUNSTATE_offline);
    }
  }

  /** Puts the calling vCPU to sleep until `wake`. The caller has checked that no event is deliverable. */
  block(vcpu: Vcpu): void {
    vcpu.blocked = true;
  }

  /** Lets the others run first. */
  yield(vcpu: Vcpu): void {
    if (vcpu === this.running) this.yielded = true;
  }

  /**
   * Decides who runs now. The current vCPU stays while it is runnable and its slice lasts or nobody waits.
   * @returns the vCPU whose registers shall be in the CPU, or null when all sleep
   */
  pick(nowNs: number): Vcpu | null {
    const current = this.running;
    const giveWay = this.yielded || nowNs >= this.#sliceEndNs;
    this.yielded = false;
    this.#dropSleepers(nowNs);
    if (current?.runnable && !(giveWay && this.#queue.length > 0)) {
      if (giveWay) this.#sliceEndNs = nowNs + TIME_SLICE_NS;
      return current;
    }
    if (current !== null) this.#scheduleOut(current, nowNs);
    const next = this.#queue.shift() ?? null;
    this.running = next;
    if (next === null) return null;
    next.queued = false;
    this.#scheduleIn(next, nowNs);
    return next;
  }

  /** Absolute ns at which the running vCPU must give way, or null when nobody waits. */
  sliceEnd(): number | null {
    return this.#queue.length === 0 ? null : this.#sliceEndNs;
  }

  /** Forgets a vCPU (its domain is being destroyed). */
  remove(vcpu: Vcpu): void {
    const i = this.#queue.indexOf(vcpu);
    if (i >= 0) this.#queue.splice(i, 1);
    vcpu.queued = false;
    if (this.running === vcpu) this.running = null;
  }

  #enqueue(vcpu: Vcpu): void {
    vcpu.queued = true;
    this.#queue.push(vcpu);
  }

  /** Source: xen/common/sched/core.c, "vcpu_runstate_change" in schedule() @ RELEASE-4.18.0 */
  #scheduleOut(vcpu: Vcpu, nowNs: number): void {
    vcpu.timers.scheduledOut();
    if (vcpu.runnable) {
      this.#enqueue(vcpu);
      vcpu.runstate.change(nowNs, RUNSTATE_runnable);
    } else {
      vcpu.runstate.change(nowNs, vcpu.blocked ? RUNSTATE_blocked : RUNSTATE_offline);
    }
  }

  #scheduleIn(vcpu: Vcpu, nowNs: number): void {
    this.#sliceEndNs = nowNs + TIME_SLICE_NS;
    vcpu.runstate.change(nowNs, RUNSTATE_running);
    vcpu.timers.scheduledIn(nowNs);
  }

  /** A vCPU that was queued may have been taken down, or its domain stopped. */
  #dropSleepers(nowNs: number): void {
    for (let i = this.#queue.length - 1; i >= 0; i--) {
      const vcpu = this.#queue[i];
      if (vcpu.runnable) continue;
      this.#queue.splice(i, 1);
      vcpu.queued = false;
      vcpu.runstate.change(nowNs, RUNSTATE_offline);
    }
  }
}
