import type { DomId } from '@domu/xen-abi';
import { type Watch, XenStoreConnection } from './connection.ts';
import type { XsErrno } from './errors.ts';
import { removeSubtree } from './node-ops.ts';
import { type Change, type NodeSpace, Tree } from './node-space.ts';
import { childPath, isBelowOrEqual, parentPath, SPECIAL_PATHS } from './path.ts';
import { type NodePerms, ownerOf, PERM_READ, type Perm, rightsOf } from './perms.ts';
import { DEFAULT_QUOTAS, type Quotas } from './quotas.ts';
import { Transaction } from './transaction.ts';
import type { XsNode } from './tree.ts';

/** What the store asks of the rest of the host. */
export interface StoreHost {
  /** @returns whether such a domain exists; permissions for others are refused or ignored */
  readonly domainExists?: (domid: DomId) => boolean;
  /** Connects a domain's ring (XS_INTRODUCE on the wire). Without it the request is refused. */
  readonly introduce?: (domid: DomId, port: number) => XsErrno | null;
}

/** The live store: tree, connections, watches, life of domains. Requests and the in-process client work on it. */
export class StoreCore implements NodeSpace {
  readonly quotas: Quotas;
  readonly host: StoreHost;
  readonly #tree: Tree;
  readonly #connections: XenStoreConnection[] = [];
  /** Domains whose ring is served; true once their shutdown has been announced. */
  readonly #introduced = new Map<DomId, boolean>();
  #generation = 0;

  constructor(host: StoreHost, quotas: Partial<Quotas> = {}) {
    this.host = host;
    this.quotas = { ...DEFAULT_QUOTAS, ...quotas };
    this.#tree = new Tree(this.#nextGeneration);
  }

  get(path: string): XsNode | null {
    return this.#tree.get(path);
  }

  create(path: string, value: Uint8Array, perms: NodePerms): void {
    this.#tree.create(path, value, perms);
  }

  setValue(path: string, value: Uint8Array): void {
    this.#tree.setValue(path, value);
  }

  setPerms(path: string, perms: NodePerms): void {
    this.#tree.setPerms(path, perms);
  }

  remove(path: string): void {
    this.#tree.remove(path);
  }

  nrNodesOf(domid: DomId): number {
    return this.#tree.nrNodes.get(domid) ?? 0;
  }

  /** Tells every watch that matches and whose owner may see the node or its surroundings. */
  changed({ path, exact, oldPerms }: Change): void {
    const node = this.get(path);
    const parent = path.startsWith('@') ? null : this.get(parentPath(path));
    for (const connection of [...this.#connections]) {
      const readable = (perms: NodePerms | undefined | null): boolean =>
        perms != null && (rightsOf(connection, perms) & PERM_READ) !== 0;
      if (!readable(oldPerms) && !readable(node?.perms) && !readable(parent?.perms)) continue;
      for (const watch of connection.watches) {
        if (exact ? path === watch.path : isBelowOrEqual(path, watch.path)) fire(watch, path);
      }
    }
  }

  connect(domid: DomId, privileged: boolean): XenStoreConnection {
    const connection = new XenStoreConnection(domid, privileged);
    this.#connections.push(connection);
    return connection;
  }

  /** Ends a connection; ending it again does nothing. */
  disconnect(connection: XenStoreConnection): void {
    const index = this.#connections.indexOf(connection);
    if (index < 0) return;
    this.#connections.splice(index, 1);
    connection.reset();
    connection.onDisconnect?.();
  }

  connectionsOf(domid: DomId): XenStoreConnection[] {
    return this.#connections.filter((connection) => connection.domid === domid);
  }

  startTransaction(privileged: boolean): Transaction {
    const maxNodes = privileged ? Number.POSITIVE_INFINITY : this.quotas.transactionNodes;
    return new Transaction(this.#tree, this.#nextGeneration, maxNodes);
  }

  /** @returns null when all changes are in, or why none is */
  commit(transaction: Transaction): XsErrno | null {
    if (transaction.overflowed) return 'ENOMEM';
    const limitOf = (domid: DomId): number => (domid === 0 ? Number.POSITIVE_INFINITY : this.quotas.nodes);
    const result = transaction.commit(this.#tree, limitOf);
    if (result.state === 'conflict') return 'EAGAIN';
    if (result.state === 'over-quota') return 'ENOSPC';
    for (const change of result.changes) this.changed(change);
    return null;
  }

  isIntroduced(domid: DomId): boolean {
    return this.#introduced.has(domid);
  }

  /** A domain's ring is served from now on. */
  introduced(domid: DomId): void {
    if (this.#introduced.has(domid)) return;
    this.#introduced.set(domid, false);
    this.#fireSpecial('@introduceDomain');
  }

  /** A domain has shut down or crashed: announced once, until it is resumed. */
  domainShutdown(domid: DomId): void {
    if (this.#introduced.get(domid) !== false) return;
    this.#introduced.set(domid, true);
    this.#fireSpecial('@releaseDomain');
  }

  resumed(domid: DomId): void {
    if (this.#introduced.has(domid)) this.#introduced.set(domid, false);
  }

  /** A domain is gone: its connections, the nodes that it owns, and what it was allowed elsewhere go too. */
  released(domid: DomId): void {
    for (const connection of this.connectionsOf(domid)) this.disconnect(connection);
    for (const connection of this.#connections) if (connection.target === domid) connection.target = null;
    for (const root of ['/', ...SPECIAL_PATHS]) this.#removeTraces(domid, root);
    if (this.#introduced.delete(domid)) this.#fireSpecial('@releaseDomain');
  }

  /** A later domain with the same id must not inherit anything. */
  #removeTraces(domid: DomId, path: string): void {
    const node = this.get(path);
    if (node === null) return;
    if (path.length > 1 && !path.startsWith('@') && ownerOf(node.perms) === domid) {
      removeSubtree(this, { path, node });
      return;
    }
    const isOther = (perm: Perm): boolean => perm.domid !== domid;
    if (!node.perms.slice(1).every(isOther)) {
      this.setPerms(path, [node.perms[0], ...node.perms.slice(1).filter(isOther)]);
    }
    for (const name of node.children.keys()) this.#removeTraces(domid, childPath(path, name));
  }

  #fireSpecial(path: string): void {
    this.changed({ path, exact: true, oldPerms: null });
  }

  readonly #nextGeneration = (): number => ++this.#generation;
}

function fire(watch: Watch, path: string): void {
  watch.sink(path.slice(watch.prefixLength), watch.token);
}
