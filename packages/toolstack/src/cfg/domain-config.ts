import { parseWantedFeatures } from '../elf/features.ts';
import { fail, ok, quote, type Result } from '../result.ts';
import { CfgReader } from './cfg-reader.ts';
import { type ChannelSpec, parseChannel } from './channel.ts';
import { type DiskSpec, parseDisk } from './disk.ts';
import { DEFAULT_MEMORY_MIB, MAX_MEMORY_MIB, MAX_VCPUS, MIN_MEMORY_MIB } from './limits.ts';
import { parseCfg } from './parser.ts';
import type { ConfigError } from './source.ts';
import { parseVif, type VifSpec } from './vif.ts';

/** What to do when a domain stops. Source: xl.cfg(5), "EVENT ACTIONS" */
export const EVENT_ACTIONS = [
  'destroy',
  'restart',
  'rename-restart',
  'preserve',
  'coredump-destroy',
  'coredump-restart',
  'soft-reset',
] as const;
/** What may follow the end of a domain, in the words of `on_poweroff` and its like. */
export type EventAction = (typeof EVENT_ACTIONS)[number];

/** A value and where it came from, for messages: "guest.cfg:3:10: kernel" or "--kernel". */
export interface Setting<T> {
  readonly value: T;
  readonly where: string;
}

/** Everything that is needed to create one domain. Memory in MiB. */
export interface DomainConfig {
  name: string;
  /** null: to be made by whoever creates the domain. */
  uuid: string | null;
  kernel: Setting<string> | null;
  ramdisk: Setting<string> | null;
  cmdline: Setting<string>;
  /** 1 << XENFEAT_* that the kernel shall use; auto_translated_physmap chooses translated paging. */
  features: Setting<number>;
  memoryMiB: Setting<number>;
  maxMemoryMiB: Setting<number> | null;
  vcpus: Setting<number>;
  maxEventChannels: number;
  maxGrantFrames: number;
  disks: Setting<DiskSpec>[];
  vifs: Setting<VifSpec>[];
  channels: Setting<ChannelSpec>[];
  onPoweroff: EventAction;
  onReboot: EventAction;
  onCrash: EventAction;
  onWatchdog: EventAction;
  onSoftReset: EventAction;
  /** One line each: keys that were not understood and so not honoured. */
  warnings: string[];
}

/** xl's default, libxl__domain_build_info event_channels. */
const DEFAULT_EVENT_CHANNELS = 1023;
const DEFAULT_GRANT_FRAMES = 64;

/** A configuration in which nothing has been said: xl's defaults. */
export function defaultDomainConfig(name: string): DomainConfig {
  return {
    name,
    uuid: null,
    kernel: null,
    ramdisk: null,
    cmdline: { value: '', where: 'cmdline' },
    features: { value: 0, where: 'features' },
    memoryMiB: { value: DEFAULT_MEMORY_MIB, where: 'memory (default)' },
    maxMemoryMiB: null,
    vcpus: { value: 1, where: 'vcpus (default)' },
    maxEventChannels: DEFAULT_EVENT_CHANNELS,
    maxGrantFrames: DEFAULT_GRANT_FRAMES,
    disks: [],
    vifs: [],
    channels: [],
    onPoweroff: 'destroy',
    onReboot: 'restart',
    onCrash: 'destroy',
    onWatchdog: 'destroy',
    onSoftReset: 'soft-reset',
    warnings: [],
  };
}

/**
 * Reads an xl.cfg text into a domain configuration.
 * @param text the whole file
 * @param file its name, for errors and for the default domain name
 * @returns the configuration, or the first thing wrong with it; never throws
 * Source: xl.cfg(5); tools/xl/xl_parse.c, parse_config_data
 */
export function parseXlCfg(text: string, file: string): Result<DomainConfig, ConfigError> {
  const cfg = parseCfg(text, file);
  if (!cfg.ok) return cfg;
  const reader = new CfgReader(cfg.value, file);
  const config = defaultDomainConfig(baseName(file));
  readIdentity(reader, config);
  readBoot(reader, config);
  readSizes(reader, config);
  config.disks = reader.specs('disk', parseDisk);
  config.vifs = reader.specs('vif', parseVif);
  config.channels = reader.specs('channel', parseChannel);
  readActions(reader, config);
  for (const { value, where } of config.vifs)
    if (value.host.rate !== undefined) config.warnings.push(`${where}: rate: not supported here; ignored`);
  config.warnings.push(...reader.leftovers());
  if (!reader.error) checkDevices(reader, config);
  return reader.error ? fail(reader.error) : ok(config);
}

function readIdentity(reader: CfgReader, config: DomainConfig): void {
  const name = reader.string('name');
  if (name) {
    if (/^[^/\p{Cc}]+$/u.test(name.value)) config.name = name.value;
    else
      reader.reject('name', `${quote(name.value)} is not a domain name; expected printable text without "/"`);
  }
  const uuid = reader.string('uuid');
  if (uuid) {
    if (/^[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$/.test(uuid.value))
      config.uuid = uuid.value.toLowerCase();
    else reader.reject('uuid', `${quote(uuid.value)} is not a UUID; expected 8-4-4-4-12 hexadecimal digits`);
  }
  const type = reader.string('type');
  if (type && type.value !== 'pv')
    reader.reject('type', `${quote(type.value)} is not supported; expected "pv"`);
  const builder = reader.string('builder');
  if (builder && builder.value !== 'generic' && builder.value !== 'linux') {
    reader.reject('builder', `${quote(builder.value)} is not supported; expected "generic"`);
  }
  const loader = reader.string('loader');
  if (loader && loader.value !== 'generic') {
    reader.reject('loader', `${quote(loader.value)} is not supported; expected "generic"`);
  }
}

function readBoot(reader: CfgReader, config: DomainConfig): void {
  config.kernel = reader.string('kernel');
  config.ramdisk = reader.string('ramdisk');
  const cmdline = reader.string('cmdline');
  const root = reader.string('root');
  const extra = reader.string('extra');
  const parts = [...(root ? [`root=${root.value}`] : []), ...(extra ? [extra.value] : [])];
  if (cmdline) {
    config.cmdline = cmdline;
    if (parts.length > 0)
      config.warnings.push(`${reader.where(root ? 'root' : 'extra')}: ignored in favour of cmdline`);
  } else if (parts.length > 0) {
    config.cmdline = { value: parts.join(' '), where: reader.where(root ? 'root' : 'extra') };
  }
  const features = reader.string('features');
  if (features) {
    const wanted = parseWantedFeatures(features.value);
    if (wanted.ok) config.features = { value: wanted.value, where: features.where };
    else reader.reject('features', `${quote(wanted.error)} is unknown; expected auto_translated_physmap`);
  }
  if (reader.string('bootloader') && !config.kernel) {
    reader.reject('bootloader', 'is not supported; expected kernel');
  }
}

function readSizes(reader: CfgReader, config: DomainConfig): void {
  const memory = { min: MIN_MEMORY_MIB, max: MAX_MEMORY_MIB, unit: 'MiB' };
  config.memoryMiB = reader.integer('memory', memory) ?? config.memoryMiB;
  config.maxMemoryMiB = reader.integer('maxmem', memory);
  if (config.maxMemoryMiB && config.maxMemoryMiB.value < config.memoryMiB.value) {
    reader.reject(
      'maxmem',
      `${config.maxMemoryMiB.value} is below memory; expected at least ${config.memoryMiB.value}`,
    );
  }
  const vcpus = { min: 1, max: MAX_VCPUS, unit: '' };
  const maxVcpus = reader.integer('maxvcpus', vcpus);
  config.vcpus = reader.integer('vcpus', vcpus) ?? config.vcpus;
  if (maxVcpus && maxVcpus.value < config.vcpus.value) {
    reader.reject('maxvcpus', `${maxVcpus.value} is below vcpus; expected at least ${config.vcpus.value}`);
  }
  config.maxEventChannels =
    reader.integer('max_event_channels', { min: 1, max: 131071, unit: '' })?.value ?? config.maxEventChannels;
  config.maxGrantFrames =
    reader.integer('max_grant_frames', { min: 1, max: 1024, unit: '' })?.value ?? config.maxGrantFrames;
}

function readActions(reader: CfgReader, config: DomainConfig): void {
  config.onPoweroff = reader.choice('on_poweroff', EVENT_ACTIONS) ?? config.onPoweroff;
  config.onReboot = reader.choice('on_reboot', EVENT_ACTIONS) ?? config.onReboot;
  config.onCrash = reader.choice('on_crash', EVENT_ACTIONS) ?? config.onCrash;
  config.onWatchdog = reader.choice('on_watchdog', EVENT_ACTIONS) ?? config.onWatchdog;
  config.onSoftReset = reader.choice('on_soft_reset', EVENT_ACTIONS) ?? config.onSoftReset;
}

function checkDevices(reader: CfgReader, config: DomainConfig): void {
  const twice = duplicateVdev(config.disks);
  if (twice)
    reader.rejectAt(twice.where, `${twice.value.vdev} is used by another disk; expected a vdev of its own`);
}

/** The first disk whose device number an earlier disk already has, or null. */
export function duplicateVdev(disks: readonly Setting<DiskSpec>[]): Setting<DiskSpec> | null {
  return (
    disks.find((disk, i) => disks.slice(0, i).some((other) => other.value.devid === disk.value.devid)) ?? null
  );
}

function baseName(file: string): string {
  const base = file.slice(file.lastIndexOf('/') + 1).replace(/\.[^.]*$/, '');
  return base === '' ? 'domain' : base;
}
