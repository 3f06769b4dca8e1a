/** capget and capset. Source: capget(2), linux kernel/capability.c, security/commoncap.c */
import { ALL_CAPABILITIES, CAP_SETPCAP } from '../abi/capability.ts';
import { E } from '../abi/errno.ts';
import { capable } from '../fs/permissions.ts';
import type { Capabilities } from '../fs/types.ts';
import type { Task } from '../task/task.ts';
import type { CallHandler } from './calls.ts';

/** Versions of the header, with how many words each set has. */
const VERSIONS = new Map([
  [0x1998_0330, 1],
  [0x2007_1026, 2],
  [0x2008_0522, 2],
]);
const CURRENT_VERSION = 0x2008_0522;
const SETS = 3;

/** @returns words of a set and the process; null when the version has been answered by the present one; or -errno */
function header(task: Task, va: number): { readonly words: number; readonly pid: number } | null | number {
  const [version, pid] = [task.user.read32(va), task.user.read32(va + 4)];
  if (version === undefined) return -E.FAULT;
  const words = VERSIONS.get(version);
  if (words === undefined) return task.user.write32(va, CURRENT_VERSION) ? null : -E.FAULT;
  return pid === undefined ? -E.FAULT : { words, pid: pid | 0 };
}

function capget(task: Task, [headerVa, dataVa]: readonly number[]): number {
  const found = header(task, headerVa);
  if (typeof found === 'number') return found;
  if (found === null) return dataVa === 0 ? 0 : -E.INVAL;
  const { words, pid } = found;
  if (pid < 0) return -E.INVAL;
  const of = pid === 0 ? task : task.kernel.processes.tasks.get(pid);
  if (of === undefined) return -E.SRCH;
  if (dataVa === 0) return 0;
  const { effective, permitted, inheritable } = of.cred.caps;
  for (let word = 0; word < words; word++)
    for (const [i, set] of [effective, permitted, inheritable].entries()) {
      const value = Number((set >> BigInt(32 * word)) & 0xffff_ffffn);
      if (!task.user.write32(dataVa + 4 * (SETS * word + i), value)) return -E.FAULT;
    }
  return 0;
}

const without = (set: bigint, allowed: bigint): bigint => set & ~allowed;

function capset(task: Task, [headerVa, dataVa]: readonly number[]): number {
  const found = header(task, headerVa);
  if (typeof found === 'number') return found;
  if (found === null) return -E.INVAL;
  const { words, pid } = found;
  if (pid !== 0 && pid !== task.tid) return -E.PERM;
  const sets = [0n, 0n, 0n];
  for (let at = 0; at < SETS * words; at++) {
    const value = task.user.read32(dataVa + 4 * at);
    if (value === undefined) return -E.FAULT;
    sets[at % SETS] |= BigInt(value) << BigInt(32 * Math.floor(at / SETS));
  }
  const [effective, permitted, inheritable] = sets.map((set) => set & ALL_CAPABILITIES);
  const before = task.cred.caps;
  const inherit = before.inheritable | (capable(task.cred, CAP_SETPCAP) ? before.bounding : before.permitted);
  const isRefused =
    without(inheritable, inherit) | without(permitted, before.permitted) | without(effective, permitted);
  if (isRefused !== 0n) return -E.PERM;
  const ambient = before.ambient & permitted & inheritable;
  const caps: Capabilities = { ...before, effective, permitted, inheritable, ambient };
  task.cred = { ...task.cred, caps };
  return 0;
}

export const capabilityCalls: Readonly<Record<string, CallHandler>> = { capget, capset };
