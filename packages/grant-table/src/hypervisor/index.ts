export { type CopyEnd, copyGrant, type GrantCopy } from './copy-op.ts';
export { type CacheFlush, cacheFlush, swapGrantRefs } from './entry-ops.ts';
export type { GrantFrames, GrantMapper } from './frames.ts';
export { GrantTable, type GrantTableOptions } from './grant-table.ts';
export { type GrantRange, type HostGrant, HostGrants } from './host-grants.ts';
export {
  type MapGrantRef,
  type MappedGrant,
  mapGrantRef,
  type UnmapGrantRef,
  unmapGrantRef,
} from './map-ops.ts';
export type { GrantVersion } from './shared-entries.ts';
export { type GrantTransfer, transferGrant } from './transfer-op.ts';
export { setVersion } from './version-op.ts';
