import { broadcastOf, type Ipv4Address, onSameNet, parseIpv4, prefixMask } from '@domu/netstack';
import type { HostEndpoint } from './host.ts';

/** A port of the host that leads to the guest. */
export interface Forward {
  readonly protocol: 'tcp' | 'udp';
  readonly host: HostEndpoint;
  /** Undefined: the first address that DHCP gives. */
  readonly guestAddress: Ipv4Address | undefined;
  readonly guestPort: number;
}

/** How a user-mode network is laid out. {@link DEFAULT_OPTIONS} has the layout that people know from QEMU. */
export interface UserNetworkOptions {
  readonly network: Ipv4Address;
  readonly prefixLength: number;
  /** The host, as the guest sees it: connections to it go to the host's loopback. */
  readonly gateway: Ipv4Address;
  readonly nameServer: Ipv4Address;
  /** First address that DHCP gives. */
  readonly dhcpStart: Ipv4Address;
  /** Where the name server's queries go; undefined: to the host's resolver. */
  readonly resolver: HostEndpoint | undefined;
  readonly hostName: string | undefined;
  readonly forwards: readonly Forward[];
  /** The guest reaches nothing but DHCP, and is reached through forwards only. */
  readonly restrict: boolean;
  /** TCP connections at one time, both directions. */
  readonly maxTcpFlows: number;
  /** UDP sockets of the host at one time; the one that was idle longest makes room. */
  readonly maxUdpFlows: number;
  /** Kept of one TCP connection in one direction. */
  readonly bufferBytes: number;
}

export const DEFAULT_OPTIONS: UserNetworkOptions = {
  network: 0x0a000200,
  prefixLength: 24,
  gateway: 0x0a000202,
  nameServer: 0x0a000203,
  dhcpStart: 0x0a00020f,
  resolver: undefined,
  hostName: undefined,
  forwards: [],
  restrict: false,
  maxTcpFlows: 512,
  maxUdpFlows: 256,
  bufferBytes: 512 * 1024,
};

/** What was read, or one line that says why it cannot be. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly error: string };

const refuse = (error: string): { readonly ok: false; readonly error: string } => ({ ok: false, error });

/**
 * Reads options as they stand in a configuration file, in order: `net=10.0.2.0/24`, `gateway=10.0.2.2`, `dns=SERVER[:PORT]`
 * (the host's side: where queries go), `dhcpstart=10.0.2.15`, `hostname=NAME`, `restrict=yes`, and any number of
 * `hostfwd=tcp:127.0.0.1:2222-:22`.
 */
export function parseUserOptions(
  settings: readonly { readonly key: string; readonly value: string }[],
): Parsed<UserNetworkOptions> {
  let options: UserNetworkOptions = { ...DEFAULT_OPTIONS };
  const net = settings.find(({ key }) => key === 'net');
  if (net !== undefined) {
    const laidOut = layOut(net.value);
    if (laidOut === undefined)
      return refuse(`net=${net.value}: expected ADDRESS/PREFIX with a prefix of 8 to 28`);
    options = { ...options, ...laidOut };
  }
  for (const { key, value } of settings) {
    const change = parseSetting(key, value, options);
    if (typeof change === 'string') return refuse(`${key}=${value}: ${change}`);
    options = { ...options, ...change };
  }
  const { network, prefixLength } = options;
  for (const [key, address] of [
    ['gateway', options.gateway] as const,
    ['dhcpstart', options.dhcpStart] as const,
  ])
    if (!onSameNet(address, network, prefixLength)) return refuse(`${key} is not inside the net`);
  if (options.dhcpStart === options.gateway) return refuse('dhcpstart is the gateway');
  return { ok: true, value: options };
}

function layOut(text: string): Partial<UserNetworkOptions> | undefined {
  const [, address, prefix] = /^([0-9.]+)\/([0-9]{1,2})$/.exec(text) ?? [];
  const parsed = parseIpv4(address ?? '');
  const prefixLength = Number(prefix);
  if (parsed === undefined || prefixLength < 8 || prefixLength > 28) return undefined;
  const network = (parsed & prefixMask(prefixLength)) >>> 0;
  const dhcpStart = Math.min(network + 15, broadcastOf(network, prefixLength) - 1);
  return { network, prefixLength, gateway: network + 2, nameServer: network + 3, dhcpStart };
}

/** @returns what changes, or why it cannot */
function parseSetting(
  key: string,
  value: string,
  options: UserNetworkOptions,
): Partial<UserNetworkOptions> | string {
  switch (key) {
    case 'net':
      return {};
    case 'gateway':
    case 'dhcpstart': {
      const address = parseIpv4(value);
      if (address === undefined) return 'expected an IPv4 address';
      if (key === 'dhcpstart') return { dhcpStart: address };
      return {
        gateway: address,
        nameServer: address === options.nameServer ? address + 1 : options.nameServer,
      };
    }
    case 'dns': {
      const [, address, port] = /^([0-9.]+)(?::([0-9]{1,5}))?$/.exec(value) ?? [];
      const number = port === undefined ? 53 : parsePort(port);
      if (address === undefined || parseIpv4(address) === undefined || number === undefined)
        return 'expected ADDRESS or ADDRESS:PORT';
      return { resolver: { address, port: number } };
    }
    case 'hostname':
      return /^[A-Za-z0-9-]{1,63}$/.test(value) ? { hostName: value } : 'expected a host name';
    case 'restrict':
      if (!/^(yes|no|on|off|1|0)$/.test(value)) return 'expected yes or no';
      return { restrict: /^(yes|on|1)$/.test(value) };
    case 'hostfwd': {
      const forward = parseForward(value);
      if (forward === undefined) return 'expected tcp:[ADDRESS]:PORT-[ADDRESS]:PORT or the same with udp';
      return { forwards: [...options.forwards, forward] };
    }
    default:
      return 'unknown option';
  }
}

/** Reads `tcp:127.0.0.1:2222-:22`; without an address the host listens on its loopback. */
export function parseForward(text: string): Forward | undefined {
  const match = /^(tcp|udp):([0-9.]*):([0-9]{1,5})-([0-9.]*):([0-9]{1,5})$/.exec(text);
  if (match === null) return undefined;
  const [, protocol, hostAddress, hostPort, guestAddress, guestPort] = match as unknown as string[];
  const port = Number(hostPort);
  const toPort = parsePort(guestPort!);
  const guest = guestAddress === '' ? undefined : parseIpv4(guestAddress!);
  if (port > 0xffff || toPort === undefined || (guestAddress !== '' && guest === undefined)) return undefined;
  if (hostAddress !== '' && parseIpv4(hostAddress!) === undefined) return undefined;
  return {
    protocol: protocol === 'udp' ? 'udp' : 'tcp',
    host: { address: hostAddress === '' ? '127.0.0.1' : hostAddress!, port },
    guestAddress: guest,
    guestPort: toPort,
  };
}

function parsePort(text: string): number | undefined {
  const port = Number(text);
  return port >= 1 && port <= 0xffff ? port : undefined;
}
