export { BlkBack, type BlkBackOptions } from './blkback/blkback.ts';
export type { BlkBackMetrics } from './blkback/metrics.ts';
export type { BlockObserver } from './blkback/observer.ts';
export type { BlockStore } from './block-store/block-store.ts';
export type { DiskImage } from './block-store/disk-image.ts';
export type { HostFile } from './block-store/host-file.ts';
export { MemoryBlockStore } from './block-store/memory-block-store.ts';
export { type ImageFiles, type ImageFormat, type OpenedFile, openImage } from './block-store/open-image.ts';
export { OverlayStore } from './block-store/overlay-store.ts';
export { RawStore } from './block-store/raw-store.ts';
export {
  ConsoleBackend,
  type ConsoleBackendOptions,
  type ConsoleMetrics,
  type ConsoleSink,
} from './console/console-backend.ts';
export { ConsoleDevice, type ConsoleDeviceOptions } from './console/console-device.ts';
export type { BackendHost, GrantMapping, HostPort } from './host.ts';
export type { NetBackHost } from './netback/host.ts';
export type { NetBackMetrics } from './netback/metrics.ts';
export { NetBack, type NetBackOptions } from './netback/netback.ts';
export { NO_NETWORK } from './network/no-network.ts';
export { capturedNetwork, type PcapOptions, type PcapTime, PcapWriter } from './network/pcap.ts';
export { type SwitchMetrics, VirtualSwitch } from './network/switch.ts';
export {
  type BackendDriver,
  type BackendStore,
  type ConnectResult,
  XenbusBackend,
} from './xenbus/xenbus-backend.ts';
