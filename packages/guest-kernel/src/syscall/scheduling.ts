/** Policies and priorities of scheduling: kept and told; the scheduler treats all alike. */
import { CAP_SYS_NICE } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { capable } from '../fs/permissions.ts';
import type { Task } from '../task/task.ts';
import type { CallHandler } from './calls.ts';
import { writeTimespec } from './timespec.ts';

const SCHED_FIFO = 1;
const SCHED_RR = 2;
const SCHED_BATCH = 3;
const SCHED_IDLE = 5;
const SCHED_RESET_ON_FORK = 0x4000_0000;
const MAX_PRIORITY = 99;
/** What SCHED_RR gives, and the others are told. */
const SLICE_NS = 10_000_000n;
const ATTR_BYTES = 48;
const PAGE_BYTES = 4096;

const isRealTime = (policy: number): boolean => policy === SCHED_FIFO || policy === SCHED_RR;
const isKnown = (policy: number): boolean =>
  isRealTime(policy) || policy === 0 || policy === SCHED_BATCH || policy === SCHED_IDLE;

function named(task: Task, pid: number): Task | number {
  if ((pid | 0) < 0) return -E.INVAL;
  return pid === 0 ? task : (task.kernel.processes.tasks.get(pid) ?? -E.SRCH);
}

function change(task: Task, of: Task, policy: number, priority: number): number {
  const plain = policy & ~SCHED_RESET_ON_FORK;
  if (!isKnown(plain)) return -E.INVAL;
  if (isRealTime(plain) ? priority < 1 || priority > MAX_PRIORITY : priority !== 0) return -E.INVAL;
  const { cred } = task;
  if (!capable(cred, CAP_SYS_NICE)) {
    if (cred.euid !== of.cred.euid && cred.euid !== of.cred.uid) return -E.PERM;
    const raises = isRealTime(plain) && (!isRealTime(of.policy) || priority > of.priority);
    if (raises || (of.policy === SCHED_IDLE && plain !== SCHED_IDLE)) return -E.PERM;
  }
  of.policy = plain;
  of.priority = priority;
  return 0;
}

function setScheduler(task: Task, pid: number, policy: number | null, va: number): number {
  const of = named(task, pid);
  if (typeof of === 'number') return of;
  if (va === 0 || (policy !== null && (policy | 0) < 0)) return -E.INVAL;
  const priority = task.user.read32(va);
  return priority === undefined ? -E.FAULT : change(task, of, policy ?? of.policy, priority | 0);
}

/** struct sched_attr: size, policy, flags, nice, priority, and three times. */
function setAttr(task: Task, [pid, va, flags]: readonly number[]): number {
  if (va === 0 || (pid | 0) < 0 || flags !== 0) return -E.INVAL;
  const told = task.user.read32(va);
  if (told === undefined) return -E.FAULT;
  const size = told === 0 ? ATTR_BYTES : told;
  if (size < ATTR_BYTES || size > PAGE_BYTES) return task.user.write32(va, ATTR_BYTES) ? -E.TOOBIG : -E.FAULT;
  const bytes = new Uint8Array(ATTR_BYTES);
  if (!task.user.read(va, bytes)) return -E.FAULT;
  const of = named(task, pid);
  if (typeof of === 'number') return of;
  const view = new DataView(bytes.buffer);
  const rc = change(task, of, view.getUint32(4, true), view.getUint32(20, true));
  if (rc === 0 && !isRealTime(of.policy))
    of.process.nice = Math.min(Math.max(view.getInt32(16, true), -20), 19);
  return rc;
}

function getAttr(task: Task, [pid, va, size, flags]: readonly number[]): number {
  if (va === 0 || (pid | 0) < 0 || size < ATTR_BYTES || size > PAGE_BYTES || flags !== 0) return -E.INVAL;
  const of = named(task, pid);
  if (typeof of === 'number') return of;
  const view = new DataView(new ArrayBuffer(ATTR_BYTES));
  view.setUint32(0, ATTR_BYTES, true);
  view.setUint32(4, of.policy, true);
  if (isRealTime(of.policy)) view.setUint32(20, of.priority, true);
  else view.setInt32(16, of.process.nice, true);
  return task.user.write(va, new Uint8Array(view.buffer)) ? 0 : -E.FAULT;
}

const interval =
  (bits: 32 | 64): CallHandler =>
  (task, [pid, va]) => {
    const of = named(task, pid);
    if (typeof of === 'number') return of;
    return writeTimespec(task.user, va, of.policy === SCHED_FIFO ? 0n : SLICE_NS, bits) ? 0 : -E.FAULT;
  };

const policyOf =
  (tell: (of: Task) => number): CallHandler =>
  (task, [pid]) => {
    const of = named(task, pid);
    return typeof of === 'number' ? of : tell(of);
  };

const range =
  (realTime: number): CallHandler =>
  (_task, [policy]) => {
    if (!isKnown(policy) && policy !== 6) return -E.INVAL;
    return isRealTime(policy) ? realTime : 0;
  };

export const schedulingCalls: Readonly<Record<string, CallHandler>> = {
  sched_getscheduler: policyOf(({ policy }) => policy),
  sched_setscheduler: (task, [pid, policy, va]) => setScheduler(task, pid, policy, va),
  sched_setparam: (task, [pid, va]) => setScheduler(task, pid, null, va),
  sched_getparam: (task, [pid, va]) => {
    const of = named(task, pid);
    if (va === 0) return -E.INVAL;
    if (typeof of === 'number') return of;
    return task.user.write32(va, isRealTime(of.policy) ? of.priority : 0) ? 0 : -E.FAULT;
  },
  sched_setattr: setAttr,
  sched_getattr: getAttr,
  sched_get_priority_max: range(MAX_PRIORITY),
  sched_get_priority_min: range(1),
  sched_rr_get_interval: interval(32),
  sched_rr_get_interval_time64: interval(64),
};
