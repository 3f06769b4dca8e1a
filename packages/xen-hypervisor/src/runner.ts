import { Exit } from '@domu/x86-cpu';
import { HostPace } from './host-pace.ts';
import type { Machine, RunResult } from './machine.ts';
import { TIME_REFRESH_NS, updateTimeRecord } from './time-records.ts';
import { deliverPendingEvents } from './traps/deliver.ts';
import { handleExit } from './traps/exits.ts';
import { countSystemCalls, openSystemCallGate } from './traps/system-call-gate.ts';
import type { Vcpu } from './vcpu.ts';

/** What a jump of the virtual clock costs of the budget, so that an idle guest with a tick still ends `run`. */
const JUMP_COST = 1_000;
/** What leaving the guest costs of the budget: a guest that only faults still ends `run`. Time does not advance by it. */
const EXIT_COST = 1;
/** Exits after which the host's clock is looked at, whatever the pace of instructions. */
const EXITS_IN_A_SLICE = 512;

/** The loop that everything runs in: timers, host tasks, then the vCPU that the scheduler picks. */
export class Runner {
  readonly #machine: Machine;
  #tasks: (() => void)[] = [];
  readonly #pace: HostPace = new HostPace();

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Queues a task to run between guest instructions. */
  defer(task: () => void): void {
    this.#tasks.push(task);
  }

  run(budget: number, ns: number): RunResult {
    const { timers, scheduler, clock } = this.#machine;
    const endNs = clock.nowNs() + ns;
    let left = budget;
    while (left > 0) {
      const nowNs = clock.nowNs();
      if (nowNs >= endNs) break;
      timers.runDue(nowNs);
      this.#runTasks();
      const vcpu = scheduler.pick(nowNs);
      if (vcpu !== null) {
        left -= this.#runSlice(vcpu, nowNs, left);
        continue;
      }
      if (this.#tasks.length > 0) continue;
      if (!this.#anyDomainAlive()) return { state: 'stopped' };
      const untilNs = timers.nextNs();
      if (!clock.virtual || untilNs === null) return { state: 'idle', untilNs };
      clock.skipTo(untilNs);
      left -= JUMP_COST;
    }
    return { state: 'running' };
  }

  /** Tasks that tasks queue wait for the next round, so that guests get their turn. */
  #runTasks(): void {
    if (this.#tasks.length === 0) return;
    const tasks = this.#tasks;
    this.#tasks = [];
    const { observer } = this.#machine;
    observer?.hostWorkBegins();
    for (const task of tasks) task();
    observer?.hostWorkEnds();
  }

  #anyDomainAlive(): boolean {
    for (const domain of this.#machine.domains.values()) if (domain.schedulable) return true;
    return false;
  }

  /** @returns how much of the budget was used */
  #runSlice(vcpu: Vcpu, nowNs: number, left: number): number {
    const machine = this.#machine;
    const { cpu, timers, scheduler } = machine;
    machine.switchTo(vcpu);
    if (nowNs - vcpu.timeUpdatedNs >= TIME_REFRESH_NS) updateTimeRecord(vcpu);
    const limit = this.#sliceLength(nowNs, left);
    const nextTimer = timers.nextNs();
    const lastExit = vcpu.exits + EXITS_IN_A_SLICE;
    let used = 0;
    while (used < limit && vcpu.runnable && vcpu.exits < lastExit) {
      deliverPendingEvents(vcpu);
      if (!vcpu.runnable) break;
      const before = cpu.retired;
      openSystemCallGate(vcpu);
      const exit = cpu.run(limit - used);
      used += cpu.retired - before;
      if (exit === Exit.Budget) continue;
      vcpu.exits++;
      handleExit(vcpu, exit);
      used += EXIT_COST + machine.work.takeCost();
      if (this.#tasks.length > 0 || timers.nextNs() !== nextTimer || scheduler.yielded) break;
    }
    countSystemCalls(vcpu);
    this.#pace.ended(nowNs, used);
    return Math.max(used, EXIT_COST);
  }

  /** With the virtual clock a slice ends exactly where the next timer is due or the vCPU has to give way. */
  #sliceLength(nowNs: number, left: number): number {
    const { clock, timers, scheduler } = this.#machine;
    const timer = timers.nextNs() ?? Number.POSITIVE_INFINITY;
    const sliceEnd = scheduler.sliceEnd() ?? Number.POSITIVE_INFINITY;
    if (!clock.virtual) return Math.min(left, this.#pace.next(nowNs, Math.min(timer, sliceEnd)));
    return Math.max(1, Math.min(left, timer - nowNs, sliceEnd - nowNs, TIME_REFRESH_NS));
  }
}
