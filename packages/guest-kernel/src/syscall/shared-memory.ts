/** shmget, shmat, shmdt, shmctl. Source: their manual pages, linux ipc/shm.c. */
import { E } from '../abi/errno.ts';
import * as I from '../abi/ipc.ts';
import { PAGE_SIZE, TASK_SIZE } from '../boot/layout.ts';
import type { Segment } from '../ipc/shared-memory.ts';
import { MAX_REGIONS, mapFixed, pageUp, placeRegion } from '../mm/mapping.ts';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '../mm/vma.ts';
import type { Task } from '../task/task.ts';
import { mayGrow } from './memory.ts';

const READ = 0o444;
const WRITE = 0o222;
const EXECUTE = 0o111;
const DS_SIZES = { new: 84, old: 48 } as const;
const INFO_SIZES = { new: 36, old: 20 } as const;
const USAGE_BYTES = 24;

export function shmget(task: Task, key: number, size: number, flags: number): number {
  return task.kernel.ipc.sharedMemory.get(key | 0, size, flags, task.cred);
}

/** @returns the address, or a negative errno */
export function shmat(task: Task, id: number, wished: number, flags: number): number {
  const segment = task.kernel.ipc.sharedMemory.ids.find(id | 0);
  let va = wished;
  if (va !== 0 && va % PAGE_SIZE !== 0) {
    if (!(flags & I.SHM_RND)) return -E.INVAL;
    va -= va % PAGE_SIZE;
    if (va === 0 && flags & I.SHM_REMAP) return -E.INVAL;
  } else if (va === 0 && flags & I.SHM_REMAP) return -E.INVAL;
  if (segment === undefined) return -E.INVAL;
  const writes = !(flags & I.SHM_RDONLY);
  const runs = (flags & I.SHM_EXEC) !== 0;
  const wanted = READ | (writes ? WRITE : 0) | (runs ? EXECUTE : 0);
  const denied = segment.checkAccess(task.cred, wanted);
  if (denied < 0) return denied;
  const { memory } = task.process;
  const bytes = pageUp(segment.sizeBytes);
  if (memory.vmas.size >= MAX_REGIONS || bytes > TASK_SIZE || !mayGrow(task, bytes)) return -E.NOMEM;
  if (va !== 0 && (va + bytes > TASK_SIZE || (!(flags & I.SHM_REMAP) && !memory.vmas.isFree(va, va + bytes))))
    return -E.INVAL;
  const start = va === 0 ? placeRegion(memory, 0, bytes) : va;
  if (start < 0) return start;
  const prot = PROT_READ | (writes ? PROT_WRITE : 0) | (runs ? PROT_EXEC : 0);
  mapFixed(memory, { start, end: start + bytes, prot, shared: true, mayWrite: writes, source: segment });
  return start;
}

export function shmdt(task: Task, va: number): number {
  if (va % PAGE_SIZE !== 0) return -E.INVAL;
  const { memory } = task.process;
  const { ids } = task.kernel.ipc.sharedMemory;
  let segment: Segment | undefined;
  const parts: [number, number][] = [];
  for (const vma of memory.vmas) {
    // What is left of one shmat lies where that put it, whatever was cut out of it since.
    const distance = (vma.start - va) / PAGE_SIZE;
    if (distance < 0 || vma.source === null || distance !== vma.firstPage) continue;
    const found = segment ?? ids.at(vma.source.ino % I.IPC_SLOTS);
    if (found !== vma.source) continue;
    segment = found;
    parts.push([vma.start, vma.end]);
  }
  for (const [start, end] of parts) memory.unmap(start, end);
  return segment === undefined ? -E.INVAL : 0;
}

export function shmctl(task: Task, id: number, cmd: number, va: number, version: I.IpcVersion): number {
  const { sharedMemory: shm, host } = task.kernel.ipc;
  const put = (bytes: Uint8Array, result: number) => (task.user.write(va, bytes) ? result : -E.FAULT);
  if ((id | 0) < 0 || (cmd | 0) < 0) return -E.INVAL;
  switch (cmd) {
    case I.IPC_INFO: {
      const { shmmax, shmall, shmmni } = shm.limits;
      const info = new I.IpcRecord(INFO_SIZES, version);
      return put(
        info.word(shmmax).word(I.SHMMIN).word(shmmni).word(shmmni).word(shmall).bytes,
        shm.ids.highest,
      );
    }
    case I.SHM_INFO: {
      const info = new I.IpcRecord({ new: USAGE_BYTES, old: USAGE_BYTES }, version);
      let resident = 0;
      for (const segment of shm.ids) resident += segment.residentBytes / PAGE_SIZE;
      return put(info.word(shm.ids.size).word(shm.totalPages).word(resident).bytes, shm.ids.highest);
    }
    case I.SHM_STAT:
    case I.SHM_STAT_ANY: {
      const segment = shm.ids.at(id);
      if (segment === undefined) return -E.INVAL;
      const denied = cmd === I.SHM_STAT ? segment.checkAccess(task.cred, READ) : 0;
      return denied || put(describe(segment, version), segment.id);
    }
  }
  const segment = shm.ids.find(id);
  if (cmd === I.IPC_STAT) {
    if (segment === undefined) return -E.INVAL;
    return segment.checkAccess(task.cred, READ) || put(describe(segment, version), 0);
  }
  if (![I.IPC_SET, I.IPC_RMID, I.SHM_LOCK, I.SHM_UNLOCK].includes(cmd)) return -E.INVAL;
  const bytes = new Uint8Array(I.PERMISSION_BYTES[version]);
  if (cmd === I.IPC_SET && !task.user.read(va, bytes)) return -E.FAULT;
  if (segment === undefined) return -E.INVAL;
  const denied = segment.checkOwner(task.cred);
  if (denied < 0) return denied;
  if (cmd === I.IPC_SET) return segment.change(I.readSettings(bytes, version), host.now());
  if (cmd === I.IPC_RMID) shm.remove(segment);
  else segment.locked = cmd === I.SHM_LOCK;
  return 0;
}

/** struct shmid_ds. */
function describe(segment: Segment, version: I.IpcVersion): Uint8Array {
  return new I.IpcRecord(DS_SIZES, version)
    .permission(segment)
    .word(segment.sizeBytes)
    .time(segment.attachTime)
    .time(segment.detachTime)
    .time(segment.ctime)
    .narrow(segment.creatorPid)
    .narrow(segment.lastPid)
    .narrow(segment.attached).bytes;
}
