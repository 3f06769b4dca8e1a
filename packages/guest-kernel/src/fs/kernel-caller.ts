/** The kernel itself as a caller: root, outside of every session. For unpacking, mounting and the like. */

import { ALL_CAPABILITIES, NO_CAPABILITIES } from '../abi/capability.ts';
import type { Op } from '../task/wait.ts';
import type { Caller, Capabilities, Credentials } from './types.ts';

/** What root has, and what others have. */
export const ROOT_CAPABILITIES: Capabilities = {
  effective: ALL_CAPABILITIES,
  permitted: ALL_CAPABILITIES,
  inheritable: NO_CAPABILITIES,
  bounding: ALL_CAPABILITIES,
  ambient: NO_CAPABILITIES,
  securebits: 0,
};
export const USER_CAPABILITIES: Capabilities = {
  ...ROOT_CAPABILITIES,
  effective: NO_CAPABILITIES,
  permitted: NO_CAPABILITIES,
};

export const ROOT_CREDENTIALS: Credentials = {
  uid: 0,
  gid: 0,
  euid: 0,
  egid: 0,
  suid: 0,
  sgid: 0,
  fsuid: 0,
  fsgid: 0,
  groups: [],
  caps: ROOT_CAPABILITIES,
};

export const KERNEL_CALLER: Caller = {
  pid: 0,
  pgid: 0,
  sid: 0,
  cred: ROOT_CREDENTIALS,
  terminal: undefined,
  setTerminal: () => {},
  isSessionLeader: () => false,
  ignoresOrBlocks: () => true,
  inOrphanedGroup: () => true,
  sessionOfGroup: () => undefined,
  signal: () => {},
  signalGroup: () => {},
};

/** Runs an operation that cannot sleep, on a file system in memory. @throws if it sleeps all the same: our bug */
export function runSync<T>(op: Op<T>): T {
  const step = op.next('event');
  if (step.done !== true) throw new Error('an operation slept where nothing can wait');
  return step.value;
}
