/** memfd_create(2). */
import { E } from '../abi/errno.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';

const MFD_CLOEXEC = 1;
const MFD_ALLOW_SEALING = 2;
/** NAME_MAX without "memfd:". */
const MAX_NAME = 249;

function* memfdCreate(task: Task, [nameVa, flags]: readonly number[]): Op<number> {
  if (flags & ~(MFD_CLOEXEC | MFD_ALLOW_SEALING)) return -E.INVAL;
  const name = task.user.readString(nameVa, MAX_NAME + 1);
  if (typeof name === 'number') return name === -E.NAMETOOLONG ? -E.INVAL : name;
  const handle = yield* task.kernel.files.memoryFiles.make(`memfd:${name}`, 0o777, task.cred);
  return typeof handle === 'number' ? handle : task.files.add(handle, (flags & MFD_CLOEXEC) !== 0);
}

export const memoryFileCalls: Readonly<Record<string, CallHandler>> = { memfd_create: memfdCreate };
