/** What procfs and sysfs show of the kernel. The core implements it. */
import type { FdTable } from '../fd-table.ts';
import type { FsContext } from '../fs-context.ts';
import type { ByteString, Credentials, Path } from '../types.ts';

/** A region of memory, as a line of /proc/PID/maps. */
export interface MapView {
  readonly start: number;
  readonly end: number;
  /** As "r-xp". */
  readonly permissions: string;
  readonly offset: number;
  readonly dev: number;
  readonly ino: number;
  readonly label: ByteString;
  /** What of it is in memory now. */
  usage(): RegionUsage;
}

/** Bytes of a region that are in memory. */
export interface RegionUsage {
  /** Held by nobody else; what others hold; and that divided among its holders. */
  readonly private: number;
  readonly shared: number;
  readonly proportional: number;
}

/** A thread. Times in nanoseconds. */
export interface ThreadView {
  readonly tid: number;
  /** At most 15 bytes. */
  readonly name: ByteString;
  /** As in /proc/PID/stat: R S D T Z. */
  readonly state: string;
  readonly noNewPrivileges: boolean;
  readonly userNs: bigint;
  readonly systemNs: bigint;
}

export interface ProcessView {
  readonly pid: number;
  readonly ppid: number;
  readonly pgid: number;
  readonly sid: number;
  readonly cred: Credentials;
  readonly leader: ThreadView;
  readonly threads: readonly ThreadView[];
  /** Controlling terminal, 0 for none, and its foreground group, -1 for none. */
  readonly ttyRdev: number;
  readonly ttyForeground: number;
  readonly userNs: bigint;
  readonly systemNs: bigint;
  readonly childUserNs: bigint;
  readonly childSystemNs: bigint;
  /** Since boot. */
  readonly startedNs: bigint;
  readonly minorFaults: number;
  readonly majorFaults: number;
  readonly virtualBytes: number;
  readonly residentBytes: number;
  readonly exitSignal: number;
  readonly nice: number;
  /** Signals as sets of bits, 1 << (signal - 1). */
  readonly signals: Readonly<Record<'pending' | 'sharedPending' | 'blocked' | 'ignored' | 'caught', bigint>>;
  /** Soft and hard by RLIMIT_ number; Infinity for unlimited. */
  readonly limits: readonly (readonly [soft: number, hard: number])[];
  /** Absent for zombies. */
  readonly files: FdTable | undefined;
  readonly fs: FsContext | undefined;
  readonly exe: Path | undefined;
  /** Arguments and environment, each ended by NUL, as they stand in its memory. */
  cmdline(): ByteString;
  environ(): ByteString;
  maps(): readonly MapView[];
}

/** Bytes. */
export interface MemoryView {
  readonly total: number;
  readonly free: number;
  /** File data that could be given up. */
  readonly cached: number;
  readonly shared: number;
}

export interface CpuView {
  readonly vendor: string;
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
  readonly modelName: string;
  readonly mhz: number;
  /** As in the flags line of /proc/cpuinfo. */
  readonly flags: readonly string[];
}

/** Numbers, between tabs. */
export interface Setting {
  get(): readonly number[];
  /** @returns 0 or -EINVAL */
  set(values: readonly number[]): number;
}

export interface KernelView {
  /** Ascending. */
  pids(): readonly number[];
  process(pid: number): ProcessView | undefined;
  /** Of a thread: its process. */
  processOfThread(tid: number): ProcessView | undefined;
  readonly uptimeNs: bigint;
  readonly idleNs: bigint;
  /** Of all processes, for the cpu line of /proc/stat. */
  readonly userNs: bigint;
  readonly systemNs: bigint;
  /** Seconds since 1970. */
  readonly bootTimeS: number;
  readonly loadAverages: readonly [number, number, number];
  readonly runnable: number;
  readonly tasks: number;
  readonly lastPid: number;
  /** Since boot. */
  readonly forks: number;
  readonly contextSwitches: number;
  readonly interrupts: number;
  readonly memory: MemoryView;
  readonly cpu: CpuView;
  /** uname's fields. */
  readonly names: {
    readonly release: string;
    readonly version: string;
    nodename: string;
    domainname: string;
  };
  readonly commandLine: string;
  /** 16 random bytes at a time, for uuid and boot_id. */
  random(into: Uint8Array): void;
  logText(): string;
  /** Files of /proc/net by name. */
  readonly net: Readonly<Record<string, () => string>>;
  /** Files of /proc/sysvipc by name. */
  readonly ipc: Readonly<Record<string, () => string>>;
  /** Numbers of /proc/sys/kernel by name that can be changed. */
  readonly settings: Readonly<Record<string, Setting>>;
}
