export type { EventHost, PortDelivery } from './delivery.ts';
export { EventChannels, type EventChannelsOptions } from './event-channels.ts';
export { FifoDelivery, type FifoHost } from './fifo.ts';
export { HostEvents, type HostPort } from './host-events.ts';
export type { PortStatus } from './port.ts';
export { TwoLevelDelivery, type TwoLevelHost } from './two-level.ts';
export { virqIsGlobal } from './virq.ts';
