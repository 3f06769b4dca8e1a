export { type CopyEnd, copyGrant, type GrantCopy } from './copy-op.ts';
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
