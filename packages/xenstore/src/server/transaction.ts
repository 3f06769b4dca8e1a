import type { DomId } from '@domu/xen-abi';
import type { Change, NodeSpace } from './node-space.ts';
import { Tree } from './node-space.ts';
import type { NodePerms } from './perms.ts';
import { lookup, type XsNode } from './tree.ts';

type Step =
  | { readonly kind: 'create'; readonly path: string; readonly value: Uint8Array; readonly perms: NodePerms }
  | { readonly kind: 'setValue'; readonly path: string; readonly value: Uint8Array }
  | { readonly kind: 'setPerms'; readonly path: string; readonly perms: NodePerms }
  | { readonly kind: 'remove'; readonly path: string };

/** What TRANSACTION_END found. */
export type CommitResult =
  /** applied; these changes are now to be told, in order of the first change of each path */
  | { readonly state: 'committed'; readonly changes: readonly Change[] }
  /** a node that the transaction saw was changed by somebody else since */
  | { readonly state: 'conflict' }
  /** the commit would leave an unprivileged domain with more nodes than it may own */
  | { readonly state: 'over-quota' };

/**
 * One open transaction: a view of the store as it was at TRANSACTION_START plus its own changes.
 * It fails to commit exactly when a node that it read or wrote was changed outside in the meantime.
 * Source: docs/misc/xenstore.txt, "TRANSACTION_START"; tools/xenstored/transaction.c, head comment
 */
export class Transaction implements NodeSpace {
  readonly #base: XsNode;
  readonly #own: Tree;
  readonly #maxNodes: number;
  readonly #seen = new Set<string>();
  readonly #steps: Step[] = [];
  readonly #changes = new Map<string, Change>();
  /** More nodes were touched than the quota allows; the transaction can only end in an error. */
  overflowed = false;

  /**
   * @param live     the store that it starts from
   * @param maxNodes distinct nodes that it may touch
   */
  constructor(live: Tree, nextGeneration: () => number, maxNodes: number) {
    this.#base = live.root;
    this.#own = new Tree(nextGeneration, live);
    this.#maxNodes = maxNodes;
  }

  get(path: string): XsNode | null {
    if (!this.#seen.has(path)) {
      if (this.#seen.size >= this.#maxNodes) this.overflowed = true;
      else this.#seen.add(path);
    }
    return this.#own.get(path);
  }

  create(path: string, value: Uint8Array, perms: NodePerms): void {
    this.#own.create(path, value, perms);
    this.#steps.push({ kind: 'create', path, value, perms });
  }

  setValue(path: string, value: Uint8Array): void {
    this.#own.setValue(path, value);
    this.#steps.push({ kind: 'setValue', path, value });
  }

  setPerms(path: string, perms: NodePerms): void {
    this.#own.setPerms(path, perms);
    this.#steps.push({ kind: 'setPerms', path, perms });
  }

  remove(path: string): void {
    this.#own.remove(path);
    this.#steps.push({ kind: 'remove', path });
  }

  nrNodesOf(domid: DomId): number {
    return this.#own.nrNodes.get(domid) ?? 0;
  }

  changed(change: Change): void {
    const known = this.#changes.get(change.path);
    const oldPerms = lookup(this.#base, change.path)?.perms ?? null;
    this.#changes.set(change.path, { ...change, exact: change.exact && (known?.exact ?? true), oldPerms });
  }

  /**
   * Applies the changes to the live store, or nothing of them.
   * @param limitOf most nodes that a domain may own
   */
  commit(live: Tree, limitOf: (domid: DomId) => number): CommitResult {
    if (live.root !== this.#base) {
      for (const path of this.#seen) {
        if (lookup(this.#base, path)?.generation !== lookup(live.root, path)?.generation) {
          return { state: 'conflict' };
        }
      }
    }
    const before = { root: live.root, nrNodes: new Map(live.nrNodes) };
    for (const step of this.#steps) apply(live, step);
    for (const [domid, nr] of live.nrNodes) {
      if (nr > limitOf(domid) && nr > (before.nrNodes.get(domid) ?? 0)) {
        live.restore(before.root, before.nrNodes);
        return { state: 'over-quota' };
      }
    }
    return { state: 'committed', changes: [...this.#changes.values()] };
  }
}

function apply(tree: Tree, step: Step): void {
  if (step.kind === 'create') tree.create(step.path, step.value, step.perms);
  else if (step.kind === 'setValue') tree.setValue(step.path, step.value);
  else if (step.kind === 'setPerms') tree.setPerms(step.path, step.perms);
  else tree.remove(step.path);
}
