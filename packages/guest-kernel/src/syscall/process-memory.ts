/** process_vm_readv, process_vm_writev. Source: process_vm_readv(2), linux mm/process_vm_access.c. */
import { CAP_SYS_PTRACE } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { capable } from '../fs/permissions.ts';
import { copyRemote } from '../mm/remote.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';

const IOV_MAX = 1024;
/** Bytes at a time. */
const CHUNK = 65_536;

/** May a task look into a process as a debugger would: root, or the same user throughout. */
export function mayTrace(task: Task, target: Process): boolean {
  const { cred } = task;
  if (target === task.process || capable(cred, CAP_SYS_PTRACE)) return true;
  const other = target.leader?.cred;
  if (other === undefined || target.dumpable !== 1) return false;
  const sameUser = [other.uid, other.euid, other.suid].every((id) => id === cred.uid);
  return sameUser && [other.gid, other.egid, other.sgid].every((id) => id === cred.gid);
}

type Vector = { va: number; length: number }[];

function vectorAt(task: Task, va: number, count: number): Vector | number {
  if (count > IOV_MAX) return -E.INVAL;
  const raw = new Uint8Array(8 * count);
  if (count > 0 && !task.user.read(va, raw)) return -E.FAULT;
  const words = new Uint32Array(raw.buffer);
  const vector: Vector = [];
  for (let i = 0; i < count; i++) {
    if (words[2 * i + 1] > 0x7fff_ffff) return -E.INVAL;
    vector.push({ va: words[2 * i], length: words[2 * i + 1] });
  }
  return vector;
}

const transfer = (write: boolean): CallHandler =>
  function* (task, [pid, localVa, nrLocal, remoteVa, nrRemote, flags]): Op<number> {
    if (flags !== 0) return -E.INVAL;
    const local = vectorAt(task, localVa, nrLocal);
    if (typeof local === 'number') return local;
    const remote = vectorAt(task, remoteVa, nrRemote);
    if (typeof remote === 'number') return remote;
    const target = task.kernel.processes.tasks.get(pid)?.process;
    if (target === undefined || target.ending !== null) return -E.SRCH;
    if (!mayTrace(task, target)) return -E.PERM;
    let done = 0;
    for (let here = 0, there = 0; here < local.length && there < remote.length; ) {
      const [mine, other] = [local[here], remote[there]];
      const length = Math.min(mine.length, other.length, CHUNK);
      if (length > 0) {
        const moved = yield* moveOne(task, target, { mine: mine.va, other: other.va, length, write });
        if (moved < length) return done + Math.max(moved, 0) > 0 ? done + Math.max(moved, 0) : -E.FAULT;
        done += length;
      }
      for (const part of [mine, other]) {
        part.va += length;
        part.length -= length;
      }
      if (mine.length === 0) here++;
      if (other.length === 0) there++;
    }
    return done;
  };

interface Move {
  readonly mine: number;
  readonly other: number;
  readonly length: number;
  readonly write: boolean;
}

/** @returns bytes moved; the caller's own memory moves whole or not at all */
function* moveOne(task: Task, target: Process, { mine, other, length, write }: Move): Op<number> {
  const bytes = new Uint8Array(length);
  const { ram } = task.kernel;
  if (write) {
    if (!task.user.read(mine, bytes)) return 0;
    return yield* copyRemote(ram, target.memory, { va: other, bytes, write });
  }
  const got = yield* copyRemote(ram, target.memory, { va: other, bytes, write });
  return task.user.write(mine, bytes.subarray(0, got)) ? got : 0;
}

export const processMemoryCalls: Readonly<Record<string, CallHandler>> = {
  process_vm_readv: transfer(false),
  process_vm_writev: transfer(true),
};
