/** timer_create(2) and its neighbours. */
import { E } from '../abi/errno.ts';
import { NO_SIGNALS, NSIG, SI_TIMER, SIGALRM, signalBit } from '../abi/signals.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import { PosixTimer, type TimerNotice } from '../time/posix-timers.ts';
import type { CallHandler } from './calls.ts';
import { setTimer, tellTimer } from './timer-spec.ts';
import { clockTime } from './times.ts';

const SIGEV_SIGNAL = 0;
const SIGEV_NONE = 1;
const SIGEV_THREAD_ID = 4;
const MAX_TIMERS = 1024;

/** struct sigevent: value, signo, notify, tid. Absent: SIGALRM with the timer's number. */
function readNotice(task: Task, va: number, id: number): TimerNotice | number {
  if (va === 0) return { signal: SIGALRM, value: id, tid: 0 };
  const [value, signal, notify, tid] = [0, 4, 8, 12].map((at) => task.user.read32(va + at));
  if (value === undefined || signal === undefined || notify === undefined || tid === undefined)
    return -E.FAULT;
  if (notify === SIGEV_NONE) return { signal: 0, value, tid: 0 };
  if (signal < 1 || signal > NSIG) return -E.INVAL;
  if (notify === SIGEV_SIGNAL) return { signal, value, tid: 0 };
  if (notify !== SIGEV_SIGNAL + SIGEV_THREAD_ID) return -E.INVAL;
  const target = task.kernel.processes.tasks.get(tid);
  return target?.process === task.process ? { signal, value, tid } : -E.INVAL;
}

/** No more overruns are told. Source: DELAYTIMER_MAX. */
const MAX_OVERRUN = 0x7fffffffn;

function fire(process: Process, task: Task, timer: PosixTimer, times: bigint): void {
  const { signal, value, tid } = timer.notice;
  if (signal === 0) return;
  const { signals, processes } = task.kernel;
  const thread = tid === 0 ? undefined : processes.tasks.get(tid);
  const waiting = (thread ?? process).pending.set & signalBit(signal);
  if (waiting !== NO_SIGNALS) {
    timer.overrun = overrun(timer, times);
    return;
  }
  const info = {
    ...{ signal, code: SI_TIMER, value },
    timerId: timer.id,
    overrun: overrun(timer, times - 1n),
  };
  timer.overrun = 0;
  if (thread !== undefined) signals.sendTask(thread, info);
  else signals.send(process, info);
}

function overrun(timer: PosixTimer, more: bigint): number {
  const sum = BigInt(timer.overrun) + more;
  return Number(sum < MAX_OVERRUN ? sum : MAX_OVERRUN);
}

function timerCreate(task: Task, [clock, eventVa, idVa]: readonly number[]): number {
  if (clockTime(task, clock) === null) return -E.INVAL;
  const { process } = task;
  if (process.posixTimers.size >= MAX_TIMERS) return -E.AGAIN;
  let id = 0;
  while (process.posixTimers.has(id)) id++;
  const notice = readNotice(task, eventVa, id);
  if (typeof notice === 'number') return notice;
  if (!task.user.write32(idVa, id)) return -E.FAULT;
  const parts = {
    timers: task.kernel.timers,
    fire: (timer: PosixTimer, times: bigint) => fire(process, task, timer, times),
  };
  process.posixTimers.set(id, new PosixTimer(parts, { id, clock, notice }));
  return 0;
}

const timerSettime =
  (bits: 32 | 64): CallHandler =>
  (task, [id, flags, newVa, oldVa]) => {
    const timer = task.process.posixTimers.get(id);
    return timer === undefined ? -E.INVAL : setTimer(task, timer, { flags, newVa, oldVa }, bits);
  };

const timerGettime =
  (bits: 32 | 64): CallHandler =>
  (task, [id, va]) => {
    const timer = task.process.posixTimers.get(id);
    return timer === undefined ? -E.INVAL : tellTimer(task, va, timer.get(task.kernel.clock.now()), bits);
  };

export const posixTimerCalls: Readonly<Record<string, CallHandler>> = {
  timer_create: timerCreate,
  timer_settime: timerSettime(32),
  timer_settime64: timerSettime(64),
  timer_gettime: timerGettime(32),
  timer_gettime64: timerGettime(64),
  timer_getoverrun: (task, [id]) => task.process.posixTimers.get(id)?.overrun ?? -E.INVAL,
  timer_delete: (task, [id]) => {
    const timer = task.process.posixTimers.get(id);
    if (timer === undefined) return -E.INVAL;
    timer.set(null, 0n);
    task.process.posixTimers.delete(id);
    return 0;
  },
};
