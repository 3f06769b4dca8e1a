export { type Done, type Outcome, XenStoreClient, type XenStoreClientOptions } from './client.ts';
