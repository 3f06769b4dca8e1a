import { gref, port } from '@domu/xen-abi';
import type { BackendHost, GrantMapping } from '../host.ts';
import { type BackendStore, type ConnectResult, XenbusBackend } from '../xenbus/xenbus-backend.ts';
import { ConsoleBackend, type ConsoleSink } from './console-backend.ts';

/** What the backend of a further console is made of. */
export interface ConsoleDeviceOptions {
  readonly host: BackendHost;
  readonly store: BackendStore;
  /** The backend's directory, with the nodes that the toolstack writes: `frontend`, `frontend-id`. */
  readonly path: string;
  readonly sink: ConsoleSink;
}

/**
 * A console beside the first one: it comes and goes by xenbus, like any device. Typed input is refused while no frontend is
 * connected.
 * Source: Linux drivers/tty/hvc/hvc_xen.c, "xencons_connect_backend" (behaviour); tools/console/daemon/io.c
 */
export class ConsoleDevice {
  readonly #host: BackendHost;
  readonly #sink: ConsoleSink;
  readonly #xenbus: XenbusBackend;
  #page: GrantMapping | null = null;
  #console: ConsoleBackend | null = null;

  constructor({ host, store, path, sink }: ConsoleDeviceOptions) {
    this.#host = host;
    this.#sink = sink;
    this.#xenbus = new XenbusBackend(store, path, {
      features: {},
      connect: (frontend) => this.#connect(frontend),
      disconnect: () => this.#disconnect(),
    });
  }

  /** XenbusState* of this half, as published. */
  get state(): number {
    return this.#xenbus.state;
  }

  /** Types `bytes`. @returns how many were taken */
  input(bytes: Uint8Array): number {
    return this.#console?.input(bytes) ?? 0;
  }

  /** The sink takes output again. */
  resume(): void {
    this.#console?.resume();
  }

  /** Asks the guest to let go of the console. @param done called when it has; the object is then to be closed */
  unplug(done: () => void): void {
    this.#xenbus.unplug(done);
  }

  /** Lets go of the guest: for unplugging and for the end of the domain. */
  close(): void {
    this.#xenbus.stop();
  }

  #connect(frontend: (node: string) => string | null): ConnectResult {
    this.#disconnect();
    const [ref, remotePort] = [frontend('ring-ref') ?? '', frontend('port') ?? ''];
    if (![ref, remotePort].every((text) => /^[0-9]{1,10}$/.test(text)))
      return { state: 'failed', reason: 'reading ring-ref and port' };
    const domid = this.#xenbus.frontendDomid;
    const page = this.#host.mapGrant(domid, gref(Number(ref)), { readonly: false });
    if (typeof page === 'number') return { state: 'failed', reason: `mapping ring-ref ${ref}: ${page}` };
    // Bound before the console looks at the page, because binding can fail.
    let run = (): void => {};
    const bound = this.#host.bindInterdomain(domid, port(Number(remotePort)), () => run());
    if (typeof bound === 'number') {
      page.release();
      return { state: 'failed', reason: `binding port ${remotePort}: ${bound}` };
    }
    this.#page = page;
    const bind = (onEvent: () => void) => {
      run = onEvent;
      return bound;
    };
    this.#console = new ConsoleBackend({ page: page.bytes, sink: this.#sink, bind });
    return { state: 'connected', nodes: {} };
  }

  #disconnect(): void {
    this.#console?.close();
    this.#page?.release();
    [this.#console, this.#page] = [null, null];
  }
}
