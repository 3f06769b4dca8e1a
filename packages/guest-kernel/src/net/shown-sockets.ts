import type { TcpAddresses, TcpState } from '@domu/netstack';
import type { NetSide } from './net-side.ts';

const TCP_ESTABLISHED = 1;
const TCP_CLOSE = 7;
const TCP_LISTEN = 10;

/** Numbers of states that programs see. Source: Linux include/net/tcp_states.h */
const TCP_STATES: Readonly<Record<TcpState, number>> = {
  ...{ ESTABLISHED: TCP_ESTABLISHED, SYN_SENT: 2, SYN_RECEIVED: 3, FIN_WAIT_1: 4, FIN_WAIT_2: 5 },
  ...{ TIME_WAIT: 6, CLOSED: TCP_CLOSE, CLOSE_WAIT: 8, LAST_ACK: 9, CLOSING: 11 },
};

/** A socket as /proc/net and sock_diag show it. */
export interface ShownSocket {
  readonly addresses: TcpAddresses;
  readonly state: number;
  /** Bytes; of who listens, connections to accept and how many there may be. */
  readonly receiveQueue: number;
  readonly sendQueue: number;
}

/** Who listens comes first. */
export function* tcpSockets(net: NetSide): Generator<ShownSocket> {
  for (const { address, port, readyCount, backlog } of [...net.stack.tcp.listeners].flat()) {
    const addresses = { localAddress: address, localPort: port, remoteAddress: 0, remotePort: 0 };
    yield { addresses, state: TCP_LISTEN, receiveQueue: readyCount, sendQueue: backlog };
  }
  for (const { addresses, state, receiveQueue, sendQueue } of net.stack.tcp.connections()) {
    const queues = { receiveQueue: receiveQueue.length, sendQueue: sendQueue.length };
    yield { addresses, state: TCP_STATES[state], ...queues };
  }
}

export function* udpSockets(net: NetSide): Generator<ShownSocket> {
  for (const { address, port, peer } of [...net.stack.udp.ports].flat()) {
    const remote = { remoteAddress: peer?.address ?? 0, remotePort: peer?.port ?? 0 };
    const addresses = { localAddress: address, localPort: port, ...remote };
    yield { addresses, state: peer ? TCP_ESTABLISHED : TCP_CLOSE, receiveQueue: 0, sendQueue: 0 };
  }
}
