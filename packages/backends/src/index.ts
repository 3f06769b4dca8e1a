export { BlkBack, type BlkBackOptions } from './blkback/blkback.ts';
export type { BlkBackMetrics } from './blkback/metrics.ts';
export type { BlockStore } from './block-store/block-store.ts';
export { MemoryBlockStore } from './block-store/memory-block-store.ts';
export {
  ConsoleBackend,
  type ConsoleBackendOptions,
  type ConsoleMetrics,
  type ConsoleSink,
} from './console/console-backend.ts';
export type { BackendHost, GrantMapping, HostPort } from './host.ts';
export {
  type BackendDriver,
  type BackendStore,
  type ConnectResult,
  XenbusBackend,
} from './xenbus/xenbus-backend.ts';
