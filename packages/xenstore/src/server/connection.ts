import type { DomId } from '@domu/xen-abi';
import { domainPath, isRelative } from './path.ts';
import type { Caller } from './perms.ts';
import type { Transaction } from './transaction.ts';

/** Gets the events of one watch; `path` is in the form that the watch was registered in. */
export type WatchSink = (path: string, token: string) => void;

/** One registered watch. */
export interface Watch {
  /** Absolute or special path. */
  readonly path: string;
  readonly token: string;
  /** Bytes to leave out at the front of an event's path: a relative watch gets relative answers. */
  readonly prefixLength: number;
  readonly sink: WatchSink;
}

/**
 * One client of the store: who it is, its watches and its open transactions. How bytes or calls reach it is the
 * business of whoever made it (a ring, or the in-process client).
 */
export class XenStoreConnection implements Caller {
  readonly domid: DomId;
  readonly privileged: boolean;
  target: DomId | null = null;
  /** Told once, when the connection ends. */
  onDisconnect: (() => void) | null = null;
  /** In order of registration, which is the order that events go out in. */
  readonly watches: Watch[] = [];
  readonly transactions: Map<number, Transaction> = new Map();
  #nextTransactionId = 1;

  constructor(domid: DomId, privileged: boolean) {
    this.domid = domid;
    this.privileged = privileged;
  }

  /** @returns the watch, not yet registered, for a path that has been made absolute */
  makeWatch(given: string, absolute: string, token: string, sink: WatchSink): Watch {
    const prefixLength = isRelative(given) ? domainPath(this.domid).length + 1 : 0;
    return { path: absolute, token, prefixLength, sink };
  }

  findWatch(absolute: string, token: string): Watch | undefined {
    return this.watches.find((watch) => watch.path === absolute && watch.token === token);
  }

  /** @returns false when it was not registered */
  removeWatch(watch: Watch): boolean {
    const index = this.watches.indexOf(watch);
    if (index < 0) return false;
    this.watches.splice(index, 1);
    return true;
  }

  /** @returns the new transaction's id, which is never 0 and not in use */
  addTransaction(transaction: Transaction): number {
    while (this.#nextTransactionId === 0 || this.transactions.has(this.#nextTransactionId)) {
      this.#nextTransactionId = (this.#nextTransactionId + 1) >>> 0;
    }
    const id = this.#nextTransactionId;
    this.#nextTransactionId = (id + 1) >>> 0;
    this.transactions.set(id, transaction);
    return id;
  }

  /** Forgets all watches and transactions (RESET_WATCHES, and the end of a connection). */
  reset(): void {
    this.watches.length = 0;
    this.transactions.clear();
  }
}
