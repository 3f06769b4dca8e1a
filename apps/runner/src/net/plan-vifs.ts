import { tapObstacle } from '@domu/backends/node';
import { type PlannedVif, parseVif, planVifs, type Setting, type VifSpec } from '@domu/toolstack';
import { parseUserOptions, type UserNetworkOptions } from '@domu/usernet';
import { openOutput } from '../run/files.ts';
import { UserError } from '../user-error.ts';
import type { VifPlan } from './networks.ts';

const CAPTURE = /^(?:([^/=]+)\/)?vif([0-9]{1,3})=(.+)$/s;

/**
 * What --net means, as interfaces in place of those of the file: "none", "user", "switch", "switch=NAME", "tap=NAME", each
 * with further options of an interface behind a comma.
 * Errors: UserError
 */
export function netOption(text: string): Setting<VifSpec>[] {
  const [first, ...more] = text.split(',');
  const [kind, name] = [first.replace(/=.*$/s, ''), /=(.*)$/s.exec(first)?.[1]];
  const specs: Readonly<Record<string, string>> = {
    user: 'type=user',
    switch: name === undefined ? '' : `bridge=${name}`,
    tap: name === undefined ? 'type=tap' : `type=tap,vifname=${name}`,
  };
  if (first === 'none' && more.length === 0) return [];
  const named = name !== undefined && (kind === 'user' || name === '');
  if (!Object.hasOwn(specs, kind) || named)
    throw new UserError(`--net: ${JSON.stringify(first)} is unknown; expected user, switch, tap or none`);
  const parsed = parseVif([specs[kind], ...more].join(','));
  if (!parsed.ok) throw new UserError(`--net ${JSON.stringify(text)}: ${parsed.error}`);
  return [{ value: parsed.value, where: '--net' }];
}

/**
 * Decides what a guest's interfaces are, and opens the files that they are captured to.
 * @param captures "vif0=FILE", those of this guest
 * Errors: UserError
 */
export function planGuestVifs(
  vifs: readonly Setting<VifSpec>[],
  uuid: string,
  captures: readonly string[],
): VifPlan[] {
  const planned = planVifs(vifs, uuid);
  if (!planned.ok) throw new UserError(planned.error);
  const files = captureFiles(
    captures,
    planned.value.map(({ value }) => value.devid),
  );
  return planned.value
    .map(({ value: vif, where }) => ({ vif, userOptions: userOptionsOf(vif, where) }))
    .map((plan) => {
      const file = files.get(plan.vif.devid);
      return { ...plan, captureFd: file === undefined ? null : openOutput(file, '--pcap') };
    });
}

function userOptionsOf({ network }: PlannedVif, where: string): UserNetworkOptions | null {
  const obstacle = network.kind === 'tap' ? tapObstacle() : null;
  if (obstacle !== null) throw new UserError(`${where}: type=tap: ${obstacle}`);
  if (network.kind !== 'user') return null;
  const options = parseUserOptions(network.options);
  if (!options.ok) throw new UserError(`${where}: ${options.error}`);
  return options.value;
}

/**
 * @param name of the guest
 * @param first whether captures that name no guest are of this one
 * @returns the captures of one guest; also those that make no sense, of the first
 */
export function capturesOf(captures: readonly string[], name: string, first: boolean): string[] {
  return captures.filter((capture) => (CAPTURE.exec(capture)?.[1] ?? (first ? name : null)) === name);
}

/** @returns a capture of a guest that there is none of, or undefined */
export function strayCapture(captures: readonly string[], names: readonly string[]): string | undefined {
  return captures.find((capture) => {
    const name = CAPTURE.exec(capture)?.[1];
    return name !== undefined && !names.includes(name);
  });
}

function captureFiles(captures: readonly string[], devids: readonly number[]): Map<number, string> {
  const files = new Map<number, string>();
  for (const capture of captures) {
    const match = CAPTURE.exec(capture);
    if (match === null)
      throw new UserError(
        `--pcap: ${JSON.stringify(capture)} names no interface; expected vif0=FILE or GUEST/vif0=FILE`,
      );
    const devid = Number(match[2]);
    if (!devids.includes(devid))
      throw new UserError(
        `--pcap: the guest has no interface vif${devid}; expected ${devids.map((id) => `vif${id}`).join(', ') || 'one in the configuration, or --net'}`,
      );
    files.set(devid, match[3]);
  }
  return files;
}
