import type { DomId, Gref } from '@domu/xen-abi';
import type { BackendHost, GrantMapping } from '../host.ts';

/** Mappings that are kept for a frontend with persistent grants: what Linux keeps for a ring. */
const MAX_PERSISTENT = 1056;

/**
 * The frontend's data pages. With persistent grants a page that was mapped once stays mapped, for reading and writing;
 * when there are too many, the one that was not used for longest goes.
 * Invariant: after `endRequest` only persistent pages are mapped, at most `MAX_PERSISTENT`
 */
export class PageAccess {
  readonly #host: BackendHost;
  readonly #domid: DomId;
  readonly #persistent: boolean;
  /** By reference; the one used last is at the end. */
  readonly #kept: Map<number, GrantMapping> = new Map();
  readonly #passing: GrantMapping[] = [];

  constructor(host: BackendHost, domid: DomId, options: { readonly persistent: boolean }) {
    this.#host = host;
    this.#domid = domid;
    this.#persistent = options.persistent;
  }

  /** @returns the page's 4096 bytes, good until `endRequest`; or a GNTST_* code */
  page(gref: Gref, options: { readonly readonly: boolean }): Uint8Array | number {
    if (!this.#persistent) {
      const mapping = this.#host.mapGrant(this.#domid, gref, options);
      if (typeof mapping === 'number') return mapping;
      this.#passing.push(mapping);
      return mapping.bytes;
    }
    let mapping: GrantMapping | number | undefined = this.#kept.get(gref);
    if (mapping === undefined) mapping = this.#host.mapGrant(this.#domid, gref, { readonly: false });
    else this.#kept.delete(gref);
    if (typeof mapping === 'number') return mapping;
    this.#kept.set(gref, mapping);
    return mapping.bytes;
  }

  /** The pages of a request are not needed any more. */
  endRequest(): void {
    for (const mapping of this.#passing.splice(0)) mapping.release();
    if (this.#kept.size <= MAX_PERSISTENT) return;
    for (const [gref, mapping] of this.#kept) {
      if (this.#kept.size <= MAX_PERSISTENT) return;
      this.#kept.delete(gref);
      mapping.release();
    }
  }

  /** Lets go of everything. */
  release(): void {
    this.endRequest();
    for (const mapping of this.#kept.values()) mapping.release();
    this.#kept.clear();
  }
}
