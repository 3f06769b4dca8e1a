/** prctl(2). */
import { CAP_SETPCAP, capability } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { capable } from '../fs/permissions.ts';
import type { Capabilities } from '../fs/types.ts';
import { SECBIT_KEEP_CAPS } from '../task/capabilities.ts';
import { DEFAULT_TIMER_SLACK_NS, type Task } from '../task/task.ts';
import type { CallHandler } from './calls.ts';

const PR_SET_PDEATHSIG = 1;
const PR_GET_PDEATHSIG = 2;
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_GET_KEEPCAPS = 7;
const PR_SET_KEEPCAPS = 8;
const PR_GET_TIMING = 13;
const PR_SET_NAME = 15;
const PR_GET_NAME = 16;
const PR_GET_SECCOMP = 21;
const PR_CAPBSET_READ = 23;
const PR_CAPBSET_DROP = 24;
const PR_GET_SECUREBITS = 27;
const PR_SET_SECUREBITS = 28;
const PR_SET_TIMERSLACK = 29;
const PR_GET_TIMERSLACK = 30;
const PR_SET_CHILD_SUBREAPER = 36;
const PR_GET_CHILD_SUBREAPER = 37;
const PR_SET_NO_NEW_PRIVS = 38;
const PR_GET_NO_NEW_PRIVS = 39;
const PR_GET_TID_ADDRESS = 40;
const PR_CAP_AMBIENT = 47;

const NAME_BYTES = 16;
/** Each bit of securebits with the one behind it, which locks it. */
const SECURE_BITS = 0x55;
const SECURE_LOCKS = 0xaa;
const SECBIT_NO_CAP_AMBIENT_RAISE = 0x40;

type Handler = (task: Task, args: readonly number[]) => number;

const change = (task: Task, caps: Partial<Capabilities>): number => {
  task.cred = { ...task.cred, caps: { ...task.cred.caps, ...caps } };
  return 0;
};

function setName(task: Task, [va]: readonly number[]): number {
  const bytes = new Uint8Array(NAME_BYTES);
  for (let i = 0; i < NAME_BYTES - 1; i++) {
    const one = bytes.subarray(i, i + 1);
    if (!task.user.read(va + i, one)) return -E.FAULT;
    if (one[0] === 0) break;
  }
  task.name = String.fromCharCode(...bytes).replace(/\0.*$/s, '');
  return 0;
}

function getName(task: Task, [va]: readonly number[]): number {
  const bytes = new Uint8Array(NAME_BYTES);
  bytes.set(Uint8Array.from(task.name, (c) => c.charCodeAt(0)));
  return task.user.write(va, bytes) ? 0 : -E.FAULT;
}

function keepCapabilities(task: Task, [keep]: readonly number[]): number {
  const { securebits } = task.cred.caps;
  if (keep > 1) return -E.INVAL;
  if (securebits & (SECBIT_KEEP_CAPS << 1)) return -E.PERM;
  const others = securebits & ~SECBIT_KEEP_CAPS;
  return change(task, { securebits: keep === 0 ? others : others | SECBIT_KEEP_CAPS });
}

function setSecureBits(task: Task, [bits]: readonly number[]): number {
  const before = task.cred.caps.securebits;
  const lockedBits = (before & SECURE_LOCKS) >> 1;
  const isKnown = (bits & ~(SECURE_BITS | SECURE_LOCKS)) === 0;
  const breaksLock = ((before ^ bits) & lockedBits) !== 0 || (before & SECURE_LOCKS & ~bits) !== 0;
  if (!isKnown || breaksLock || !capable(task.cred, CAP_SETPCAP)) return -E.PERM;
  return change(task, { securebits: bits });
}

function dropFromBounding(task: Task, [number]: readonly number[]): number {
  const one = capability(number);
  if (!capable(task.cred, CAP_SETPCAP)) return -E.PERM;
  return one === undefined ? -E.INVAL : change(task, { bounding: task.cred.caps.bounding & ~one });
}

/** PR_CAP_AMBIENT_IS_SET, _RAISE, _LOWER, _CLEAR_ALL. */
function ambient(task: Task, [what, number, ...rest]: readonly number[]): number {
  const { caps } = task.cred;
  if (what === 4) return number === 0 ? change(task, { ambient: 0n }) : -E.INVAL;
  const one = capability(number);
  if (one === undefined || rest.some((arg) => arg !== 0)) return -E.INVAL;
  switch (what) {
    case 1:
      return (caps.ambient & one) === 0n ? 0 : 1;
    case 2:
      if ((caps.permitted & caps.inheritable & one) === 0n) return -E.PERM;
      if (caps.securebits & SECBIT_NO_CAP_AMBIENT_RAISE) return -E.PERM;
      return change(task, { ambient: caps.ambient | one });
    case 3:
      return change(task, { ambient: caps.ambient & ~one });
    default:
      return -E.INVAL;
  }
}

const areZero = (args: readonly number[]): boolean => args.every((arg) => arg === 0);
const tell = (task: Task, va: number, value: number): number => (task.user.write32(va, value) ? 0 : -E.FAULT);

/** What each option does with the arguments behind it, four. */
const OPTIONS: Readonly<Record<number, Handler>> = {
  [PR_SET_PDEATHSIG]: ({ process }, [signal]) => {
    if (signal > 64) return -E.INVAL;
    process.parentDeathSignal = signal;
    return 0;
  },
  [PR_GET_PDEATHSIG]: (task, [va]) => tell(task, va, task.process.parentDeathSignal),
  [PR_GET_DUMPABLE]: ({ process }) => process.dumpable,
  [PR_SET_DUMPABLE]: ({ process }, [dumpable]) => {
    if (dumpable > 1) return -E.INVAL;
    process.dumpable = dumpable;
    return 0;
  },
  [PR_GET_KEEPCAPS]: ({ cred }) => (cred.caps.securebits & SECBIT_KEEP_CAPS ? 1 : 0),
  [PR_SET_KEEPCAPS]: keepCapabilities,
  [PR_GET_TIMING]: () => 0,
  [PR_SET_NAME]: setName,
  [PR_GET_NAME]: getName,
  [PR_GET_SECCOMP]: () => 0,
  [PR_CAPBSET_READ]: ({ cred }, [number]) => {
    const one = capability(number);
    if (one === undefined) return -E.INVAL;
    return (cred.caps.bounding & one) === 0n ? 0 : 1;
  },
  [PR_CAPBSET_DROP]: dropFromBounding,
  [PR_GET_SECUREBITS]: ({ cred }) => cred.caps.securebits,
  [PR_SET_SECUREBITS]: setSecureBits,
  [PR_SET_TIMERSLACK]: (task, [ns]) => {
    task.timerSlackNs = (ns | 0) <= 0 ? DEFAULT_TIMER_SLACK_NS : ns;
    return 0;
  },
  [PR_GET_TIMERSLACK]: (task) => task.timerSlackNs,
  [PR_SET_CHILD_SUBREAPER]: ({ process }, [is]) => {
    process.subreaper = is !== 0;
    return 0;
  },
  [PR_GET_CHILD_SUBREAPER]: (task, [va]) => tell(task, va, task.process.subreaper ? 1 : 0),
  [PR_SET_NO_NEW_PRIVS]: (task, [is, ...rest]) => {
    if (is !== 1 || !areZero(rest)) return -E.INVAL;
    task.noNewPrivileges = true;
    return 0;
  },
  [PR_GET_NO_NEW_PRIVS]: (task, args) => {
    if (!areZero(args)) return -E.INVAL;
    return task.noNewPrivileges ? 1 : 0;
  },
  [PR_GET_TID_ADDRESS]: (task, [va]) => tell(task, va, task.clearChildTid),
  [PR_CAP_AMBIENT]: ambient,
};

export const prctlCalls: Readonly<Record<string, CallHandler>> = {
  prctl: (task, [option, ...args]) => OPTIONS[option]?.(task, args.slice(0, 4)) ?? -E.INVAL,
};
