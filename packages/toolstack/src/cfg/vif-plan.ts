import { fail, ok, type Result } from '../result.ts';
import type { Setting } from './domain-config.ts';
import type { VifSpec } from './vif.ts';

/** A network interface with everything decided. */
export interface PlannedVif extends VifSpec {
  readonly devid: number;
  readonly mac: readonly number[];
}

/** Xen's own range of addresses. */
const XEN_OUI = [0x00, 0x16, 0x3e] as const;

/**
 * Decides device numbers and MAC addresses. Both depend on the configuration alone, so that runs repeat.
 * @returns the interfaces in their order, or what is wrong, with where it was said
 */
export function planVifs(
  vifs: readonly Setting<VifSpec>[],
  uuid: string,
): Result<Setting<PlannedVif>[], string> {
  const taken = new Set<number>();
  for (const { value, where } of vifs) {
    if (value.devid === null) continue;
    if (taken.has(value.devid)) return fail(`${where}: devid ${value.devid} is another interface's`);
    taken.add(value.devid);
  }
  let next = 0;
  const planned = vifs.map(({ value, where }) => {
    while (value.devid === null && taken.has(next)) next++;
    const devid = value.devid ?? next++;
    return { value: { ...value, devid, mac: value.mac ?? generateMac(uuid, devid) }, where };
  });
  return ok(planned);
}

/**
 * @param uuid the domain's
 * @returns a MAC address of Xen's range, the same for the same interface of the same domain
 * Source: xl-network-configuration(5), "mac" (there random)
 */
export function generateMac(uuid: string, devid: number): number[] {
  let hash = 0x811c9dc5;
  for (const char of `${uuid}/${devid}`) hash = Math.imul(hash ^ char.charCodeAt(0), 0x01000193) >>> 0;
  hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) >>> 0;
  return [...XEN_OUI, (hash >>> 16) & 0x7f, (hash >>> 8) & 0xff, hash & 0xff];
}

/** "00:16:3e:12:34:56" */
export function formatMac(mac: readonly number[]): string {
  return mac.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
