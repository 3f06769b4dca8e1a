import type { DomId } from '@domu/xen-abi';
import { childPath } from './path.ts';
import { type NodePerms, ownerOf } from './perms.ts';
import { emptyTree, lookup, withNode, withoutNode, type XsNode } from './tree.ts';

/** A change that watches hear of. */
export interface Change {
  readonly path: string;
  /** Only watches on exactly this path hear of it: it went because a node above it was removed. */
  readonly exact: boolean;
  /** The permissions before the change, or null for a new node: who could read it then hears of it too. */
  readonly oldPerms: NodePerms | null;
}

/**
 * Where requests read and write: the live tree, or a transaction's own.
 * Paths are absolute or special, and already checked.
 */
export interface NodeSpace {
  /** @returns the node, or null; in a transaction the path is watched for conflicts from here on */
  get(path: string): XsNode | null;
  /** Creates a node below an existing parent. */
  create(path: string, value: Uint8Array, perms: NodePerms): void;
  setValue(path: string, value: Uint8Array): void;
  setPerms(path: string, perms: NodePerms): void;
  /** Removes a node with everything below it. */
  remove(path: string): void;
  /** @returns how many nodes `domid` owns here */
  nrNodesOf(domid: DomId): number;
  /** Tells watches: at once, or when the transaction commits. */
  changed(change: Change): void;
}

/** Visits a node and everything below it, children first, in order of creation. */
export function visitUpwards(path: string, node: XsNode, visit: (path: string, node: XsNode) => void): void {
  for (const [name, child] of node.children) visitUpwards(childPath(path, name), child, visit);
  visit(path, node);
}

/** A tree with its accounting: what live store and transaction have in common. */
export class Tree {
  root: XsNode;
  /** Nodes per owner; dom0's are counted but not limited. */
  nrNodes: Map<DomId, number>;
  readonly #nextGeneration: () => number;

  constructor(nextGeneration: () => number, from?: Tree) {
    this.root = from?.root ?? emptyTree();
    this.nrNodes = new Map(from?.nrNodes);
    this.#nextGeneration = nextGeneration;
  }

  get(path: string): XsNode | null {
    return lookup(this.root, path);
  }

  create(path: string, value: Uint8Array, perms: NodePerms): void {
    this.root = withNode(this.root, path, { value, perms, generation: this.#nextGeneration() });
    this.#count(perms, 1);
  }

  setValue(path: string, value: Uint8Array): void {
    const { perms } = this.#existing(path);
    this.root = withNode(this.root, path, { value, perms, generation: this.#nextGeneration() });
  }

  setPerms(path: string, perms: NodePerms): void {
    const { value, perms: oldPerms } = this.#existing(path);
    this.#count(oldPerms, -1);
    this.#count(perms, 1);
    this.root = withNode(this.root, path, { value, perms, generation: this.#nextGeneration() });
  }

  remove(path: string): void {
    const node = this.#existing(path);
    const release = (gone: XsNode): void => {
      this.#count(gone.perms, -1);
      for (const child of gone.children.values()) release(child);
    };
    release(node);
    this.root = withoutNode(this.root, path, this.#nextGeneration());
  }

  #existing(path: string): XsNode {
    const node = lookup(this.root, path);
    if (node === null) throw new Error(`bug: no node ${path}`);
    return node;
  }

  /** Goes back to an earlier state. */
  restore(root: XsNode, nrNodes: Map<DomId, number>): void {
    this.root = root;
    this.nrNodes = nrNodes;
  }

  #count(perms: NodePerms, delta: number): void {
    const owner = ownerOf(perms);
    const nr = (this.nrNodes.get(owner) ?? 0) + delta;
    if (nr === 0) this.nrNodes.delete(owner);
    else this.nrNodes.set(owner, nr);
  }
}
