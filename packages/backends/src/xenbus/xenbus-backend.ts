import {
  type DomId,
  domId,
  XenbusStateClosed,
  XenbusStateClosing,
  XenbusStateConnected,
  XenbusStateInitialised,
  XenbusStateInitialising,
  XenbusStateInitWait,
  XenbusStateUnknown,
} from '@domu/xen-abi';
import type { StoreAccess } from '@domu/xenstore/server';

/** The store, as far as backends use it. */
export interface BackendStore extends StoreAccess {
  watch(path: string, token: string, callback: (path: string) => void): () => void;
  transaction<T>(body: (tx: StoreAccess) => T): T;
}

/** What came of a connection attempt. */
export type ConnectResult =
  /** `nodes` are published together with the state Connected */
  | { readonly state: 'connected'; readonly nodes: Readonly<Record<string, string>> }
  | { readonly state: 'failed'; readonly reason: string };

/** The part of a backend that knows its kind of device. */
export interface BackendDriver {
  /** Nodes to publish in the backend's directory before the frontend chooses: features and limits. */
  readonly features: Readonly<Record<string, string>>;
  /**
   * Connects to the frontend's ring.
   * @param frontend reads a node of the frontend's directory, by its relative path; null when it is not there
   */
  connect(frontend: (node: string) => string | null): ConnectResult;
  /** Lets go of the ring; called also when there is none. */
  disconnect(): void;
}

/**
 * The backend half of a xenbus device: follows the frontend's state and publishes its own. It starts at InitWait and
 * survives frontends that close and start again, as a boot loader and the kernel after it do.
 * Source: xen/include/public/io/blkif.h, "STATE DIAGRAMS"; io/xenbus.h
 */
export class XenbusBackend {
  readonly frontendDomid: DomId;
  readonly #store: BackendStore;
  readonly #path: string;
  readonly #frontendPath: string;
  readonly #driver: BackendDriver;
  readonly #unwatch: () => void;
  #state: number = XenbusStateInitialising;
  #stopped = false;
  /** Set while the device is being unplugged. */
  #onUnplugged: (() => void) | null = null;

  /**
   * Publishes the driver's features and waits for the frontend.
   * @param path the backend's directory; the toolstack has put `frontend` and `frontend-id` there
   */
  constructor(store: BackendStore, path: string, driver: BackendDriver) {
    this.#store = store;
    this.#path = path;
    this.#driver = driver;
    const own = (node: string): string => {
      const value = store.read(`${path}/${node}`);
      if (value === null) throw new Error(`bug: the toolstack has not written ${path}/${node}`);
      return value;
    };
    this.#frontendPath = own('frontend');
    this.frontendDomid = domId(Number(own('frontend-id')));
    this.#switchTo(XenbusStateInitWait, driver.features);
    this.#unwatch = store.watch(`${this.#frontendPath}/state`, path, () => this.#follow());
  }

  /** XenbusState* of this half, as published. */
  get state(): number {
    return this.#state;
  }

  /** Ends the connection because of `reason`: the frontend broke the protocol. The node `error` says why. */
  fail(reason: string): void {
    this.#store.write(
      `/local/domain/0/error/${this.#path.replace(/^\/local\/domain\/0\//, '')}/error`,
      reason,
    );
    this.#driver.disconnect();
    this.#switchTo(XenbusStateClosing);
  }

  /**
   * Asks the frontend to let go of the device for good: publishes Closing, and `online` as 0.
   * @param done called when it has; not if `stop` comes first
   */
  unplug(done: () => void): void {
    if (this.#stopped) return;
    this.#onUnplugged = done;
    this.#store.write(`${this.#path}/online`, '0');
    if (this.#state < XenbusStateClosing) this.#switchTo(XenbusStateClosing);
    this.#follow();
  }

  /** Publishes nodes that changed while connected; saying Connected again makes the frontend read them. */
  announce(nodes: Readonly<Record<string, string>>): void {
    if (this.#state !== XenbusStateConnected) return;
    this.#store.transaction((tx) => {
      for (const [name, value] of Object.entries(nodes)) tx.write(`${this.#path}/${name}`, value);
      tx.write(`${this.#path}/state`, `${XenbusStateConnected}`);
    });
  }

  /** Stops for good: lets go of everything and publishes Closed while the directory still exists. */
  stop(): void {
    if (this.#stopped) return;
    this.#stopped = true;
    this.#unwatch();
    this.#driver.disconnect();
    if (this.#store.read(`${this.#path}/state`) !== null) this.#switchTo(XenbusStateClosed);
  }

  #follow(): void {
    const frontendState = Number(this.#store.read(`${this.#frontendPath}/state`) ?? XenbusStateUnknown);
    switch (frontendState) {
      case XenbusStateInitialising:
        if (this.#state === XenbusStateClosed && this.#onUnplugged === null)
          this.#switchTo(XenbusStateInitWait, this.#driver.features);
        return;
      // A frontend may be at Connected before we have looked at its Initialised.
      case XenbusStateInitialised:
      case XenbusStateConnected:
        if (this.#onUnplugged !== null) return;
        if (this.#state === XenbusStateInitWait || this.#state === XenbusStateClosed) this.#connect();
        return;
      case XenbusStateClosing:
        if (this.#state < XenbusStateClosing) this.#switchTo(XenbusStateClosing);
        return;
      case XenbusStateClosed:
      case XenbusStateUnknown:
        this.#driver.disconnect();
        if (this.#state !== XenbusStateInitWait || frontendState === XenbusStateClosed) {
          this.#switchTo(XenbusStateClosed);
        }
        if (this.#onUnplugged !== null) this.#unplugged();
        return;
    }
  }

  #unplugged(): void {
    const done = this.#onUnplugged;
    if (!this.#stopped) done?.();
  }

  #connect(): void {
    const result = this.#driver.connect((node) => this.#store.read(`${this.#frontendPath}/${node}`));
    if (result.state === 'failed') this.fail(result.reason);
    else this.#switchTo(XenbusStateConnected, result.nodes);
  }

  /** The nodes are there before the state that announces them. */
  #switchTo(state: number, nodes: Readonly<Record<string, string>> = {}): void {
    if (this.#state === state) return;
    this.#state = state;
    this.#store.transaction((tx) => {
      for (const [name, value] of Object.entries(nodes)) tx.write(`${this.#path}/${name}`, value);
      tx.write(`${this.#path}/state`, `${state}`);
    });
  }
}
