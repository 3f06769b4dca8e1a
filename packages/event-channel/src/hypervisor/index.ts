export type { PortDelivery } from './delivery.ts';
export { EventChannels, type EventChannelsOptions } from './event-channels.ts';
export { HostEvents, type HostPort } from './host-events.ts';
export type { PortStatus } from './port.ts';
export { TwoLevelDelivery, type TwoLevelHost } from './two-level.ts';
export { virqIsGlobal } from './virq.ts';
