/** Waiting for descriptors: poll, ppoll, select, pselect6. Signal masks of the p* forms are the core's to set. */
import { E } from '../abi/errno.ts';
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDNORM,
  POLLWRNORM,
} from '../abi/fcntl.ts';
import type { FileHandle } from '../fs/types.ts';
import type { Op, WaitQueue } from '../task/wait.ts';
import { copyIn, copyOut, type FileCall, type FileCalls, type FileTask, signed } from './file-task.ts';

const NS_PER_MS = 1_000_000n;
const NS_PER_S = 1_000_000_000n;

/** What one wait looks at. */
interface Wanted {
  readonly handle: FileHandle;
  readonly events: number;
}

/** Sleeps until `ready` counts something, the deadline passes or a signal arrives. @returns the count, 0, or -ERESTARTNOHAND */
function* waitUntil(
  task: FileTask,
  wanted: readonly Wanted[],
  deadline: bigint | undefined,
  ready: () => number,
): Op<number> {
  for (;;) {
    const count = ready();
    if (count > 0) return count;
    if (deadline !== undefined && task.monotonicNs() >= deadline) return 0;
    const queues = new Set<WaitQueue>(wanted.flatMap(({ handle }) => handle.pollQueues));
    const wake = yield {
      queues: [...queues],
      interruptible: true,
      ...(deadline === undefined ? {} : { deadline }),
    };
    if (wake === 'signal') return ready() || -E.RESTARTNOHAND;
  }
}

/** @param timeoutNs undefined to wait for ever */
function deadlineOf(task: FileTask, timeoutNs: bigint | undefined): bigint | undefined {
  return timeoutNs === undefined ? undefined : task.monotonicNs() + timeoutNs;
}

function* pollFor(task: FileTask, va: number, count: number, timeoutNs: bigint | undefined): Op<number> {
  if (count > task.files.limit) return -E.INVAL;
  const raw = new Uint8Array(count * 8);
  if (!(yield* copyIn(task, va, raw))) return -E.FAULT;
  const view = new DataView(raw.buffer);
  const wanted: Wanted[] = [];
  for (let at = 0; at < raw.length; at += 8) {
    const handle = task.files.get(view.getInt32(at, true));
    if (handle !== undefined) wanted.push({ handle, events: 0 });
  }
  const ready = (): number => {
    let found = 0;
    for (let at = 0; at < raw.length; at += 8) {
      const fd = view.getInt32(at, true);
      const events = view.getUint16(at + 4, true) | POLLERR | POLLHUP;
      const handle = task.files.get(fd);
      const revents = fd < 0 ? 0 : handle === undefined ? POLLNVAL : handle.poll() & (events | POLLNVAL);
      view.setUint16(at + 6, revents, true);
      if (revents !== 0) found++;
    }
    return found;
  };
  const found = yield* waitUntil(task, wanted, deadlineOf(task, timeoutNs), ready);
  if (found < 0) return found;
  return (yield* copyOut(task, va, raw)) ? found : -E.FAULT;
}

/** What makes a descriptor ready in each of select's three sets. Source: Linux fs/select.c (POLLIN_SET …). */
const SET_EVENTS: readonly number[] = [
  POLLIN | POLLRDNORM | POLLHUP | POLLERR,
  POLLOUT | POLLWRNORM | POLLERR,
  POLLPRI,
];

function* selectFor(
  task: FileTask,
  count: number,
  sets: readonly number[],
  timeoutNs: bigint | undefined,
): Op<number> {
  if (count < 0) return -E.INVAL;
  const bits = Math.min(count, Math.max(task.files.limit, 1024));
  const bytes = Math.ceil(bits / 32) * 4;
  const asked: (Uint8Array | undefined)[] = [];
  for (const va of sets) {
    const set = va === 0 ? undefined : new Uint8Array(bytes);
    if (set !== undefined && !(yield* copyIn(task, va, set))) return -E.FAULT;
    asked.push(set);
  }
  const wanted: (Wanted & { fd: number; set: number })[] = [];
  for (let fd = 0; fd < bits; fd++) {
    for (const [set, map] of asked.entries()) {
      if (map === undefined || (map[fd >> 3]! & (1 << (fd & 7))) === 0) continue;
      const handle = task.files.get(fd);
      if (handle === undefined) return -E.BADF;
      wanted.push({ handle, events: SET_EVENTS[set]!, fd, set });
    }
  }
  const answers = asked.map((set) => set && new Uint8Array(bytes));
  const ready = (): number => {
    let found = 0;
    for (const { handle, events, fd, set } of wanted) {
      if ((handle.poll() & events) === 0) continue;
      answers[set]![fd >> 3]! |= 1 << (fd & 7);
      found++;
    }
    return found;
  };
  const found = yield* waitUntil(task, wanted, deadlineOf(task, timeoutNs), ready);
  if (found < 0) return found;
  for (const [set, answer] of answers.entries()) {
    if (answer !== undefined && !(yield* copyOut(task, sets[set]!, answer))) return -E.FAULT;
  }
  return found;
}

/** A timeout in the user's memory. Errors: -EFAULT, -EINVAL. Undefined: none */
function* timeoutAt(
  task: FileTask,
  va: number,
  form: 'timeval' | 'timespec' | 'timespec64',
): Op<bigint | undefined | number> {
  if (va === 0) return undefined;
  const wide = form === 'timespec64';
  const raw = new Uint8Array(wide ? 16 : 8);
  if (!(yield* copyIn(task, va, raw))) return -E.FAULT;
  const view = new DataView(raw.buffer);
  const seconds = wide ? view.getBigInt64(0, true) : BigInt(view.getInt32(0, true));
  const fraction = BigInt(view.getInt32(wide ? 8 : 4, true));
  const micro = form === 'timeval';
  if (seconds < 0n || fraction < 0n || (!micro && fraction >= NS_PER_S)) return -E.INVAL;
  return seconds * NS_PER_S + fraction * (micro ? 1000n : 1n);
}

/** Writes what is left of a timeout, as select and ppoll do. */
function* leaveRemainder(
  task: FileTask,
  va: number,
  form: 'timeval' | 'timespec' | 'timespec64',
  deadline: bigint | undefined,
): Op<void> {
  if (va === 0 || deadline === undefined) return;
  const now = task.monotonicNs();
  const left = deadline > now ? deadline - now : 0n;
  const raw = new Uint8Array(form === 'timespec64' ? 16 : 8);
  const view = new DataView(raw.buffer);
  const fraction = Number(left % NS_PER_S);
  if (form === 'timespec64') view.setBigInt64(0, left / NS_PER_S, true);
  else view.setInt32(0, Number(left / NS_PER_S), true);
  view.setInt32(raw.length / 2, form === 'timeval' ? Math.floor(fraction / 1000) : fraction, true);
  yield* copyOut(task, va, raw);
}

function* poll(task: FileTask, [va, count, timeoutMs]: readonly number[]): Op<number> {
  const timeout = signed(timeoutMs) < 0 ? undefined : BigInt(signed(timeoutMs)) * NS_PER_MS;
  return yield* pollFor(task, va!, count!, timeout);
}

function ppoll(form: 'timespec' | 'timespec64'): FileCall {
  return function* (task, [va, count, timeoutVa]) {
    const timeout = yield* timeoutAt(task, timeoutVa!, form);
    if (typeof timeout === 'number') return timeout;
    const deadline = deadlineOf(task, timeout);
    const found = yield* pollFor(task, va!, count!, timeout);
    yield* leaveRemainder(task, timeoutVa!, form, deadline);
    return found;
  };
}

function select(form: 'timeval' | 'timespec' | 'timespec64'): FileCall {
  return function* (task, [count, reads, writes, excepts, timeoutVa]) {
    const timeout = yield* timeoutAt(task, timeoutVa!, form);
    if (typeof timeout === 'number') return timeout;
    const deadline = deadlineOf(task, timeout);
    const found = yield* selectFor(task, signed(count), [reads!, writes!, excepts!], timeout);
    yield* leaveRemainder(task, timeoutVa!, form, deadline);
    return found;
  };
}

const newselect = select('timeval');

/** The old select passes its arguments in memory. */
function* oldSelect(task: FileTask, [va]: readonly number[]): Op<number> {
  const raw = new Uint8Array(20);
  if (!(yield* copyIn(task, va!, raw))) return -E.FAULT;
  const view = new DataView(raw.buffer);
  const args = [0, 4, 8, 12, 16].map((at) => view.getUint32(at, true));
  const result = newselect(task, args);
  return typeof result === 'number' ? result : yield* result;
}

export const pollingCalls: FileCalls = {
  poll,
  ppoll: ppoll('timespec'),
  ppoll_time64: ppoll('timespec64'),
  select: oldSelect,
  _newselect: newselect,
  pselect6: select('timespec'),
  pselect6_time64: select('timespec64'),
};
