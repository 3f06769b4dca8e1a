/** Calls that wait with another signal mask: ppoll, pselect6, epoll_pwait. */
import { E } from '../abi/errno.ts';
import { ERESTARTNOHAND } from '../abi/restart.ts';
import type { SignalSet } from '../abi/signals.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';
import { readSet } from './signals.ts';

const SET_BYTES = 8;

/** Where a call says which mask to use: address and size, or an errno. Address 0: none. */
type FindMask = (
  task: Task,
  args: readonly number[],
) => { readonly va: number; readonly size: number } | number;

/** The mask and its size are arguments themselves. */
export const maskAt =
  (index: number): FindMask =>
  (_task, args) => ({ va: args[index], size: args[index + 1] });

/** pselect6 has six arguments already: the last points to both. */
export const maskBehind =
  (index: number): FindMask =>
  (task, args) => {
    if (args[index] === 0) return { va: 0, size: 0 };
    const va = task.user.read32(args[index]);
    const size = task.user.read32(args[index] + 4);
    return va === undefined || size === undefined ? -E.FAULT : { va, size };
  };

/** The mask comes back when the call returns, or after the handler of the signal that ended it. */
export function withMask(handler: CallHandler, find: FindMask): CallHandler {
  return (task, args) => {
    const where = find(task, args);
    if (typeof where === 'number') return where;
    if (where.va === 0) return handler(task, args);
    if (where.size !== SET_BYTES) return -E.INVAL;
    const set = readSet(task, where.va);
    return set === undefined ? -E.FAULT : waitMasked(task, set, handler, args);
  };
}

function* waitMasked(task: Task, set: SignalSet, handler: CallHandler, args: readonly number[]): Op<number> {
  const { signals } = task.kernel;
  const before = task.blocked;
  task.maskToRestore = before;
  signals.setBlocked(task, set);
  const made = handler(task, args);
  const result = typeof made === 'number' ? made : yield* made;
  if (result !== -E.INTR && result !== -ERESTARTNOHAND) {
    task.maskToRestore = null;
    signals.setBlocked(task, before);
  }
  return result;
}
