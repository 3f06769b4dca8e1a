import type { DomId, Gref } from '@domu/xen-abi';
import type { BackendHost } from '../host.ts';

/** What netback asks of the hypervisor beside events and rings: packet data moves by grant copies and transfers. */
export interface NetBackHost extends BackendHost {
  /** Copies `into.length` bytes out of a granted page, from `offset` on. @returns GNTST_okay, or another GNTST_* code */
  copyFromGrant(remoteDomid: DomId, gref: Gref, offset: number, into: Uint8Array): number;
  /** Copies `from` to the start of a granted page. @returns GNTST_okay, or another GNTST_* code */
  copyToGrant(remoteDomid: DomId, gref: Gref, from: Uint8Array): number;
  /**
   * Gives a page that starts with `from` to a domain that accepts a transfer.
   * @returns GNTST_okay, or another GNTST_* code
   */
  transferPage(remoteDomid: DomId, gref: Gref, from: Uint8Array): number;
}
