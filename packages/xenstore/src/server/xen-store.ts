import { type DomId, domId } from '@domu/xen-abi';
import type { WatchSink, XenStoreConnection } from './connection.ts';
import { XenStoreUsageError } from './errors.ts';
import { canonicalize, domainPath } from './path.ts';
import type { Quotas } from './quotas.ts';
import { XenStoreRing, type XenStoreRingOptions } from './ring.ts';
import { DirectAccess, type StoreAccess } from './store-access.ts';
import { StoreCore, type StoreHost } from './store-core.ts';

/** Runs a job after the caller's work is done, in the order of the calls; never at once. */
export type Defer = (job: () => void) => void;

export interface XenStoreOptions extends StoreHost {
  /** Queue for watch callbacks. */
  readonly defer: Defer;
  readonly quotas?: Partial<Quotas>;
}

const DOM0: DomId = domId(0);

/**
 * xenstored: the tree that dom0's tools, backends and the guests' drivers meet in.
 * Host code uses it directly, with dom0's rights; a guest comes in over its ring (`XenStoreRing`).
 * Source: docs/misc/xenstore.txt; tools/xenstored @ RELEASE-4.18.0
 */
export class XenStore implements StoreAccess {
  readonly #core: StoreCore;
  readonly #dom0: XenStoreConnection;
  readonly #live: DirectAccess;
  readonly #defer: Defer;

  constructor({ defer, quotas, ...host }: XenStoreOptions) {
    this.#core = new StoreCore(host, quotas);
    this.#defer = defer;
    this.#dom0 = this.#core.connect(DOM0, true);
    this.#live = new DirectAccess({ caller: this.#dom0, space: this.#core, quotas: this.#core.quotas });
    this.#live.mkdir('/tool/xenstored');
  }

  read(path: string): string | null {
    return this.#live.read(path);
  }

  readBytes(path: string): Uint8Array | null {
    return this.#live.readBytes(path);
  }

  write(path: string, value: string | Uint8Array): void {
    this.#live.write(path, value);
  }

  mkdir(path: string): void {
    this.#live.mkdir(path);
  }

  rm(path: string): void {
    this.#live.rm(path);
  }

  directory(path: string): string[] | null {
    return this.#live.directory(path);
  }

  getPerms(path: string): string[] | null {
    return this.#live.getPerms(path);
  }

  setPerms(path: string, perms: readonly string[]): void {
    this.#live.setPerms(path, perms);
  }

  /**
   * Calls back whenever `path` or anything below it changes, and once at the start with `path` itself.
   * Callbacks are deferred and come in the order of the changes. A change that repeats an event still waiting to be
   * told is not told twice.
   * @param path absolute, relative to dom0's directory, or special (`@introduceDomain`, `@releaseDomain`)
   * @returns stops the watch; events still queued are dropped
   */
  watch(path: string, token: string, callback: WatchSink): () => void {
    const absolute = canonicalize(path, domainPath(DOM0), true);
    if (absolute === null) throw new XenStoreUsageError('watch', path, 'EINVAL');
    const waiting = new Set<string>();
    let active = true;
    const sink: WatchSink = (at) => {
      if (waiting.has(at) && !at.startsWith('@')) return;
      waiting.add(at);
      this.#defer(() => {
        waiting.delete(at);
        if (active) callback(at, token);
      });
    };
    const watch = this.#dom0.makeWatch(path, absolute, token, sink);
    this.#dom0.watches.push(watch);
    sink(path, token);
    return () => {
      active = false;
      this.#dom0.removeWatch(watch);
    };
  }

  /**
   * Calls back at every change of `path` or of anything below it, for somebody who only looks: from inside of the change, so
   * that nothing of the order of what others do depends on it.
   * @param path as for `watch`
   * @param callback must not use the store
   * @returns stops that
   * Errors: XenStoreUsageError for a path that is none
   */
  observe(path: string, callback: (path: string) => void): () => void {
    const absolute = canonicalize(path, domainPath(DOM0), true);
    if (absolute === null) throw new XenStoreUsageError('watch', path, 'EINVAL');
    const watch = this.#dom0.makeWatch(path, absolute, '', callback);
    this.#dom0.watches.push(watch);
    return () => void this.#dom0.removeWatch(watch);
  }

  /**
   * Makes several changes appear at once: watches fire after the last of them. When `body` throws, none is made.
   * @param body synchronous; it must use the access it is given
   */
  transaction<T>(body: (tx: StoreAccess) => T): T {
    const space = this.#core.startTransaction(true);
    const result = body(new DirectAccess({ caller: this.#dom0, space, quotas: this.#core.quotas }));
    const refused = this.#core.commit(space);
    if (refused !== null) throw new XenStoreUsageError('transaction', '/', refused);
    return result;
  }

  /**
   * Serves a domain's ring from now on; `@introduceDomain` fires. A connection that the domain had before ends.
   * @param domid the domain; 0 is privileged
   */
  introduceDomain(domid: DomId, ring: XenStoreRingOptions): XenStoreRing {
    if (domid !== DOM0) for (const old of this.#core.connectionsOf(domid)) this.#core.disconnect(old);
    const served = new XenStoreRing(this.#core, this.#core.connect(domid, domid === DOM0), ring);
    this.#core.introduced(domid);
    return served;
  }

  /** The domain shut down or crashed: `@releaseDomain` fires, once. */
  domainShutdown(domid: DomId): void {
    this.#core.domainShutdown(domid);
  }

  /** The domain is gone: its ring is left alone, the nodes that it owns are removed, `@releaseDomain` fires. */
  released(domid: DomId): void {
    this.#core.released(domid);
  }
}
