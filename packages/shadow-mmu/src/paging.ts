import type { PagingMode } from '@domu/xen-abi';
import type { GrantMapping, GrantMapRequest } from './grant-map.ts';
import type { HeldReference } from './invariants.ts';

/**
 * One domain's memory as the hypervisor uses it, whatever its page tables hold. A *gfn* is a frame number as the domain
 * says it: in direct paging the machine frame number itself, in translated paging a pseudo-physical one. `toMfn` is where
 * a hypercall's gfn becomes an mfn; what takes a gfn here says so. Methods that can fail return 0 or a negative errno and
 * change nothing when they fail.
 */
export interface Paging {
  readonly mode: PagingMode;
  /** HYPERVISOR_VIRT_START: linear addresses from here on are Xen's. */
  readonly hypervisorVirtStart: number;

  // ---- names of frames ----

  /**
   * @returns the machine frame that the domain calls `gfn`, or -1. Takes no reference; in direct paging the number may be
   *   any, so what uses it checks the owner
   */
  toMfn(gfn: number): number;
  /** @returns what the domain calls its frame `mfn`, or INVALID_M2P_ENTRY when it has no name for it */
  toGfn(mfn: number): number;
  /** @returns the highest gfn in use, or -1 where only the domain knows it */
  highestGfn(): number;

  // ---- the CPU's view ----

  /** Contract of `CpuBus.translate` of x86-cpu, below the table in frame `root`. */
  translate(root: number, linear: number, access: number, user: boolean): number;
  /** @returns the machine frame that a present L1 entry maps at `linear`, or -1; the hypervisor's window excluded */
  linearToMfn(root: number, linear: number): number;

  // ---- page tables ----

  /** One request of HYPERVISOR_mmu_update. */
  mmuUpdate(ptrLo: number, ptrHi: number, valLo: number, valHi: number): number;
  /** HYPERVISOR_update_va_mapping without its flush. @returns 0, or -XEN_EINVAL no L1 table there, and others */
  updateVaMapping(root: number, linear: number, lo: number, hi: number): number;
  /** MMUEXT_PIN_L1_TABLE to MMUEXT_PIN_L4_TABLE, `level` 1 to 4. */
  pin(level: number, gfn: number): number;
  /** MMUEXT_UNPIN_TABLE. */
  unpin(gfn: number): number;
  /** Takes over the page tables that the domain builder wrote. */
  adoptBuiltRoot(gfn: number): number;
  /**
   * Puts a vCPU on another root table and flushes the TLB. A vCPU holds a reference to its root.
   * @param oldRoot frame of the vCPU's root until now; 0: none
   * @param mfn frame of the new root, from `toMfn`
   */
  newBaseptr(oldRoot: number, mfn: number): number;
  /** Takes a vCPU off its root table; 0: it has none. The CPU must not use it any more. */
  putRoot(root: number): void;
  /** MMUEXT_CLEAR_PAGE. @returns 0, or -XEN_EINVAL: not the domain's, or not to be written */
  clearPage(gfn: number): number;
  /** MMUEXT_COPY_PAGE. @returns 0, or -XEN_EINVAL: not the domain's, or `dst` not to be written */
  copyPage(dstGfn: number, srcGfn: number): number;

  // ---- descriptor tables ----

  /** Holds a frame as part of a GDT or LDT, checked and rewritten; the guest cannot write to it meanwhile. */
  getSegDescFrame(mfn: number): number;
  putSegDescFrame(mfn: number): void;
  /** Holds the frame mapped at `linear` as part of an LDT (on first use of it). @returns its mfn, or -1 */
  getLdtFrame(root: number, linear: number): number;
  /** HYPERVISOR_update_descriptor at an address in terms of gfns. @returns 0, or -XEN_EINVAL */
  updateDescriptor(addressLo: number, addressHi: number, lo: number, hi: number): number;

  // ---- frames that Xen writes for the guest (vcpu_info, FIFO pages) ----

  /** Holds one of the domain's frames for writing. @returns 0, or -XEN_EINVAL */
  getWritableFrame(mfn: number): number;
  putWritableFrame(mfn: number): void;

  // ---- grants ----

  /** Maps a granted frame of another domain. @returns false when there is no such place, or the frame cannot be had */
  mapGrant(request: GrantMapRequest): boolean;
  /** Removes a grant mapping and flushes the TLB. @param newLinear whose L1 entry moves into its place; 0: none */
  unmapGrant(where: GrantMapping, newLinear?: number): boolean;

  // ---- ballooning and change of owner ----

  /** Adds a zeroed frame to the domain; the limit is the caller's. @returns its mfn, or -1 when none is free */
  populateFrame(gfn?: number): number;
  /**
   * Names a frame that the domain owns and flushes what the name meant before.
   * @param gfn pseudo-physical number (in direct paging only the M2P entry depends on it)
   * @returns false when there can be no such gfn
   */
  addFrame(gfn: number, mfn: number): boolean;
  /**
   * Takes a frame out of the domain (XENMEM_decrease_reservation): it becomes free when nothing uses it any more.
   * @returns 0, or: -XEN_ENXIO not the domain's; -XEN_EINVAL one of Xen's own
   */
  releaseFrame(gfn: number): number;
  /** Takes a frame away as `FrameTable.steal` does. @returns its mfn, or -XEN_EINVAL */
  stealFrame(gfn: number): number;
  /**
   * Shows one of Xen's frames that the domain may map (struct shared_info, grant table) as `gfn` (XENMEM_add_to_physmap).
   * RAM that was there is released; a former place of the frame is empty afterwards.
   * @param mfn -1: the domain asked for a frame that there is not
   * @returns 0; -XEN_EACCES in direct paging, -XEN_EINVAL no such gfn or frame
   */
  addXenFrame(gfn: number, mfn: number): number;
  /** Takes the name from a frame, which stays the domain's (XENMEM_remove_from_physmap). @returns 0; -XEN_EACCES in direct paging, -XEN_ENOENT nothing there */
  removeGfn(gfn: number): number;

  /**
   * Releases the dead domain's memory. Preconditions as `FrameTable.relinquish`.
   * @returns number of frames that others still map
   */
  destroy(): number;

  /** References that `checkInvariants` cannot find in page tables. For tests. */
  held(): readonly HeldReference[];
}
