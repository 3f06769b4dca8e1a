/** Calls about the machine and the kernel: names, limits, memory, rebooting, scheduling. */
import { CAP_SYS_ADMIN, CAP_SYS_BOOT, CAP_SYS_RESOURCE } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { RLIMIT_NOFILE, RLIMIT_STACK } from '../abi/limits.ts';
import { PAGE_SIZE } from '../boot/layout.ts';
import { capable } from '../fs/permissions.ts';
import { readTlsDescriptor, writeTlsDescriptor } from '../mm/tls.ts';
import type { Process } from '../task/process.ts';
import type { Task } from '../task/task.ts';
import type { Op } from '../task/wait.ts';
import type { CallHandler } from './calls.ts';
import { encodeUsage } from './processes.ts';

const FIELD_BYTES = 65;
const RLIM_NLIMITS = 16;
const RLIM32_INFINITY = 0xffff_ffff;
const OLD_RLIM_INFINITY = 0x7fff_ffff;
const GRND_KNOWN = 7;
const NS_PER_SECOND = 1_000_000_000n;

function uname(task: Task, [va]: readonly number[]): number {
  const out = new Uint8Array(6 * FIELD_BYTES);
  const { sysname, nodename, release, version, machine, domainname } = task.kernel.names;
  for (const [i, text] of [sysname, nodename, release, version, machine, domainname].entries())
    out.set(
      Uint8Array.from(text.slice(0, 64), (c) => c.charCodeAt(0)),
      i * FIELD_BYTES,
    );
  return task.user.write(va, out) ? 0 : -E.FAULT;
}

const setName =
  (field: 'nodename' | 'domainname'): CallHandler =>
  (task, [va, length]) => {
    if (!capable(task.cred, CAP_SYS_ADMIN)) return -E.PERM;
    if (length > 64) return -E.INVAL;
    const bytes = new Uint8Array(length);
    if (!task.user.read(va, bytes)) return -E.FAULT;
    task.kernel.names[field] = String.fromCharCode(...bytes).replace(/\0.*$/s, '');
    return 0;
  };

function sysinfo(task: Task, [va]: readonly number[]): number {
  const { kernel } = task;
  const { frames } = kernel;
  const out = new DataView(new ArrayBuffer(64));
  out.setInt32(0, Number(kernel.clock.now() / NS_PER_SECOND), true);
  for (const [i, load] of kernel.loadAverages().entries()) out.setUint32(4 + 4 * i, load * 65_536, true);
  out.setUint32(16, frames.total, true);
  out.setUint32(20, frames.free, true);
  out.setUint16(40, kernel.processes.tasks.size, true);
  out.setUint32(52, PAGE_SIZE, true);
  return task.user.write(va, new Uint8Array(out.buffer)) ? 0 : -E.FAULT;
}

const REBOOT_MAGIC1 = 0xfee1_dead;
const REBOOT_MAGIC2 = [0x2812_1969, 0x0512_1996, 0x1604_1998, 0x2011_2000];
const REBOOT_RESTART = 0x0123_4567;
const REBOOT_HALT = 0xcdef_0123;
const REBOOT_POWER_OFF = 0x4321_fedc;
const REBOOT_CAD_ON = 0x89ab_cdef;
const REBOOT_CAD_OFF = 0;
const REBOOT_RESTART2 = 0xa1b2_c3d4;

function* reboot(task: Task, [magic1, magic2, cmd]: readonly number[]): Op<number> {
  if (!capable(task.cred, CAP_SYS_BOOT)) return -E.PERM;
  if (magic1 !== REBOOT_MAGIC1 || !REBOOT_MAGIC2.includes(magic2)) return -E.INVAL;
  switch (cmd) {
    case REBOOT_RESTART:
    case REBOOT_RESTART2:
      return yield* task.kernel.shutDown('reboot');
    case REBOOT_HALT:
    case REBOOT_POWER_OFF:
      return yield* task.kernel.shutDown('poweroff');
    case REBOOT_CAD_ON:
    case REBOOT_CAD_OFF:
      return 0;
    default:
      return -E.INVAL;
  }
}

function getrandom(task: Task, [va, length, flags]: readonly number[]): number {
  if (flags & ~GRND_KNOWN) return -E.INVAL;
  const bytes = task.kernel.randomBytes(Math.min(length, 1 << 20));
  return task.user.write(va, bytes) ? bytes.length : -E.FAULT;
}

/** GLOBAL, GLOBAL_EXPEDITED and PRIVATE_EXPEDITED with their registrations. */
const MEMBARRIER_KNOWN = 0x1f;

// ---- limits ----

const show = (limit: number, infinity: number): number => Math.min(limit, infinity);

const getrlimit =
  (infinity: number): CallHandler =>
  (task, [resource, va]) => {
    const limit = task.process.limits[resource];
    if (limit === undefined) return -E.INVAL;
    const ok =
      task.user.write32(va, show(limit[0], infinity)) && task.user.write32(va + 4, show(limit[1], infinity));
    return ok ? 0 : -E.FAULT;
  };

function changeLimit(task: Task, process: Process, resource: number, soft: number, hard: number): number {
  const limit = process.limits[resource];
  if (soft > hard) return -E.INVAL;
  if (hard > limit[1] && !capable(task.cred, CAP_SYS_RESOURCE)) return -E.PERM;
  process.limits[resource] = [soft, hard];
  if (resource === RLIMIT_STACK) process.memory.stackLimit = soft;
  if (resource === RLIMIT_NOFILE)
    for (const thread of process.threads) thread.files.limit = Math.min(soft, 1 << 20);
  return 0;
}

function setrlimit(task: Task, [resource, va]: readonly number[]): number {
  if (resource >= RLIM_NLIMITS) return -E.INVAL;
  const [soft, hard] = [task.user.read32(va), task.user.read32(va + 4)];
  if (soft === undefined || hard === undefined) return -E.FAULT;
  const value = (word: number): number => (word === RLIM32_INFINITY ? Number.POSITIVE_INFINITY : word);
  return changeLimit(task, task.process, resource, value(soft), value(hard));
}

/** Root, or the same user and group as all of the other's. */
function ownsEntirely(task: Task, { leader }: Process): boolean {
  const { cred } = task;
  if (capable(cred, CAP_SYS_RESOURCE)) return true;
  const other = leader?.cred;
  return (
    other !== undefined &&
    [other.uid, other.euid, other.suid].every((id) => id === cred.uid) &&
    [other.gid, other.egid, other.sgid].every((id) => id === cred.gid)
  );
}

function prlimit64(task: Task, [pid, resource, newVa, oldVa]: readonly number[]): number {
  const process = pid === 0 ? task.process : task.kernel.processes.processes.get(pid);
  if (process === undefined) return -E.SRCH;
  if (resource >= RLIM_NLIMITS) return -E.INVAL;
  if (process !== task.process && !ownsEntirely(task, process)) return -E.PERM;
  const old = process.limits[resource];
  if (newVa !== 0) {
    const bytes = new Uint8Array(16);
    if (!task.user.read(newVa, bytes)) return -E.FAULT;
    const view = new DataView(bytes.buffer);
    const value = (at: number): number => {
      const limit = view.getBigUint64(at, true);
      return limit === 0xffff_ffff_ffff_ffffn ? Number.POSITIVE_INFINITY : Number(limit);
    };
    const rc = changeLimit(task, process, resource, value(0), value(8));
    if (rc < 0) return rc;
  }
  if (oldVa === 0) return 0;
  const view = new DataView(new ArrayBuffer(16));
  for (const [i, limit] of old.entries())
    view.setBigUint64(8 * i, Number.isFinite(limit) ? BigInt(limit) : 0xffff_ffff_ffff_ffffn, true);
  return task.user.write(oldVa, new Uint8Array(view.buffer)) ? 0 : -E.FAULT;
}

function getrusage(task: Task, [who, va]: readonly number[]): number {
  const { process } = task;
  const self = { ...process.usage, userNs: task.kernel.cpuTime(process) - process.usage.systemNs };
  const usage = who === 0 || who === 1 ? self : (who | 0) === -1 ? process.childUsage : null;
  if (usage === null) return -E.INVAL;
  return task.user.write(va, encodeUsage(usage)) ? 0 : -E.FAULT;
}

// ---- scheduling ----

function* schedYield(task: Task): Op<number> {
  if (task.kernel.scheduler.waiting > 0)
    yield { queues: [], deadline: task.kernel.clock.now(), interruptible: false };
  return 0;
}

function affinity(task: Task, [pid, length, va]: readonly number[]): number {
  if (pid !== 0 && !task.kernel.processes.tasks.has(pid)) return -E.SRCH;
  if (length < 4 || length % 4 !== 0) return -E.INVAL;
  const mask = new Uint8Array(4);
  mask[0] = 1;
  return task.user.write(va, mask) ? 4 : -E.FAULT;
}

function syslog(task: Task, [type, va, length]: readonly number[]): number {
  const READ_ALL = 3;
  const SIZE_BUFFER = 10;
  if (type === SIZE_BUFFER) return 1 << 16;
  if (type !== READ_ALL && type !== 4) return type <= 8 ? 0 : -E.INVAL;
  const text = task.kernel.logText();
  const bytes = Uint8Array.from(text.slice(-Math.min(length, 1 << 16)), (c) => c.charCodeAt(0));
  return task.user.write(va, bytes) ? bytes.length : -E.FAULT;
}

export const systemCalls: Readonly<Record<string, CallHandler>> = {
  uname,
  sethostname: setName('nodename'),
  setdomainname: setName('domainname'),
  sysinfo,
  reboot,
  getrandom,
  getrlimit: getrlimit(OLD_RLIM_INFINITY),
  ugetrlimit: getrlimit(RLIM32_INFINITY),
  setrlimit,
  prlimit64,
  getrusage,
  syslog,
  set_thread_area: (task, [va]) => {
    const rc = readTlsDescriptor(task.user, va, task.tls);
    if (rc === 0) task.kernel.processor.loadTls(task);
    return rc;
  },
  get_thread_area: (task, [va]) => writeTlsDescriptor(task.user, va, task.tls),
  sched_yield: schedYield,
  sched_getaffinity: affinity,
  sched_setaffinity: () => 0,
  getcpu: (task, [cpuVa, nodeVa]) => {
    const ok = [cpuVa, nodeVa].every((va) => va === 0 || task.user.write32(va, 0));
    return ok ? 0 : -E.FAULT;
  },
  personality: () => 0,
  vhangup: () => 0,
  // One processor: what it has done, it has done. The query tells of the global kinds and of the private one.
  membarrier: (_task, [cmd, flags]) => {
    if (flags !== 0) return -E.INVAL;
    return cmd === 0 ? MEMBARRIER_KNOWN : (cmd & (cmd - 1)) === 0 && cmd & MEMBARRIER_KNOWN ? 0 : -E.INVAL;
  },
};
