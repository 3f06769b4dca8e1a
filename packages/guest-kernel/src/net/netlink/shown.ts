/** Links, addresses, routes and neighbours as rtnetlink shows them. Source: rtnetlink(7) */
import {
  broadcastOf,
  type InterfaceAddress,
  MAC_BROADCAST,
  type NetInterface,
  type Route,
  setMac,
} from '@domu/netstack';
import * as N from '../../abi/netlink.ts';
import { AF_INET, ARPHRD_ETHER, ARPHRD_LOOPBACK } from '../../abi/socket.ts';
import { interfaceFlags } from '../interface-ioctl.ts';
import type { NetSide } from '../net-side.ts';
import type { Answer } from './message.ts';

const TX_QUEUE_LENGTH = 1000;
/** Counters of struct rtnl_link_stats. */
const COUNTERS = 24;
const LOOPBACK_NET = 127;
const FOREVER = 0xffff_ffff;

const inet = (address: number): Uint8Array =>
  Uint8Array.of(address >>> 24, address >>> 16, address >>> 8, address);

function macBytes(mac: number): Uint8Array {
  const bytes = new Uint8Array(6);
  setMac(bytes, 0, mac);
  return bytes;
}

/** Bytes of a fixed part: 8, 16 or 32 bits each. */
function fixedPart(fields: readonly (readonly [bits: 8 | 16 | 32, value: number])[]): Uint8Array {
  const bytes = new Uint8Array(fields.reduce((sum, [bits]) => sum + bits / 8, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [bits, value] of fields) {
    if (bits === 8) view.setUint8(at, value);
    else if (bits === 16) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += bits / 8;
  }
  return bytes;
}

export function linkAnswer(net: NetSide, netif: NetInterface): Answer {
  const hardware = netif.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER;
  const runs = netif.up && netif.running;
  const flags = interfaceFlags(netif) | (runs ? N.IFF_LOWER_UP : 0);
  const { rxFrames, txFrames, rxBytes, txBytes, rxDropped, txDropped } = netif.counters;
  const counters = [rxFrames, txFrames, rxBytes, txBytes, 0, 0, rxDropped, txDropped];
  const all = Array.from({ length: COUNTERS }, (_, i) => counters[i] ?? 0);
  const state = !runs ? N.IF_OPER_DOWN : netif.loopback ? N.IF_OPER_UNKNOWN : N.IF_OPER_UP;
  return {
    type: N.RTM_NEWLINK,
    fixed: fixedPart([
      ...[[8, 0] as const, [8, 0] as const, [16, hardware] as const],
      ...[[32, net.indexOf(netif)] as const, [32, flags] as const, [32, 0] as const],
    ]),
    attributes: [
      [N.IFLA_IFNAME, netif.name],
      [N.IFLA_TXQLEN, TX_QUEUE_LENGTH],
      [N.IFLA_OPERSTATE, Uint8Array.of(state)],
      [N.IFLA_LINKMODE, Uint8Array.of(0)],
      [N.IFLA_MTU, netif.mtu],
      [N.IFLA_GROUP, 0],
      [N.IFLA_CARRIER, Uint8Array.of(netif.running ? 1 : 0)],
      [N.IFLA_QDISC, netif.loopback ? 'noqueue' : 'pfifo_fast'],
      [N.IFLA_ADDRESS, macBytes(netif.mac)],
      [N.IFLA_BROADCAST, macBytes(netif.loopback ? 0 : MAC_BROADCAST)],
      [N.IFLA_STATS64, new Uint8Array(BigUint64Array.from(all.map(BigInt)).buffer)],
      [N.IFLA_STATS, new Uint8Array(Uint32Array.from(all).buffer)],
    ],
  };
}

export function addressAnswer(net: NetSide, netif: NetInterface, own: InterfaceAddress): Answer {
  const { address, prefixLength } = own;
  const scope = address >>> 24 === LOOPBACK_NET ? N.RT_SCOPE_HOST : N.RT_SCOPE_UNIVERSE;
  const bytes = inet(address);
  return {
    type: N.RTM_NEWADDR,
    fixed: fixedPart([
      ...[[8, AF_INET] as const, [8, prefixLength] as const, [8, N.IFA_F_PERMANENT] as const],
      ...[[8, scope] as const, [32, net.indexOf(netif)] as const],
    ]),
    attributes: [
      [N.IFA_ADDRESS, bytes],
      [N.IFA_LOCAL, bytes],
      ...(netif.loopback || prefixLength > 30
        ? []
        : [[N.IFA_BROADCAST, inet(broadcastOf(address, prefixLength))] as const]),
      [N.IFA_LABEL, netif.name],
      [N.IFA_FLAGS, N.IFA_F_PERMANENT],
      [N.IFA_CACHEINFO, new Uint8Array(Uint32Array.of(FOREVER, FOREVER, 0, 0).buffer)],
    ],
  };
}

/** Of an interface that is up; those of the loopback are in a table of their own. */
export const isShown = ({ netif }: Route): boolean => !netif.loopback && netif.up;

/** Bytes of a fixed part that names a table: struct rtmsg, fib_rule_hdr. */
const tableHeader = (fields: readonly number[], flags: number): Uint8Array =>
  fixedPart([...fields.map((value) => [8, value] as const), [32, flags]]);

export function routeAnswer(net: NetSide, route: Route): Answer {
  const { destination, prefixLength, gateway, netif, metric } = route;
  const isDirect = gateway === 0;
  const own = netif.addresses.find((one) => isDirect && one.prefixLength === prefixLength);
  const protocol = own === undefined ? N.RTPROT_BOOT : N.RTPROT_KERNEL;
  const scope = isDirect ? N.RT_SCOPE_LINK : N.RT_SCOPE_UNIVERSE;
  const header = [AF_INET, prefixLength, 0, 0, N.RT_TABLE_MAIN, protocol, scope, N.RTN_UNICAST];
  return {
    type: N.RTM_NEWROUTE,
    fixed: tableHeader(header, 0),
    attributes: [
      [N.RTA_TABLE, N.RT_TABLE_MAIN],
      ...(prefixLength === 0 ? [] : [[N.RTA_DST, inet(destination)] as const]),
      ...(isDirect ? [] : [[N.RTA_GATEWAY, inet(gateway)] as const]),
      ...(metric === 0 ? [] : [[N.RTA_PRIORITY, metric] as const]),
      ...(own === undefined ? [] : [[N.RTA_PREFSRC, inet(own.address)] as const]),
      [N.RTA_OIF, net.indexOf(netif)],
    ],
  };
}

/** The way to one address, as `ip route get` asks for it. @param gateway 0: none is needed; absent: the address is this host's */
export function wayAnswer(
  net: NetSide,
  to: number,
  { netif, gateway }: { readonly netif: NetInterface; readonly gateway?: number },
  uid: number,
): Answer {
  const isLocal = gateway === undefined;
  const source = isLocal ? to : netif.addresses[0]?.address;
  const header = [AF_INET, 32, 0, 0, N.RT_TABLE_MAIN, 0, 0, isLocal ? N.RTN_LOCAL : N.RTN_UNICAST];
  return {
    type: N.RTM_NEWROUTE,
    fixed: tableHeader(header, (N.RTM_F_CLONED | (isLocal ? N.RTCF_LOCAL : 0)) >>> 0),
    attributes: [
      [N.RTA_TABLE, N.RT_TABLE_MAIN],
      [N.RTA_DST, inet(to)],
      [N.RTA_OIF, net.indexOf(netif)],
      ...(source === undefined ? [] : [[N.RTA_PREFSRC, inet(source)] as const]),
      ...(gateway ? [[N.RTA_GATEWAY, inet(gateway)] as const] : []),
      [N.RTA_UID, uid],
    ],
  };
}

/** The rules that every Linux begins with: which table is looked at when. */
export function ruleAnswers(): Answer[] {
  const rules = [
    [0, N.RT_TABLE_LOCAL],
    [32_766, N.RT_TABLE_MAIN],
    [32_767, N.RT_TABLE_DEFAULT],
  ] as const;
  return rules.map(([priority, table]) => ({
    type: N.RTM_NEWRULE,
    fixed: tableHeader([AF_INET, 0, 0, 0, table, 0, 0, N.FR_ACT_TO_TBL], 0),
    attributes: [
      [N.FRA_TABLE, table],
      [N.FRA_SUPPRESS_PREFIXLEN, FOREVER],
      ...(priority === 0 ? [] : [[N.FRA_PRIORITY, priority] as const]),
    ],
  }));
}

export function neighbourAnswer(
  net: NetSide,
  netif: NetInterface,
  { address, mac }: { readonly address: number; readonly mac?: number | undefined },
): Answer {
  const state = mac === undefined ? N.NUD_INCOMPLETE : N.NUD_REACHABLE;
  return {
    type: N.RTM_NEWNEIGH,
    fixed: fixedPart([
      ...[[8, AF_INET] as const, [8, 0] as const, [16, 0] as const, [32, net.indexOf(netif)] as const],
      ...[[16, state] as const, [8, 0] as const, [8, N.RTN_UNICAST] as const],
    ]),
    attributes: [
      [N.NDA_DST, inet(address)],
      ...(mac === undefined ? [] : [[N.NDA_LLADDR, macBytes(mac)] as const]),
    ],
  };
}
