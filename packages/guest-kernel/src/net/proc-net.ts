/** The files of /proc/net, and what /sys/class/net says. Source: Linux net/ipv4/{fib_trie,tcp_ipv4,udp,arp}.c, net/core/net-procfs.c. */
import { formatIpv4, formatMac, type NetInterface, prefixMask, type TcpAddresses } from '@domu/netstack';
import { ARPHRD_ETHER, ARPHRD_LOOPBACK, RTF_GATEWAY, RTF_HOST, RTF_UP } from '../abi/socket.ts';
import { interfaceFlags } from './interface-ioctl.ts';
import type { NetSide } from './net-side.ts';
import { tcpSockets, udpSockets } from './shown-sockets.ts';

const DEV_HEADING =
  'Inter-|   Receive                                                |  Transmit\n' +
  ' face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n';
const SOCKETS_HEADING =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode';
const TCP_LINE_LENGTH = 149;
const UDP_LINE_LENGTH = 127;

const hex = (value: number, digits: number): string => value.toString(16).toUpperCase().padStart(digits, '0');
/** An address as Linux prints its four bytes read as an i386 word. */
const word = (address: number): string =>
  hex(
    (((address & 0xff) << 24) | ((address & 0xff00) << 8) | ((address >>> 8) & 0xff00) | (address >>> 24)) >>>
      0,
    8,
  );

function devLine({ name, counters }: NetInterface): string {
  const pad = (values: readonly number[], widths: readonly number[]): string =>
    values.map((value, index) => String(value).padStart(widths[index]!)).join(' ');
  const { rxBytes, rxFrames, rxDropped, txBytes, txFrames, txDropped } = counters;
  const received = pad([rxBytes, rxFrames, 0, rxDropped, 0, 0, 0, 0], [7, 7, 4, 4, 4, 5, 10, 9]);
  const sent = pad([txBytes, txFrames, 0, txDropped, 0, 0, 0, 0], [8, 7, 4, 4, 4, 5, 7, 10]);
  return `${name.padStart(6)}: ${received} ${sent}\n`;
}

function routeLines(net: NetSide): string[] {
  return [...net.stack.ipv4.routes]
    .filter(({ netif }) => !netif.loopback && netif.up)
    .map(({ destination, prefixLength, gateway, netif, metric }) => {
      const flags = RTF_UP | (gateway === 0 ? 0 : RTF_GATEWAY) | (prefixLength === 32 ? RTF_HOST : 0);
      const mask = word(prefixMask(prefixLength));
      const fields = [
        netif.name,
        word(destination),
        word(gateway),
        hex(flags, 4),
        0,
        0,
        metric,
        mask,
        0,
        0,
        0,
      ];
      return `${fields.join('\t').padEnd(127)}\n`;
    });
}

function socketLine(
  slot: number,
  { localAddress, localPort, remoteAddress, remotePort }: TcpAddresses,
  state: number,
): string {
  const local = `${word(localAddress)}:${hex(localPort, 4)}`;
  const remote = `${word(remoteAddress)}:${hex(remotePort, 4)}`;
  const queues = '00000000:00000000 00:00000000 00000000';
  return `${String(slot).padStart(4)}: ${local} ${remote} ${hex(state, 2)} ${queues}     0        0 0 1 00000000 100 0 0 10 0`;
}

function tcpLines(net: NetSide): string[] {
  return [...tcpSockets(net)].map(
    ({ addresses, state }, slot) => `${socketLine(slot, addresses, state).padEnd(TCP_LINE_LENGTH)}\n`,
  );
}

function udpLines(net: NetSide): string[] {
  return [...udpSockets(net)].map(({ addresses, state }) => {
    const line = socketLine(addresses.localPort, addresses, state);
    return `${line.replace(/ 1 00000000 100 0 0 10 0$/, ' 2 00000000 0').padEnd(UDP_LINE_LENGTH)}\n`;
  });
}

function arpLines(net: NetSide): string[] {
  const lines: string[] = [];
  for (const [netif, table] of net.stack.ipv4.neighbours)
    for (const { address, mac } of table.entries()) {
      const flags = mac === undefined ? 0 : 2;
      const start = `${formatIpv4(address).padEnd(16)} 0x${'1'.padEnd(10)}0x${String(flags).padEnd(10)}`;
      lines.push(`${start}${formatMac(mac ?? 0)}     *        ${netif.name}\n`);
    }
  return lines;
}

/** Files of /proc/net by name. @param kernel its network is there when a file is read */
export function procNet(kernel: { readonly network: NetSide }): Record<string, () => string> {
  const udpHeading = `${`${SOCKETS_HEADING} ref pointer drops`.padEnd(UDP_LINE_LENGTH)}\n`;
  return {
    dev: () => DEV_HEADING + kernel.network.stack.interfaces.map(devLine).join(''),
    route: () =>
      `${'Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT'.padEnd(127)}\n${routeLines(kernel.network).join('')}`,
    arp: () =>
      `IP address       HW type     Flags       HW address            Mask     Device\n${arpLines(kernel.network).join('')}`,
    tcp: () => `${SOCKETS_HEADING.padEnd(TCP_LINE_LENGTH)}\n${tcpLines(kernel.network).join('')}`,
    udp: () => udpHeading + udpLines(kernel.network).join(''),
    raw: () => udpHeading,
    unix: () => 'Num       RefCount Protocol Flags    Type St Inode Path\n',
  };
}

/** Attributes of /sys/class/net by interface. */
export function sysNet(net: NetSide): Record<string, Record<string, string>> {
  return Object.fromEntries(
    net.stack.interfaces.map((netif) => [
      netif.name,
      {
        address: formatMac(netif.mac),
        carrier: netif.running ? '1' : '0',
        flags: `0x${interfaceFlags(netif).toString(16)}`,
        ifindex: String(net.indexOf(netif)),
        mtu: String(netif.mtu),
        operstate: netif.loopback ? 'unknown' : netif.up && netif.running ? 'up' : 'down',
        type: String(netif.loopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER),
      },
    ]),
  );
}
