export { type Done, type Outcome, XenStoreClient, type XenStoreClientOptions } from './client.ts';
export { isTransient, type NodeChanges, type Nodes, readNodes, writeNodes } from './nodes.ts';
export { GuestRingPage, RingBytes, type RingMemory } from './ring-memory.ts';
export { type DeviceListener, watchDevices } from './xenbus-devices.ts';
export { type FrontendDriver, type Prepared, XenbusFrontend } from './xenbus-frontend.ts';
