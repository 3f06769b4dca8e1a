import type { WatchSink, XenStoreConnection } from './connection.ts';
import type { XsErrno } from './errors.ts';
import type { StoreCore } from './store-core.ts';
import type { Transaction } from './transaction.ts';

/** A request as it came off the wire. */
export interface Request {
  /** XS_* */
  readonly type: number;
  /** Transaction id, 0 outside transactions. */
  readonly txId: number;
  readonly payload: Uint8Array;
}

/** What a handler works with. */
export interface RequestContext {
  readonly core: StoreCore;
  readonly connection: XenStoreConnection;
  readonly payload: Uint8Array;
  readonly txId: number;
  readonly transaction: Transaction | null;
  /** Takes the events of watches that the client registers. */
  readonly events: WatchSink;
  /** Answers; events that are told before it go out before it. */
  reply(payload: Uint8Array): void;
}

/** @returns null when it has replied, or why it refuses */
export type Handler = (ctx: RequestContext) => XsErrno | null;
