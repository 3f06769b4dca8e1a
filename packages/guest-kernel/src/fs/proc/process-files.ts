/** The files of /proc/PID. Source: proc(5), Linux fs/proc/array.c. */
import { CAP_SYS_PTRACE } from '../../abi/capability.ts';
import { E } from '../../abi/errno.ts';
import { capable } from '../permissions.ts';
import { tellPath } from '../pins.ts';
import { directory, type SyntheticDirectory, type SyntheticNode, textFile } from '../synthetic.ts';
import type { Caller, FileHandle, Path } from '../types.ts';
import type { KernelView, MapView, ProcessView, ThreadView } from './kernel-view.ts';
import { mountinfoLines, mountLines } from './mount-files.ts';

const NS_PER_TICK = 10_000_000n;

const ticks = (ns: bigint): bigint => ns / NS_PER_TICK;

/** One line of 52 fields. */
export function statLine(of: ProcessView, thread: ThreadView, whole: boolean): string {
  const rlimRss = of.limits[5]?.[0] ?? Number.POSITIVE_INFINITY;
  const user = whole ? of.userNs : thread.userNs;
  const system = whole ? of.systemNs : thread.systemNs;
  const fields = [
    whole ? of.pid : thread.tid,
    `(${thread.name})`,
    thread.state,
    of.ppid,
    of.pgid,
    of.sid,
    of.ttyRdev,
    of.ttyForeground,
    4194560,
    of.minorFaults,
    0,
    of.majorFaults,
    0,
    ticks(user),
    ticks(system),
    ticks(of.childUserNs),
    ticks(of.childSystemNs),
    20 + of.nice,
    of.nice,
    of.threads.length,
    0,
    ticks(of.startedNs),
    of.virtualBytes,
    Math.floor(of.residentBytes / 4096),
    Number.isFinite(rlimRss) ? rlimRss : 4294967295,
    ...[0, 0, 0, 0, 0],
    of.signals.pending & 0x7fffffffn,
    of.signals.blocked & 0x7fffffffn,
    of.signals.ignored & 0x7fffffffn,
    of.signals.caught & 0x7fffffffn,
    ...[0, 0, 0],
    of.exitSignal,
    ...[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
  ];
  return `${fields.join(' ')}\n`;
}

const STATES: Readonly<Record<string, string>> = {
  R: 'R (running)',
  S: 'S (sleeping)',
  D: 'D (disk sleep)',
  T: 'T (stopped)',
  Z: 'Z (zombie)',
};

const hex64 = (set: bigint): string => BigInt.asUintN(64, set).toString(16).padStart(16, '0');

function status(of: ProcessView, thread: ThreadView): string {
  const { cred, signals } = of;
  const kb = (bytes: number) => `${String(Math.floor(bytes / 1024)).padStart(8)} kB`;
  const { caps } = cred;
  const lines: (readonly [string, string | number])[] = [
    ['Name', thread.name],
    ['Umask', (of.fs?.umask ?? 0o022).toString(8).padStart(4, '0')],
    ['State', STATES[thread.state] ?? thread.state],
    ['Tgid', of.pid],
    ['Ngid', 0],
    ['Pid', thread.tid],
    ['PPid', of.ppid],
    ['TracerPid', 0],
    ['Uid', [cred.uid, cred.euid, cred.suid, cred.fsuid].join('\t')],
    ['Gid', [cred.gid, cred.egid, cred.sgid, cred.fsgid].join('\t')],
    ['FDSize', of.files === undefined ? 0 : 64],
    ['Groups', `${cred.groups.join(' ')} `],
    ...(thread.state === 'Z'
      ? []
      : ([
          ['VmPeak', kb(of.virtualBytes)],
          ['VmSize', kb(of.virtualBytes)],
          ['VmLck', kb(0)],
          ['VmHWM', kb(of.residentBytes)],
          ['VmRSS', kb(of.residentBytes)],
          ['VmSwap', kb(0)],
        ] as const)),
    ['Threads', of.threads.length],
    ['SigQ', `0/${of.limits[11]?.[0] ?? 0}`],
    ['SigPnd', hex64(signals.pending)],
    ['ShdPnd', hex64(signals.sharedPending)],
    ['SigBlk', hex64(signals.blocked)],
    ['SigIgn', hex64(signals.ignored)],
    ['SigCgt', hex64(signals.caught)],
    ['CapInh', hex64(caps.inheritable)],
    ['CapPrm', hex64(caps.permitted)],
    ['CapEff', hex64(caps.effective)],
    ['CapBnd', hex64(caps.bounding)],
    ['CapAmb', hex64(caps.ambient)],
    ['NoNewPrivs', thread.noNewPrivileges ? 1 : 0],
    ['Seccomp', 0],
    ['Cpus_allowed', 1],
    ['Cpus_allowed_list', 0],
    ['voluntary_ctxt_switches', 0],
    ['nonvoluntary_ctxt_switches', 0],
  ];
  return lines.map(([name, value]) => `${name}:\t${value}\n`).join('');
}

const hex = (value: number, width: number): string => value.toString(16).padStart(width, '0');

function mapLine(map: MapView): string {
  const dev = `${hex((map.dev >>> 8) & 0xfff, 2)}:${hex(map.dev & 0xff, 2)}`;
  const head = `${hex(map.start, 8)}-${hex(map.end, 8)} ${map.permissions} ${hex(map.offset, 8)} ${dev} ${map.ino} `;
  return map.label === '' ? `${head}\n` : `${head.padEnd(49)}${map.label}\n`;
}

function smapsEntry(map: MapView): string {
  const usage = map.usage();
  // What a file or another process holds as well counts as shared, and as clean unless it may be written through the mapping.
  const writesThrough = map.permissions[3] === 's' && map.permissions[1] === 'w';
  const resident = usage.private + usage.shared;
  const rows = {
    Size: map.end - map.start,
    Rss: resident,
    Pss: usage.private + usage.proportional,
    Shared_Clean: writesThrough ? 0 : usage.shared,
    Shared_Dirty: writesThrough ? usage.shared : 0,
    Private_Clean: 0,
    Private_Dirty: usage.private,
    Referenced: resident,
  };
  const lines = Object.entries(rows).map(
    ([name, bytes]) => `${`${name}:`.padEnd(15)}${String(Math.floor(bytes / 1024)).padStart(9)} kB\n`,
  );
  return mapLine(map) + lines.join('');
}

const LIMITS: readonly (readonly [name: string, unit: string])[] = [
  ['Max cpu time', 'seconds'],
  ['Max file size', 'bytes'],
  ['Max data size', 'bytes'],
  ['Max stack size', 'bytes'],
  ['Max core file size', 'bytes'],
  ['Max resident set', 'bytes'],
  ['Max processes', 'processes'],
  ['Max open files', 'files'],
  ['Max locked memory', 'bytes'],
  ['Max address space', 'bytes'],
  ['Max file locks', 'locks'],
  ['Max pending signals', 'signals'],
  ['Max msgqueue size', 'bytes'],
  ['Max nice priority', ''],
  ['Max realtime priority', ''],
  ['Max realtime timeout', 'us'],
];

function limits(of: ProcessView): string {
  const row = (name: string, soft: string, hard: string, unit: string) =>
    `${name.padEnd(25)} ${soft.padEnd(20)} ${hard.padEnd(20)} ${unit.padEnd(10)}\n`;
  const tell = (value: number) => (Number.isFinite(value) ? String(value) : 'unlimited');
  const rows = LIMITS.map(([name, unit], index) => {
    const [soft, hard] = of.limits[index] ?? [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
    return row(name, tell(soft), tell(hard), unit);
  });
  return row('Limit', 'Soft Limit', 'Hard Limit', 'Units') + rows.join('');
}

/** May `caller` look at what belongs to the process only? */
function isPrivateTo(of: ProcessView, caller: Caller): boolean {
  return capable(caller.cred, CAP_SYS_PTRACE) || caller.cred.fsuid === of.cred.euid;
}

function pathLink(of: ProcessView, path: () => Path | undefined): SyntheticNode {
  return {
    kind: 'link',
    target: (caller) => {
      const found = path();
      if (!isPrivateTo(of, caller)) return -E.ACCES;
      return found === undefined || of.fs === undefined ? -E.NOENT : tell(found, of.fs.root);
    },
    follow: () => path() ?? -E.NOENT,
  };
}

function tell(path: Path, root: Path): string {
  const { text, deleted } = tellPath(path, root);
  return deleted ? `${text} (deleted)` : text;
}

function handleLabel(handle: FileHandle, of: ProcessView): string {
  if (handle.path !== undefined && of.fs !== undefined) return tell(handle.path, of.fs.root);
  return handle.label ?? `anon_inode:[${handle.kind}]`;
}

function fdDirectory(
  of: ProcessView,
  child: (handle: FileHandle, fd: number) => SyntheticNode,
): SyntheticDirectory {
  return {
    kind: 'directory',
    permissions: 0o500,
    uid: of.cred.euid,
    gid: of.cred.egid,
    *names() {
      for (const { fd } of of.files?.open() ?? []) yield String(fd);
    },
    find: (name) => {
      const fd = /^\d+$/.test(name) ? Number(name) : -1;
      const handle = of.files?.get(fd);
      return handle === undefined ? undefined : child(handle, fd);
    },
  };
}

const O_CLOEXEC = 0o2000000;

function fdLink(of: ProcessView, handle: FileHandle): SyntheticNode {
  const access = handle.flags & 3;
  const permissions = 0o100 | (access !== 1 ? 0o400 : 0) | (access !== 0 ? 0o200 : 0);
  return {
    kind: 'link',
    permissions,
    uid: of.cred.euid,
    gid: of.cred.egid,
    target: () => handleLabel(handle, of),
    follow: () => {
      if (handle.path !== undefined) return handle.path;
      const { inode } = handle;
      // A pipe: its inode in any mount will do, nothing is looked up from there.
      return inode === undefined || of.fs === undefined
        ? -E.NOENT
        : { mount: of.fs.root.mount, inode, entry: undefined };
    },
  };
}

function fdInfo(of: ProcessView, handle: FileHandle, fd: number): SyntheticNode {
  const flags = handle.flags | (of.files?.isCloseOnExec(fd) ? O_CLOEXEC : 0);
  return textFile(() => `pos:\t${handle.pos}\nflags:\t0${flags.toString(8)}\nmnt_id:\t${15}\n`);
}

/** Files that a process and each of its threads have. */
function commonFiles(kernel: KernelView, of: ProcessView, thread: ThreadView, whole: boolean) {
  const owned = { uid: of.cred.euid, gid: of.cred.egid };
  const guarded = (read: () => string) =>
    textFile((caller) => (isPrivateTo(of, caller) ? read() : -E.ACCES), { permissions: 0o400, ...owned });
  return {
    stat: textFile(() => statLine(of, thread, whole), owned),
    status: textFile(() => status(of, thread), owned),
    statm: textFile(() => {
      const pages = (bytes: number) => Math.floor(bytes / 4096);
      return `${pages(of.virtualBytes)} ${pages(of.residentBytes)} 0 0 0 ${pages(of.residentBytes)} 0\n`;
    }, owned),
    cmdline: textFile(() => of.cmdline(), owned),
    comm: textFile(() => `${thread.name}\n`, { permissions: 0o644, ...owned, write: () => 0 }),
    environ: guarded(() => of.environ()),
    maps: textFile(() => of.maps().map(mapLine).join(''), owned),
    smaps: textFile(() => of.maps().map(smapsEntry).join(''), owned),
    limits: textFile(() => limits(of), owned),
    mounts: textFile(() => mountLines(of), owned),
    mountinfo: textFile(() => mountinfoLines(of), owned),
    mountstats: textFile(() => '', owned),
    wchan: textFile(() => '0', owned),
    cgroup: textFile(() => '0::/\n', owned),
    oom_score: textFile(() => '0\n', owned),
    oom_score_adj: textFile(() => '0\n', { permissions: 0o644, ...owned, write: () => 0 }),
    oom_adj: textFile(() => '0\n', { permissions: 0o644, ...owned, write: () => 0 }),
    loginuid: textFile(() => '4294967295', { permissions: 0o644, ...owned, write: () => 0 }),
    sessionid: textFile(() => '4294967295', owned),
    io: guarded(
      () =>
        'rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n',
    ),
    cwd: pathLink(of, () => of.fs?.cwd),
    root: pathLink(of, () => of.fs?.root),
    exe: pathLink(of, () => of.exe),
    fd: fdDirectory(of, (handle) => fdLink(of, handle)),
    fdinfo: fdDirectory(of, (handle, fd) => fdInfo(of, handle, fd)),
    net: directory(
      Object.fromEntries(Object.entries(kernel.net).map(([name, text]) => [name, textFile(text)])),
    ),
  };
}

function threadDirectory(kernel: KernelView, of: ProcessView, thread: ThreadView): SyntheticDirectory {
  return { ...directory(commonFiles(kernel, of, thread, false)), uid: of.cred.euid, gid: of.cred.egid };
}

export function processDirectory(kernel: KernelView, of: ProcessView): SyntheticDirectory {
  const task: SyntheticDirectory = {
    kind: 'directory',
    names: () => of.threads.map(({ tid }) => String(tid)),
    find: (name) => {
      const thread = of.threads.find(({ tid }) => String(tid) === name);
      return thread && threadDirectory(kernel, of, thread);
    },
  };
  const children = { ...commonFiles(kernel, of, of.leader, true), task };
  return { ...directory(children), uid: of.cred.euid, gid: of.cred.egid };
}
