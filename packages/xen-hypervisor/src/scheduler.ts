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
    if (!vcpu.runnable || vcpu === this.running || this.#queue.includes(vcpu)) return;
    vcpu.runstate.change(this.#machine.clock.nowNs(), RUNSTATE_runnable);
    this.#queue.push(vcpu);
  }

  /** Puts the calling vCPU to sleep until `wake`. The caller has checked that no event is deliverable. */
  block(vcpu: Vcpu): void {
    vcpu.blocked = true;
  }

  /** Lets the others run first. */
  yield(vcpu: Vcpu): void {
    if (vcpu === this.running) this.#sliceEndNs = -1;
  }

  /**
   * Decides who runs now. The current vCPU stays while it is runnable and its slice lasts or nobody waits.
   * @returns the vCPU whose registers shall be in the CPU, or null when all sleep
   */
  pick(nowNs: number): Vcpu | null {
    const current = this.running;
    if (current?.runnable) {
      if (nowNs < this.#sliceEndNs || !this.#queue.some((v) => v.runnable)) {
        if (this.#sliceEndNs < 0) this.#sliceEndNs = nowNs + TIME_SLICE_NS;
        return current;
      }
      current.runstate.change(nowNs, RUNSTATE_runnable);
      this.#queue.push(current);
    } else if (current !== null) {
      current.runstate.change(nowNs, current.online && current.domain.schedulable ? RUNSTATE_blocked : RUNSTATE_offline);
    }
    let next: Vcpu | undefined = this.#queue.shift();
    while (next !== undefined && !next.runnable) next = this.#queue.shift();
    this.running = next ?? null;
    if (next === undefined) return null;
    this.#sliceEndNs = nowNs + TIME_SLICE_NS;
    next.runstate.change(nowNs, RUNSTATE_running);
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
    if (this.running === vcpu) this.running = null;
  }
}
