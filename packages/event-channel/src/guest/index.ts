export type { GuestDelivery } from './delivery.ts';
export { type GuestEventPort, GuestEvents } from './events.ts';
export { type EventPage, FifoGuest } from './fifo.ts';
export { EventPorts } from './ports.ts';
export { type EventPages, TwoLevelGuest } from './two-level.ts';
