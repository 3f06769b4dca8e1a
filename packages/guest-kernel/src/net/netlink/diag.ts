/** What NETLINK_SOCK_DIAG is asked for: the sockets of TCP and UDP, as `ss` lists them. Source: sock_diag(7) */
import { E } from '../../abi/errno.ts';
import * as N from '../../abi/netlink.ts';
import { AF_INET, IPPROTO_TCP, IPPROTO_UDP } from '../../abi/socket.ts';
import type { NetSide } from '../net-side.ts';
import { type ShownSocket, tcpSockets, udpSockets } from '../shown-sockets.ts';
import type { Answer, NetlinkMessage } from './message.ts';

/** struct inet_diag_req_v2, of which the header is read. */
const REQUEST_BYTES = 56;
/** struct inet_diag_msg. */
const ANSWER_BYTES = 72;

function encodeSocket({ addresses, state, receiveQueue, sendQueue }: ShownSocket): Answer {
  const fixed = new Uint8Array(ANSWER_BYTES);
  const view = new DataView(fixed.buffer);
  view.setUint8(0, AF_INET);
  view.setUint8(1, state);
  view.setUint16(4, addresses.localPort);
  view.setUint16(6, addresses.remotePort);
  view.setUint32(8, addresses.localAddress);
  view.setUint32(24, addresses.remoteAddress);
  view.setUint32(56, receiveQueue, true);
  view.setUint32(60, sendQueue, true);
  return { type: N.SOCK_DIAG_BY_FAMILY, fixed };
}

/**
 * Answers a question about all sockets of a kind that are in certain states; owners and inodes are not told.
 * @returns a message a socket, or -errno
 */
export function diagAnswer(net: NetSide, { type, flags, payload }: NetlinkMessage): Answer[] | number {
  if (type !== N.SOCK_DIAG_BY_FAMILY) return -E.INVAL;
  if (payload.byteLength < REQUEST_BYTES) return -E.INVAL;
  if ((flags & N.NLM_F_DUMP) === 0) return -E.OPNOTSUPP;
  if (payload.getUint8(0) !== AF_INET) return [];
  const kinds: Readonly<Record<number, () => Generator<ShownSocket>>> = {
    [IPPROTO_TCP]: () => tcpSockets(net),
    [IPPROTO_UDP]: () => udpSockets(net),
  };
  const sockets = kinds[payload.getUint8(1)]?.() ?? [];
  const states = payload.getUint32(4, true);
  return [...sockets].filter(({ state }) => (states & (1 << state)) !== 0).map(encodeSocket);
}
