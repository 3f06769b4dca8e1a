/** What NETLINK_ROUTE is asked for and told. Source: rtnetlink(7), linux net/core/rtnetlink.c, net/ipv4/{devinet,fib_frontend}.c */
import { type NetInterface, onSameNet, type Route } from '@domu/netstack';
import { E } from '../../abi/errno.ts';
import * as N from '../../abi/netlink.ts';
import { AF_INET, AF_UNSPEC, IFF_UP } from '../../abi/socket.ts';
import type { NetSide } from '../net-side.ts';
import { type Answer, attributesOf, type NetlinkMessage } from './message.ts';
import {
  addressAnswer,
  isShown,
  linkAnswer,
  neighbourAnswer,
  routeAnswer,
  ruleAnswers,
  wayAnswer,
} from './shown.ts';

const IFINFO_BYTES = 16;
const IFADDR_BYTES = 8;
const RTMSG_BYTES = 12;
const NDMSG_BYTES = 12;
const MIN_MTU = 68;

const wordOf = (value: DataView | undefined): number | undefined =>
  value !== undefined && value.byteLength >= 4 ? value.getUint32(0, true) : undefined;
const inetOf = (value: DataView | undefined): number | undefined =>
  value !== undefined && value.byteLength >= 4 ? value.getUint32(0) : undefined;

function textOf(value: DataView | undefined): string | undefined {
  if (value === undefined) return undefined;
  const bytes = new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return String.fromCharCode(...bytes).replace(/\0.*$/s, '');
}

/** Types that change something. */
export const isChange = (type: number): boolean => type % 4 !== N.RTM_GETLINK % 4;

/**
 * Answers a request.
 * @returns what there is to tell, 0 when something was changed, or -errno
 */
export function answer(net: NetSide, message: NetlinkMessage, uid: number): readonly Answer[] | number {
  const { type, payload } = message;
  const isDump = (message.flags & N.NLM_F_DUMP) !== 0;
  const family = payload.byteLength > 0 ? payload.getUint8(0) : AF_UNSPEC;
  const isInet = family === AF_UNSPEC || family === AF_INET;
  switch (type) {
    case N.RTM_GETLINK:
      return isDump ? net.stack.interfaces.map((netif) => linkAnswer(net, netif)) : oneLink(net, payload);
    case N.RTM_GETADDR:
      return isInet ? addresses(net) : [];
    case N.RTM_GETROUTE:
      if (!isDump) return routeTo(net, payload, uid);
      return isInet ? [...net.stack.ipv4.routes].filter(isShown).map((route) => routeAnswer(net, route)) : [];
    case N.RTM_GETNEIGH:
      return isInet ? neighbours(net) : [];
    case N.RTM_GETRULE:
      return isInet ? ruleAnswers() : [];
    case N.RTM_NEWLINK:
    case N.RTM_SETLINK:
      return changeLink(net, payload, message.flags);
    case N.RTM_NEWADDR:
    case N.RTM_DELADDR:
      return changeAddress(net, payload, type === N.RTM_NEWADDR);
    case N.RTM_NEWROUTE:
    case N.RTM_DELROUTE:
      return changeRoute(net, payload, message);
    case N.RTM_DELNEIGH:
      return forgetNeighbour(net, payload);
    default:
      return -E.OPNOTSUPP;
  }
}

function addresses(net: NetSide): Answer[] {
  return net.stack.interfaces.flatMap((netif) =>
    netif.addresses.map((own) => addressAnswer(net, netif, own)),
  );
}

function neighbours(net: NetSide): Answer[] {
  return [...net.stack.ipv4.neighbours].flatMap(([netif, table]) =>
    [...table.entries()].map((entry) => neighbourAnswer(net, netif, entry)),
  );
}

/** The interface that an ifinfomsg names, by its number or IFLA_IFNAME. */
function linkOf(net: NetSide, payload: DataView): NetInterface | number {
  if (payload.byteLength < IFINFO_BYTES) return -E.INVAL;
  const index = payload.getInt32(4, true);
  if (index > 0) return net.interfaceAt(index) ?? -E.NODEV;
  const name = textOf(attributesOf(payload, IFINFO_BYTES).get(N.IFLA_IFNAME));
  return (name === undefined ? undefined : net.interfaceNamed(name)) ?? -E.NODEV;
}

function oneLink(net: NetSide, payload: DataView): Answer[] | number {
  const netif = linkOf(net, payload);
  return typeof netif === 'number' ? netif : [linkAnswer(net, netif)];
}

function changeLink(net: NetSide, payload: DataView, flags: number): number {
  const netif = linkOf(net, payload);
  if (typeof netif === 'number') return flags & N.NLM_F_CREATE ? -E.OPNOTSUPP : netif;
  const mtu = wordOf(attributesOf(payload, IFINFO_BYTES).get(N.IFLA_MTU));
  if (mtu !== undefined && (mtu < MIN_MTU || mtu > 65535)) return -E.INVAL;
  if (mtu !== undefined) netif.mtu = mtu;
  if (payload.getUint32(12, true) & IFF_UP) netif.up = (payload.getUint32(8, true) & IFF_UP) !== 0;
  return 0;
}

function changeAddress(net: NetSide, payload: DataView, adds: boolean): number {
  if (payload.byteLength < IFADDR_BYTES) return -E.INVAL;
  if (payload.getUint8(0) !== AF_INET) return -E.AFNOSUPPORT;
  const prefixLength = payload.getUint8(1);
  const netif = net.interfaceAt(payload.getInt32(4, true));
  const given = attributesOf(payload, IFADDR_BYTES);
  const address = inetOf(given.get(N.IFA_LOCAL)) ?? inetOf(given.get(N.IFA_ADDRESS));
  if (prefixLength > 32 || address === undefined) return -E.INVAL;
  if (netif === undefined) return -E.NODEV;
  net.configuredByHand(netif);
  if (adds) return net.stack.addAddress(netif, address, prefixLength) ? 0 : -E.EXIST;
  return net.stack.removeAddress(netif, address) ? 0 : -E.ADDRNOTAVAIL;
}

function routeTo(net: NetSide, payload: DataView, uid: number): Answer[] | number {
  if (payload.byteLength < RTMSG_BYTES) return -E.INVAL;
  const destination = inetOf(attributesOf(payload, RTMSG_BYTES).get(N.RTA_DST));
  if (destination === undefined) return -E.INVAL;
  const local = net.stack.interfaces.find((netif) => netif.hasAddress(destination));
  const way = local === undefined ? net.stack.ipv4.routes.lookup(destination) : { netif: local };
  return way === undefined ? -E.NETUNREACH : [wayAnswer(net, destination, way, uid)];
}

function changeRoute(net: NetSide, payload: DataView, { type, flags }: NetlinkMessage): number {
  if (payload.byteLength < RTMSG_BYTES) return -E.INVAL;
  if (payload.getUint8(0) !== AF_INET) return -E.AFNOSUPPORT;
  const prefixLength = payload.getUint8(1);
  const given = attributesOf(payload, RTMSG_BYTES);
  const destination = inetOf(given.get(N.RTA_DST)) ?? 0;
  const gateway = inetOf(given.get(N.RTA_GATEWAY)) ?? 0;
  const metric = wordOf(given.get(N.RTA_PRIORITY)) ?? 0;
  const index = wordOf(given.get(N.RTA_OIF));
  const isNet = prefixLength === 32 || (destination << prefixLength) >>> 0 === 0 || prefixLength === 0;
  if (prefixLength > 32 || !isNet || (prefixLength === 0 && destination !== 0)) return -E.INVAL;
  let netif = index === undefined ? undefined : net.interfaceAt(index);
  if (index !== undefined && netif === undefined) return -E.NODEV;
  const { routes } = net.stack.ipv4;
  const isSame = (route: Route): boolean =>
    route.destination === destination && route.prefixLength === prefixLength;
  if (type === N.RTM_DELROUTE) {
    const matches = (route: Route): boolean =>
      isSame(route) &&
      (gateway === 0 || route.gateway === gateway) &&
      (netif === undefined || route.netif === netif);
    return routes.remove(matches) === undefined ? -E.SRCH : 0;
  }
  netif ??= net.stack.interfaces.find(
    (one) => one.up && one.addresses.some((own) => onSameNet(own.address, gateway, own.prefixLength)),
  );
  if (netif === undefined) return gateway === 0 ? -E.NODEV : -E.NETUNREACH;
  if ((flags & N.NLM_F_REPLACE) !== 0) routes.remove((route) => isSame(route) && route.metric === metric);
  return routes.add({ destination, prefixLength, gateway, netif, metric }) ? 0 : -E.EXIST;
}

function forgetNeighbour(net: NetSide, payload: DataView): number {
  if (payload.byteLength < NDMSG_BYTES) return -E.INVAL;
  const netif = net.interfaceAt(payload.getInt32(4, true));
  const address = inetOf(attributesOf(payload, NDMSG_BYTES).get(N.NDA_DST));
  if (address === undefined) return -E.INVAL;
  if (netif === undefined) return -E.NODEV;
  return net.stack.ipv4.neighbours.get(netif)?.forget(address) ? 0 : -E.NOENT;
}
