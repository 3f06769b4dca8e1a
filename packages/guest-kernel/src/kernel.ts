/** The kernel as one object: every subsystem, and what they ask of the whole. */
import { openConsole, type PvConsole } from '@domu/console';
import type { GuestEvents } from '@domu/event-channel/guest';
import {
  __HYPERVISOR_sched_op,
  type GuestPort,
  SCHEDOP_shutdown,
  SHUTDOWN_crash,
  SHUTDOWN_poweroff,
  SHUTDOWN_reboot,
  VIRQ_TIMER,
} from '@domu/xen-abi';
import { SIGALRM, SIGPROF, SIGVTALRM } from './abi/signals.ts';
import { type KernelOptions, parseCommandLine } from './boot/command-line.ts';
import { SCRATCH } from './boot/layout.ts';
import { type StartOfDay, startOfDay } from './boot/start-of-day.ts';
import { ConsoleLine } from './console-line.ts';
import { type BlockDisk, watchDisks } from './drivers/block-disk.ts';
import { serveControl } from './drivers/control.ts';
import { configureInterface, watchInterfaces } from './drivers/net-interface.ts';
import { openPlatform, type Platform } from './drivers/platform.ts';
import type { FdTable } from './fs/fd-table.ts';
import type { FsContext } from './fs/fs-context.ts';
import { FileSide } from './fs/index.ts';
import type { FileHandle, Path } from './fs/types.ts';
import { SystemVIpc } from './ipc/index.ts';
import type { UndoList } from './ipc/undo.ts';
import { kernelView, sysView } from './kernel-view.ts';
import { KernelLog, logStamp } from './log.ts';
import { AddressSpace, type MemoryParts } from './mm/address-space.ts';
import { FrameCache } from './mm/file-frames.ts';
import { Fpu } from './mm/fpu.ts';
import type { Frames } from './mm/frames.ts';
import type { Mmu } from './mm/mmu.ts';
import type { Ram } from './mm/ram.ts';
import { FileSource } from './mm/sources.ts';
import { UserSpace } from './mm/user-space.ts';
import { NetSide } from './net/net-side.ts';
import { Calls } from './syscall/calls.ts';
import { callTable } from './syscall/table.ts';
import { Core } from './task/core.ts';
import { Futexes } from './task/futex.ts';
import { outOfMemory } from './task/out-of-memory.ts';
import type { Process } from './task/process.ts';
import { ProcessTable } from './task/process-table.ts';
import { Processor } from './task/processor.ts';
import { Scheduler } from './task/scheduler.ts';
import { Shares } from './task/shares.ts';
import { orderlyShutdown, sysrq } from './task/shutdown.ts';
import { Signals } from './task/signals.ts';
import type { Task } from './task/task.ts';
import { type Op, WaitQueue } from './task/wait.ts';
import { Clock } from './time/clock.ts';
import { ProcessTimers } from './time/process-timers.ts';
import { Timers } from './time/timers.ts';
import { Vdso } from './time/vdso.ts';

/** What the kernel is not told by Xen. */
export interface KernelHost {
  /** Fills an array with random bytes. */
  random(into: Uint8Array): void;
}

const TIMER_SIGNALS = [SIGALRM, SIGVTALRM, SIGPROF];
const PAGE_BYTES = 4096;
const DEBUG_LEVEL = 7;
const MAX_TASKS = 16_384;
/** Character device 1:5. */
const ZERO_RDEV = 0x105;

export class Kernel {
  readonly ram: Ram;
  readonly frames: Frames;
  readonly mmu: Mmu;
  readonly events: GuestEvents;
  readonly sharedInfo: number;
  readonly options: KernelOptions;
  readonly clock: Clock;
  readonly vdso: Vdso;
  readonly timers: Timers = new Timers();
  readonly scheduler: Scheduler;
  readonly processes: ProcessTable = new ProcessTable();
  readonly signals: Signals;
  readonly futexes: Futexes = new Futexes();
  readonly processor: Processor;
  readonly fpu: Fpu;
  readonly core: Core;
  readonly calls: Calls = new Calls(callTable());
  readonly user: UserSpace;
  readonly memoryParts: MemoryParts;
  readonly frameCache: FrameCache;
  readonly files: FileSide;
  readonly network: NetSide;
  readonly log: KernelLog;
  readonly console: PvConsole | null;
  readonly ipc: SystemVIpc;
  readonly fileShares: Shares<FdTable> = new Shares();
  readonly fsShares: Shares<FsContext> = new Shares();
  readonly undoShares: Shares<UndoList> = new Shares();
  readonly maxTasks: number = MAX_TASKS;
  readonly startOfDay: StartOfDay;
  /** Disks by name: "xvda". */
  readonly disks: Map<string, BlockDisk> = new Map();
  /** Woken when a disk appears. */
  readonly disksChanged: WaitQueue = new WaitQueue();
  /** What uname tells. */
  readonly names = {
    sysname: 'Linux',
    nodename: 'domu',
    release: '4.19.0-domu',
    version: '#1 domu guest-kernel',
    machine: 'i686',
    domainname: '(none)',
  };
  readonly #host: KernelHost;
  readonly #line: ConsoleLine;
  readonly #processTimers: WeakMap<Process, ProcessTimers> = new WeakMap();

  /** @param startInfo linear address of struct start_info */
  constructor(port: GuestPort, startInfo: number, host: KernelHost) {
    this.#host = host;
    const start = startOfDay(port, startInfo);
    this.startOfDay = start;
    this.ram = start.ram;
    this.frames = start.frames;
    this.mmu = start.mmu;
    this.events = start.events;
    this.sharedInfo = start.sharedInfo;
    this.options = parseCommandLine(start.commandLine);
    this.clock = new Clock(this.ram, this.sharedInfo);
    this.vdso = new Vdso(this.ram, this.frames, this.clock);
    this.scheduler = new Scheduler(this.timers);
    this.signals = new Signals(this.scheduler, this.processes);
    this.processor = new Processor(this.ram);
    this.fpu = new Fpu(this.ram, this.frames);
    this.memoryParts = { ram: this.ram, frames: this.frames, mmu: this.mmu };
    this.frameCache = new FrameCache(this.frames, this.ram, () => this.processes.spaces());
    this.frames.reclaim = () => this.frameCache.shrink();
    const ipcHost = {
      now: () => this.clock.realtime(),
      currentPid: () => this.core.current?.pid ?? 0,
    };
    this.ipc = new SystemVIpc(ipcHost, this.memoryParts);
    this.log = new KernelLog(() => this.clock.now());
    const opened = openConsole({ guest: port, events: this.events }, start.console);
    this.console = typeof opened === 'number' ? null : opened;
    this.#line = new ConsoleLine(this.console);
    const first = AddressSpace.create(this.memoryParts);
    if (first === null) throw new Error('no memory for the first process');
    this.user = new UserSpace(port, first);
    this.user.outOfMemory = () => outOfMemory(this);
    this.user.finishLater = (op, sleep) => this.scheduler.adopt('page-in', op, sleep);
    this.core = new Core(this);
    this.calls.onFirstMissing = (name) =>
      this.log.print(`${this.core.current?.name ?? ''}: no system call ${name}`, DEBUG_LEVEL);
    this.events.bindVirq(VIRQ_TIMER, 0, () => this.core.timerFired());
    this.files = this.#makeFiles(start);
    this.network = this.#makeNetwork();
    this.#openDevices(openPlatform(port, start));
  }

  #openDevices(platform: Platform | null): void {
    if (platform === null) return this.log.print('xenbus: no store', 3);
    serveControl(platform, {
      shutdown: (how) => this.scheduler.spawn('shutdown', orderlyShutdown(this, how)),
      sysrq: (key) => sysrq(this, key),
    });
    watchDisks(platform, {
      appeared: (name, disk) => {
        this.log.print(`${name}: ${disk.sectors} sectors of 512 bytes${disk.readonly ? ', read-only' : ''}`);
        this.scheduler.spawn(`disk-${name}`, this.#addDisk(name, disk));
      },
      vanished: (name) => {
        this.disks.delete(name);
        this.files.disks.remove(name);
      },
    });
    this.#openInterfaces(platform);
    this.scheduler.spawn(
      'writeback',
      this.files.writeBack(() => this.clock.now()),
    );
  }

  #makeNetwork(): NetSide {
    return new NetSide({
      now: () => this.clock.now(),
      realtime: () => this.clock.realtime(),
      random32: () => new DataView(this.randomBytes(4).buffer).getUint32(0),
      setTimer: (deadline, fire) => this.timers.set(deadline, fire),
      context: this.files.newContext(),
      dev: this.files.vfs.anonymousDev(),
    });
  }

  #openInterfaces(platform: Platform): void {
    const { network: net } = this;
    const host = {
      net,
      context: net.anonymousContext,
      log: (text: string) => this.log.print(text),
      spawn: (name: string, op: Op<number>) => this.scheduler.spawn(name, op),
    };
    watchInterfaces(platform, net, {
      appeared: (netif) => configureInterface(host, netif, this.options.ip),
      vanished: (netif) => this.log.print(`${netif.name}: unplugged`),
    });
  }

  *#addDisk(name: string, disk: BlockDisk): Op<number> {
    const rc = yield* this.files.disks.add(name, disk);
    this.disks.set(name, disk);
    this.disksChanged.wakeAll();
    return rc;
  }

  #makeFiles(start: StartOfDay): FileSide {
    const line = this.#line;
    this.log.onLine = ({ level, ns, text }) => {
      if (level <= (this.options.quiet ? 4 : 6)) line.print(`${logStamp(ns)}${text}\r\n`);
    };
    this.log.print(`domu guest-kernel: ${this.frames.total * (PAGE_BYTES / 1024)}K of memory`);
    if (start.commandLine !== '') this.log.print(`Command line: ${start.commandLine}`);
    const { initramfs } = start;
    const files = new FileSide({
      now: () => this.clock.realtime(),
      tty: {
        signalGroup: (pgid, signal) => {
          for (const process of this.processes.group(pgid))
            this.signals.send(process, { signal, code: 0x80 });
        },
        monotonicNs: () => this.clock.now(),
      },
      devices: {
        random: (into) => this.#host.random(into),
        log: (text) => this.log.print(text.replace(/^<\d+>/, '').replace(/\n$/, '')),
        records: () => this.log.records(),
      },
      memoryBytes: this.frames.total * PAGE_BYTES,
      ...(initramfs === undefined ? {} : { initramfs }),
    });
    if (files.initramfsError !== undefined) this.log.print(`Initramfs: ${files.initramfsError}`, 3);
    line.connect(files.addConsole(line), this.scheduler);
    files.addKernel(kernelView(this), sysView(this));
    return files;
  }

  randomBytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length);
    this.#host.random(bytes);
    return bytes;
  }

  // ---- what subsystems ask of the whole ----

  /** What a file's region is made of. Preconditions: the handle's inode has pages */
  sourceOf(handle: FileHandle, root: Path): FileSource {
    const { inode } = handle;
    if (inode === undefined) throw new Error('a file without an inode cannot be mapped');
    return new FileSource(this.frameCache, handle, this.frameCache.of(inode), root);
  }

  isZeroDevice(handle: FileHandle): boolean {
    return handle.kind === 'character' && handle.inode?.rdev === ZERO_RDEV;
  }

  timersOf(process: Process): ProcessTimers {
    let timers = this.#processTimers.get(process);
    if (timers === undefined) {
      timers = new ProcessTimers(this.timers, (which) => {
        this.signals.send(process, { signal: TIMER_SIGNALS[which], code: 0x80 });
      });
      this.#processTimers.set(process, timers);
    }
    return timers;
  }

  /** CPU time of a process, its present threads included, in ns. */
  cpuTime(process: Process): bigint {
    let total = process.usage.userNs + process.usage.systemNs;
    for (const task of process.threads) total += this.threadTime(task);
    return total;
  }

  threadTime(task: Task): bigint {
    return task.userNs + task.systemNs + this.core.runningSince(task);
  }

  loadAverages(): readonly [number, number, number] {
    return [0, 0, 0];
  }

  logText(): string {
    return this.log.text();
  }

  /** Ends the domain, the disks written and the console drained. */
  *shutDown(how: 'poweroff' | 'reboot'): Op<number> {
    yield* this.files.shutDown();
    this.log.print(how === 'poweroff' ? 'reboot: Power down' : 'reboot: Restarting system');
    const deadline = this.clock.now() + 1_000_000_000n;
    while (this.clock.now() < deadline && !this.#line.drained)
      yield { queues: [], deadline: this.clock.now() + 1_000_000n, interruptible: false };
    this.#end(how === 'poweroff' ? SHUTDOWN_poweroff : SHUTDOWN_reboot);
    return 0;
  }

  /** Everything that was written goes to the disks. */
  *syncAll(): Op<number> {
    for (const mount of this.files.vfs.mounts.all) yield* mount.fs.sync();
    return 0;
  }

  restartNow(): void {
    this.#end(SHUTDOWN_reboot);
  }

  /** Nothing goes on without the first process. */
  initEnded(status: number): void {
    this.panic(`Attempted to kill init! exitcode=0x${status.toString(16).padStart(8, '0')}`);
  }

  panic(reason: string): void {
    this.log.print(`Kernel panic - not syncing: ${reason}`, 0);
    this.#end(SHUTDOWN_crash);
  }

  #end(code: number): void {
    this.ram.write32(SCRATCH, code);
    this.ram.port.hypercall(__HYPERVISOR_sched_op, SCHEDOP_shutdown, SCRATCH);
  }
}
