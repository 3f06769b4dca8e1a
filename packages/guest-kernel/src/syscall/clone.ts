/** fork, vfork, clone, clone3. Source: clone(2), linux kernel/fork.c. */
import { E } from '../abi/errno.ts';
import { SIGCHLD } from '../abi/signals.ts';
import {
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
  type CloneOptions,
  CSIGNAL,
  clone,
} from '../task/fork.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';

/** Sizes of struct clone_args: the first one there was, and the present one. */
const CLONE_ARGS_FIRST = 64;
const CLONE_ARGS = 88;
const MAX_ARGS = 4096;
const CLONE_DETACHED = 0x40_0000;
/** Flags of clone3 beyond 32 bits, as its upper word. */
const UPPER_CLEAR_SIGHAND = 1;
const NONE = { stack: 0, parentTid: 0, childTid: 0, tls: 0, pidfd: 0, clearHandlers: false };

const plain = (flags: number, exitSignal: number): CloneOptions => ({ ...NONE, flags, exitSignal });

function old(task: Task, [flags, stack, parentTid, tls, childTid]: readonly number[]): Op<number> | number {
  // The pidfd goes where otherwise the number of the child would.
  if (flags & CLONE_PIDFD && flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)) return -E.INVAL;
  const exitSignal = flags & CSIGNAL;
  const options = { ...NONE, flags: flags & ~CSIGNAL, exitSignal, stack, parentTid, tls, childTid };
  return clone(task.kernel, task, { ...options, pidfd: parentTid });
}

/** @returns the words of struct clone_args, those of a shorter one zero; or -errno */
function readArgs(task: Task, va: number, size: number): Uint32Array | number {
  if (size > MAX_ARGS) return -E.TOOBIG;
  if (size < CLONE_ARGS_FIRST) return -E.INVAL;
  const bytes = new Uint8Array(Math.max(size, CLONE_ARGS));
  if (!task.user.read(va, bytes.subarray(0, size))) return -E.FAULT;
  if (bytes.subarray(CLONE_ARGS).some((byte) => byte !== 0)) return -E.TOOBIG;
  return new Uint32Array(bytes.buffer, 0, CLONE_ARGS / 4);
}

function clone3(task: Task, [va, size]: readonly number[]): Op<number> | number {
  const words = readArgs(task, va, size);
  if (typeof words === 'number') return words;
  const low = Array.from({ length: CLONE_ARGS / 8 }, (_, i) => words[2 * i]);
  const high = low.map((_, i) => words[2 * i + 1]);
  const [flags, pidfd, childTid, parentTid, exitSignal, stack, stackBytes, tls, setTid, nrSetTid] = low;
  const beyond = high[0];
  if (flags & (CSIGNAL | CLONE_DETACHED) || beyond & ~UPPER_CLEAR_SIGHAND) return -E.INVAL;
  if (exitSignal > 64 || high.slice(1).some((word) => word !== 0)) return -E.INVAL;
  if (flags & (CLONE_THREAD | CLONE_PARENT) && exitSignal !== 0) return -E.INVAL;
  if ((stack === 0) !== (stackBytes === 0) || stack + stackBytes > 2 ** 32) return -E.INVAL;
  // Choosing the number of a process.
  if (setTid !== 0 || nrSetTid !== 0) return -E.INVAL;
  const clearHandlers = (beyond & UPPER_CLEAR_SIGHAND) !== 0;
  const options = { flags, exitSignal, stack: (stack + stackBytes) >>> 0, parentTid, childTid, tls };
  return clone(task.kernel, task, { ...options, pidfd, clearHandlers });
}

export const cloneCalls: Readonly<Record<string, CallHandler>> = {
  fork: (task) => clone(task.kernel, task, plain(0, SIGCHLD)),
  vfork: (task) => clone(task.kernel, task, plain(CLONE_VM | CLONE_VFORK, SIGCHLD)),
  clone: old,
  clone3,
};
