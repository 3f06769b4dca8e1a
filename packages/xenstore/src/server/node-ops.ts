import type { XsErrno } from './errors.ts';
import { isXsErrno } from './errors.ts';
import { type NodeSpace, visitUpwards } from './node-space.ts';
import { baseName, canonicalize, domainPath, parentPath } from './path.ts';
import {
  type Caller,
  type NodePerms,
  ownerOf,
  PERM_NONE,
  PERM_OWNER,
  PERM_READ,
  PERM_WRITE,
  rightsOf,
} from './perms.ts';
import type { Quotas } from './quotas.ts';
import { childNamesBytes, NO_VALUE, nodeSizeBytes, type XsNode } from './tree.ts';

/** What every operation on nodes needs to know: who asks, where, and within which limits. */
export interface OpContext {
  readonly caller: Caller;
  readonly space: NodeSpace;
  readonly quotas: Quotas;
}

interface Found {
  readonly path: string;
  readonly node: XsNode;
}

interface Missing {
  readonly path: string;
  readonly node: null;
}

/** READ, DIRECTORY, DIRECTORY_PART. @returns the node, or why the caller may not see it */
export function readNode(ctx: OpContext, path: string): XsNode | XsErrno {
  const found = locate(ctx, path, PERM_READ, false);
  if (isXsErrno(found)) return found;
  return found.node ?? 'ENOENT';
}

/** GET_PERMS; special paths have permissions too. */
export function getPerms(ctx: OpContext, path: string): NodePerms | XsErrno {
  const found = locate(ctx, path, PERM_READ, true);
  if (isXsErrno(found)) return found;
  return found.node?.perms ?? 'ENOENT';
}

/** WRITE: stores a value, making the node and its parents if need be. */
export function writeNode(ctx: OpContext, path: string, value: Uint8Array): XsErrno | null {
  const found = locate(ctx, path, PERM_WRITE, false);
  if (isXsErrno(found)) return found;
  if (found.node === null) return createNode(ctx, found.path, value);
  const { node } = found;
  if (tooLarge(ctx, value, node.perms, childNamesBytes(node))) return 'ENOSPC';
  ctx.space.setValue(found.path, value);
  ctx.space.changed({ path: found.path, exact: false, oldPerms: node.perms });
  return null;
}

/** MKDIR: makes the node if it does not exist; its value stays as it is. */
export function makeNode(ctx: OpContext, path: string): XsErrno | null {
  const found = locate(ctx, path, PERM_WRITE, false);
  if (isXsErrno(found)) return found;
  return found.node === null ? createNode(ctx, found.path, NO_VALUE) : null;
}

/** RM: removes a node with everything below it. A missing node is no error when its parent exists. */
export function removeNode(ctx: OpContext, path: string): XsErrno | null {
  const found = locate(ctx, path, PERM_WRITE, false);
  if (isXsErrno(found)) return found;
  if (found.node === null) return ctx.space.get(parentPath(found.path)) === null ? 'ENOENT' : null;
  if (found.path === '/') return 'EINVAL';
  removeSubtree(ctx.space, found);
  return null;
}

/** SET_PERMS: only the owner may, and only a privileged caller may give a node away. */
export function setPerms(ctx: OpContext, path: string, perms: NodePerms): XsErrno | null {
  const { caller, quotas, space } = ctx;
  if (!caller.privileged && perms.length > quotas.permsPerNode) return 'ENOSPC';
  const found = locate(ctx, path, PERM_WRITE | PERM_OWNER, true);
  if (isXsErrno(found)) return found;
  const { node } = found;
  if (node === null) return 'ENOENT';
  if (!caller.privileged && ownerOf(perms) !== ownerOf(node.perms)) return 'EPERM';
  if (tooLarge(ctx, node.value, perms, childNamesBytes(node))) return 'ENOSPC';
  space.setPerms(found.path, perms);
  space.changed({ path: found.path, exact: false, oldPerms: node.perms });
  return null;
}

/**
 * Removes a node that exists, whoever owns it. Watches below it hear of their own node, children first; watches
 * on it and above hear of the node itself.
 */
export function removeSubtree(space: NodeSpace, found: Found): void {
  const gone: Found[] = [];
  visitUpwards(found.path, found.node, (path, node) => {
    space.get(path);
    gone.push({ path, node });
  });
  space.remove(found.path);
  for (const { path, node } of gone) {
    space.changed({ path, exact: path !== found.path, oldPerms: node.perms });
  }
}

/**
 * Finds a node that the caller may use with all of `rights`. Somebody who may not see the surroundings does not
 * learn whether the node exists: then the answer is EACCES instead of ENOENT.
 */
function locate(
  ctx: OpContext,
  given: string,
  rights: number,
  allowSpecial: boolean,
): Found | Missing | XsErrno {
  const { caller, space } = ctx;
  const path = canonicalize(given, domainPath(caller.domid), allowSpecial);
  if (path === null) return 'EINVAL';
  const node = space.get(path);
  if (node !== null) return (rightsOf(caller, node.perms) & rights) === rights ? { path, node } : 'EACCES';
  return (rightsOf(caller, nearestAncestor(space, path).node.perms) & rights) !== PERM_NONE
    ? { path, node }
    : 'EACCES';
}

function nearestAncestor(space: NodeSpace, path: string): Found {
  let ancestor = path;
  for (;;) {
    ancestor = parentPath(ancestor);
    const node = space.get(ancestor);
    if (node !== null) return { path: ancestor, node };
    if (ancestor === '/') throw new Error('bug: the store has no root');
  }
}

/** Creates a node and the parents it lacks, top down. They inherit permissions; a guest owns what it creates. */
function createNode(ctx: OpContext, path: string, value: Uint8Array): XsErrno | null {
  const { caller, quotas, space } = ctx;
  const anchor = nearestAncestor(space, path);
  const missing: string[] = [];
  for (let at = path; at !== anchor.path; at = parentPath(at)) missing.unshift(at);
  if (!caller.privileged && space.nrNodesOf(caller.domid) + missing.length > quotas.nodes) return 'ENOSPC';

  const perms = caller.privileged
    ? anchor.node.perms
    : [{ ...anchor.node.perms[0], domid: caller.domid }, ...anchor.node.perms.slice(1)];
  const anchorNames = childNamesBytes(anchor.node) + baseName(missing[0]).length + 1;
  if (tooLarge(ctx, anchor.node.value, anchor.node.perms, anchorNames)) return 'ENOSPC';
  if (tooLarge(ctx, value, perms, 0)) return 'ENOSPC';

  for (const at of missing) space.create(at, at === path ? value : NO_VALUE, perms);
  space.changed({ path, exact: false, oldPerms: null });
  return null;
}

function tooLarge(ctx: OpContext, value: Uint8Array, perms: NodePerms, childBytes: number): boolean {
  return !ctx.caller.privileged && nodeSizeBytes(value, perms, childBytes) > ctx.quotas.nodeSizeBytes;
}
