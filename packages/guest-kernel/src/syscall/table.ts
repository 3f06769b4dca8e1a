/** The system calls that there are: each number with the function that serves it, and how much of it that does. */
import { E } from '../abi/errno.ts';
import type { CallHandler, CallRow, Support } from './calls.ts';
import { capabilityCalls } from './capabilities.ts';
import { cloneCalls } from './clone.ts';
import { eventFileCalls } from './event-files.ts';
import { allFileCalls } from './file-calls.ts';
import { futexCalls } from './futexes.ts';
import { identityCalls } from './identity.ts';
import { ipcCalls } from './ipc.ts';
import { maskAt, maskBehind, withMask } from './masked.ts';
import { memoryCalls } from './memory.ts';
import { memoryFileCalls } from './memory-files.ts';
import { namespaceCalls } from './namespaces.ts';
import { CALL_NUMBERS } from './numbers.ts';
import { pidfdCalls } from './pidfds.ts';
import { posixTimerCalls } from './posix-timers.ts';
import { prctlCalls } from './prctl.ts';
import { priorityCalls } from './priorities.ts';
import { processMemoryCalls } from './process-memory.ts';
import { processCalls } from './processes.ts';
import { schedulingCalls } from './scheduling.ts';
import { signalCalls } from './signals.ts';
import { allSocketCalls } from './socket-calls.ts';
import { systemCalls } from './system.ts';
import { timeCalls } from './times.ts';

const restartCalls: Readonly<Record<string, CallHandler>> = {
  restart_syscall: (task) => task.restart?.() ?? -E.INTR,
};

/** Functions by name; a name is in one family only. */
const FAMILIES: readonly Readonly<Record<string, CallHandler>>[] = [
  ...[
    processCalls,
    memoryCalls,
    signalCalls,
    timeCalls,
    identityCalls,
    systemCalls,
    futexCalls,
    ipcCalls,
    ...[schedulingCalls, memoryFileCalls, namespaceCalls, pidfdCalls, processMemoryCalls],
    restartCalls,
    ...[priorityCalls, capabilityCalls, prctlCalls, cloneCalls],
  ],
  allFileCalls,
  eventFileCalls,
  posixTimerCalls,
  allSocketCalls,
];

/** What the calls that are served in part leave out. */
export const LIMITS: Readonly<Record<string, string>> = {
  clone: 'no namespaces',
  clone3: 'no namespaces, no choice of the number, no cgroups',
  getpriority: 'of processes, not of threads',
  setpriority: 'kept, without effect on the scheduler',
  msgrcv: 'no MSG_COPY',
  ioprio_get: 'of processes, not of threads',
  ioprio_set: 'kept, without effect',
  nice: 'kept, without effect on the scheduler',
  ipc: 'no MSG_COPY',
  madvise: 'MADV_DONTNEED and MADV_FREE; the rest is advice',
  mlock: 'nothing is ever swapped out',
  mlockall: 'nothing is ever swapped out',
  memfd_create: 'no seals, no huge pages',
  personality: 'Linux only',
  prctl: 'no seccomp, no ptracer, nothing of the processor',
  setns: 'there are no namespaces',
  unshare: 'there are no namespaces',
  sched_setattr: 'kept, without effect',
  sched_setparam: 'kept, without effect',
  sched_setscheduler: 'kept, without effect',
  sched_setaffinity: 'one processor',
  socket: 'AF_UNIX, AF_INET (TCP, UDP, ICMP, raw), AF_PACKET, AF_NETLINK (routes, without notifications)',
  setitimer: 'ITIMER_VIRTUAL and ITIMER_PROF run by the clock',
  syslog: 'reading',
};

/** Calls that wait with a mask of their own. */
const MASKED: Readonly<Record<string, (handler: CallHandler) => CallHandler>> = {
  ppoll: (handler) => withMask(handler, maskAt(3)),
  ppoll_time64: (handler) => withMask(handler, maskAt(3)),
  pselect6: (handler) => withMask(handler, maskBehind(5)),
  pselect6_time64: (handler) => withMask(handler, maskBehind(5)),
  epoll_pwait: (handler) => withMask(handler, maskAt(4)),
  epoll_pwait2: (handler) => withMask(handler, maskAt(4)),
};

/** Calls that work on the user registers. */
const WANT_REGISTERS = new Set([
  ...['fork', 'vfork', 'clone', 'clone3', 'execve', 'execveat', 'sigreturn', 'rt_sigreturn', 'sigaltstack'],
  ...['set_thread_area'],
]);
/** Calls that copy or show the FPU state. */
const WANT_FPU = new Set(['fork', 'vfork', 'clone', 'clone3']);

const absent: CallHandler = () => -E.NOSYS;

/** All rows. Throws if two families serve the same name, or one serves a name that has no number. */
export function callTable(): CallRow[] {
  const handlers = new Map<string, CallHandler>();
  for (const family of FAMILIES)
    for (const [name, handler] of Object.entries(family)) {
      if (handlers.has(name)) throw new Error(`two functions for ${name}`);
      handlers.set(name, handler);
    }
  const rows = CALL_NUMBERS.map(([number, name, args]) => {
    const handler = handlers.get(name);
    handlers.delete(name);
    const support: Support = handler === undefined ? 'none' : name in LIMITS ? 'partial' : 'full';
    return {
      ...{ number, name, args, support },
      handler: handler === undefined ? absent : (MASKED[name]?.(handler) ?? handler),
      wantsRegisters: WANT_REGISTERS.has(name),
      wantsFpu: WANT_FPU.has(name),
    };
  });
  if (handlers.size > 0) throw new Error(`no number for ${[...handlers.keys()].join(', ')}`);
  return rows;
}
