import { DOMID_XEN, XEN_EINVAL } from '@domu/xen-abi';
import { bug } from './bug.ts';
import { COUNT_LIMIT, FrameStore, PGC_ALLOCATED, PGC_XEN_HEAP } from './frame-store.ts';
import {
  type PageType,
  PGT_l1_page_table,
  PGT_l2_page_table,
  PGT_l3_page_table,
  PGT_none,
  PGT_pae_xen_l2,
  PGT_pinned,
  PGT_type_mask,
  PGT_validated,
  PGT_writable_page,
  type TypeValidator,
} from './page-type.ts';

const LINEAR_LIMIT = 0x7ff0;

/**
 * What Xen knows of every machine frame: owner, reference count, type and type count. A frame lives while its reference
 * count is above 0; each mapping, each pin and the allocation itself hold one.
 *
 * Invariants (checked by `checkInvariants`): * the counts equal the references present in validated tables, pins and
 * holders outside  * a frame in use as a table has no writable mapping  * a frame with count 0 is free and belongs to nobody
 *
 * Safety of the TLB: no cached translation to a frame survives a change of the frame's type or owner. A stamp tells
 * when the frame was last given up by its type; a flush since then makes another one unnecessary.
 * Source: xen/arch/x86/mm.c, "get_page", "_get_page_type", "_put_page_type" @ RELEASE-4.18.0
 */
export class FrameTable extends FrameStore {
  readonly #validators: Map<number, TypeValidator> = new Map();

  /** Binds a domain's table checks. Without them its frames can only be of types none and writable. */
  registerValidator(domid: number, validator: TypeValidator): void {
    this.#validators.set(domid, validator);
  }

  unregisterValidator(domid: number): void {
    this.#validators.delete(domid);
  }

  /**
   * Takes a use of a frame as `type`, checking its content when the type is new to it.
   * @returns 0, or a negative errno: -XEN_EINVAL in use as another type, or bad content; others from the content
   * Preconditions: the caller holds a reference to the frame
   */
  getPageType(mfn: number, type: PageType): number {
    const count = this.typeCounts[mfn];
    const info = this.typeInfos[mfn];
    if (count !== 0) {
      if ((info & (PGT_type_mask | PGT_pae_xen_l2)) !== type) return -XEN_EINVAL;
      // Not validated: the check of this very frame is under way further up.
      if (!(info & PGT_validated) || count >= COUNT_LIMIT) return -XEN_EINVAL;
      this.typeCounts[mfn] = count + 1;
      return 0;
    }
    this.typeCounts[mfn] = 1;
    if ((info & PGT_type_mask) !== type) {
      this.typeInfos[mfn] = type;
      if (this.stamps[mfn] === this.epoch) this.flushTlb();
    } else if (info & PGT_validated) {
      return 0;
    }
    return this.#validate(mfn, type);
  }

  #validate(mfn: number, type: PageType): number {
    let errno = 0;
    if (type !== PGT_writable_page) {
      this.linears[mfn] = 0;
      errno = this.#validators.get(this.owners[mfn])?.promote(mfn, type) ?? -XEN_EINVAL;
    }
    if (errno === 0) {
      this.typeInfos[mfn] |= PGT_validated;
    } else {
      this.typeInfos[mfn] = PGT_none;
      this.typeCounts[mfn] = 0;
    }
    return errno;
  }

  /**
   * Drops a use of a frame as its type; with the last use of a page table its content is released.
   * @param parent the table whose entry is given up, if it was one (-1: none)
   */
  putPageType(mfn: number, parent: number = -1): void {
    const count = this.typeCounts[mfn];
    const info = this.typeInfos[mfn];
    const type = info & PGT_type_mask;
    if (!(count > 0) || !(info & PGT_validated)) bug(`frame ${mfn}: type count below 0`);
    if (count === 1 && type >= PGT_l1_page_table && type <= PGT_l3_page_table) {
      this.typeInfos[mfn] = info & ~PGT_validated;
      const validator = this.#validators.get(this.owners[mfn]) ?? bug(`frame ${mfn}: table without a domain`);
      validator.demote(mfn, info & (PGT_type_mask | PGT_pae_xen_l2));
      this.typeInfos[mfn] = type;
    }
    if (parent >= 0 && (this.typeInfos[parent] & PGT_type_mask) === type) {
      this.linears[mfn]++;
      this.linears[parent]--;
    }
    if (count === 1) this.stamps[mfn] = this.epoch;
    this.typeCounts[mfn] = count - 1;
  }

  /** @returns 0 with a reference and a use as `type` taken, or a negative errno with nothing taken */
  getPageAndType(mfn: number, domid: number, type: PageType): number {
    if (!this.getPage(mfn, domid)) return -XEN_EINVAL;
    const errno = this.getPageType(mfn, type);
    if (errno !== 0) this.putPage(mfn);
    return errno;
  }

  putPageAndType(mfn: number): void {
    this.putPageType(mfn);
    this.putPage(mfn);
  }

  /**
   * Takes a use of L2 table `child` as an entry of L2 table `parent` (a linear page table). One level only: a table that
   * has such entries cannot itself be one, or a long chain of them would have to be released in one go (XSA-240).
   * @returns false when refused; else a reference and a type count on `child` are taken
   */
  getLinearPageTable(parent: number, child: number, domid: number): boolean {
    if (this.owners[parent] !== domid || !this.getPage(child, domid)) return false;
    const table = PGT_l2_page_table | PGT_validated;
    const entries = this.linears[parent];
    const uses = this.linears[child];
    if (
      entries < 0 ||
      entries >= LINEAR_LIMIT ||
      uses > 0 ||
      uses <= -LINEAR_LIMIT ||
      (this.typeInfos[child] & (PGT_type_mask | PGT_validated)) !== table
    ) {
      this.putPage(child);
      return false;
    }
    this.linears[parent] = entries + 1;
    this.linears[child] = uses - 1;
    this.typeCounts[child]++;
    return true;
  }

  /** @returns false when the frame was pinned already */
  setPinned(mfn: number): boolean {
    if (this.typeInfos[mfn] & PGT_pinned) return false;
    this.typeInfos[mfn] |= PGT_pinned;
    return true;
  }

  /** @returns false when the frame was not pinned */
  clearPinned(mfn: number): boolean {
    if (!(this.typeInfos[mfn] & PGT_pinned)) return false;
    this.typeInfos[mfn] &= ~PGT_pinned;
    return true;
  }

  // ---- change of owner ----

  /**
   * Takes a frame away from its domain (steal_page), for GNTTABOP_transfer and XENMEM_exchange. Afterwards it belongs to
   * Xen with its content; `giveTo` passes it on, `freeXen` drops it.
   * @returns 0, or -XEN_EINVAL when it is not the domain's, is Xen's own, or anything else refers to it
   */
  steal(mfn: number, domid: number): number {
    if (!this.isValid(mfn) || this.owners[mfn] !== domid || this.counts[mfn] !== 1) return -XEN_EINVAL;
    if ((this.flags[mfn] & (PGC_ALLOCATED | PGC_XEN_HEAP)) !== PGC_ALLOCATED) return -XEN_EINVAL;
    if (this.typeCounts[mfn] !== 0) return -XEN_EINVAL;
    this.typeInfos[mfn] = PGT_none;
    this.owners[mfn] = DOMID_XEN;
    this.pages[domid]--;
    this.flushTlb();
    return 0;
  }

  /** Gives a stolen frame to a domain, content and all. */
  giveTo(mfn: number, domid: number): void {
    if (this.owners[mfn] !== DOMID_XEN || this.counts[mfn] !== 1 || mfn === 0)
      bug(`frame ${mfn} cannot be given`);
    this.owners[mfn] = domid;
    this.pages[domid]++;
  }

  /**
   * Releases all that a dead domain holds of its own: pins and allocations. Frames that others still map live until they
   * let go.
   * Preconditions: its vCPUs have given up their page-table roots, descriptor tables and mapped records
   * @returns number of frames that are still referenced from outside
   */
  relinquish(domid: number): number {
    this.forEachFrame(domid, (mfn) => {
      if (this.clearPinned(mfn)) this.putPageAndType(mfn);
    });
    let left = 0;
    this.forEachFrame(domid, (mfn) => {
      this.putAllocRef(mfn);
      if (this.owners[mfn] === domid) left++;
    });
    this.flushTlb();
    return left;
  }
}
