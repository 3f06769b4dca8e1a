import {
  _PAGE_PRESENT,
  HYPERVISOR_VIRT_START,
  type PagingMode,
  XEN_EACCES,
  XEN_EINVAL,
  XEN_ENXIO,
} from '@domu/xen-abi';
import type { FrameTable } from './frame-table.ts';
import { type GrantMapping, type GrantMapRequest, mapGrant, unmapGrant } from './grant-map.ts';
import type { HeldReference } from './invariants.ts';
import type { M2P } from './m2p.ts';
import type { MachineMemory } from './machine-memory.ts';
import { mmuUpdate, updateVaMapping } from './mmu-update.ts';
import {
  type PageType,
  PGT_l1_page_table,
  PGT_l2_page_table,
  PGT_l3_page_table,
  PGT_pae_xen_l2,
  PGT_seg_desc_page,
  PGT_type_mask,
  PGT_writable_page,
  type TypeValidator,
} from './page-type.ts';
import type { Paging } from './paging.ts';
import { pteMfn } from './pte.ts';
import { promoteSegDesc, updateDescriptor } from './seg-desc.ts';
import { readHi } from './table-context.ts';
import { demoteL1, promoteL1 } from './validate-l1.ts';
import { demoteL2, guestL2Slots, promoteL2 } from './validate-l2.ts';
import { demoteL3, promoteL3 } from './validate-l3.ts';
import { findL1Entry, translate, type WalkContext } from './walk.ts';

/** What a domain's paging is made of. */
export interface PagingOptions {
  readonly memory: MachineMemory;
  readonly frames: FrameTable;
  readonly m2p: M2P;
  readonly domid: number;
  readonly mode: PagingMode;
}

/**
 * Direct paging of one domain: its page tables hold machine frame numbers and are used as they are; each change is checked
 * first. All methods that can fail return 0 or a negative errno, and change nothing when they fail.
 */
export class DirectPaging implements Paging, WalkContext, TypeValidator {
  readonly memory: MachineMemory;
  readonly frames: FrameTable;
  readonly m2p: M2P;
  readonly domid: number;
  readonly mode: PagingMode;
  readonly pae: boolean;
  readonly hypervisorVirtStart: number;
  readonly firstXenL2Slot: number;
  /** Type of a root table. */
  readonly rootType: PageType;

  constructor(options: PagingOptions) {
    this.memory = options.memory;
    this.frames = options.frames;
    this.m2p = options.m2p;
    this.domid = options.domid;
    this.mode = options.mode;
    this.pae = options.mode === 'pae';
    this.hypervisorVirtStart = HYPERVISOR_VIRT_START[options.mode];
    // The 4th L2 table of PAE spans the last GiB; the only one of 2-level tables spans everything.
    this.firstXenL2Slot = this.pae
      ? (this.hypervisorVirtStart & 0x3fff_ffff) >>> 21
      : this.hypervisorVirtStart >>> 22;
    this.rootType = this.pae ? PGT_l3_page_table : PGT_l2_page_table;
    this.frames.registerValidator(this.domid, this);
  }

  // ---- names of frames: the guest's are the machine's ----

  toMfn(gfn: number): number {
    return gfn;
  }

  toGfn(mfn: number): number {
    return mfn;
  }

  highestGfn(): number {
    return -1;
  }

  // ---- content of tables (for the frame table) ----

  promote(mfn: number, type: PageType): number {
    switch (type & PGT_type_mask) {
      case PGT_l1_page_table:
        return promoteL1(this, mfn);
      case PGT_l2_page_table:
        return promoteL2(this, mfn, type);
      case PGT_l3_page_table:
        return this.pae ? promoteL3(this, mfn) : -XEN_EINVAL;
      case PGT_seg_desc_page:
        return promoteSegDesc(this, mfn);
      default:
        return -XEN_EINVAL;
    }
  }

  demote(mfn: number, type: PageType): void {
    switch (type & PGT_type_mask) {
      case PGT_l1_page_table:
        demoteL1(this, mfn);
        break;
      case PGT_l2_page_table:
        demoteL2(this, mfn, guestL2Slots(this, type & PGT_pae_xen_l2));
        break;
      case PGT_l3_page_table:
        demoteL3(this, mfn);
        break;
    }
  }

  // ---- use of tables ----

  /** Contract of `CpuBus.translate` of x86-cpu, below `root`. See `translate` in walk.ts. */
  translate(root: number, linear: number, access: number, user: boolean): number {
    return translate(this, root, linear, access, user);
  }

  /** @returns the frame that a present L1 entry maps at `linear`, or -1; the hypervisor's window excluded */
  linearToMfn(root: number, linear: number): number {
    const index = findL1Entry(this, root, linear >>> 0);
    if (index < 0 || !(this.memory.u32[index] & _PAGE_PRESENT)) return -1;
    return pteMfn(this.memory.u32[index], readHi(this, index));
  }

  // ---- updates ----

  /** One request of HYPERVISOR_mmu_update. See `mmuUpdate` in mmu-update.ts. */
  mmuUpdate(ptrLo: number, ptrHi: number, valLo: number, valHi: number): number {
    return mmuUpdate(this, ptrLo >>> 0, ptrHi >>> 0, valLo, valHi);
  }

  /** HYPERVISOR_update_va_mapping without its flush. See `updateVaMapping` in mmu-update.ts. */
  updateVaMapping(root: number, linear: number, lo: number, hi: number): number {
    return updateVaMapping(this, root, linear >>> 0, lo, hi);
  }

  /**
   * MMUEXT_PIN_L1_TABLE to MMUEXT_PIN_L4_TABLE.
   * @param level 1 to 4; levels that the mode does not have are accepted and ignored
   * @returns 0, or: -XEN_EINVAL not the domain's, in use as another type, pinned already; errnos of the table's content
   */
  pin(level: number, mfn: number): number {
    if (level > (this.pae ? 3 : 2)) return 0;
    const errno = this.frames.getPageAndType(mfn, this.domid, level);
    if (errno !== 0) return errno;
    if (this.frames.setPinned(mfn)) return 0;
    this.frames.putPageAndType(mfn);
    return -XEN_EINVAL;
  }

  /** MMUEXT_UNPIN_TABLE. @returns 0, or -XEN_EINVAL: not the domain's, or not pinned */
  unpin(mfn: number): number {
    if (!this.frames.getPage(mfn, this.domid)) return -XEN_EINVAL;
    const pinned = this.frames.clearPinned(mfn);
    if (pinned) this.frames.putPageAndType(mfn);
    this.frames.putPage(mfn);
    return pinned ? 0 : -XEN_EINVAL;
  }

  /** Types, checks and pins the page tables that the domain builder wrote. @returns 0, or the errno of what is wrong */
  adoptBuiltRoot(mfn: number): number {
    return this.pin(this.pae ? 3 : 2, mfn);
  }

  /**
   * Puts a vCPU on another root table (MMUEXT_NEW_BASEPTR, mov to CR3, first CR3) and flushes the TLB. A vCPU holds a
   * reference to its root and to its type.
   * @param oldRoot the vCPU's root until now; 0: none
   * @returns 0, or as `pin` with the old root kept
   */
  newBaseptr(oldRoot: number, mfn: number): number {
    if (mfn !== oldRoot) {
      const errno = this.frames.getPageAndType(mfn, this.domid, this.rootType);
      if (errno !== 0) return errno;
      this.putRoot(oldRoot);
    }
    this.frames.flushTlb();
    return 0;
  }

  /** Takes a vCPU off its root table; 0: it has none. The CPU must not use it any more. */
  putRoot(root: number): void {
    if (root !== 0) this.frames.putPageAndType(root);
  }

  /** MMUEXT_CLEAR_PAGE. @returns 0, or -XEN_EINVAL: not the domain's, or in use as a table */
  clearPage(mfn: number): number {
    if (this.frames.getPageAndType(mfn, this.domid, PGT_writable_page) !== 0) return -XEN_EINVAL;
    this.memory.zero(mfn);
    this.frames.putPageAndType(mfn);
    return 0;
  }

  /** MMUEXT_COPY_PAGE. @returns 0, or -XEN_EINVAL: not the domain's, or `dst` in use as a table */
  copyPage(dstMfn: number, srcMfn: number): number {
    if (!this.frames.getPage(srcMfn, this.domid)) return -XEN_EINVAL;
    const errno = this.frames.getPageAndType(dstMfn, this.domid, PGT_writable_page);
    if (errno === 0) {
      this.memory.copyFrame(dstMfn, srcMfn);
      this.frames.putPageAndType(dstMfn);
    }
    this.frames.putPage(srcMfn);
    return errno === 0 ? 0 : -XEN_EINVAL;
  }

  // ---- descriptor tables ----

  /** Holds a frame as part of a GDT or LDT, checked and rewritten. @returns 0, or -XEN_EINVAL */
  getSegDescFrame(mfn: number): number {
    return this.frames.getPageAndType(mfn, this.domid, PGT_seg_desc_page) === 0 ? 0 : -XEN_EINVAL;
  }

  putSegDescFrame(mfn: number): void {
    this.frames.putPageAndType(mfn);
  }

  /** Holds the frame mapped at `linear` as part of an LDT (on first use of it). @returns its mfn, or -1 */
  getLdtFrame(root: number, linear: number): number {
    const mfn = this.linearToMfn(root, linear);
    return mfn >= 0 && this.getSegDescFrame(mfn) === 0 ? mfn : -1;
  }

  /** HYPERVISOR_update_descriptor. See `updateDescriptor` in seg-desc.ts. */
  updateDescriptor(maddrLo: number, maddrHi: number, lo: number, hi: number): number {
    return updateDescriptor(this, maddrLo >>> 0, maddrHi >>> 0, lo, hi);
  }

  // ---- frames that Xen writes for the guest (vcpu_info, runstate, FIFO pages, grant copies) ----

  /** Holds one of the domain's frames for writing. @returns 0, or -XEN_EINVAL */
  getWritableFrame(mfn: number): number {
    return this.frames.getPageAndType(mfn, this.domid, PGT_writable_page) === 0 ? 0 : -XEN_EINVAL;
  }

  putWritableFrame(mfn: number): void {
    this.frames.putPageAndType(mfn);
  }

  // ---- grants ----

  /** Maps a granted frame of another domain. See `mapGrant` in grant-map.ts. */
  mapGrant(request: GrantMapRequest): boolean {
    return mapGrant(this, request);
  }

  /** Removes a grant mapping. See `unmapGrant` in grant-map.ts. */
  unmapGrant(where: GrantMapping, newLinear: number = 0): boolean {
    return unmapGrant(this, where, newLinear >>> 0);
  }

  // ---- ballooning ----

  /** Adds a zeroed frame to the domain; the limit is the caller's. @returns its mfn, or -1 when none is free */
  populateFrame(pfn?: number): number {
    const mfn = this.frames.alloc(this.domid);
    if (mfn >= 0 && pfn !== undefined) this.m2p.set(mfn, pfn);
    return mfn;
  }

  addFrame(gfn: number, mfn: number): boolean {
    this.m2p.set(mfn, gfn);
    return true;
  }

  stealFrame(gfn: number): number {
    return this.frames.steal(gfn, this.domid) === 0 ? gfn : -XEN_EINVAL;
  }

  /** There is no physmap to add to. */
  addXenFrame(_gfn: number, _mfn: number): number {
    return -XEN_EACCES;
  }

  removeGfn(_gfn: number): number {
    return -XEN_EACCES;
  }

  /**
   * Takes a frame out of the domain (XENMEM_decrease_reservation): it becomes free when nothing maps or uses it any more.
   * @returns 0, or: -XEN_ENXIO not the domain's; -XEN_EINVAL one of Xen's own
   */
  releaseFrame(mfn: number): number {
    if (!this.frames.getPage(mfn, this.domid)) return -XEN_ENXIO;
    const errno = this.frames.isXenHeap(mfn) ? -XEN_EINVAL : 0;
    if (errno === 0) this.frames.putAllocRef(mfn);
    this.frames.putPage(mfn);
    return errno;
  }

  /**
   * Releases the dead domain's memory. Preconditions as `FrameTable.relinquish`.
   * @returns number of frames that others still map
   */
  destroy(): number {
    const left = this.frames.relinquish(this.domid);
    this.frames.unregisterValidator(this.domid);
    return left;
  }

  /** All is in the tables. */
  held(): readonly HeldReference[] {
    return [];
  }
}
