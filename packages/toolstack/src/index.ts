export {
  type BuildInput,
  type BuiltDomain,
  buildDomain,
  type PreparedRing,
  pagingModeOf,
  planDomain,
} from './builder/build.ts';
export type { Layout, LayoutError, Region, TablePlan } from './builder/layout.ts';
export { type ChannelSpec, parseChannel } from './cfg/channel.ts';
export { type DiskSpec, parseDisk } from './cfg/disk.ts';
export {
  type DomainConfig,
  defaultDomainConfig,
  duplicateVdev,
  type EventAction,
  parseXlCfg,
  type Setting,
} from './cfg/domain-config.ts';
export { type ConfigError, formatConfigError } from './cfg/source.ts';
export { parseVif, type UserOption, type VifNetwork, type VifSpec } from './cfg/vif.ts';
export { formatMac, generateMac, type PlannedVif, planVifs } from './cfg/vif-plan.ts';
export { coreDump } from './core-dump/core-dump.ts';
export { type CodeImage, type CodeSegment, loadCode } from './elf/code-image.ts';
export { type Kernel, type KernelSegment, loadKernel } from './elf/kernel.ts';
export type { CodeSymbol, SymbolHit, SymbolTable } from './elf/symbols.ts';
export { loadSymbols } from './elf/system-map.ts';
export type { PaeMode } from './elf/xen-info.ts';
export { GuestHost, type GuestHostOptions, type GuestNetwork, type GuestOptions } from './host/guest-host.ts';
export { HostedGuest, type HostedGuestParts } from './host/hosted-guest.ts';
export type { BzImageHeader } from './inspect/bzimage-header.ts';
export type { ElfSummary, SegmentSummary } from './inspect/elf-summary.ts';
export type { FileKind } from './inspect/file-kind.ts';
export {
  type BootReport,
  type FeatureReport,
  type ImageReport,
  type InspectOptions,
  inspectImage,
  type LayoutReport,
  type XenReport,
} from './inspect/inspect.ts';
export type { XenNoteText } from './inspect/xen-note-text.ts';
export {
  type Aftermath,
  afterShutdown,
  type NextStep,
  type ShutdownReason,
  shutdownReason,
} from './life-cycle.ts';
export type { Result } from './result.ts';
export {
  requestShutdown,
  type ShutdownRequest,
  sendSysrq,
  servesShutdown,
  setConsoleSize,
  shutdownAcknowledged,
} from './store/control.ts';
export {
  createChannelNodes,
  createVbdNodes,
  createVifNodes,
  type DevicePaths,
  removeDeviceNodes,
} from './store/device-nodes.ts';
export { createDomainNodes, type DomainNodes, removeDomainNodes } from './store/domain-nodes.ts';
