/** Calls that make, end and await processes. */
import { E } from '../abi/errno.ts';
import { ERESTARTSYS } from '../abi/restart.ts';
import { SIGCHLD } from '../abi/signals.ts';
import { PidFile } from '../events/pidfd.ts';
import type { ByteString } from '../fs/types.ts';
import { type Arguments, execute } from '../task/exec.ts';
import { MAX_ARGUMENT_BYTES } from '../task/exec-stack.ts';
import { reap } from '../task/exit.ts';
import type { Process, Usage } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';
import { pathArgument, startOf } from './file-task.ts';

const WNOHANG = 1;
const WUNTRACED = 2;
const WCONTINUED = 8;
const WALL = 0x4000_0000;
const WCLONE = 0x8000_0000;
const WNOTHREAD = 0x2000_0000;
const WEXITED = 4;
const WNOWAIT = 0x0100_0000;
const CONTINUED_STATUS = 0xffff;
const MAX_STRING = 131_072;
const AT_EMPTY_PATH = 0x1000;

/** An array of pointers to strings, up to its null pointer. */
function* strings(task: Task, va: number, budget: { bytes: number }): Op<ByteString[] | number> {
  const list: ByteString[] = [];
  if (va === 0) return list;
  for (let at = va; ; at += 4) {
    if (task.user.read32(at) === undefined) yield* task.kernel.user.populate(at, 4, false);
    const pointer = task.user.read32(at);
    if (pointer === undefined) return -E.FAULT;
    if (pointer === 0) return list;
    let text = task.user.readString(pointer, MAX_STRING);
    if (text === -E.FAULT) {
      yield* task.kernel.user.populate(pointer, 1, false);
      text = task.user.readString(pointer, MAX_STRING);
    }
    if (typeof text === 'number') return text === -E.NAMETOOLONG ? -E.TOOBIG : text;
    budget.bytes -= text.length + 5;
    if (budget.bytes < 0) return -E.TOOBIG;
    list.push(text);
  }
}

function* readArguments(task: Task, argvVa: number, envpVa: number): Op<Arguments | number> {
  const budget = { bytes: MAX_ARGUMENT_BYTES };
  const argv = yield* strings(task, argvVa, budget);
  if (typeof argv === 'number') return argv;
  const envp = yield* strings(task, envpVa, budget);
  if (typeof envp === 'number') return envp;
  return { argv: argv.length === 0 ? [''] : argv, envp };
}

function* execve(task: Task, [pathVa, argvVa, envpVa]: readonly number[]): Op<number> {
  const path = yield* pathArgument(task, pathVa);
  if (typeof path === 'number') return path;
  const args = yield* readArguments(task, argvVa, envpVa);
  if (typeof args === 'number') return args;
  return yield* execute(task.kernel, task, task.fs.cwd, path, args);
}

function* execveat(task: Task, [dirfd, pathVa, argvVa, envpVa, flags]: readonly number[]): Op<number> {
  const path = yield* pathArgument(task, pathVa);
  if (typeof path === 'number') return path;
  const start = path.startsWith('/') ? task.fs.cwd : startOf(task, dirfd);
  if (typeof start === 'number') return start;
  const args = yield* readArguments(task, argvVa, envpVa);
  if (typeof args === 'number') return args;
  if (path === '' && !(flags & AT_EMPTY_PATH)) return -E.NOENT;
  return yield* execute(task.kernel, task, start, path === '' ? `/proc/self/fd/${dirfd}` : path, args);
}

/** What a waiter looks for among its children. */
interface Wanted {
  readonly matches: (child: Process) => boolean;
  readonly options: number;
}

interface Waited {
  readonly child: Process;
  readonly status: number;
}

function wanted(task: Task, pid: number, options: number): Wanted {
  const matches = (child: Process): boolean => {
    const isClone = child.exitSignal !== SIGCHLD;
    if (!(options & WALL) && isClone !== ((options & WCLONE) !== 0)) return false;
    if (pid > 0) return child.pid === pid;
    if (pid === -1) return true;
    return child.pgid === (pid === 0 ? task.process.pgid : -pid);
  };
  return { matches, options };
}

/** @returns a child that has something to report; `null`: none yet; `undefined`: no such child */
function look(task: Task, { matches, options }: Wanted): Waited | null | undefined {
  let any = false;
  for (const child of task.process.children) {
    if (!matches(child)) continue;
    any = true;
    const keep = (options & WNOWAIT) !== 0;
    if (child.ending !== null && options & WEXITED) {
      if (!keep) reap(task.kernel, child);
      return { child, status: child.ending.status };
    }
    if (options & WUNTRACED && child.stopped !== 0 && !child.stopReported) {
      if (!keep) child.stopReported = true;
      return { child, status: (child.stopped << 8) | 0x7f };
    }
    if (options & WCONTINUED && child.stopped === 0 && !child.continuedReported) {
      if (!keep) child.continuedReported = true;
      return { child, status: CONTINUED_STATUS };
    }
  }
  return any ? null : undefined;
}

function* await_(task: Task, what: Wanted): Op<Waited | number> {
  for (;;) {
    const found = look(task, what);
    if (found === undefined) return -E.CHILD;
    if (found !== null) return found;
    if (what.options & WNOHANG) return 0;
    const why = yield { queues: [task.process.childChanged], interruptible: true };
    if (why === 'signal') {
      const last = look(task, what);
      return last ?? -ERESTARTSYS;
    }
  }
}

function* wait4(task: Task, [pid, statusVa, options, usageVa]: readonly number[]): Op<number> {
  if (options & ~(WNOHANG | WUNTRACED | WCONTINUED | WALL | WCLONE | WNOTHREAD)) return -E.INVAL;
  const found = yield* await_(task, wanted(task, pid | 0, options | WEXITED));
  if (typeof found === 'number') return found;
  const { child, status } = found;
  if (statusVa !== 0 && !task.user.write32(statusVa, status)) return -E.FAULT;
  if (usageVa !== 0 && !task.user.write(usageVa, encodeUsage(child.usage))) return -E.FAULT;
  return child.pid;
}

const P_ALL = 0;
const P_PID = 1;
const P_PGID = 2;
const P_PIDFD = 3;

function* waitid(task: Task, [type, id, infoVa, options, usageVa]: readonly number[]): Op<number> {
  const known = WNOHANG | WUNTRACED | WCONTINUED | WEXITED | WNOWAIT | WALL | WCLONE | WNOTHREAD;
  if (options & ~known || !(options & (WUNTRACED | WCONTINUED | WEXITED))) return -E.INVAL;
  const pid = waitedFor(task, type, id);
  if (pid === null) return -E.INVAL;
  if (typeof pid === 'string') return -E.BADF;
  const found = yield* await_(task, wanted(task, pid, options));
  if (typeof found === 'number' && found < 0) return found;
  const info = new Uint8Array(128);
  if (typeof found !== 'number') {
    const view = new DataView(info.buffer);
    const { child, status } = found;
    const signal = status & 0x7f;
    const [code, value] =
      status === CONTINUED_STATUS
        ? [6, 18]
        : signal === 0x7f
          ? [5, status >> 8]
          : signal === 0
            ? [1, status >> 8]
            : [2, signal];
    for (const [i, word] of [SIGCHLD, 0, code, child.pid, child.lastUid, value].entries())
      view.setInt32(4 * i, word, true);
    if (usageVa !== 0 && !task.user.write(usageVa, encodeUsage(child.usage))) return -E.FAULT;
  }
  return infoVa === 0 || task.user.write(infoVa, info) ? 0 : -E.FAULT;
}

/** As the first argument of wait4; null for an unknown type, 'bad' for a descriptor that is none of a process. */
function waitedFor(task: Task, type: number, id: number): number | null | 'bad' {
  if (type === P_ALL) return -1;
  if (type === P_PID) return id | 0;
  if (type === P_PGID) return id === 0 ? 0 : -id;
  if (type !== P_PIDFD) return null;
  const handle = task.files.get(id | 0);
  return handle instanceof PidFile ? handle.process.pid : 'bad';
}

/** struct rusage. */
export function encodeUsage(usage: Usage): Uint8Array {
  const view = new DataView(new ArrayBuffer(72));
  for (const [i, ns] of [usage.userNs, usage.systemNs].entries()) {
    view.setInt32(8 * i, Number(ns / 1_000_000_000n), true);
    view.setInt32(8 * i + 4, Number((ns % 1_000_000_000n) / 1000n), true);
  }
  view.setInt32(32, usage.minorFaults, true);
  view.setInt32(36, usage.majorFaults, true);
  return new Uint8Array(view.buffer);
}

function* exitThread(task: Task, status: number): Op<number> {
  if (task.process.threads.size === 1) task.process.dying ??= { status: (status & 0xff) << 8 };
  task.kernel.signals.endTask(task);
  return 0;
}

export const processCalls: Readonly<Record<string, CallHandler>> = {
  execve,
  execveat,
  exit: (task, [status]) => exitThread(task, status),
  exit_group: (task, [status]) => {
    task.kernel.signals.endProcess(task.process, (status & 0xff) << 8);
    return 0;
  },
  wait4,
  waitpid: (task, [pid, statusVa, options]) => wait4(task, [pid, statusVa, options, 0]),
  waitid,
  set_tid_address: (task, [va]) => {
    task.clearChildTid = va;
    return task.tid;
  },
  set_robust_list: (task, [va, length]) => {
    if (length !== 12) return -E.INVAL;
    task.robustList = va;
    return 0;
  },
  get_robust_list: (task, [pid, headVa, lengthVa]) => {
    const other = pid === 0 ? task : task.kernel.processes.tasks.get(pid);
    if (other === undefined) return -E.SRCH;
    return task.user.write32(headVa, other.robustList) && task.user.write32(lengthVa, 12) ? 0 : -E.FAULT;
  },
};
