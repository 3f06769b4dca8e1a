/** Calls about clocks, sleeping and timers. */
import { CAP_SYS_TIME } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { ERESTART_RESTARTBLOCK, ERESTARTNOHAND } from '../abi/restart.ts';
import { capable } from '../fs/permissions.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';
import { NS_PER_SECOND, readTimespec, readTimeval, writeTimespec, writeTimeval } from './timespec.ts';

const CLOCK_REALTIME = 0;
const CLOCK_MONOTONIC = 1;
const CLOCK_PROCESS_CPUTIME_ID = 2;
const CLOCK_THREAD_CPUTIME_ID = 3;
const CLOCK_MONOTONIC_RAW = 4;
const CLOCK_REALTIME_COARSE = 5;
const CLOCK_MONOTONIC_COARSE = 6;
const CLOCK_BOOTTIME = 7;
const CLOCK_TAI = 11;
/** TFD_TIMER_ABSTIME, too. */
export const TIMER_ABSTIME = 1;
const TICKS_PER_SECOND = 100n;

/** @returns the time of a clock in ns, or null if there is no such clock */
export function clockTime(task: Task, id: number): bigint | null {
  const { clock } = task.kernel;
  switch (id | 0) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_TAI:
      return clock.realtime();
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
      return clock.now();
    case CLOCK_PROCESS_CPUTIME_ID:
      return task.kernel.cpuTime(task.process);
    case CLOCK_THREAD_CPUTIME_ID:
      return task.kernel.threadTime(task);
    default:
      return null;
  }
}

const clockGettime =
  (bits: 32 | 64): CallHandler =>
  (task, [id, va]) => {
    const time = clockTime(task, id);
    if (time === null) return -E.INVAL;
    return writeTimespec(task.user, va, time, bits) ? 0 : -E.FAULT;
  };

const clockGetres =
  (bits: 32 | 64): CallHandler =>
  (task, [id, va]) => {
    if (clockTime(task, id) === null) return -E.INVAL;
    const coarse = id === CLOCK_REALTIME_COARSE || id === CLOCK_MONOTONIC_COARSE;
    return va === 0 || writeTimespec(task.user, va, coarse ? 10_000_000n : 1n, bits) ? 0 : -E.FAULT;
  };

const clockSettime =
  (bits: 32 | 64): CallHandler =>
  (task, [id, va]) => {
    if (id !== CLOCK_REALTIME) return -E.INVAL;
    const time = readTimespec(task.user, va, bits);
    if (typeof time === 'number') return time;
    if (!capable(task.cred, CAP_SYS_TIME)) return -E.PERM;
    task.kernel.clock.setRealtime(time);
    return 0;
  };

/** Sleeps until `deadline`; what is left is written to `remainVa`, and restarts sleep to the same deadline. */
function* sleepUntil(task: Task, deadline: bigint, remain: { va: number; bits: 32 | 64 } | null): Op<number> {
  const { clock } = task.kernel;
  while (clock.now() < deadline) {
    const why = yield { queues: [], deadline, interruptible: true };
    if (why !== 'signal') continue;
    if (remain === null) return -ERESTARTNOHAND;
    const left = deadline > clock.now() ? deadline - clock.now() : 0n;
    if (remain.va !== 0 && !writeTimespec(task.user, remain.va, left, remain.bits)) return -E.FAULT;
    task.restart = () => sleepUntil(task, deadline, remain);
    return -ERESTART_RESTARTBLOCK;
  }
  return 0;
}

const nanosleep: CallHandler = (task, [requestVa, remainVa]) => {
  const time = readTimespec(task.user, requestVa, 32);
  if (typeof time === 'number') return time;
  return sleepUntil(task, task.kernel.clock.now() + time, { va: remainVa, bits: 32 });
};

const clockNanosleep =
  (bits: 32 | 64): CallHandler =>
  (task, [id, flags, requestVa, remainVa]) => {
    const now = clockTime(task, id);
    if (now === null || id === CLOCK_THREAD_CPUTIME_ID) return -E.INVAL;
    const time = readTimespec(task.user, requestVa, bits);
    if (typeof time === 'number') return time;
    const monotonic = task.kernel.clock.now();
    if (flags & TIMER_ABSTIME) return sleepUntil(task, monotonic + (time - now), null);
    return sleepUntil(task, monotonic + time, { va: remainVa, bits });
  };

function setitimer(task: Task, [which, newVa, oldVa]: readonly number[]): number {
  if (which > 2) return -E.INVAL;
  const timers = task.kernel.timersOf(task.process);
  const now = task.kernel.clock.now();
  const old = timers.get(which, now);
  const interval = newVa === 0 ? 0n : readTimeval(task.user, newVa);
  const value = newVa === 0 ? 0n : readTimeval(task.user, newVa + 8);
  if (typeof interval === 'number') return interval;
  if (typeof value === 'number') return value;
  timers.set(which, now, value, interval);
  if (oldVa === 0) return 0;
  const written =
    writeTimeval(task.user, oldVa, old.interval) && writeTimeval(task.user, oldVa + 8, old.left);
  return written ? 0 : -E.FAULT;
}

function getitimer(task: Task, [which, va]: readonly number[]): number {
  if (which > 2) return -E.INVAL;
  const { left, interval } = task.kernel.timersOf(task.process).get(which, task.kernel.clock.now());
  return writeTimeval(task.user, va, interval) && writeTimeval(task.user, va + 8, left) ? 0 : -E.FAULT;
}

function alarm(task: Task, [seconds]: readonly number[]): number {
  const timers = task.kernel.timersOf(task.process);
  const now = task.kernel.clock.now();
  const { left } = timers.get(0, now);
  timers.set(0, now, BigInt(seconds) * NS_PER_SECOND, 0n);
  return Number((left + NS_PER_SECOND - 1n) / NS_PER_SECOND);
}

function times(task: Task, [va]: readonly number[]): number {
  const { usage, childUsage } = task.process;
  const ticks = (ns: bigint): number => Number((ns * TICKS_PER_SECOND) / NS_PER_SECOND) | 0;
  const own = task.kernel.cpuTime(task.process) - usage.systemNs;
  const words = [own, usage.systemNs, childUsage.userNs, childUsage.systemNs].map(ticks);
  if (va !== 0 && !words.every((word, i) => task.user.write32(va + 4 * i, word))) return -E.FAULT;
  return ticks(task.kernel.clock.now()) & 0x7fff_ffff;
}

export const timeCalls: Readonly<Record<string, CallHandler>> = {
  time: (task, [va]) => {
    const seconds = Number(task.kernel.clock.realtime() / NS_PER_SECOND) | 0;
    return va === 0 || task.user.write32(va, seconds) ? seconds : -E.FAULT;
  },
  stime: (task, [va]) => {
    const seconds = task.user.read32(va);
    if (seconds === undefined) return -E.FAULT;
    if (!capable(task.cred, CAP_SYS_TIME)) return -E.PERM;
    task.kernel.clock.setRealtime(BigInt(seconds) * NS_PER_SECOND);
    return 0;
  },
  gettimeofday: (task, [va, zoneVa]) => {
    if (va !== 0 && !writeTimeval(task.user, va, task.kernel.clock.realtime())) return -E.FAULT;
    return zoneVa === 0 || task.user.write(zoneVa, new Uint8Array(8)) ? 0 : -E.FAULT;
  },
  settimeofday: (task, [va]) => {
    if (!capable(task.cred, CAP_SYS_TIME)) return -E.PERM;
    if (va === 0) return 0;
    const time = readTimeval(task.user, va);
    if (typeof time === 'number') return time;
    task.kernel.clock.setRealtime(time);
    return 0;
  },
  clock_gettime: clockGettime(32),
  clock_gettime64: clockGettime(64),
  clock_getres: clockGetres(32),
  clock_getres_time64: clockGetres(64),
  clock_settime: clockSettime(32),
  clock_settime64: clockSettime(64),
  nanosleep,
  clock_nanosleep: clockNanosleep(32),
  clock_nanosleep_time64: clockNanosleep(64),
  setitimer,
  getitimer,
  alarm,
  times,
};
