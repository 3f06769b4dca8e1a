import type { LinearAddr } from '@domu/xen-abi';
import type { GrantOf, GuestGrants } from './grants.ts';

/** A page of the kernel's own memory. */
export interface KernelPage {
  readonly va: LinearAddr;
  /** Frame number by the kernel's own count (direct paging: the mfn). */
  readonly gfn: number;
}

/** Where pages for rings and data come from. */
export interface KernelPages {
  /** @returns a page of any contents, or null when there is none */
  alloc(): KernelPage | null;
  free(page: KernelPage): void;
}

/** A page that a backend may use. */
export interface LentPage extends KernelPage {
  readonly gref: number;
}

/**
 * Lends pages and takes them back. A page that the backend still holds is neither freed nor lent to others before it has
 * let go: `sweep` looks again.
 * Invariant: every page that was lent is free, in the caller's hands, or waiting here
 */
export class Lender {
  readonly #grants: GuestGrants;
  readonly #pages: KernelPages;
  readonly #waiting: Set<LentPage> = new Set();

  constructor(grants: GuestGrants, pages: KernelPages) {
    this.#grants = grants;
    this.#pages = pages;
  }

  /** Pages that were taken back while a backend still held them. */
  get nrWaiting(): number {
    return this.#waiting.size;
  }

  /** @returns a fresh page lent to `domid`, or null when there is no page or no grant reference */
  lendNew(domid: number): LentPage | null {
    const page = this.#pages.alloc();
    if (page === null) return null;
    const lent = this.lend(page, { domid, readonly: false });
    if (lent === null) this.#pages.free(page);
    return lent;
  }

  /** @returns the page with its grant, or null when there is no grant reference */
  lend(page: KernelPage, to: Omit<GrantOf, 'gfn'>): LentPage | null {
    const gref = this.#grants.grantAccess({ ...to, gfn: page.gfn });
    return gref < 0 ? null : { va: page.va, gfn: page.gfn, gref };
  }

  /** Ends the grant of a page that is to be used again. @returns false when the backend holds it: it waits here then */
  endLoan(page: LentPage): boolean {
    if (!this.#grants.inUse(page.gref)) {
      this.#grants.endAccess(page.gref);
      return true;
    }
    this.#waiting.add(page);
    return false;
  }

  /** Ends the grant and frees the page, at once or when the backend lets go. */
  takeBack(page: LentPage): void {
    if (this.endLoan(page)) this.#pages.free(page);
  }

  /** Frees the pages that backends have let go of since. */
  sweep(): void {
    for (const page of this.#waiting) {
      if (this.#grants.inUse(page.gref)) continue;
      this.#waiting.delete(page);
      this.#grants.endAccess(page.gref);
      this.#pages.free(page);
    }
  }
}
