import { type DomId, domId } from '@domu/xen-abi';

/** What a permission entry allows; a bit mask. */
export const PERM_NONE = 0;
export const PERM_READ = 1;
export const PERM_WRITE = 2;
export const PERM_OWNER = 4;

/** One entry of a node's permission list. */
export interface Perm {
  readonly domid: DomId;
  /** PERM_READ | PERM_WRITE */
  readonly access: number;
}

/**
 * A node's permission list, never empty. The first entry names the owner, who may do everything;
 * its access is what every domain without an entry of its own gets.
 * Source: docs/misc/xenstore.txt, "Each node has one or multiple permission entries"
 */
export type NodePerms = readonly Perm[];

/** Who asks. `target` is the domain whose rights the caller shares (SET_TARGET). */
export interface Caller {
  readonly domid: DomId;
  readonly privileged: boolean;
  readonly target: DomId | null;
}

const LETTERS = ['n', 'r', 'w', 'b'];

/** @returns the wire form of an entry: a letter of `nrwb` and the domain id */
export function formatPerm(perm: Perm): string {
  return `${LETTERS[perm.access]}${perm.domid}`;
}

/** @returns the entry that `text` spells, or null when it is none */
export function parsePerm(text: string): Perm | null {
  const match = /^([nrwb])([0-9]{1,5})$/.exec(text);
  if (match === null) return null;
  const domid = Number(match[2]);
  return domid > 0xffff ? null : { domid: domId(domid), access: LETTERS.indexOf(match[1]) };
}

/** @returns the rights of `caller` on a node with these permissions, as a mask of PERM_* */
export function rightsOf(caller: Caller, perms: NodePerms): number {
  const isCaller = (domid: DomId): boolean => domid === caller.domid || domid === caller.target;
  if (caller.privileged || isCaller(perms[0].domid)) return PERM_READ | PERM_WRITE | PERM_OWNER;
  for (let i = 1; i < perms.length; i++) if (isCaller(perms[i].domid)) return perms[i].access;
  return perms[0].access;
}

/** @returns the owner's domain id */
export function ownerOf(perms: NodePerms): DomId {
  return perms[0].domid;
}
