/** The ioctls of ifconfig, route, arp and udhcpc. Source: netdevice(7), include/uapi/linux/if.h, net/core/dev_ioctl.c. */

import { type NetInterface, onSameNet, prefixMask, type Route, setMac } from '@domu/netstack';
import { CAP_NET_ADMIN } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import {
  AF_INET,
  ARPHRD_ETHER,
  ARPHRD_LOOPBACK,
  IFF_BROADCAST,
  IFF_LOOPBACK,
  IFF_MULTICAST,
  IFF_RUNNING,
  IFF_UP,
  RTF_GATEWAY,
  RTF_HOST,
  SIOCADDRT,
  SIOCDARP,
  SIOCDELRT,
  SIOCGARP,
  SIOCGIFADDR,
  SIOCGIFBRDADDR,
  SIOCGIFCONF,
  SIOCGIFDSTADDR,
  SIOCGIFFLAGS,
  SIOCGIFHWADDR,
  SIOCGIFINDEX,
  SIOCGIFMAP,
  SIOCGIFMETRIC,
  SIOCGIFMTU,
  SIOCGIFNAME,
  SIOCGIFNETMASK,
  SIOCGIFTXQLEN,
  SIOCSIFADDR,
  SIOCSIFBRDADDR,
  SIOCSIFFLAGS,
  SIOCSIFMTU,
  SIOCSIFNETMASK,
} from '../abi/socket.ts';
import { capable } from '../fs/permissions.ts';
import type { Caller, UserMemory } from '../fs/types.ts';
import { encodeInet } from './address.ts';
import type { NetSide } from './net-side.ts';

const IFNAMSIZ = 16;
const IFREQ_BYTES = 32;
const RTENTRY_BYTES = 84;
const ARPREQ_BYTES = 68;
const ATF_COM = 2;
const MIN_MTU = 68;
const TX_QUEUE_LENGTH = 1000;
const CHANGES = new Set([
  SIOCSIFFLAGS,
  SIOCSIFADDR,
  SIOCSIFNETMASK,
  SIOCSIFBRDADDR,
  SIOCSIFMTU,
  SIOCADDRT,
  SIOCDELRT,
  SIOCDARP,
]);

/** @returns 0, or -ENOTTY, -EFAULT, -ENODEV, -EADDRNOTAVAIL, -EPERM, -EINVAL */
export function interfaceIoctl(
  net: NetSide,
  cmd: number,
  arg: number,
  user: UserMemory,
  caller: Caller,
): number {
  if (CHANGES.has(cmd) && !capable(caller.cred, CAP_NET_ADMIN)) return -E.PERM;
  if (cmd === SIOCGIFCONF) return listInterfaces(net, arg, user);
  if (cmd === SIOCADDRT || cmd === SIOCDELRT) return changeRoute(net, cmd, arg, user);
  if (cmd === SIOCGARP || cmd === SIOCDARP) return neighbour(net, cmd, arg, user);
  if (cmd >> 8 !== 0x89) return -E.NOTTY;
  const bytes = new Uint8Array(IFREQ_BYTES);
  if (!user.read(arg, bytes)) return -E.FAULT;
  const request = new DataView(bytes.buffer);
  if (cmd === SIOCGIFNAME) {
    const netif = net.interfaceAt(request.getInt32(IFNAMSIZ, true));
    if (netif === undefined) return -E.NODEV;
    putName(bytes, 0, netif.name);
    return user.write(arg, bytes) ? 0 : -E.FAULT;
  }
  // An alias ("eth0:1") is the interface itself here.
  const netif = net.interfaceNamed(nameAt(bytes, 0).replace(/:.*$/, ''));
  if (netif === undefined) return -E.NODEV;
  const changed = change(net, netif, cmd, request);
  if (changed !== undefined) return changed;
  const result = query(net, netif, cmd, bytes);
  return result !== 0 ? result : user.write(arg, bytes) ? 0 : -E.FAULT;
}

export function interfaceFlags(netif: NetInterface): number {
  const kind = netif.loopback ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST;
  return kind | (netif.up ? IFF_UP : 0) | (netif.up && netif.running ? IFF_RUNNING : 0);
}

const nameAt = (bytes: Uint8Array, at: number): string =>
  String.fromCharCode(...bytes.subarray(at, at + IFNAMSIZ)).replace(/\0.*$/s, '');

function putName(bytes: Uint8Array, at: number, name: string): void {
  bytes.fill(0, at, at + IFNAMSIZ);
  for (let i = 0; i < name.length && i < IFNAMSIZ - 1; i++) bytes[at + i] = name.charCodeAt(i);
}

/** Fills in what is asked for. @returns 0 or a negative errno */
function query(net: NetSide, netif: NetInterface, cmd: number, bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer);
  const own = netif.addresses[0];
  const address = (value: number): number => {
    bytes.set(encodeInet({ address: value >>> 0, port: 0 }), IFNAMSIZ);
    return 0;
  };
  switch (cmd) {
    case SIOCGIFFLAGS:
      view.setInt16(IFNAMSIZ, interfaceFlags(netif), true);
      return 0;
    case SIOCGIFADDR:
    case SIOCGIFDSTADDR:
      return own === undefined ? -E.ADDRNOTAVAIL : address(own.address);
    case SIOCGIFNETMASK:
      return own === undefined ? -E.ADDRNOTAVAIL : address(prefixMask(own.prefixLength));
    case SIOCGIFBRDADDR:
      if (own === undefined) return -E.ADDRNOTAVAIL;
      return address(netif.loopback ? 0 : own.address | ~prefixMask(own.prefixLength));
    case SIOCGIFMETRIC:
      view.setInt32(IFNAMSIZ, 0, true);
      return 0;
    case SIOCGIFMTU:
      view.setInt32(IFNAMSIZ, netif.mtu, true);
      return 0;
    case SIOCGIFINDEX:
      view.setInt32(IFNAMSIZ, net.indexOf(netif), true);
      return 0;
    case SIOCGIFTXQLEN:
      view.setInt32(IFNAMSIZ, TX_QUEUE_LENGTH, true);
      return 0;
    case SIOCGIFMAP:
      bytes.fill(0, IFNAMSIZ);
      return 0;
    case SIOCGIFHWADDR:
      bytes.fill(0, IFNAMSIZ);
      view.setUint16(IFNAMSIZ, netif.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER, true);
      setMac(bytes, IFNAMSIZ + 2, netif.mac);
      return 0;
    default:
      return -E.OPNOTSUPP;
  }
}

/** @returns undefined if `cmd` changes nothing */
function change(net: NetSide, netif: NetInterface, cmd: number, request: DataView): number | undefined {
  const address = request.getUint32(IFNAMSIZ + 4);
  const own = netif.addresses[0];
  switch (cmd) {
    case SIOCSIFFLAGS:
      netif.up = (request.getUint16(IFNAMSIZ, true) & IFF_UP) !== 0;
      return 0;
    case SIOCSIFMTU: {
      const mtu = request.getInt32(IFNAMSIZ, true);
      if (mtu < MIN_MTU || mtu > 65535) return -E.INVAL;
      netif.mtu = mtu;
      return 0;
    }
    case SIOCSIFADDR:
      if (request.getUint16(IFNAMSIZ, true) !== AF_INET) return -E.INVAL;
      net.configuredByHand(netif);
      if (own !== undefined) net.stack.removeAddress(netif, own.address);
      if (address === 0) return 0;
      netif.up = true;
      net.stack.addAddress(netif, address, netif.loopback ? 8 : classPrefix(address));
      return 0;
    case SIOCSIFNETMASK: {
      if (own === undefined) return -E.ADDRNOTAVAIL;
      const prefixLength = Math.clz32(~address);
      if (prefixMask(prefixLength) !== address) return -E.INVAL;
      if (prefixLength === own.prefixLength) return 0;
      net.stack.removeAddress(netif, own.address);
      net.stack.addAddress(netif, own.address, prefixLength);
      return 0;
    }
    case SIOCSIFBRDADDR:
      return 0; // follows from the address
    default:
      return undefined;
  }
}

/** What a net's size was before there were masks. */
const classPrefix = (address: number): number =>
  address >>> 31 === 0 ? 8 : address >>> 30 === 2 ? 16 : address >>> 29 === 6 ? 24 : 32;

function listInterfaces(net: NetSide, arg: number, user: UserMemory): number {
  const room = user.read32(arg);
  const buffer = user.read32(arg + 4);
  if (room === undefined || buffer === undefined) return -E.FAULT;
  const configured = net.stack.interfaces.filter(({ addresses }) => addresses.length > 0);
  if (buffer === 0) return user.write32(arg, configured.length * IFREQ_BYTES) ? 0 : -E.FAULT;
  const fits = configured.slice(0, Math.floor(room / IFREQ_BYTES));
  const bytes = new Uint8Array(fits.length * IFREQ_BYTES);
  for (const [index, netif] of fits.entries()) {
    putName(bytes, index * IFREQ_BYTES, netif.name);
    const { address } = netif.addresses[0]!;
    bytes.set(encodeInet({ address, port: 0 }), index * IFREQ_BYTES + IFNAMSIZ);
  }
  return user.write(buffer, bytes) && user.write32(arg, bytes.length) ? 0 : -E.FAULT;
}

/** struct rtentry: destination at 4, gateway at 20, mask at 36, flags at 52, metric at 64, device at 68. */
function changeRoute(net: NetSide, cmd: number, arg: number, user: UserMemory): number {
  const bytes = new Uint8Array(RTENTRY_BYTES);
  if (!user.read(arg, bytes)) return -E.FAULT;
  const view = new DataView(bytes.buffer);
  const flags = view.getUint16(52, true);
  const gateway = (flags & RTF_GATEWAY) !== 0 ? view.getUint32(24) : 0;
  const mask = (flags & RTF_HOST) !== 0 ? 0xffffffff : view.getUint32(40);
  const prefixLength = Math.clz32(~mask);
  if (prefixMask(prefixLength) !== mask) return -E.INVAL;
  const destination = (view.getUint32(8) & mask) >>> 0;
  const metric = Math.max(0, view.getInt16(64, true) - 1);
  const { routes } = net.stack.ipv4;
  let netif: NetInterface | undefined;
  const device = view.getUint32(68, true);
  if (device !== 0) {
    const name = user.readString(device, IFNAMSIZ);
    if (typeof name === 'number') return name;
    netif = net.interfaceNamed(name);
    if (netif === undefined) return -E.NODEV;
  }
  if (cmd === SIOCDELRT) {
    const matches = (route: Route): boolean =>
      route.destination === destination &&
      route.prefixLength === prefixLength &&
      (gateway === 0 || route.gateway === gateway) &&
      (netif === undefined || route.netif === netif);
    return routes.remove(matches) === undefined ? -E.SRCH : 0;
  }
  netif ??= net.stack.interfaces.find(
    (one) =>
      one.up && one.addresses.some((own) => onSameNet(own.address, gateway || destination, own.prefixLength)),
  );
  if (netif === undefined) return gateway === 0 ? -E.NODEV : -E.NETUNREACH;
  return routes.add({ destination, prefixLength, gateway, netif, metric }) ? 0 : -E.EXIST;
}

/** struct arpreq: protocol address at 0, hardware address at 16, flags at 32, device at 52. */
function neighbour(net: NetSide, cmd: number, arg: number, user: UserMemory): number {
  const bytes = new Uint8Array(ARPREQ_BYTES);
  if (!user.read(arg, bytes)) return -E.FAULT;
  const view = new DataView(bytes.buffer);
  const address = view.getUint32(4);
  for (const [netif, table] of net.stack.ipv4.neighbours) {
    const name = nameAt(bytes, 52);
    if (name !== '' && name !== netif.name) continue;
    if (cmd === SIOCDARP && table.forget(address)) return 0;
    if (cmd === SIOCDARP) continue;
    for (const entry of table.entries()) {
      if (entry.address !== address || entry.mac === undefined) continue;
      view.setUint16(16, ARPHRD_ETHER, true);
      setMac(bytes, 18, entry.mac);
      view.setInt32(32, ATF_COM, true);
      putName(bytes, 52, netif.name);
      return user.write(arg, bytes) ? 0 : -E.FAULT;
    }
  }
  return -E.NXIO;
}
