/** Everything about files and terminals, put together: what the core makes at boot. */
import { MS_RELATIME } from '../abi/mount.ts';
import { S_IFCHR } from '../abi/stat.ts';
import type { Op } from '../task/wait.ts';
import { Consoles } from '../tty/consoles.ts';
import { Ptys } from '../tty/pty.ts';
import type { Tty, TtyKernel, TtyLine } from '../tty/tty.ts';
import { Disks } from './block/disks.ts';
import { PageCache } from './block/page-cache.ts';
import { DeviceTable } from './devices.ts';
import { Devtmpfs } from './devtmpfs.ts';
import { addExt2 } from './ext2/mount.ts';
import { FsContext } from './fs-context.ts';
import { Holdings } from './holdings.ts';
import { unpackInitramfs } from './initramfs.ts';
import { addMemoryDevices, type MemoryDeviceHost } from './memory-devices.ts';
import { MemoryFiles } from './memory-files.ts';
import type { KernelView } from './proc/kernel-view.ts';
import { makeProcfs } from './proc/procfs.ts';
import { makeSysfs, type SysView } from './proc/sysfs.ts';
import { Tmpfs } from './tmpfs.ts';
import { addSingles, addTmpfsTypes } from './tmpfs-mount.ts';
import type { Path, Time } from './types.ts';
import { Vfs } from './vfs.ts';

/** Memory of ours, not of the domain. */
const DEFAULT_CACHE_BYTES: number = 64 << 20;
/** How long written data may stay in memory only, in nanoseconds. */
const WRITE_BACK_NS = 5_000_000_000n;

export interface FileSideConfig {
  /** CLOCK_REALTIME. */
  readonly now: () => Time;
  readonly tty: TtyKernel;
  readonly devices: MemoryDeviceHost;
  /** Bytes of memory, of which a tmpfs takes half at most. */
  readonly memoryBytes: number;
  /** Most bytes of file data from disks that are kept in memory. */
  readonly cacheBytes?: number;
  /** cpio archive that becomes the root. */
  readonly initramfs?: Uint8Array;
}

/** Files of a file system in memory: so many, or more where there is more memory. */
const LEAST_INODES = 65_536;
const BYTES_PER_INODE = 8192;

export class FileSide {
  readonly vfs: Vfs;
  readonly devtmpfs: Devtmpfs;
  readonly ptys: Ptys;
  readonly consoles: Consoles;
  readonly disks: Disks;
  readonly memoryFiles: MemoryFiles;
  /** What was wrong with the initramfs, for the kernel's log. */
  readonly initramfsError: string | undefined;
  readonly #root: Path;

  constructor(config: FileSideConfig) {
    const { now } = config;
    const devices = new DeviceTable();
    this.vfs = new Vfs(devices, now, new Holdings(config.memoryBytes));
    const maxInodes = Math.max(LEAST_INODES, Math.floor(config.memoryBytes / BYTES_PER_INODE));
    const size = { maxBytes: Math.floor(config.memoryBytes / 2), maxInodes };
    const rootfs = new Tmpfs({ type: 'rootfs', dev: this.vfs.anonymousDev(), now, mode: 0o755, ...size });
    const mount = this.vfs.mounts.add(rootfs, undefined, 'rootfs', 0);
    this.#root = { mount, inode: rootfs.root, entry: undefined };
    this.devtmpfs = new Devtmpfs(this.vfs.anonymousDev(), now);
    this.ptys = new Ptys(config.tty, this.vfs.anonymousDev(), now, this.vfs.holdings);
    this.ptys.register(devices);
    this.consoles = new Consoles(devices, config.tty);
    addMemoryDevices(devices, config.devices);
    this.disks = new Disks(
      devices,
      new PageCache(config.cacheBytes ?? DEFAULT_CACHE_BYTES),
      (name, major, minor) => this.devtmpfs.addDisk(name, major, minor),
      (name) => this.devtmpfs.removeNode(name),
    );
    this.memoryFiles = new MemoryFiles({ dev: this.vfs.anonymousDev(), now, ...size });
    addTmpfsTypes(this.vfs, size);
    addExt2(this.vfs, this.disks, config.devices.log);
    addSingles(this.vfs, [this.devtmpfs, this.ptys.fs]);
    const context = this.newContext();
    if (config.initramfs !== undefined) this.initramfsError = unpackInitramfs(context, config.initramfs);
    context.release();
  }

  /** The place in the tree of the first process. */
  newContext(): FsContext {
    return new FsContext(this.vfs, this.#root, this.#root);
  }

  /** Adds a console: hvc0, then hvc1 … with their nodes in /dev. Feed what is typed to {@link Tty.receive}. */
  addConsole(line: TtyLine): Tty {
    const minor = this.consoles.all.length;
    const tty = this.consoles.add(line);
    this.devtmpfs.addNode(tty.name, S_IFCHR | 0o600, 229, minor);
    return tty;
  }

  /** Writes back, some seconds after something was written, for as long as the kernel runs. For a kernel thread. */
  *writeBack(monotonicNs: () => bigint): Op<never> {
    const { cache } = this.disks;
    for (;;) {
      while (!cache.hasChanges) yield { queues: [cache.dirtied], interruptible: false };
      const deadline = monotonicNs() + WRITE_BACK_NS;
      while (monotonicNs() < deadline) yield { queues: [], deadline, interruptible: false };
      cache.settled();
      yield* this.sync();
    }
  }

  /** sync(2): everything is on the disks. */
  *sync(): Op<number> {
    for (const fs of new Set(this.vfs.mounts.all.map((mount) => mount.fs))) yield* fs.sync();
    return yield* this.disks.sync();
  }

  /** Before the machine goes down: file systems are written and left clean. */
  *shutDown(): Op<number> {
    const { mounts } = this.vfs;
    for (const fs of new Set(mounts.all.map((mount) => mount.fs))) {
      yield* fs.remount === undefined ? fs.sync() : fs.remount(true);
    }
    return yield* this.disks.sync();
  }

  /** What procfs and sysfs show: from now on they can be mounted. */
  addKernel(view: KernelView, sys: SysView): void {
    const proc = makeProcfs(this.vfs, view, this.disks);
    const sysfs = makeSysfs(this.vfs, this.disks, sys);
    addSingles(this.vfs, [proc, sysfs]);
  }

  /** Mounts devtmpfs at /dev of the root, if there is such a directory: for a root without an init that does it. */
  mountDev(): boolean {
    const lookup = this.#root.inode.lookup?.('dev').next('event').value;
    if (typeof lookup !== 'object' || lookup === null || !('ino' in lookup)) return false;
    const entry = { name: 'dev', parent: undefined, inode: lookup, deleted: false };
    this.vfs.mounts.add(
      this.devtmpfs,
      { mount: this.#root.mount, inode: lookup, entry },
      'devtmpfs',
      MS_RELATIME,
    );
    return true;
  }
}
