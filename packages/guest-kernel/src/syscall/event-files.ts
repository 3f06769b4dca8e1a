/** Calls that make and use files for events: epoll, eventfd, timerfd, signalfd. */
import { E } from '../abi/errno.ts';
import { O_CLOEXEC, O_NONBLOCK } from '../abi/fcntl.ts';
import { UNBLOCKABLE } from '../abi/signals.ts';
import { EPOLL_CTL_DEL, type EpollEvent, EpollFile } from '../events/epoll.ts';
import { EventFile } from '../events/eventfd.ts';
import { SignalFile } from '../events/signalfd.ts';
import { TimerFile } from '../events/timerfd.ts';
import type { FileHandle } from '../fs/types.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';
import { readSet } from './signals.ts';
import { setTimer, tellTimer } from './timer-spec.ts';
import { clockTime, TIMER_ABSTIME } from './times.ts';
import { readTimespec } from './timespec.ts';

const EFD_SEMAPHORE = 1;
const TFD_TIMER_CANCEL_ON_SET = 2;
const EPOLL_EVENT_BYTES = 12;
const MAX_EVENTS = 4096;
const NS_PER_MS = 1_000_000n;
const SET_BYTES = 8;

const add = (task: Task, handle: FileHandle, flags: number): number =>
  task.files.add(handle, (flags & O_CLOEXEC) !== 0);

function eventfd(task: Task, initial: number, flags: number): number {
  if (flags & ~(O_CLOEXEC | O_NONBLOCK | EFD_SEMAPHORE)) return -E.INVAL;
  const options = { semaphore: (flags & EFD_SEMAPHORE) !== 0, nonblock: (flags & O_NONBLOCK) !== 0 };
  return add(task, new EventFile(initial, options), flags);
}

function signalfd(task: Task, fd: number, setVa: number, size: number, flags: number): number {
  if (size !== SET_BYTES || flags & ~(O_CLOEXEC | O_NONBLOCK)) return -E.INVAL;
  const set = readSet(task, setVa);
  if (set === undefined) return -E.FAULT;
  const mask = set & ~UNBLOCKABLE;
  if ((fd | 0) === -1) return add(task, new SignalFile(task, mask, (flags & O_NONBLOCK) !== 0), flags);
  const handle = task.files.get(fd | 0);
  if (handle === undefined) return -E.BADF;
  if (!(handle instanceof SignalFile)) return -E.INVAL;
  handle.mask = mask;
  return fd | 0;
}

function timerFile(task: Task, fd: number): TimerFile | number {
  const handle = task.files.get(fd | 0);
  if (handle === undefined) return -E.BADF;
  return handle instanceof TimerFile ? handle : -E.INVAL;
}

const timerfdSettime =
  (bits: 32 | 64): CallHandler =>
  (task, [fd, flags, newVa, oldVa]) => {
    if (flags & ~(TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) return -E.INVAL;
    const file = timerFile(task, fd);
    return typeof file === 'number' ? file : setTimer(task, file, { flags, newVa, oldVa }, bits);
  };

const timerfdGettime =
  (bits: 32 | 64): CallHandler =>
  (task, [fd, va]) => {
    const file = timerFile(task, fd);
    return typeof file === 'number' ? file : tellTimer(task, va, file.get(task.kernel.clock.now()), bits);
  };

function epollOf(task: Task, fd: number): EpollFile | number {
  const handle = task.files.get(fd | 0);
  if (handle === undefined) return -E.BADF;
  return handle instanceof EpollFile ? handle : -E.INVAL;
}

function epollCtl(task: Task, [epfd, op, fd, va]: readonly number[]): number {
  const epoll = epollOf(task, epfd);
  const handle = task.files.get(fd | 0);
  if (handle === undefined) return -E.BADF;
  if (typeof epoll === 'number') return epoll;
  if (op === EPOLL_CTL_DEL) return epoll.control(op, fd, handle, { events: 0, data: [0, 0] });
  const words = [0, 4, 8].map((at) => task.user.read32(va + at));
  const [events, low, high] = words;
  if (events === undefined || low === undefined || high === undefined) return -E.FAULT;
  return epoll.control(op, fd, handle, { events, data: [low, high] });
}

/** @param timeoutNs null: as long as it takes */
function* epollWait(task: Task, [epfd, va, max]: readonly number[], timeoutNs: bigint | null): Op<number> {
  const epoll = epollOf(task, epfd);
  if (typeof epoll === 'number') return epoll;
  if ((max | 0) <= 0) return -E.INVAL;
  const { clock } = task.kernel;
  const deadline = timeoutNs === null ? undefined : clock.now() + timeoutNs;
  const found = yield* epoll.wait(Math.min(max, MAX_EVENTS), deadline, () => clock.now());
  if (typeof found === 'number') return found;
  return task.user.write(va, encode(found)) ? found.length : -E.FAULT;
}

const epollWaitMs: CallHandler = (task, args) =>
  epollWait(task, args, (args[3] | 0) < 0 ? null : BigInt(args[3]) * NS_PER_MS);

const epollPwait2: CallHandler = (task, args) => {
  const timeout = args[3] === 0 ? null : readTimespec(task.user, args[3], 64);
  return typeof timeout === 'number' ? timeout : epollWait(task, args, timeout);
};

function encode(events: readonly EpollEvent[]): Uint8Array {
  const view = new DataView(new ArrayBuffer(events.length * EPOLL_EVENT_BYTES));
  for (const [i, { events: bits, data }] of events.entries())
    for (const [j, word] of [bits, ...data].entries())
      view.setUint32(i * EPOLL_EVENT_BYTES + 4 * j, word >>> 0, true);
  return new Uint8Array(view.buffer);
}

export const eventFileCalls: Readonly<Record<string, CallHandler>> = {
  eventfd: (task, [initial]) => eventfd(task, initial, 0),
  eventfd2: (task, [initial, flags]) => eventfd(task, initial, flags),
  signalfd: (task, [fd, setVa, size]) => signalfd(task, fd, setVa, size, 0),
  signalfd4: (task, [fd, setVa, size, flags]) => signalfd(task, fd, setVa, size, flags),
  timerfd_create: (task, [clock, flags]) => {
    if (flags & ~(O_CLOEXEC | O_NONBLOCK) || clockTime(task, clock) === null) return -E.INVAL;
    return add(task, new TimerFile(task.kernel.timers, clock, (flags & O_NONBLOCK) !== 0), flags);
  },
  timerfd_settime: timerfdSettime(32),
  timerfd_settime64: timerfdSettime(64),
  timerfd_gettime: timerfdGettime(32),
  timerfd_gettime64: timerfdGettime(64),
  epoll_create: (task, [size]) => ((size | 0) <= 0 ? -E.INVAL : add(task, new EpollFile(), 0)),
  epoll_create1: (task, [flags]) => (flags & ~O_CLOEXEC ? -E.INVAL : add(task, new EpollFile(), flags)),
  epoll_ctl: epollCtl,
  epoll_wait: epollWaitMs,
  epoll_pwait: epollWaitMs,
  epoll_pwait2: epollPwait2,
};
