import {
  XENSTORE_PAYLOAD_MAX,
  XS_DIRECTORY,
  XS_ERROR,
  XS_MKDIR,
  XS_READ,
  XS_RM,
  XS_TRANSACTION_END,
  XS_TRANSACTION_START,
  XS_UNWATCH,
  XS_WATCH,
  XS_WATCH_EVENT,
  XS_WRITE,
  XSD_ERRORS,
  type XsdError,
} from '@domu/xen-abi';
import { type Message, MessageRing } from './message-ring.ts';
import { RingBytes, type RingMemory } from './ring-memory.ts';
import { joinStrings, splitStrings, toText } from './text.ts';

/** What became of a request. */
export type Outcome<T> =
  | { readonly state: 'ok'; readonly value: T }
  | { readonly state: 'refused'; readonly error: XsdError };

/** Called once, with what became of a request; from inside the call that made it only when it could not be sent. */
export type Done<T> = (outcome: Outcome<T>) => void;

/** Where the ring is, and how to ring the bell. */
export interface XenStoreClientOptions {
  /** The ring page, shared with the store: its 4096 bytes, or where a kernel has mapped it (`GuestRingPage`). */
  readonly page: Uint8Array | RingMemory;
  /** Raises the store's event. */
  readonly notify: () => void;
}

interface Pending {
  readonly done: Done<Uint8Array>;
}

interface Watch {
  readonly path: string;
  readonly onChange: (path: string) => void;
}

/**
 * The store as a guest uses it. Requests are sent at once or when there is room, and answered from `onEvent`, which the
 * owner calls at each event of the store's port, or whenever it likes. Nothing the store sends makes it throw: when the
 * ring breaks, requests that are open and all later ones are refused with EIO.
 * Paths may be relative to the domain's own directory. A transaction's id is 0 outside transactions.
 * Source: docs/misc/xenstore.txt
 */
export class XenStoreClient {
  readonly #ring: MessageRing;
  #notify: () => void;
  readonly #pending: Map<number, Pending> = new Map();
  readonly #watches: Map<string, Watch> = new Map();
  #nextReqId = 1;
  #nextToken = 1;

  constructor({ page, notify }: XenStoreClientOptions) {
    this.#ring = new MessageRing(page instanceof Uint8Array ? new RingBytes(page) : page);
    this.#notify = notify;
  }

  /** Takes what the store has sent and sends what has been waiting. */
  onEvent(): void {
    if (this.#ring.pump((message) => this.#deliver(message))) this.#notify();
    if (this.#ring.broken) this.#refuseAll('EIO');
  }

  /**
   * Starts over after the domain was suspended and resumed: the store has forgotten the connection. Requests that are open
   * are refused with EAGAIN; watches are set again, and so each of them calls back once.
   * @param notify raises the store's event from now on
   * Preconditions: the ring page is mapped where it was, and its indices are what the toolstack left in it
   */
  resume(notify: () => void): void {
    this.#notify = notify;
    this.#ring.reset();
    this.#refuseAll('EAGAIN');
    for (const [token, { path }] of this.#watches) {
      this.#request(XS_WATCH, joinStrings([path, token]), 0, (outcome) => {
        if (outcome.state === 'refused') this.#watches.delete(token);
      });
    }
  }

  /** @returns how many requests have no answer yet */
  get nrPending(): number {
    return this.#pending.size;
  }

  read(path: string, done: Done<Uint8Array>, txId = 0): void {
    this.#request(XS_READ, joinStrings([path]), txId, done);
  }

  /** Names of the children. */
  directory(path: string, done: Done<string[]>, txId = 0): void {
    this.#request(XS_DIRECTORY, joinStrings([path]), txId, mapped(done, splitStrings));
  }

  write(path: string, value: Uint8Array, done: Done<void>, txId = 0): void {
    const head = joinStrings([path]);
    const payload = new Uint8Array(head.length + value.length);
    payload.set(head);
    payload.set(value, head.length);
    this.#request(XS_WRITE, payload, txId, mapped(done, nothing));
  }

  mkdir(path: string, done: Done<void>, txId = 0): void {
    this.#request(XS_MKDIR, joinStrings([path]), txId, mapped(done, nothing));
  }

  rm(path: string, done: Done<void>, txId = 0): void {
    this.#request(XS_RM, joinStrings([path]), txId, mapped(done, nothing));
  }

  /** Answers the transaction's id, for the `txId` of other requests. */
  startTransaction(done: Done<number>): void {
    this.#request(
      XS_TRANSACTION_START,
      joinStrings(['']),
      0,
      mapped(done, (payload) => Number.parseInt(toText(payload), 10) >>> 0),
    );
  }

  /** @param commit false to give it up. EAGAIN: somebody interfered; start over */
  endTransaction(txId: number, commit: boolean, done: Done<void>): void {
    this.#request(XS_TRANSACTION_END, joinStrings([commit ? 'T' : 'F']), txId, mapped(done, nothing));
  }

  /**
   * Calls back once soon, and whenever `path` or anything below it changes, with the path in the form given here.
   * @returns the token to `unwatch` with
   */
  watch(path: string, onChange: (path: string) => void, done: Done<void>): string {
    const token = `${this.#nextToken++}`;
    this.#watches.set(token, { path, onChange });
    this.#request(XS_WATCH, joinStrings([path, token]), 0, (outcome) => {
      if (outcome.state === 'refused') this.#watches.delete(token);
      mapped(done, nothing)(outcome);
    });
    return token;
  }

  /** Events that are under way are dropped from now on. */
  unwatch(path: string, token: string, done: Done<void>): void {
    this.#watches.delete(token);
    this.#request(XS_UNWATCH, joinStrings([path, token]), 0, mapped(done, nothing));
  }

  #request(type: number, payload: Uint8Array, txId: number, done: Done<Uint8Array>): void {
    const reqId = this.#nextReqId;
    this.#nextReqId = (reqId + 1) >>> 0 || 1;
    this.#pending.set(reqId, { done });
    if (payload.length > XENSTORE_PAYLOAD_MAX) {
      this.#settle(reqId, { state: 'refused', error: 'E2BIG' });
      return;
    }
    this.#ring.queue({ type, reqId, txId, payload });
    this.onEvent();
  }

  #deliver(message: Message): void {
    if (message.type === XS_WATCH_EVENT) {
      const [path, token] = splitStrings(message.payload);
      this.#watches.get(token)?.onChange(path);
      return;
    }
    this.#settle(
      message.reqId,
      message.type === XS_ERROR
        ? { state: 'refused', error: errorOf(message.payload) }
        : { state: 'ok', value: message.payload },
    );
  }

  #settle(reqId: number, outcome: Outcome<Uint8Array>): void {
    const pending = this.#pending.get(reqId);
    this.#pending.delete(reqId);
    pending?.done(outcome);
  }

  #refuseAll(error: XsdError): void {
    for (const reqId of [...this.#pending.keys()]) this.#settle(reqId, { state: 'refused', error });
  }
}

function errorOf(payload: Uint8Array): XsdError {
  const name = splitStrings(payload)[0];
  return XSD_ERRORS.find((error) => error === name) ?? 'EINVAL';
}

function mapped<T>(done: Done<T>, convert: (payload: Uint8Array) => T): Done<Uint8Array> {
  return (outcome) => done(outcome.state === 'ok' ? { state: 'ok', value: convert(outcome.value) } : outcome);
}

function nothing(): void {}
