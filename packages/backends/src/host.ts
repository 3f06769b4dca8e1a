import type { DomId, Gref, Port } from '@domu/xen-abi';

/** A backend's end of an event channel. */
export interface HostPort {
  /** Raises the event in the frontend's domain. */
  notify(): void;
  /** Unbinds; the handler is not called again. Closing twice does nothing. */
  close(): void;
}

/** A frontend's page in the hands of a backend. */
export interface GrantMapping {
  /** The page itself, 4096 bytes, shared with the frontend; not to be used after `release`. */
  readonly bytes: Uint8Array;
  /** Ends the mapping. Releasing twice does nothing. */
  release(): void;
}

/** What a backend asks of the hypervisor, in whose host domain (0) it runs. */
export interface BackendHost {
  /**
   * Binds to a port that a domain left unbound for domain 0. The handler is queued, never called from inside the
   * guest's send, and runs once soon after the binding.
   * @returns the port, or -errno
   */
  bindInterdomain(remoteDomid: DomId, remotePort: Port, handler: () => void): HostPort | number;
  /**
   * Runs a job soon, after guests have had a turn: for what is left of work that takes long. Without it the work is done in
   * one go.
   */
  defer?(job: () => void): void;
  /** Holds a granted page. @returns the page, or a GNTST_* code */
  mapGrant(remoteDomid: DomId, gref: Gref, options: { readonly readonly: boolean }): GrantMapping | number;
}
