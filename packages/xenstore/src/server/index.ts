export type { WatchSink } from './connection.ts';
export { XenStoreUsageError, type XsErrno } from './errors.ts';
export { domainPath } from './path.ts';
export { DEFAULT_QUOTAS, type Quotas } from './quotas.ts';
export type { RingMetrics, RingPort, XenStoreRing, XenStoreRingOptions } from './ring.ts';
export type { StoreAccess } from './store-access.ts';
export type { StoreHost } from './store-core.ts';
export { type Defer, XenStore, type XenStoreOptions } from './xen-store.ts';
