export { DhcpClient, type DhcpClientOptions, type DhcpLease } from './dhcp/client.ts';
export * from './dhcp/message.ts';
export { DhcpServer, type DhcpServerOptions } from './dhcp/server.ts';
export * from './dns/message.ts';
export * from './interface.ts';
export * from './ip/icmp.ts';
export type * from './ip/ipv4.ts';
export { type Route, Routes } from './ip/routes.ts';
export * from './ip/udp.ts';
export * from './port.ts';
export { NetStack, type StackOptions } from './stack.ts';
export type { TcpConnection } from './tcp/connection.ts';
export type { ListenOptions, TcpListener } from './tcp/listener.ts';
export {
  type CloseReason,
  DEFAULT_TCP_OPTIONS,
  type KeepAlive,
  type TcpAddresses,
  type TcpEvent,
  type TcpOptions,
  type TcpState,
} from './tcp/tcb.ts';
export { MS, SECOND, type StackHost, Timer, TimerQueue } from './timers.ts';
export * from './wire/address.ts';
export { flowHash, isIpv6 } from './wire/flow.ts';
export { completeChecksum, deliver, ordinaryFrame, segmentFrame, verifyChecksum } from './wire/offload.ts';
