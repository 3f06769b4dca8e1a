import { createHash } from 'node:crypto';
import { closeSync } from 'node:fs';
import { basename } from 'node:path';
import type { DiskImage } from '@domu/backends';
import {
  type DiskSpec,
  type DomainConfig,
  defaultDomainConfig,
  duplicateVdev,
  formatConfigError,
  type Kernel,
  loadKernel,
  loadSymbols,
  parseDisk,
  parseVif,
  parseXlCfg,
  type Result,
  type Setting,
} from '@domu/toolstack';
import { MAX_GUEST_CMDLINE } from '@domu/xen-abi';
import type { VifPlan } from '../net/networks.ts';
import { capturesOf, netOption, planGuestVifs } from '../net/plan-vifs.ts';
import { UserError } from '../user-error.ts';
import { BUILT_IN_KERNEL, builtInImage, builtInUserland } from './built-in-kernel.ts';
import { blame, NOWHERE, openDisk, readInput } from './files.ts';
import { type ChannelPlan, closeChannels, planChannels } from './guest-channels.ts';
import type { RunOptions } from './options.ts';
import { readRootfs } from './rootfs.ts';

/** A disk with its file open. */
export interface PlannedDisk {
  readonly spec: DiskSpec;
  readonly store: DiskImage;
}

/** Everything that a run needs, checked and opened; nothing of the guest exists yet. */
export interface GuestPlan {
  readonly config: DomainConfig;
  readonly uuid: string;
  readonly kernel: Kernel;
  /** The kernel is ours, and wants to be attached to the domain. */
  readonly builtIn: boolean;
  /** What to blame when the kernel is no good: "guest.cfg:3:10: kernel: /x/vmlinux", or just the file. */
  readonly kernelWhere: string;
  readonly ramdisk: Uint8Array | null;
  readonly cmdline: Uint8Array;
  readonly disks: readonly PlannedDisk[];
  readonly vifs: readonly VifPlan[];
  readonly channels: readonly ChannelPlan[];
  close(): void;
}

/**
 * Reads the configuration and applies the command line to it, reads the kernel and RAM disk, opens the disks.
 * Errors: UserError, one line; nothing stays open
 */
export function planGuest(options: RunOptions): GuestPlan {
  const config = readConfig(options);
  applyOptions(config, options);
  if (!config.kernel)
    throw new UserError(`${options.guest}: no kernel; expected kernel = "FILE" or --kernel FILE`);
  const kernelWhere = blame(config.kernel.where, config.kernel.value);
  const builtIn = config.kernel.value === BUILT_IN_KERNEL;
  const kernelBytes = builtIn
    ? builtInImage()
    : readInput(config.kernel.value, config.kernel.where, 'a kernel file');
  const kernel = loadKernel(kernelBytes, config.features.value);
  if (!kernel.ok) throw new UserError(`${kernelWhere}: ${kernel.error}`);
  const namedKernel = withSymbols(kernel.value, options.symbolsFile);
  const root = useRootfs(config, options, builtIn);
  const ramdisk = config.ramdisk
    ? readInput(config.ramdisk.value, config.ramdisk.where, 'a RAM disk file')
    : builtIn && !/(?:^|\s)root=/.test(config.cmdline.value)
      ? (root ?? builtInUserland())
      : null;
  const cmdline = encodeCmdline(config.cmdline);
  const uuid = config.uuid ?? uuidOf(config.name);
  const { vifs, channels, disks, closeAll } = openDevices(config, uuid, options);
  return {
    config,
    uuid,
    kernel: namedKernel,
    builtIn,
    kernelWhere,
    ramdisk,
    cmdline,
    disks,
    vifs,
    channels,
    close: closeAll,
  };
}

/** Opens the files of all devices. Errors: UserError; nothing stays open */
function openDevices(
  config: DomainConfig,
  uuid: string,
  options: RunOptions,
): Pick<GuestPlan, 'vifs' | 'channels' | 'disks'> & { closeAll: () => void } {
  const closers: (() => void)[] = [];
  const closeAll = (): void => {
    for (const close of closers.splice(0)) close();
  };
  try {
    const vifs = planGuestVifs(config.vifs, uuid, capturesOf(options.captures, config.name, options.isFirst));
    closers.push(() => {
      for (const { captureFd } of vifs) if (captureFd !== null) closeSync(captureFd);
    });
    const channels = planChannels(config.channels);
    closers.push(() => closeChannels(channels));
    const disks = openDisks(config, options.snapshot);
    closers.push(() => {
      for (const disk of disks) disk.store.close();
    });
    return { vifs, channels, disks, closeAll };
  } catch (error) {
    closeAll();
    throw error;
  }
}

/** Names for crash traces from a file of their own. Errors: UserError */
function withSymbols(kernel: Kernel, file: string | null): Kernel {
  if (file === null) return kernel;
  const symbols = loadSymbols(readInput(file, '--symbols', 'a System.map or an ELF file'));
  if (!symbols.ok) throw new UserError(`--symbols: ${file}: ${symbols.error}`);
  return { ...kernel, symbols: symbols.value };
}

/** @returns the archive that --rootfs names; an image becomes the first disk instead. Errors: UserError */
function useRootfs(config: DomainConfig, { rootfs }: RunOptions, builtIn: boolean): Uint8Array | null {
  if (rootfs === null) return null;
  if (!builtIn) throw new UserError('--rootfs: another kernel than the built-in one; expected guest-kernel');
  const root = readRootfs(rootfs);
  if (root.kind === 'archive') return root.bytes;
  config.disks = [
    ...parseSpecs('--rootfs', [`format=raw,vdev=xvda,access=rw,target=${rootfs}`], parseDisk),
    ...config.disks,
  ];
  config.cmdline = { ...config.cmdline, value: `root=/dev/xvda ${config.cmdline.value}` };
  return null;
}

/** Plans a guest of which the command line names the file and says nothing else. Errors: UserError */
export function planOther(guest: string, options: RunOptions): GuestPlan {
  const nothing = {
    kernel: null,
    ramdisk: null,
    rootfs: null,
    symbolsFile: null,
    cmdline: null,
    memoryMiB: null,
    vcpus: null,
    disks: [],
    vifs: [],
    net: null,
    isFirst: false,
  };
  return planGuest({ ...options, ...nothing, guest, others: [] });
}

/** The guest argument is a kernel when it looks like a binary, a configuration otherwise. */
function readConfig(options: RunOptions): DomainConfig {
  const { guest } = options;
  if (guest === BUILT_IN_KERNEL) {
    const config = defaultDomainConfig('domu');
    config.kernel = { value: guest, where: NOWHERE };
    return config;
  }
  const bytes = readInput(guest, NOWHERE, 'an xl.cfg file or a kernel');
  if (bytes.length === 0) throw new UserError(`${guest}: an empty file; expected an xl.cfg file or a kernel`);
  if (bytes.subarray(0, 4096).includes(0) || bytes[0] === 0x7f) {
    const config = defaultDomainConfig(basename(guest).replace(/\.[^.]*$/, '') || 'domain');
    config.kernel = { value: guest, where: NOWHERE };
    return config;
  }
  const config = parseXlCfg(Buffer.from(bytes).toString('utf8'), guest);
  if (!config.ok) throw new UserError(formatConfigError(config.error));
  return config.value;
}

function applyOptions(config: DomainConfig, options: RunOptions): void {
  if (options.kernel !== null) config.kernel = { value: options.kernel, where: '--kernel' };
  if (options.ramdisk !== null) config.ramdisk = { value: options.ramdisk, where: '--ramdisk' };
  if (options.cmdline !== null) config.cmdline = { value: options.cmdline, where: '--cmdline' };
  if (options.memoryMiB !== null) {
    config.memoryMiB = { value: options.memoryMiB, where: '--memory' };
    if (config.maxMemoryMiB && config.maxMemoryMiB.value < options.memoryMiB) config.maxMemoryMiB = null;
  }
  if (options.vcpus !== null) config.vcpus = { value: options.vcpus, where: '--vcpus' };
  if (options.disks.length > 0) {
    config.disks = parseSpecs('--disk', options.disks, parseDisk);
    const twice = duplicateVdev(config.disks);
    if (twice)
      throw new UserError(
        `${twice.where}: ${twice.value.vdev} is used by another disk; expected a vdev of its own`,
      );
  }
  const vifs = options.net === null ? [] : netOption(options.net);
  if (options.net !== null || options.vifs.length > 0)
    config.vifs = [...vifs, ...parseSpecs('--vif', options.vifs, parseVif)];
}

function parseSpecs<T>(
  where: string,
  specs: readonly string[],
  parse: (spec: string) => Result<T>,
): Setting<T>[] {
  return specs.map((spec) => {
    const parsed = parse(spec);
    if (!parsed.ok) throw new UserError(`${where} ${JSON.stringify(spec)}: ${parsed.error}`);
    return { value: parsed.value, where };
  });
}

function encodeCmdline(cmdline: Setting<string>): Uint8Array {
  const bytes = Buffer.from(cmdline.value, 'utf8');
  if (bytes.includes(0))
    throw new UserError(`${cmdline.where}: a NUL in the kernel command line; expected text`);
  if (bytes.length < MAX_GUEST_CMDLINE) return bytes;
  throw new UserError(
    `${cmdline.where}: ${bytes.length} bytes are too long; expected at most ${MAX_GUEST_CMDLINE - 1}`,
  );
}

function openDisks(config: DomainConfig, snapshot: boolean): PlannedDisk[] {
  const disks: PlannedDisk[] = [];
  try {
    for (const { value: spec, where } of config.disks) {
      // An empty CD-ROM drive has no medium that could be read.
      if (spec.target === '') continue;
      const { format, readonly } = spec;
      const use = { format, readonly, snapshot: spec.snapshot || snapshot };
      disks.push({ spec, store: openDisk(spec.target, where, use) });
    }
  } catch (error) {
    for (const disk of disks) disk.store.close();
    throw error;
  }
  return disks;
}

/** The same name gives the same UUID, so that runs repeat. */
function uuidOf(name: string): string {
  const bytes = createHash('sha256').update(`domu ${name}`).digest().subarray(0, 16);
  bytes[6] = (bytes[6] & 0x0f) | 0x80;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
