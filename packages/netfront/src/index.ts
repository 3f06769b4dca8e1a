export type { NetFrontMetrics } from './metrics.ts';
export { NetFront, type NetFrontLimits, type NetFrontOptions } from './netfront.ts';
