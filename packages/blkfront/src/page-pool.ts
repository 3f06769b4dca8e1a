import type { KernelPage, KernelPages, Lender, LentPage } from '@domu/grant-table/guest';

export interface PagePoolOptions {
  readonly lender: Lender;
  readonly pages: KernelPages;
  readonly backendDomid: number;
  /** Whether the backend keeps pages mapped: a page is lent once, for reading and writing, and stays lent. */
  readonly persistent: boolean;
  /** Most pages that may be in use at a time. */
  readonly maxPages: number;
}

/**
 * The pages that data goes through. With persistent grants the page that was used last is used next, so that a backend that
 * keeps only some of them mapped finds those.
 * Invariant: `nrPages` is the number of pages in use plus the number that are free here
 * Source: xen/include/public/io/blkif.h, "feature-persistent" @ RELEASE-4.18.0
 */
export class PagePool {
  readonly #options: PagePoolOptions;
  readonly #lent: LentPage[] = [];
  readonly #idle: KernelPage[] = [];
  #nrPages = 0;

  constructor(options: PagePoolOptions) {
    this.#options = options;
  }

  /** Pages taken from the kernel. */
  get nrPages(): number {
    return this.#nrPages;
  }

  /** @param readonly whether the backend only reads it; ignored with persistent grants. @returns null when none is to be had now */
  take(readonly: boolean): LentPage | null {
    const { lender, backendDomid: domid, persistent } = this.#options;
    const lent = this.#lent.pop();
    if (lent !== undefined) return lent;
    const page = this.#idle.pop() ?? this.#alloc();
    if (page === null) return null;
    const now = lender.lend(page, { domid, readonly: readonly && !persistent });
    if (now === null) this.#idle.push(page);
    return now;
  }

  /** Takes a page back that the backend has answered for. */
  give(page: LentPage): void {
    if (this.#options.persistent) this.#lent.push(page);
    else if (this.#options.lender.endLoan(page)) this.#idle.push(page);
    // The lender frees it once the backend has let go.
    else this.#nrPages--;
  }

  /** Gives everything back. Preconditions: all pages were given back to the pool */
  release(): void {
    const { lender, pages } = this.#options;
    for (const page of this.#lent.splice(0)) lender.takeBack(page);
    for (const page of this.#idle.splice(0)) pages.free(page);
    this.#nrPages = 0;
  }

  #alloc(): KernelPage | null {
    const { pages, maxPages, lender } = this.#options;
    if (this.#nrPages >= maxPages) return null;
    let page = pages.alloc();
    if (page === null && lender.nrWaiting > 0) {
      lender.sweep();
      page = pages.alloc();
    }
    if (page !== null) this.#nrPages++;
    return page;
  }
}
