/** semget, semop, semctl. Source: their manual pages, linux ipc/sem.c. */
import { E } from '../abi/errno.ts';
import * as I from '../abi/ipc.ts';
import { type PendingOps, type SemaphoreSet, Semaphores, type SemOp, wantsUndo } from '../ipc/semaphores.ts';
import type { Task } from '../task/task.ts';
import { type Op, WaitQueue } from '../task/wait.ts';

const READ = 0o444;
const ALTER = 0o222;
const SEMBUF_BYTES = 6;
const DS_SIZES = { new: 64, old: 44 } as const;
const INFO_BYTES = 40;
/** struct sem_undo and the like, as IPC_INFO tells their size. */
const SEMUSZ = 20;

export function semget(task: Task, key: number, count: number, flags: number): number {
  return task.kernel.ipc.semaphores.get(key | 0, count | 0, flags, task.cred);
}

/** @param timeoutNs null: as long as it takes; a negative errno: the timeout could not be read */
export function* semop(
  task: Task,
  id: number,
  opsVa: number,
  count: number,
  timeoutNs: bigint | number | null,
): Op<number> {
  const { ipc, clock } = task.kernel;
  if (count < 1 || (id | 0) < 0) return -E.INVAL;
  if (count > ipc.semaphores.limits.semopm) return -E.TOOBIG;
  const ops = readOps(task, opsVa, count);
  if (typeof ops === 'number') return ops;
  if (typeof timeoutNs === 'number') return timeoutNs;
  const set = ipc.semaphores.ids.find(id | 0);
  if (set === undefined) return -E.INVAL;
  if (ops.some(({ num }) => num >= set.values.length)) return -E.FBIG;
  const alters = ops.some(({ op }) => op !== 0);
  const denied = set.checkAccess(task.cred, alters ? ALTER : READ);
  if (denied < 0) return denied;
  if (wantsUndo(ops)) task.semUndo ??= ipc.newUndoList();
  const what: PendingOps = {
    ...{ ops, pid: task.pid, undo: wantsUndo(ops) ? task.semUndo : null },
    ...{ queue: new WaitQueue(), blockedOn: null, result: undefined },
  };
  const rc = set.attempt(what);
  if (rc <= 0) {
    if (rc === 0) {
      set.opTime = ipc.host.now();
      if (alters) set.settle(ipc.host.now());
    }
    return rc;
  }
  const deadline = timeoutNs === null ? undefined : clock.now() + timeoutNs;
  set.pending.add(what);
  for (;;) {
    const sleep = { queues: [what.queue], interruptible: true };
    const why = yield deadline === undefined ? sleep : { ...sleep, deadline };
    if (what.result !== undefined) return what.result;
    if (why === 'event') continue;
    Semaphores.withdraw(set, what);
    return why === 'timeout' ? -E.AGAIN : -E.INTR;
  }
}

function readOps(task: Task, va: number, count: number): SemOp[] | number {
  const bytes = new Uint8Array(count * SEMBUF_BYTES);
  if (!task.user.read(va, bytes)) return -E.FAULT;
  const view = new DataView(bytes.buffer);
  return Array.from({ length: count }, (_, i) => ({
    num: view.getUint16(SEMBUF_BYTES * i, true),
    op: view.getInt16(SEMBUF_BYTES * i + 2, true),
    flags: view.getInt16(SEMBUF_BYTES * i + 4, true),
  }));
}

/** @param arg union semun: a value, or the address of a structure or an array */
export function semctl(task: Task, [id, num, cmd, arg]: readonly number[], version: I.IpcVersion): number {
  if ((id | 0) < 0) return -E.INVAL;
  switch (cmd) {
    case I.IPC_INFO:
    case I.SEM_INFO:
      return info(task, cmd, arg);
    case I.SEM_STAT:
    case I.SEM_STAT_ANY:
    case I.IPC_STAT:
      return stat(task, id, cmd, arg, version);
    case I.IPC_SET:
    case I.IPC_RMID:
      return change(task, id, cmd, arg, version);
    case I.SEM_SETVAL:
    case I.SEM_SETALL:
      return assign(task, [id, num, cmd, arg]);
    case I.SEM_GETALL:
    case I.SEM_GETPID:
    case I.SEM_GETVAL:
    case I.SEM_GETNCNT:
    case I.SEM_GETZCNT:
      return look(task, [id, num, cmd, arg]);
    default:
      return -E.INVAL;
  }
}

function info(task: Task, cmd: number, va: number): number {
  const { ids, limits, count } = task.kernel.ipc.semaphores;
  const { semmsl, semmns, semopm, semmni } = limits;
  const usage = cmd === I.SEM_INFO;
  const record = new I.IpcRecord({ new: INFO_BYTES, old: INFO_BYTES }, 'new');
  record.word(semmns).word(semmni).word(semmns).word(semmns).word(semmsl).word(semopm).word(semopm);
  record
    .word(usage ? ids.size : SEMUSZ)
    .word(I.SEMVMX)
    .word(usage ? count : I.SEMVMX);
  return task.user.write(va, record.bytes) ? ids.highest : -E.FAULT;
}

function stat(task: Task, id: number, cmd: number, va: number, version: I.IpcVersion): number {
  const { ids } = task.kernel.ipc.semaphores;
  const set = cmd === I.IPC_STAT ? ids.find(id) : ids.at(id);
  if (set === undefined) return -E.INVAL;
  const denied = cmd === I.SEM_STAT_ANY ? 0 : set.checkAccess(task.cred, READ);
  if (denied < 0) return denied;
  const record = new I.IpcRecord(DS_SIZES, version).permission(set).time(set.opTime).time(set.ctime);
  const { bytes } = record.oldWords(4).narrow(set.values.length);
  return task.user.write(va, bytes) ? (cmd === I.IPC_STAT ? 0 : set.id) : -E.FAULT;
}

function change(task: Task, id: number, cmd: number, va: number, version: I.IpcVersion): number {
  const { semaphores, host } = task.kernel.ipc;
  const bytes = new Uint8Array(I.PERMISSION_BYTES[version]);
  if (cmd === I.IPC_SET && !task.user.read(va, bytes)) return -E.FAULT;
  const set = semaphores.ids.find(id);
  if (set === undefined) return -E.INVAL;
  const denied = set.checkOwner(task.cred);
  if (denied < 0) return denied;
  if (cmd === I.IPC_SET) return set.change(I.readSettings(bytes, version), host.now());
  semaphores.remove(set);
  return 0;
}

function assign(task: Task, [id, num, cmd, arg]: readonly number[]): number {
  const { semaphores } = task.kernel.ipc;
  if (cmd === I.SEM_SETVAL && ((arg | 0) < 0 || arg > I.SEMVMX)) return -E.RANGE;
  const set = semaphores.ids.find(id);
  if (set === undefined) return -E.INVAL;
  if (cmd === I.SEM_SETVAL && num >= set.values.length) return -E.INVAL;
  const denied = set.checkAccess(task.cred, ALTER);
  if (denied < 0) return denied;
  if (cmd === I.SEM_SETVAL) {
    semaphores.assign(set, num, [arg]);
    return 0;
  }
  const values = new Uint16Array(set.values.length);
  if (!task.user.read(arg, new Uint8Array(values.buffer))) return -E.FAULT;
  if (values.some((value) => value > I.SEMVMX)) return -E.RANGE;
  semaphores.assign(set, 0, values);
  return 0;
}

function look(task: Task, [id, num, cmd, arg]: readonly number[]): number {
  const set = task.kernel.ipc.semaphores.ids.find(id);
  if (set === undefined) return -E.INVAL;
  const denied = set.checkAccess(task.cred, READ);
  if (denied < 0) return denied;
  if (cmd === I.SEM_GETALL) {
    const values = Uint16Array.from(set.values);
    return task.user.write(arg, new Uint8Array(values.buffer)) ? 0 : -E.FAULT;
  }
  return num >= set.values.length ? -E.INVAL : lookAt(set, num, cmd);
}

function lookAt(set: SemaphoreSet, num: number, cmd: number): number {
  if (cmd === I.SEM_GETVAL) return set.values[num];
  if (cmd === I.SEM_GETPID) return set.pids[num];
  return set.waiters(num, cmd === I.SEM_GETZCNT);
}
