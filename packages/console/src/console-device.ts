import { type GuestGrants, type KernelPages, Lender, type LentPage } from '@domu/grant-table/guest';
import { PAGE_SIZE } from '@domu/xen-abi';
import { type Prepared, XenbusFrontend, type XenStoreClient } from '@domu/xenstore/client';
import { type ConsoleParts, PvConsole } from './pv-console.ts';

export interface ConsoleDeviceOptions extends ConsoleParts {
  readonly grants: GuestGrants;
  readonly store: XenStoreClient;
  readonly pages: KernelPages;
  /** The device's directory, as `device/console/1`. */
  readonly path: string;
  /** The console has been connected, has lost its backend, or has ended: look at `console`, `endedBecause`. */
  readonly onChange?: () => void;
}

/**
 * A console beside the first one: found in xenstore, connected to like any device, and connected to again when its backend
 * goes and comes back. What is in the ring when it goes is lost.
 */
export class ConsoleDevice {
  readonly #options: ConsoleDeviceOptions;
  readonly #lender: Lender;
  readonly #xenbus: XenbusFrontend;
  #page: LentPage | null = null;
  #console: PvConsole | null = null;
  #connected = false;
  #endedBecause: string | null = null;

  /** Looks for the backend and connects to it; `onChange` tells when the console is there. */
  constructor(options: ConsoleDeviceOptions) {
    this.#options = options;
    this.#lender = new Lender(options.grants, options.pages);
    this.#xenbus = new XenbusFrontend(options.store, options.path, {
      offers: ['state'],
      properties: ['state'],
      prepare: (_offers, backendDomid) => this.#prepare(backendDomid),
      connected: () => {
        this.#connected = true;
        options.onChange?.();
        return null;
      },
      stop: () => this.#stop(),
      release: () => this.#release(),
      ended: (reason) => {
        this.#endedBecause = reason;
        options.onChange?.();
      },
    });
    this.#xenbus.start();
  }

  /** The console while it is connected: another object after each connection. */
  get console(): PvConsole | null {
    return this.#connected ? this.#console : null;
  }

  /** Why there is no console any more; null while there is one or may be one. */
  get endedBecause(): string | null {
    return this.#endedBecause;
  }

  /** Closes the console. @param done called when the backend has let go of everything */
  close(done: () => void): void {
    this.#xenbus.close(done);
  }

  /** Connects anew after the domain was suspended and resumed elsewhere. */
  resume(): void {
    this.#endedBecause = null;
    this.#xenbus.resume();
  }

  #prepare(backendDomid: number): Prepared {
    const { guest, events } = this.#options;
    const page = this.#lender.lendNew(backendDomid);
    if (page === null) return { state: 'failed', reason: 'no page or no grant for the ring' };
    this.#page = page;
    guest.writeBytes(page.va, new Uint8Array(PAGE_SIZE));
    const console = new PvConsole({ guest, events }, page.va);
    const port = events.allocUnbound(backendDomid, () => {
      // A backend that raises events works.
      this.#xenbus.proven();
      console.poll();
    });
    if (typeof port === 'number') return { state: 'failed', reason: `no event channel: ${port}` };
    console.bound(port);
    this.#console = console;
    return { state: 'ready', nodes: { 'ring-ref': `${page.gref}`, port: `${port.port}` } };
  }

  #stop(): void {
    if (!this.#connected) return;
    this.#connected = false;
    this.#options.onChange?.();
  }

  #release(): void {
    this.#console?.close();
    if (this.#page !== null) this.#lender.takeBack(this.#page);
    this.#lender.sweep();
    [this.#console, this.#page] = [null, null];
  }
}
