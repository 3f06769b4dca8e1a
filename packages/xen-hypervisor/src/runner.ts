import { Exit } from '@domu/x86-cpu';
import type { Machine, RunResult } from './machine.ts';
import { TIME_REFRESH_NS, updateTimeRecord } from './time-records.ts';
import { deliverPendingEvents } from './traps/deliver.ts';
import { handleExit } from './traps/exits.ts';
import { countSystemCalls, openSystemCallGate } from './traps/system-call-gate.ts';
import type { Vcpu } from './vcpu.ts';

/** Instructions between two looks at the host's clock: at least and at most, and how long they should take. */
const HOST_SLICE = { least: 100_000, most: 3_200_000, ns: 100_000 } as const;
/** What a jump of the virtual clock costs of the budget, so that an idle guest with a tick still ends `run`. */
const JUMP_COST = 1_000;
/** What leaving the guest costs of the budget: a guest that only faults still ends `run`. Time does not advance by it. */
const EXIT_COST = 1;

/** The loop that everything runs in: timers, host tasks, then the vCPU that the scheduler picks. */
export class Runner {
  readonly #machine: Machine;
  #tasks: (() => void)[] = [];
  /** Length of the next slice under the host's clock, and when the last one began if it used that up. */
  #hostSlice: number = HOST_SLICE.least;
  #sliceBegan: number | null = null;

  constructor(machine: Machine) {
    this.#machine = machine;
  }

  /** Queues a task to run between guest instructions. */
  defer(task: () => void): void {
    this.#tasks.push(task);
  }

  run(budget: number): RunResult {
    const { timers, scheduler, clock } = this.#machine;
    let left = budget;
    while (left > 0) {
      const nowNs = clock.nowNs();
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
    let used = 0;
    while (used < limit && vcpu.runnable) {
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
    this.#sliceBegan = used >= limit && limit === this.#hostSlice ? nowNs : null;
    return Math.max(used, EXIT_COST);
  }

  /** Slices of cheap work, as long repeated moves, get longer, until they take as long as is good for latency. */
  #adaptSlice(nowNs: number): number {
    if (this.#sliceBegan !== null) {
      const factor = nowNs - this.#sliceBegan < HOST_SLICE.ns / 2 ? 2 : 0.5;
      this.#hostSlice = Math.min(HOST_SLICE.most, Math.max(HOST_SLICE.least, this.#hostSlice * factor));
    }
    return this.#hostSlice;
  }

  /** With the virtual clock a slice ends exactly where the next timer is due or the vCPU has to give way. */
  #sliceLength(nowNs: number, left: number): number {
    const { clock, timers, scheduler } = this.#machine;
    if (!clock.virtual) return Math.min(left, this.#adaptSlice(nowNs));
    const timer = timers.nextNs() ?? Number.POSITIVE_INFINITY;
    const sliceEnd = scheduler.sliceEnd() ?? Number.POSITIVE_INFINITY;
    return Math.max(1, Math.min(left, timer - nowNs, sliceEnd - nowNs, TIME_REFRESH_NS));
  }
}
