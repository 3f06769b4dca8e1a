import { fail, ok, quote, type Result } from '../result.ts';

/** What a network interface is plugged into. */
export type VifNetwork =
  /** the virtual switch of this name, which joins the machine's domains */
  | { readonly kind: 'switch'; readonly name: string }
  /** a network of its own, with the host's sockets behind it; `options` in the order given */
  | { readonly kind: 'user'; readonly options: readonly UserOption[] }
  /** the host's tap device of this name */
  | { readonly kind: 'tap'; readonly name: string }
  /** nothing */
  | { readonly kind: 'none' };

/** One option of a user-mode network, as `hostfwd` and `tcp:127.0.0.1:2222-:22`. */
export interface UserOption {
  readonly key: string;
  readonly value: string;
}

/** One entry of `vif = [ … ]`. */
export interface VifSpec {
  /** Six bytes; null: to be made from the domain's uuid, see `generateMac`. */
  readonly mac: readonly number[] | null;
  /** null: the lowest number that no other interface of the domain asks for. */
  readonly devid: number | null;
  readonly mtu: number | null;
  readonly network: VifNetwork;
  /** Keywords that only the host side interprets (bridge, script, ip, rate, vifname, …), as given. */
  readonly host: Readonly<Record<string, string>>;
}

const HOST_KEYS = new Set([
  'bridge',
  'gatewaydev',
  'netdev',
  'vifname',
  'script',
  'ip',
  'rate',
  'model',
  'accel',
  'forwarddev',
]);
/** Options of user-mode networks, which say nothing to other kinds. */
const USER_KEYS = new Set(['hostfwd', 'net', 'gateway', 'dns', 'dhcpstart', 'hostname', 'restrict']);
const MAX_MTU = 65535;
const MIN_MTU = 68;
const MAX_DEVID = 255;
const DEFAULT_BRIDGE = 'xenbr0';

interface Draft {
  mac: number[] | null;
  devid: number | null;
  mtu: number | null;
  type: string;
  readonly user: UserOption[];
  readonly host: Record<string, string>;
}

/**
 * Parses one network interface specification: comma-separated key=value and flags, all optional.
 * Beside what xl knows: type=user (host sockets, with hostfwd=… and the like), type=tap, type=none. Everything else is a
 * port of the virtual switch that `bridge` names.
 * @returns the interface, or what is wrong
 * Source: xl-network-configuration(5); tools/xl/xl_parse.c, parse_nic_config
 */
export function parseVif(spec: string): Result<VifSpec> {
  const draft: Draft = { mac: null, devid: null, mtu: null, type: 'vif', user: [], host: {} };
  for (const part of spec.split(',')) {
    const item = part.trim();
    if (item === '' || item === 'trusted' || item === 'untrusted') continue;
    const problem = takeItem(draft, item);
    if (problem !== null) return fail(problem);
  }
  const network = networkOf(draft);
  if (!network.ok) return network;
  const { mac, devid, mtu, host } = draft;
  return ok({ mac, devid, mtu, network: network.value, host });
}

/** @returns what is wrong with the item, or null */
function takeItem(draft: Draft, item: string): string | null {
  const equals = item.indexOf('=');
  const key = equals < 0 ? item : item.slice(0, equals).trim();
  const value = equals < 0 ? '' : item.slice(equals + 1).trim();
  switch (key) {
    case 'mac':
      draft.mac = parseMac(value);
      return draft.mac
        ? null
        : `mac ${quote(value)} is not a unicast MAC address; expected six bytes such as 00:16:3e:12:34:56`;
    case 'devid':
      draft.devid = numberUpTo(value, 0, MAX_DEVID);
      return draft.devid === null ? `devid ${quote(value)} is not a number up to ${MAX_DEVID}` : null;
    case 'mtu':
      draft.mtu = numberUpTo(value, MIN_MTU, MAX_MTU);
      return draft.mtu === null ? `mtu ${quote(value)} is not a number from ${MIN_MTU} to ${MAX_MTU}` : null;
    case 'type':
      draft.type = value;
      return ['vif', 'ioemu', 'user', 'tap', 'none'].includes(value)
        ? null
        : `type ${quote(value)} is unknown; expected vif, user, tap or none`;
    case 'backend':
      return value === '0' || value === 'Domain-0'
        ? null
        : `backend ${quote(value)} is not supported; expected domain 0`;
    default:
      return takeHostItem(draft, key, value, equals >= 0);
  }
}

function takeHostItem(draft: Draft, key: string, value: string, hasValue: boolean): string | null {
  if (USER_KEYS.has(key) && hasValue) draft.user.push({ key, value });
  else if (HOST_KEYS.has(key) && hasValue) draft.host[key] = value;
  else return `unknown parameter ${quote(key)}; expected type, mac, bridge, script, ip, mtu or the like`;
  return null;
}

function networkOf({ type, user, host }: Draft): Result<VifNetwork> {
  if (type !== 'user' && user.length > 0)
    return fail(`${user[0].key} is for user-mode networking; expected type=user beside it`);
  if (type !== 'vif' && type !== 'ioemu' && host.bridge !== undefined)
    return fail(`bridge and type=${type} exclude each other; expected one of them`);
  switch (type) {
    case 'user':
      return ok({ kind: 'user', options: user });
    case 'tap':
      return ok({ kind: 'tap', name: host.vifname ?? 'tap0' });
    case 'none':
      return ok({ kind: 'none' });
    default:
      return ok({ kind: 'switch', name: host.bridge || DEFAULT_BRIDGE });
  }
}

function numberUpTo(text: string, min: number, max: number): number | null {
  const value = /^[0-9]{1,5}$/.test(text) ? Number(text) : Number.NaN;
  return value >= min && value <= max ? value : null;
}

function parseMac(text: string): number[] | null {
  if (!/^(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text)) return null;
  const bytes = text.split(':').map((byte) => Number.parseInt(byte, 16));
  return (bytes[0] & 1) === 0 ? bytes : null;
}
