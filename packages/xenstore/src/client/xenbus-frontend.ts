import {
  XenbusStateClosed,
  XenbusStateClosing,
  XenbusStateConnected,
  XenbusStateInitialised,
  XenbusStateInitialising,
  XenbusStateInitWait,
  XenbusStateUnknown,
  type XsdError,
} from '@domu/xen-abi';
import type { XenStoreClient } from './client.ts';
import { isTransient, type NodeChanges, type Nodes, readNodes, writeNodes } from './nodes.ts';

/** What came of preparing a connection. */
export type Prepared =
  /** `nodes` are published together with the state Initialised */
  | { readonly state: 'ready'; readonly nodes: NodeChanges }
  | { readonly state: 'failed'; readonly reason: string };

/** The part of a frontend that knows its kind of device. */
export interface FrontendDriver {
  /** Names of the backend's nodes that `prepare` chooses by. */
  readonly offers: readonly string[];
  /** Names of the backend's nodes that describe the device once it is connected. */
  readonly properties: readonly string[];
  /** What the frontend says once its rings are there: Initialised, or Connected (netif). Default Initialised. */
  readonly announces?: typeof XenbusStateInitialised | typeof XenbusStateConnected;
  /** Makes rings and ports for a backend that waits. It is called only after `release`, or for the first time. */
  prepare(offers: Nodes, backendDomid: number): Prepared;
  /**
   * The backend is connected. It is called again, with fresh values, when the backend says Connected again: that is how it
   * announces a new size.
   * @returns null, or what is wrong with the properties
   */
  connected(properties: Nodes): string | null;
  /** The backend is going: nothing may be put into the rings any more; it may still use what it has. */
  stop(): void;
  /** The backend has let go: rings, ports and grants can be given back. Called also when there are none. */
  release(): void;
  /** There will be no other connection unless the device is resumed. */
  ended(reason: string): void;
}

/** How often a connection is tried without one request getting through. */
const MAX_ATTEMPTS = 8;

/**
 * The frontend half of a xenbus device: follows the backend's state and publishes its own. A backend that closes although
 * its device stays (node `online`) is connected to again; so is one that starts over.
 * Invariants: what the driver made in `prepare` is released before the next `prepare` · nothing is published in a directory
 *   that the toolstack has removed
 * Source: xen/include/public/io/blkif.h, "STATE DIAGRAMS"; io/xenbus.h @ RELEASE-4.18.0
 */
export class XenbusFrontend {
  readonly path: string;
  readonly #client: XenStoreClient;
  readonly #driver: FrontendDriver;
  #backendPath = '';
  #backendDomid = 0;
  #token: string | null = null;
  /** XenbusState* of this half, as published. */
  #state: number = XenbusStateInitialising;
  /** Whether rings may exist. */
  #held = false;
  /** Rings were announced, and the backend has not said Connected since. */
  #announced = false;
  /** A step is under way; the store is looked at again after it. */
  #busy = false;
  #lookAgain = false;
  #attempts = 0;
  #closing: (() => void) | null = null;
  #ended = false;

  /** @param path the device's directory, as `device/vbd/51712` */
  constructor(client: XenStoreClient, path: string, driver: FrontendDriver) {
    this.#client = client;
    this.path = path;
    this.#driver = driver;
  }

  /** XenbusState* of this half. */
  get state(): number {
    return this.#state;
  }

  /** Looks for the backend and connects to it. */
  start(): void {
    readNodes(this.#client, this.path, ['backend', 'backend-id', 'state'], (nodes) => {
      if (nodes === null) return;
      const backend = nodes.get('backend');
      const domid = nodes.get('backend-id') ?? '0';
      if (backend === undefined || !/^[0-9]{1,5}$/.test(domid))
        return this.#end('the device names no backend');
      this.#backendPath = backend;
      this.#backendDomid = Number(domid);
      this.#state = Number(nodes.get('state') ?? XenbusStateInitialising) || XenbusStateInitialising;
      const path = `${backend}/state`;
      this.#token = this.#client.watch(
        path,
        () => this.#look(),
        (outcome) => {
          if (outcome.state === 'refused' && !isTransient(outcome.error))
            this.#end(`watching ${path}: ${outcome.error}`);
        },
      );
    });
  }

  /** A request got through: the connection is good. */
  proven(): void {
    this.#attempts = 0;
  }

  /** Gives the connection up because the backend broke the protocol. */
  fail(reason: string): void {
    if (this.#ended) return;
    this.#driver.stop();
    this.#end(reason);
    this.#publish({}, XenbusStateClosing, () => {});
  }

  /** Closes the device in good order. @param done called when the backend has let go, or is gone */
  close(done: () => void): void {
    this.#driver.stop();
    if (this.#backendPath === '') this.#end('closed');
    if (this.#ended && !this.#held) return done();
    this.#closing = done;
    this.#look();
  }

  /**
   * Connects anew after the domain was suspended and resumed: ports and grants of before mean nothing to the backend that
   * is there now.
   * Preconditions: the client, the events and the grants have been resumed
   */
  resume(): void {
    this.#driver.stop();
    this.#release();
    this.#ended = false;
    this.#attempts = 0;
    this.#busy = false;
    const { path } = this;
    this.#client.unwatch(`${this.#backendPath}/state`, this.#token ?? '', () => {});
    writeNodes(this.#client, path, { state: `${XenbusStateInitialising}` }, () => this.start());
  }

  #look(): void {
    if (this.#ended) return this.#lookWhenEnded();
    this.#lookAgain = true;
    if (this.#busy) return;
    this.#busy = true;
    this.#lookAgain = false;
    readNodes(this.#client, this.#backendPath, ['state', 'online'], (nodes) => {
      if (this.#ended || nodes === null) return this.#finish();
      const text = nodes.get('state') ?? '';
      const state = /^[1-8]$/.test(text) ? Number(text) : XenbusStateUnknown;
      this.#follow(state, nodes.get('online') === '1' && this.#closing === null);
    });
  }

  /** A backend that goes after the end still has to let go of what it holds. */
  #lookWhenEnded(): void {
    if (!this.#held) return;
    readNodes(this.#client, this.#backendPath, ['state'], (nodes) => {
      if (nodes === null) return;
      const state = Number(nodes.get('state') ?? XenbusStateUnknown);
      if (state === XenbusStateClosed || state === XenbusStateUnknown) this.#release();
      else if (state === XenbusStateClosing) this.#publish({}, XenbusStateClosed, () => {});
    });
  }

  /** One step; `#finish` at its end. */
  #follow(backendState: number, online: boolean): void {
    switch (backendState) {
      case XenbusStateUnknown:
        this.#driver.stop();
        this.#release();
        this.#end('the backend has gone');
        return this.#finish();
      case XenbusStateInitWait:
      case XenbusStateInitialised:
        return this.#onWaiting();
      case XenbusStateConnected:
        return this.#onConnected();
      case XenbusStateClosing:
        this.#driver.stop();
        return this.#publish({}, XenbusStateClosed, () => this.#finish());
      case XenbusStateClosed:
        return this.#onClosed(online);
      default:
        return this.#finish();
    }
  }

  #onWaiting(): void {
    if (this.#closing !== null) return this.#leave();
    if (this.#announced && this.#held) return this.#finish();
    this.#driver.stop();
    this.#release();
    if (this.#attempts >= MAX_ATTEMPTS) {
      this.#end('the backend does not serve this frontend');
      return this.#publish({}, XenbusStateClosed, () => this.#finish());
    }
    this.#attempts++;
    readNodes(this.#client, this.#backendPath, this.#driver.offers, (offers) => {
      if (this.#ended || offers === null) return this.#finish();
      this.#held = true;
      const prepared = this.#driver.prepare(offers, this.#backendDomid);
      if (prepared.state === 'ready') {
        this.#announced = true;
        const state = this.#driver.announces ?? XenbusStateInitialised;
        return this.#publish(prepared.nodes, state, () => this.#finish());
      }
      this.#driver.stop();
      this.#release();
      this.#end(prepared.reason);
      this.#publish({}, XenbusStateClosed, () => this.#finish());
    });
  }

  #onConnected(): void {
    if (this.#closing !== null) return this.#leave();
    // It is connected to rings that are not ours: it has to let go of them first.
    if (!this.#held) return this.#publish({}, XenbusStateClosed, () => this.#finish());
    readNodes(this.#client, this.#backendPath, this.#driver.properties, (properties) => {
      if (this.#ended || properties === null) return this.#finish();
      this.#announced = false;
      const wrong = this.#driver.connected(properties);
      if (wrong !== null) {
        this.fail(wrong);
        return this.#finish();
      }
      if (this.#state === XenbusStateConnected) return this.#finish();
      this.#publish({}, XenbusStateConnected, () => this.#finish());
    });
  }

  #onClosed(online: boolean): void {
    this.#driver.stop();
    this.#release();
    if (this.#closing !== null || !online) {
      this.#end(this.#closing === null ? 'the device was unplugged' : 'closed');
      return this.#publish({}, XenbusStateClosed, () => this.#finish());
    }
    this.#publish({}, XenbusStateInitialising, () => this.#finish());
  }

  /** The next step of an orderly close towards a backend that is not closing yet. */
  #leave(): void {
    const next = this.#state < XenbusStateClosing ? XenbusStateClosing : XenbusStateClosed;
    this.#publish({}, next, () => this.#finish());
  }

  /** Publishes nodes and state together; nothing when there is nothing new. */
  #publish(nodes: NodeChanges, state: number, done: () => void): void {
    if (this.#state === state && Object.keys(nodes).length === 0) return done();
    this.#state = state;
    writeNodes(this.#client, this.path, { ...nodes, state: `${state}` }, (error) => {
      if (error !== null && !isTransient(error)) this.#refused(error);
      done();
    });
  }

  #refused(error: XsdError): void {
    this.#driver.stop();
    this.#end(error === 'ENOENT' ? 'the device was removed' : `writing to ${this.path}: ${error}`);
  }

  #release(): void {
    this.#held = false;
    this.#announced = false;
    this.#driver.release();
    if (this.#ended) this.#settleClose();
  }

  #finish(): void {
    this.#busy = false;
    if (this.#lookAgain) this.#look();
  }

  #end(reason: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#driver.ended(reason);
    if (!this.#held) this.#settleClose();
  }

  #settleClose(): void {
    const closing = this.#closing;
    this.#closing = null;
    closing?.();
  }
}
