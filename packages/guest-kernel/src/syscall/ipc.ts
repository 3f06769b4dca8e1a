/** System V IPC: one call for everything (ipc), which libraries on i386 use, and a call for each (since Linux 5.1). */
import { E } from '../abi/errno.ts';
import { IPC_64, type IpcVersion } from '../abi/ipc.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';
import { msgctl, msgget, msgrcv, msgsnd } from './message-queues.ts';
import { semctl, semget, semop } from './semaphores.ts';
import { shmat, shmctl, shmdt, shmget } from './shared-memory.ts';
import { readTimespec } from './timespec.ts';

/** Numbers of ipc's first argument. Source: include/uapi/linux/ipc.h. */
const SEMOP = 1;
const SEMGET = 2;
const SEMCTL = 3;
const SEMTIMEDOP = 4;
const MSGSND = 11;
const MSGRCV = 12;
const MSGGET = 13;
const MSGCTL = 14;
const SHMAT = 21;
const SHMDT = 22;
const SHMGET = 23;
const SHMCTL = 24;

const versionOf = (cmd: number): IpcVersion => (cmd & IPC_64 ? 'new' : 'old');

const timeout = (task: Task, va: number, bits: 32 | 64): bigint | number | null =>
  va === 0 ? null : readTimespec(task.user, va, bits);

function ipc(task: Task, [call, first, second, third, ptr, fifth]: readonly number[]): Op<number> | number {
  const variant = call >>> 16;
  switch (call & 0xffff) {
    case SEMOP:
      return semop(task, first, ptr, second, null);
    case SEMTIMEDOP:
      return semop(task, first, ptr, second, timeout(task, fifth, 32));
    case SEMGET:
      return semget(task, first, second, third);
    case SEMCTL: {
      if (ptr === 0) return -E.INVAL;
      const arg = task.user.read32(ptr);
      if (arg === undefined) return -E.FAULT;
      return semctl(task, [first, second, (third & ~IPC_64) >>> 0, arg], versionOf(third));
    }
    case MSGSND:
      return msgsnd(task, first, ptr, second, third);
    case MSGRCV:
      return variant === 0
        ? receiveBehind(task, [first, second, third, ptr])
        : msgrcv(task, [first, ptr, second, fifth, third]);
    case MSGGET:
      return msgget(task, first, second);
    case MSGCTL:
      return msgctl(task, first, (second & ~IPC_64) >>> 0, ptr, versionOf(second));
    case SHMAT: {
      // Variant 1 is that of a binary format that is gone.
      if (variant === 1) return -E.INVAL;
      const va = shmat(task, first, ptr, second);
      if (va < 0 && va > -4096) return va;
      return task.user.write32(third, va) ? 0 : -E.FAULT;
    }
    case SHMDT:
      return shmdt(task, ptr);
    case SHMGET:
      return shmget(task, first, second, third);
    case SHMCTL:
      return shmctl(task, first, (second & ~IPC_64) >>> 0, ptr, versionOf(second));
    default:
      return -E.NOSYS;
  }
}

/** msgrcv with the message's address and type in memory (struct ipc_kludge). */
function receiveBehind(task: Task, [id, size, flags, va]: readonly number[]): Op<number> | number {
  if (va === 0) return -E.INVAL;
  const [message, type] = [task.user.read32(va), task.user.read32(va + 4)];
  if (message === undefined || type === undefined) return -E.FAULT;
  return msgrcv(task, [id, message, size, type, flags]);
}

export const ipcCalls: Readonly<Record<string, CallHandler>> = {
  ipc,
  semget: (task, [key, count, flags]) => semget(task, key, count, flags),
  semctl: (task, args) => semctl(task, args, 'new'),
  semtimedop_time64: (task, [id, opsVa, count, timeoutVa]) =>
    semop(task, id, opsVa, count, timeout(task, timeoutVa, 64)),
  shmget: (task, [key, size, flags]) => shmget(task, key, size, flags),
  shmctl: (task, [id, cmd, va]) => shmctl(task, id, cmd, va, 'new'),
  shmat: (task, [id, va, flags]) => shmat(task, id, va, flags),
  shmdt: (task, [va]) => shmdt(task, va),
  msgget: (task, [key, flags]) => msgget(task, key, flags),
  msgsnd: (task, [id, va, size, flags]) => msgsnd(task, id, va, size, flags),
  msgrcv: (task, args) => msgrcv(task, args),
  msgctl: (task, [id, cmd, va]) => msgctl(task, id, cmd, va, 'new'),
};
