/** Calls about who a process is: numbers, users, groups, sessions, limits. */

import { CAP_SETGID, CAP_SETUID } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { capable } from '../fs/permissions.ts';
import { withFileUser, withUsers } from '../task/capabilities.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import type { CallHandler } from './calls.ts';

const MAX_GROUPS = 65_536;
const KEEP = 0xffff_ffff;
/** What 16-bit calls show for numbers that do not fit. */
const OVERFLOW_ID = 65_534;
const KEEP16 = 0xffff;

const id16 = (id: number): number => (id > 0xffff ? OVERFLOW_ID : id);
const wide = (id: number): number => ((id & 0xffff) === KEEP16 ? KEEP : id & 0xffff);

function setUid(task: Task, uid: number): number {
  const { cred } = task;
  if (uid === KEEP) return -E.INVAL;
  if (capable(cred, CAP_SETUID)) task.cred = withUsers(cred, { uid, euid: uid, suid: uid, fsuid: uid });
  else if (uid === cred.uid || uid === cred.suid)
    task.cred = withUsers(cred, { ...cred, euid: uid, fsuid: uid });
  else return -E.PERM;
  return 0;
}

function setGid(task: Task, gid: number): number {
  const { cred } = task;
  if (gid === KEEP) return -E.INVAL;
  if (capable(cred, CAP_SETGID)) task.cred = { ...cred, gid, egid: gid, sgid: gid, fsgid: gid };
  else if (gid === cred.gid || gid === cred.sgid) task.cred = { ...cred, egid: gid, fsgid: gid };
  else return -E.PERM;
  return 0;
}

function setReUid(task: Task, ruid: number, euid: number): number {
  const { cred } = task;
  const real = ruid === KEEP ? cred.uid : ruid;
  const effective = euid === KEEP ? cred.euid : euid;
  if (!capable(cred, CAP_SETUID)) {
    if (real !== cred.uid && real !== cred.euid) return -E.PERM;
    if (![cred.uid, cred.euid, cred.suid].includes(effective)) return -E.PERM;
  }
  const suid = ruid !== KEEP || (euid !== KEEP && effective !== cred.uid) ? effective : cred.suid;
  task.cred = withUsers(cred, { uid: real, euid: effective, suid, fsuid: effective });
  return 0;
}

function setReGid(task: Task, rgid: number, egid: number): number {
  const { cred } = task;
  const real = rgid === KEEP ? cred.gid : rgid;
  const effective = egid === KEEP ? cred.egid : egid;
  if (!capable(cred, CAP_SETGID)) {
    if (real !== cred.gid && real !== cred.egid) return -E.PERM;
    if (![cred.gid, cred.egid, cred.sgid].includes(effective)) return -E.PERM;
  }
  const sgid = rgid !== KEEP || (egid !== KEEP && effective !== cred.gid) ? effective : cred.sgid;
  task.cred = { ...cred, gid: real, egid: effective, sgid, fsgid: effective };
  return 0;
}

function setResUid(task: Task, wished: readonly number[]): number {
  const { cred } = task;
  const have = [cred.uid, cred.euid, cred.suid];
  if (!capable(cred, CAP_SETUID) && wished.some((id) => id !== KEEP && !have.includes(id))) return -E.PERM;
  const [uid, euid, suid] = wished.map((id, i) => (id === KEEP ? have[i] : id));
  task.cred = withUsers(cred, { uid, euid, suid, fsuid: euid });
  return 0;
}

function setResGid(task: Task, wished: readonly number[]): number {
  const { cred } = task;
  const have = [cred.gid, cred.egid, cred.sgid];
  if (!capable(cred, CAP_SETGID) && wished.some((id) => id !== KEEP && !have.includes(id))) return -E.PERM;
  const [gid, egid, sgid] = wished.map((id, i) => (id === KEEP ? have[i] : id));
  task.cred = { ...cred, gid, egid, sgid, fsgid: egid };
  return 0;
}

function write16s(task: Task, va: number, ids: readonly number[]): boolean {
  return task.user.write(va, new Uint8Array(Uint16Array.from(ids.map(id16)).buffer));
}

const getGroups =
  (bytes: 2 | 4): CallHandler =>
  (task, [count, va]) => {
    const { groups } = task.cred;
    if ((count | 0) < 0) return -E.INVAL;
    if (count === 0) return groups.length;
    if (count < groups.length) return -E.INVAL;
    const ok =
      bytes === 2
        ? write16s(task, va, groups)
        : task.user.write(va, new Uint8Array(Uint32Array.from(groups).buffer));
    return ok ? groups.length : -E.FAULT;
  };

const setGroups =
  (bytes: 2 | 4): CallHandler =>
  (task, [count, va]) => {
    if (!capable(task.cred, CAP_SETGID)) return -E.PERM;
    if (count > MAX_GROUPS) return -E.INVAL;
    const raw = new Uint8Array(count * bytes);
    if (!task.user.read(va, raw)) return -E.FAULT;
    const groups = bytes === 2 ? new Uint16Array(raw.buffer) : new Uint32Array(raw.buffer);
    task.cred = { ...task.cred, groups: [...groups].sort((a, b) => a - b) };
    return 0;
  };

function processOf(task: Task, pid: number): Process | undefined {
  return pid === 0 ? task.process : task.kernel.processes.processes.get(pid);
}

function setpgid(task: Task, [pid, wished]: readonly number[]): number {
  if ((wished | 0) < 0) return -E.INVAL;
  const process = processOf(task, pid);
  if (process === undefined) return -E.SRCH;
  const isChild = process.parent === task.process;
  if (process !== task.process && !isChild) return -E.SRCH;
  if (isChild && process.hasExeced && process !== task.process) return -E.ACCES;
  if (process.sid === process.pid || process.session !== task.process.session) return -E.PERM;
  const pgid = wished === 0 ? process.pid : wished;
  if (pgid !== process.pid && task.kernel.processes.sessionOfGroup(pgid) !== process.sid) return -E.PERM;
  process.pgid = pgid;
  return 0;
}

function setsid(task: Task): number {
  const { process } = task;
  for (const _ of task.kernel.processes.group(process.pid)) return -E.PERM;
  process.session = { id: process.pid, terminal: undefined };
  process.pgid = process.pid;
  return process.pid;
}

const words = (task: Task, places: readonly number[], ids: readonly number[]): number =>
  places.every((va, i) => task.user.write32(va, ids[i])) ? 0 : -E.FAULT;

export const identityCalls: Readonly<Record<string, CallHandler>> = {
  getpid: (task) => task.process.pid,
  gettid: (task) => task.tid,
  getppid: (task) => task.process.parent?.pid ?? 0,
  getpgrp: (task) => task.process.pgid,
  getpgid: (task, [pid]) => processOf(task, pid)?.pgid ?? -E.SRCH,
  getsid: (task, [pid]) => processOf(task, pid)?.sid ?? -E.SRCH,
  setpgid,
  setsid,
  getuid: (task) => id16(task.cred.uid),
  geteuid: (task) => id16(task.cred.euid),
  getgid: (task) => id16(task.cred.gid),
  getegid: (task) => id16(task.cred.egid),
  getuid32: (task) => task.cred.uid | 0,
  geteuid32: (task) => task.cred.euid | 0,
  getgid32: (task) => task.cred.gid | 0,
  getegid32: (task) => task.cred.egid | 0,
  setuid: (task, [uid]) => setUid(task, wide(uid)),
  setgid: (task, [gid]) => setGid(task, wide(gid)),
  setuid32: (task, [uid]) => setUid(task, uid),
  setgid32: (task, [gid]) => setGid(task, gid),
  setreuid: (task, [ruid, euid]) => setReUid(task, wide(ruid), wide(euid)),
  setregid: (task, [rgid, egid]) => setReGid(task, wide(rgid), wide(egid)),
  setreuid32: (task, [ruid, euid]) => setReUid(task, ruid, euid),
  setregid32: (task, [rgid, egid]) => setReGid(task, rgid, egid),
  setresuid: (task, a) => setResUid(task, a.slice(0, 3).map(wide)),
  setresgid: (task, a) => setResGid(task, a.slice(0, 3).map(wide)),
  setresuid32: (task, a) => setResUid(task, a.slice(0, 3)),
  setresgid32: (task, a) => setResGid(task, a.slice(0, 3)),
  getresuid: (task, [r, e, s]) => {
    const { uid, euid, suid } = task.cred;
    return write16s(task, r, [uid]) && write16s(task, e, [euid]) && write16s(task, s, [suid]) ? 0 : -E.FAULT;
  },
  getresgid: (task, [r, e, s]) => {
    const { gid, egid, sgid } = task.cred;
    return write16s(task, r, [gid]) && write16s(task, e, [egid]) && write16s(task, s, [sgid]) ? 0 : -E.FAULT;
  },
  getresuid32: (task, places) =>
    words(task, places.slice(0, 3), [task.cred.uid, task.cred.euid, task.cred.suid]),
  getresgid32: (task, places) =>
    words(task, places.slice(0, 3), [task.cred.gid, task.cred.egid, task.cred.sgid]),
  setfsuid: (task, [uid]) => setFsUid(task, wide(uid)),
  setfsgid: (task, [gid]) => setFsGid(task, wide(gid)),
  setfsuid32: (task, [uid]) => setFsUid(task, uid),
  setfsgid32: (task, [gid]) => setFsGid(task, gid),
  getgroups: getGroups(2),
  getgroups32: getGroups(4),
  setgroups: setGroups(2),
  setgroups32: setGroups(4),
};

function setFsUid(task: Task, fsuid: number): number {
  const { cred } = task;
  const old = cred.fsuid;
  const isOwn = [cred.uid, cred.euid, cred.suid, cred.fsuid].includes(fsuid);
  if (fsuid !== KEEP && (isOwn || capable(cred, CAP_SETUID))) task.cred = withFileUser(cred, fsuid);
  return old | 0;
}

function setFsGid(task: Task, fsgid: number): number {
  const { cred } = task;
  const old = cred.fsgid;
  const isOwn = [cred.gid, cred.egid, cred.sgid, cred.fsgid].includes(fsgid);
  if (fsgid !== KEEP && (isOwn || capable(cred, CAP_SETGID))) task.cred = { ...cred, fsgid };
  return old | 0;
}
