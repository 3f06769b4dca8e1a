import { domId } from '@domu/xen-abi';
import { SPECIAL_PATHS } from './path.ts';
import { type NodePerms, PERM_NONE } from './perms.ts';

/**
 * One node. Nodes never change: a write builds new ones along the path, so that a transaction's view is
 * simply the root it started from.
 */
export interface XsNode {
  readonly value: Uint8Array;
  readonly perms: NodePerms;
  /** Store-wide number of the last change of the value, the permissions or the set of child names. */
  readonly generation: number;
  /** In order of creation, which is the order that DIRECTORY answers in. */
  readonly children: ReadonlyMap<string, XsNode>;
}

/** The parts of a node that a write replaces. */
export type NodeContent = Pick<XsNode, 'value' | 'perms' | 'generation'>;

const HEADER_BYTES = 16;
const PERM_BYTES = 8;
export const NO_VALUE: Uint8Array = new Uint8Array(0);

/** The tree's roots hang below a nameless node: '' for '/', and one name for each special path. */
function steps(path: string): string[] {
  return path === '/' ? [''] : path.split('/');
}

/** @returns a tree that holds '/' and the special nodes, owned by dom0 and closed to others */
export function emptyTree(): XsNode {
  const perms: NodePerms = [{ domid: domId(0), access: PERM_NONE }];
  const bare: XsNode = { value: NO_VALUE, perms, generation: 0, children: new Map() };
  const roots = new Map<string, XsNode>([['', bare]]);
  for (const path of SPECIAL_PATHS) roots.set(path, bare);
  return { ...bare, children: roots };
}

/** @returns the node at an absolute or special path, or null */
export function lookup(tree: XsNode, path: string): XsNode | null {
  let node: XsNode | undefined = tree;
  for (const step of steps(path)) {
    node = node.children.get(step);
    if (node === undefined) return null;
  }
  return node;
}

/**
 * Replaces a node's content, or adds the node below an existing parent.
 * Preconditions: * the parent exists
 * @returns the new tree; an added child gives its parent the same generation
 */
export function withNode(tree: XsNode, path: string, content: NodeContent): XsNode {
  const names = steps(path);
  const put = (node: XsNode, depth: number): XsNode => {
    const name = names[depth];
    const child = node.children.get(name);
    const children = new Map(node.children);
    if (depth < names.length - 1 && child !== undefined) {
      children.set(name, put(child, depth + 1));
      return { ...node, children };
    }
    children.set(name, { ...content, children: child?.children ?? new Map() });
    return { ...node, generation: child === undefined ? content.generation : node.generation, children };
  };
  return put(tree, 0);
}

/**
 * Removes a node with everything below it.
 * Preconditions: * the node exists  * it is not a root
 * @returns the new tree; the parent gets `generation`
 */
export function withoutNode(tree: XsNode, path: string, generation: number): XsNode {
  const names = steps(path);
  const cut = (node: XsNode, depth: number): XsNode => {
    const children = new Map(node.children);
    const child = children.get(names[depth]);
    if (depth < names.length - 1 && child !== undefined) {
      children.set(names[depth], cut(child, depth + 1));
      return { ...node, children };
    }
    children.delete(names[depth]);
    return { ...node, generation, children };
  };
  return cut(tree, 0);
}

/** @returns bytes of a node's child names, each with its NUL */
export function childNamesBytes(node: Pick<XsNode, 'children'>): number {
  let bytes = 0;
  for (const name of node.children.keys()) bytes += name.length + 1;
  return bytes;
}

/** @returns the size that counts against the node-size quota, in bytes */
export function nodeSizeBytes(value: Uint8Array, perms: NodePerms, childBytes: number): number {
  return HEADER_BYTES + perms.length * PERM_BYTES + value.length + childBytes;
}
