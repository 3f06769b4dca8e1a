/** Nice values: kept and told, without weight for the scheduler. Source: getpriority(2), Linux kernel/sys.c. */
import { E } from '../abi/errno.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import type { CallHandler } from './calls.ts';

const PRIO_PGRP = 1;
const PRIO_USER = 2;
const MIN_NICE = -20;
const MAX_NICE = 19;

const clamped = (nice: number): number => Math.min(Math.max(nice, MIN_NICE), MAX_NICE);

function named(task: Task, which: number, who: number): Process[] {
  const { processes } = task.kernel;
  if (which === PRIO_PGRP) return [...processes.group(who === 0 ? task.process.pgid : who)];
  if (which === PRIO_USER) {
    const uid = who === 0 ? task.cred.uid : who;
    return [...processes.processes.values()].filter(({ leader }) => leader?.cred.uid === uid);
  }
  const process = who === 0 ? task.process : processes.tasks.get(who)?.process;
  return process === undefined ? [] : [process];
}

/** @returns 0 or -errno */
function change({ cred }: Task, of: Process, nice: number): number {
  const other = of.leader?.cred ?? cred;
  if (cred.euid !== 0 && other.uid !== cred.euid && other.euid !== cred.euid) return -E.PERM;
  if (cred.euid !== 0 && nice < of.nice) return -E.ACCES;
  of.nice = nice;
  return 0;
}

export const priorityCalls: Readonly<Record<string, CallHandler>> = {
  getpriority: (task, [which, who]) => {
    if (which > PRIO_USER) return -E.INVAL;
    const found = named(task, which, who);
    // As 1 to 40, so that it is told from an error.
    return found.length === 0 ? -E.SRCH : 20 - Math.min(...found.map(({ nice }) => nice));
  },
  setpriority: (task, [which, who, value]) => {
    if (which > PRIO_USER) return -E.INVAL;
    const results = named(task, which, who).map((of) => change(task, of, clamped(value | 0)));
    if (results.length === 0) return -E.SRCH;
    return results.find((rc) => rc < 0) ?? 0;
  },
  nice: (task, [by]) => {
    const { process } = task;
    const nice = clamped(process.nice + Math.min(Math.max(by | 0, -40), 40));
    return change(task, process, nice) < 0 ? -E.PERM : 0;
  },
};
