/** The kernel as procfs and sysfs show it. */

import { _PAGE_PRESENT } from '@domu/xen-abi';
import { toByteString } from './abi/bytes.ts';
import { PAGE_SIZE } from './boot/layout.ts';
import { USER_CAPABILITIES } from './fs/kernel-caller.ts';
import type { CpuView, KernelView, MapView, ProcessView, ThreadView } from './fs/proc/kernel-view.ts';
import type { SysView } from './fs/proc/sysfs.ts';
import type { Path } from './fs/types.ts';
import { procIpc } from './ipc/proc-ipc.ts';
import { ipcSettings } from './ipc/settings.ts';
import type { Kernel } from './kernel.ts';
import type { AddressSpace } from './mm/address-space.ts';
import { frameVa } from './mm/ram.ts';
import { FileSource } from './mm/sources.ts';
import { PROT_EXEC, PROT_READ, PROT_WRITE, type Vma } from './mm/vma.ts';
import { procNet, sysNet } from './net/proc-net.ts';
import type { Process } from './task/process.ts';
import type { Task } from './task/task.ts';

/** Longest argument list that /proc shows. */
const MAX_ARGUMENTS = 1 << 17;

const CPU: CpuView = {
  vendor: 'GenuineIntel',
  family: 6,
  model: 3,
  stepping: 3,
  modelName: 'domu i686',
  mhz: 1000,
  flags: ['fpu', 'tsc', 'cx8', 'cmov'],
};

/** Reads another process's memory, as far as it is present. */
function peek(kernel: Kernel, memory: AddressSpace, start: number, end: number): Uint8Array {
  const bytes = new Uint8Array(Math.min(Math.max(0, end - start), MAX_ARGUMENTS));
  for (let done = 0; done < bytes.length; ) {
    const va = start + done;
    const offset = va % PAGE_SIZE;
    const part = Math.min(PAGE_SIZE - offset, bytes.length - done);
    const entry = memory.entry(va);
    if ((entry & _PAGE_PRESENT) === 0) return bytes.subarray(0, done);
    kernel.ram.read(frameVa(entry >>> 12) + offset, bytes.subarray(done, done + part));
    done += part;
  }
  return bytes;
}

function mapView(memory: AddressSpace, vma: Vma): MapView {
  const bit = (flag: number, letter: string) => ((vma.prot & flag) !== 0 ? letter : '-');
  const permissions = `${bit(PROT_READ, 'r')}${bit(PROT_WRITE, 'w')}${bit(PROT_EXEC, 'x')}${vma.shared ? 's' : 'p'}`;
  const { start, end, source } = vma;
  const offset = source === null ? 0 : vma.firstPage * PAGE_SIZE;
  const label = source?.label ?? vma.label;
  const [dev, ino] = [source?.dev ?? 0, source?.ino ?? 0];
  const usage = () => memory.usage(start, end);
  return { start, end, permissions, offset, dev, ino, label, usage };
}

/** The program that a process runs: the first file in its memory. */
function exeOf(process: Process): Path | undefined {
  for (const { source } of process.memory.vmas) if (source instanceof FileSource) return source.path;
  return undefined;
}

function threadView(kernel: Kernel, task: Task): ThreadView {
  const stopped = task.process.stopped !== 0;
  const asleep = task.state === 'asleep';
  const state = stopped ? 'T' : asleep ? (task.interruptible ? 'S' : 'D') : 'R';
  return {
    tid: task.tid,
    name: task.name,
    state,
    noNewPrivileges: task.noNewPrivileges,
    userNs: task.userNs + kernel.core.runningSince(task),
    systemNs: task.systemNs,
  };
}

const NOBODY = { files: undefined, fs: undefined, exe: undefined };

function processView(kernel: Kernel, process: Process): ProcessView {
  const { leader, memory, usage, childUsage, session } = process;
  const zombie = process.ending !== null || leader === null;
  const threads = [...process.threads].map((task) => threadView(kernel, task));
  const sets = process.actions.sets();
  const name = leader?.name ?? process.program.replace(/^.*\//, '').slice(0, 15);
  const { lastUid: uid } = process;
  const ids = {
    uid,
    euid: uid,
    suid: uid,
    fsuid: uid,
    gid: 0,
    egid: 0,
    sgid: 0,
    fsgid: 0,
    groups: [],
    caps: USER_CAPABILITIES,
  };
  return {
    pid: process.pid,
    ppid: process.parent?.pid ?? 0,
    pgid: process.pgid,
    sid: process.sid,
    cred: leader?.cred ?? ids,
    leader:
      zombie || leader === null
        ? { tid: process.pid, name, state: 'Z', noNewPrivileges: false, userNs: 0n, systemNs: 0n }
        : threadView(kernel, leader),
    threads,
    ttyRdev: session.terminal?.rdev ?? 0,
    ttyForeground: session.terminal === undefined ? -1 : session.terminal.foreground,
    userNs: kernel.cpuTime(process) - usage.systemNs,
    systemNs: usage.systemNs,
    childUserNs: childUsage.userNs,
    childSystemNs: childUsage.systemNs,
    startedNs: process.startedNs,
    minorFaults: usage.minorFaults,
    majorFaults: usage.majorFaults,
    virtualBytes: zombie ? 0 : memory.mappedBytes,
    residentBytes: zombie ? 0 : memory.residentPages * PAGE_SIZE,
    exitSignal: process.exitSignal,
    nice: process.nice,
    signals: {
      pending: leader?.pending.set ?? 0n,
      sharedPending: process.pending.set,
      blocked: leader?.blocked ?? 0n,
      ...sets,
    },
    limits: process.limits,
    ...(zombie || leader === null ? NOBODY : { files: leader.files, fs: leader.fs, exe: exeOf(process) }),
    cmdline: () => (zombie ? '' : toByteString(peek(kernel, memory, memory.argStart, memory.argEnd))),
    environ: () => (zombie ? '' : toByteString(peek(kernel, memory, memory.envStart, memory.envEnd))),
    maps: () => (zombie ? [] : [...memory.vmas].map((vma) => mapView(memory, vma))),
  };
}

export function kernelView(kernel: Kernel): KernelView {
  const { processes, frames } = kernel;
  const totals = () => {
    let userNs = 0n;
    for (const process of processes.processes.values()) userNs += kernel.cpuTime(process);
    return userNs;
  };
  return {
    pids: () => [...processes.processes.keys()].sort((a, b) => a - b),
    process: (pid) => {
      const process = processes.processes.get(pid);
      return process && processView(kernel, process);
    },
    processOfThread: (tid) => {
      const task = processes.tasks.get(tid);
      return task && processView(kernel, task.process);
    },
    get uptimeNs() {
      return kernel.clock.now();
    },
    get idleNs() {
      const idle = kernel.clock.now() - totals();
      return idle > 0n ? idle : 0n;
    },
    get userNs() {
      return totals();
    },
    systemNs: 0n,
    get bootTimeS() {
      return Number((kernel.clock.realtime() - kernel.clock.now()) / 1_000_000_000n);
    },
    get loadAverages() {
      return kernel.loadAverages();
    },
    get runnable() {
      return kernel.scheduler.waiting + 1;
    },
    get tasks() {
      return processes.tasks.size;
    },
    get lastPid() {
      return processes.lastPid;
    },
    get forks() {
      return processes.forks;
    },
    contextSwitches: 0,
    interrupts: 0,
    get memory() {
      return {
        total: frames.total * PAGE_SIZE,
        free: frames.free * PAGE_SIZE,
        cached: 0,
        shared: 0,
      };
    },
    cpu: CPU,
    names: kernel.names,
    commandLine: kernel.startOfDay.commandLine,
    random: (into) => into.set(kernel.randomBytes(into.length)),
    logText: () => kernel.logText(),
    net: procNet(kernel),
    ipc: procIpc(kernel.ipc),
    settings: ipcSettings(kernel.ipc),
  };
}

export function sysView(kernel: Kernel): SysView {
  return {
    consoles: () => kernel.files.consoles.all.map(({ name }) => name).slice(0, 1),
    interfaces: () => sysNet(kernel.network),
  };
}
