import { fail, ok, quote, type Result } from '../result.ts';

/** One entry of `vif = [ … ]`. */
export interface VifSpec {
  /** Six bytes; null: to be made from the domain's uuid. */
  readonly mac: readonly number[] | null;
  /** null: the index in the list. */
  readonly devid: number | null;
  readonly mtu: number | null;
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
const MAX_MTU = 65535;

/**
 * Parses one network interface specification: comma-separated key=value and flags, all optional.
 * @returns the interface, or what is wrong
 * Source: xl-network-configuration(5); tools/xl/xl_parse.c, parse_nic_config
 */
export function parseVif(spec: string): Result<VifSpec> {
  let mac: number[] | null = null;
  let devid: number | null = null;
  let mtu: number | null = null;
  const host: Record<string, string> = {};
  for (const part of spec.split(',')) {
    const item = part.trim();
    if (item === '' || item === 'trusted' || item === 'untrusted') continue;
    const equals = item.indexOf('=');
    const key = equals < 0 ? item : item.slice(0, equals).trim();
    const value = equals < 0 ? '' : item.slice(equals + 1).trim();
    if (key === 'mac') {
      mac = parseMac(value);
      if (!mac)
        return fail(
          `mac ${quote(value)} is not a unicast MAC address; expected six bytes such as 00:16:3e:12:34:56`,
        );
    } else if (key === 'devid' || key === 'mtu') {
      if (!/^[0-9]{1,5}$/.test(value) || Number(value) > MAX_MTU)
        return fail(`${key} ${quote(value)} is not a number up to ${MAX_MTU}`);
      if (key === 'devid') devid = Number(value);
      else mtu = Number(value);
    } else if (key === 'type') {
      if (value !== 'vif' && value !== 'ioemu') return fail(`type ${quote(value)} is unknown; expected vif`);
    } else if (key === 'backend') {
      if (value !== '0' && value !== 'Domain-0')
        return fail(`backend ${quote(value)} is not supported; expected domain 0`);
    } else if (HOST_KEYS.has(key) && equals >= 0) {
      host[key] = value;
    } else {
      return fail(`unknown parameter ${quote(key)}; expected mac, bridge, script, ip, mtu or the like`);
    }
  }
  return ok({ mac, devid, mtu, host });
}

function parseMac(text: string): number[] | null {
  if (!/^(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}$/.test(text)) return null;
  const bytes = text.split(':').map((byte) => Number.parseInt(byte, 16));
  return (bytes[0] & 1) === 0 ? bytes : null;
}
