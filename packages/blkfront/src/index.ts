export type { KernelPage, KernelPages } from '@domu/grant-table/guest';
export { Blkfront, type BlkfrontOptions } from './blkfront.ts';
export type { BlkfrontLimits, DiskProperties } from './features.ts';
export type { BlkfrontMetrics } from './metrics.ts';
export type { RequestDone } from './work.ts';
