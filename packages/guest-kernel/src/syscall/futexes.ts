/** futex(2). */
import { E } from '../abi/errno.ts';
import { ERESTARTSYS } from '../abi/restart.ts';
import { MATCH_ANY } from '../task/futex.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';
import { clockTime } from './times.ts';
import { readTimespec } from './timespec.ts';

const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const FUTEX_REQUEUE = 3;
const FUTEX_CMP_REQUEUE = 4;
const FUTEX_WAKE_OP = 5;
const FUTEX_WAIT_BITSET = 9;
const FUTEX_WAKE_BITSET = 10;
const FUTEX_CMD_MASK = 0x7f;
const FUTEX_CLOCK_REALTIME = 0x100;

interface WaitFor {
  readonly va: number;
  readonly value: number;
  readonly bits: number;
  readonly deadline: bigint | undefined;
}

function* wait(task: Task, { va, value, bits, deadline }: WaitFor): Op<number> {
  const { futexes } = task.kernel;
  const found = task.user.read32(va);
  if (found === undefined) return -E.FAULT;
  if (found !== value) return -E.AGAIN;
  const waiter = futexes.add(task.process.memory, va, bits);
  for (;;) {
    const sleep = { queues: [waiter.queue], interruptible: true };
    const why = yield deadline === undefined ? sleep : { ...sleep, deadline };
    if (waiter.woken) return 0;
    futexes.remove(waiter);
    return why === 'timeout' ? -E.TIMEDOUT : -ERESTARTSYS;
  }
}

/** FUTEX_WAKE_OP: changes a word, wakes on another, and on this if the old value compares so. */
function wakeOp(task: Task, va: number, count: number, [count2, va2, encoded]: readonly number[]): number {
  const old = task.user.read32(va2);
  if (old === undefined) return -E.FAULT;
  const op = (encoded >>> 28) & 7;
  const argument = ((encoded << 8) >> 20) & -1;
  const operand = encoded & 0x8000_0000 ? 1 << (argument & 31) : argument;
  const results = [operand, old + operand, old | operand, old & ~operand, old ^ operand];
  if (op >= results.length) return -E.NOSYS;
  if (!task.user.write32(va2, results[op] >>> 0)) return -E.FAULT;
  const against = (encoded << 20) >> 20;
  const signed = old | 0;
  const compared = [
    ...[signed === against, signed !== against, signed < against],
    ...[signed <= against, signed > against, signed >= against],
  ][(encoded >>> 24) & 15];
  const { futexes } = task.kernel;
  const { memory } = task.process;
  let woken = futexes.wake(memory, va, count);
  if (compared) woken += futexes.wake(memory, va2, count2);
  return woken;
}

const futex =
  (timeBits: 32 | 64): CallHandler =>
  (task, [va, op, value, timeoutVa, va2, value3]) => {
    const { futexes, clock } = task.kernel;
    const { memory } = task.process;
    if (va % 4 !== 0) return -E.INVAL;
    const command = op & FUTEX_CMD_MASK;
    switch (command) {
      case FUTEX_WAIT:
      case FUTEX_WAIT_BITSET: {
        const bits = command === FUTEX_WAIT ? MATCH_ANY : value3;
        if (bits === 0) return -E.INVAL;
        let deadline: bigint | undefined;
        if (timeoutVa !== 0) {
          const time = readTimespec(task.user, timeoutVa, timeBits);
          if (typeof time === 'number') return time;
          const base = op & FUTEX_CLOCK_REALTIME ? (clockTime(task, 0) ?? 0n) - clock.now() : 0n;
          deadline = command === FUTEX_WAIT ? clock.now() + time : time - base;
        }
        return wait(task, { va, value, bits, deadline });
      }
      case FUTEX_WAKE:
        return futexes.wake(memory, va, value | 0);
      case FUTEX_WAKE_BITSET:
        return value3 === 0 ? -E.INVAL : futexes.wake(memory, va, value | 0, value3);
      case FUTEX_CMP_REQUEUE: {
        const found = task.user.read32(va);
        if (found === undefined) return -E.FAULT;
        if (found !== value3) return -E.AGAIN;
        const woken = futexes.wake(memory, va, value | 0);
        return woken + futexes.requeue(memory, va, va2, timeoutVa | 0);
      }
      case FUTEX_REQUEUE:
        return futexes.wake(memory, va, value | 0) + futexes.requeue(memory, va, va2, timeoutVa | 0);
      case FUTEX_WAKE_OP:
        return wakeOp(task, va, value | 0, [timeoutVa | 0, va2, value3]);
      default:
        return -E.NOSYS;
    }
  };

export const futexCalls: Readonly<Record<string, CallHandler>> = {
  futex: futex(32),
  futex_time64: futex(64),
};
