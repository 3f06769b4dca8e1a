/**
 * Nice values and priorities of input and output: kept and told, without weight.
 * Source: getpriority(2), ioprio_set(2), Linux kernel/sys.c.
 */
import { CAP_SYS_ADMIN, CAP_SYS_NICE } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { capable } from '../fs/permissions.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import type { CallHandler } from './calls.ts';

const PRIO_PGRP = 1;
const PRIO_USER = 2;
const MIN_NICE = -20;
const MAX_NICE = 19;

const IOPRIO_CLASS_SHIFT = 13;
const IOPRIO_CLASS_RT = 1;
const IOPRIO_CLASS_IDLE = 3;
const IOPRIO_LEVELS = 8;

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

const mayChange = ({ cred }: Task, of: Process): boolean => {
  const other = of.leader?.cred ?? cred;
  return capable(cred, CAP_SYS_NICE) || other.uid === cred.euid || other.euid === cred.euid;
};

/** @returns 0 or -errno */
function change(task: Task, of: Process, nice: number): number {
  if (!mayChange(task, of)) return -E.PERM;
  if (!capable(task.cred, CAP_SYS_NICE) && nice < of.nice) return -E.ACCES;
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
  // IOPRIO_WHO_PROCESS is 1, where PRIO_PROCESS is 0.
  ioprio_get: (task, [which, who]) => {
    if (which < 1 || which > PRIO_USER + 1) return -E.INVAL;
    const [first] = named(task, which - 1, who);
    return first === undefined ? -E.SRCH : first.ioPriority;
  },
  ioprio_set: (task, [which, who, value]) => {
    const kind = value >>> IOPRIO_CLASS_SHIFT;
    const level = value & ((1 << IOPRIO_CLASS_SHIFT) - 1);
    if (which < 1 || which > PRIO_USER + 1 || kind > IOPRIO_CLASS_IDLE || level >= IOPRIO_LEVELS)
      return -E.INVAL;
    if (kind === IOPRIO_CLASS_RT && !capable(task.cred, CAP_SYS_ADMIN)) return -E.PERM;
    const found = named(task, which - 1, who);
    if (found.length === 0) return -E.SRCH;
    if (!found.every((of) => mayChange(task, of))) return -E.PERM;
    for (const of of found) of.ioPriority = value;
    return 0;
  },
};
