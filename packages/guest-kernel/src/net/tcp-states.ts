import type { TcpState } from '@domu/netstack';

export const TCP_ESTABLISHED = 1;
export const TCP_CLOSE = 7;
export const TCP_LISTEN = 10;

/** Numbers of states that programs see. Source: Linux include/net/tcp_states.h */
export const TCP_STATES: Readonly<Record<TcpState, number>> = {
  ...{ ESTABLISHED: TCP_ESTABLISHED, SYN_SENT: 2, SYN_RECEIVED: 3, FIN_WAIT_1: 4, FIN_WAIT_2: 5 },
  ...{ TIME_WAIT: 6, CLOSED: TCP_CLOSE, CLOSE_WAIT: 8, LAST_ACK: 9, CLOSING: 11 },
};
