/** The files of /proc about the whole kernel. Source: proc(5). */
import { CAP_LAST_CAP } from '../../abi/capability.ts';
import { E } from '../../abi/errno.ts';
import { directory, type SyntheticNode, textFile } from '../synthetic.ts';
import type { KernelView, Setting } from './kernel-view.ts';

const ticks = (ns: bigint): bigint => ns / 10_000_000n;

function hundredths(ns: bigint): string {
  const total = ns / 10_000_000n;
  return `${total / 100n}.${String(total % 100n).padStart(2, '0')}`;
}

function meminfo({ memory }: KernelView): string {
  const rows: readonly (readonly [string, number])[] = [
    ['MemTotal', memory.total],
    ['MemFree', memory.free],
    ['MemAvailable', memory.free + memory.cached - memory.shared],
    ['Buffers', 0],
    ['Cached', memory.cached],
    ['SwapCached', 0],
    ['Active', memory.cached],
    ['Inactive', 0],
    ['SwapTotal', 0],
    ['SwapFree', 0],
    ['Dirty', 0],
    ['Writeback', 0],
    ['AnonPages', Math.max(0, memory.total - memory.free - memory.cached)],
    ['Mapped', 0],
    ['Shmem', memory.shared],
    ['Slab', 0],
    ['SReclaimable', 0],
    ['SUnreclaim', 0],
    ['CommitLimit', Math.floor(memory.total / 2)],
    ['Committed_AS', memory.total - memory.free],
  ];
  const line = ([name, bytes]: readonly [string, number]) =>
    `${`${name}:`.padEnd(15)}${String(Math.floor(bytes / 1024)).padStart(9)} kB\n`;
  return rows.map(line).join('');
}

function cpuinfo({ cpu }: KernelView): string {
  const rows: readonly (readonly [string, string | number])[] = [
    ['processor\t', 0],
    ['vendor_id\t', cpu.vendor],
    ['cpu family\t', cpu.family],
    ['model\t\t', cpu.model],
    ['model name\t', cpu.modelName],
    ['stepping\t', cpu.stepping],
    ['cpu MHz\t\t', cpu.mhz.toFixed(3)],
    ['physical id\t', 0],
    ['siblings\t', 1],
    ['core id\t\t', 0],
    ['cpu cores\t', 1],
    ['fdiv_bug\t', 'no'],
    ['f00f_bug\t', 'no'],
    ['coma_bug\t', 'no'],
    ['fpu\t\t', 'yes'],
    ['fpu_exception\t', 'yes'],
    ['cpuid level\t', 2],
    ['wp\t\t', 'yes'],
    ['flags\t\t', cpu.flags.join(' ')],
    ['bogomips\t', (cpu.mhz * 2).toFixed(2)],
    ['clflush size\t', 64],
    ['address sizes\t', '36 bits physical, 32 bits virtual'],
  ];
  return `${rows.map(([name, value]) => `${name}: ${value}\n`).join('')}\n`;
}

function stat(kernel: KernelView): string {
  const cpu = [kernel.userNs, 0n, kernel.systemNs, kernel.idleNs, 0n, 0n, 0n, 0n, 0n, 0n]
    .map(ticks)
    .join(' ');
  return [
    `cpu  ${cpu}`,
    `cpu0 ${cpu}`,
    `intr ${kernel.interrupts}`,
    `ctxt ${kernel.contextSwitches}`,
    `btime ${kernel.bootTimeS}`,
    `processes ${kernel.forks}`,
    `procs_running ${kernel.runnable}`,
    'procs_blocked 0',
    'softirq 0 0 0 0 0 0 0 0 0 0 0\n',
  ].join('\n');
}

function uuid(kernel: KernelView): string {
  const bytes = new Uint8Array(16);
  kernel.random(bytes);
  bytes[6] = (bytes[6]! & 0x0f) | 0x40;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  const text = [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
  return `${text.slice(0, 8)}-${text.slice(8, 12)}-${text.slice(12, 16)}-${text.slice(16, 20)}-${text.slice(20)}\n`;
}

/** A setting that can be read and written, kept as it was written. */
function setting(initial: string): SyntheticNode {
  let value = `${initial}\n`;
  return textFile(() => value, {
    permissions: 0o644,
    write: (text) => {
      value = text.endsWith('\n') ? text : `${text}\n`;
      return 0;
    },
  });
}

/** Numbers that the kernel goes by. */
function numbers({ get, set }: Setting): SyntheticNode {
  return textFile(() => `${get().join('\t')}\n`, {
    permissions: 0o644,
    write: (text) => {
      const words = text.trim().split(/\s+/);
      return words.every((word) => /^\d{1,10}$/.test(word)) ? set(words.map(Number)) : -E.INVAL;
    },
  });
}

function sysctls(kernel: KernelView): SyntheticNode {
  const fixed = (text: string) => textFile(() => `${text}\n`);
  const { names } = kernel;
  const name = (key: 'nodename' | 'domainname') =>
    textFile(() => `${names[key]}\n`, {
      permissions: 0o644,
      write: (text) => {
        names[key] = text.replace(/\n.*$/s, '').slice(0, 64);
        return 0;
      },
    });
  const bootId = uuid(kernel);
  return directory({
    kernel: directory({
      ostype: fixed('Linux'),
      osrelease: fixed(names.release),
      version: fixed(names.version),
      hostname: name('nodename'),
      domainname: name('domainname'),
      pid_max: setting('32768'),
      'threads-max': setting('16384'),
      ngroups_max: fixed('65536'),
      cap_last_cap: fixed(String(CAP_LAST_CAP)),
      printk: setting('7\t4\t1\t7'),
      panic: setting('0'),
      core_pattern: setting('core'),
      modprobe: setting('/sbin/modprobe'),
      hotplug: setting(''),
      overflowuid: setting('65534'),
      overflowgid: setting('65534'),
      randomize_va_space: setting('0'),
      tainted: fixed('0'),
      ...Object.fromEntries(Object.entries(kernel.settings).map(([key, each]) => [key, numbers(each)])),
      random: directory({
        boot_id: textFile(() => bootId),
        uuid: textFile(() => uuid(kernel)),
        entropy_avail: fixed('256'),
        poolsize: fixed('256'),
      }),
      pty: directory({ max: setting('4096'), nr: fixed('0') }),
    }),
    vm: directory({
      overcommit_memory: setting('0'),
      overcommit_ratio: setting('50'),
      max_map_count: setting('65530'),
      swappiness: setting('60'),
      drop_caches: setting('0'),
      min_free_kbytes: setting('1024'),
    }),
    fs: directory({
      'file-max': setting('65536'),
      'file-nr': fixed('0\t0\t65536'),
      nr_open: setting('1048576'),
      'pipe-max-size': setting('1048576'),
    }),
    net: directory({
      core: directory({ somaxconn: setting('128') }),
      ipv4: directory({
        ip_forward: setting('0'),
        ip_local_port_range: setting('32768\t60999'),
        tcp_fin_timeout: setting('60'),
      }),
    }),
  });
}

/** Everything in /proc that is not a process. `fileSystems`, `partitions`, `diskstats` and `devices` are told by the file side. */
export function kernelFiles(
  kernel: KernelView,
  more: {
    readonly filesystems: () => string;
    readonly partitions: () => string;
    readonly diskstats: () => string;
  },
): Record<string, SyntheticNode> {
  const loadavg = () => {
    const averages = kernel.loadAverages.map((load) => load.toFixed(2)).join(' ');
    return `${averages} ${kernel.runnable}/${kernel.tasks} ${kernel.lastPid}\n`;
  };
  const link = (target: string): SyntheticNode => ({ kind: 'link', target: () => target });
  return {
    self: { kind: 'link', target: ({ pid }) => String(pid) },
    'thread-self': { kind: 'link', target: ({ pid }) => `${pid}/task/${pid}` },
    cmdline: textFile(() => `${kernel.commandLine}\n`),
    cpuinfo: textFile(() => cpuinfo(kernel)),
    crypto: textFile(() => ''),
    devices: textFile(
      () =>
        'Character devices:\n  1 mem\n  5 /dev/tty\n  5 /dev/console\n  5 /dev/ptmx\n136 pts\n229 hvc\n\nBlock devices:\n202 xvd\n',
    ),
    diskstats: textFile(more.diskstats),
    filesystems: textFile(more.filesystems),
    interrupts: textFile(
      () => `           CPU0\n  0: ${String(kernel.interrupts).padStart(10)}  xen-dyn  event\n`,
    ),
    kmsg: textFile(() => kernel.logText(), { permissions: 0o400 }),
    loadavg: textFile(loadavg),
    locks: textFile(() => ''),
    meminfo: textFile(() => meminfo(kernel)),
    misc: textFile(() => ''),
    modules: textFile(() => ''),
    mounts: link('self/mounts'),
    net: link('self/net'),
    partitions: textFile(more.partitions),
    stat: textFile(() => stat(kernel)),
    swaps: textFile(() => 'Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n'),
    sys: sysctls(kernel),
    sysvipc: directory(
      Object.fromEntries(Object.entries(kernel.ipc).map(([name, text]) => [name, textFile(text)])),
    ),
    uptime: textFile(() => `${hundredths(kernel.uptimeNs)} ${hundredths(kernel.idleNs)}\n`),
    version: textFile(() => `Linux version ${kernel.names.release} (domu) ${kernel.names.version}\n`),
    vmstat: textFile(() => `nr_free_pages ${Math.floor(kernel.memory.free / 4096)}\n`),
  };
}
