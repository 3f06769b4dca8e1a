import {
  _PAGE_PRESENT,
  HYPERVISOR_VIRT_START,
  INVALID_M2P_ENTRY,
  MMU_MACHPHYS_UPDATE,
  MMU_NORMAL_PT_UPDATE,
  type PagingMode,
  XEN_EINVAL,
  XEN_ENOENT,
  XEN_ENXIO,
} from '@domu/xen-abi';
import type { FrameTable } from './frame-table.ts';
import type { GrantMapping, GrantMapRequest } from './grant-map.ts';
import { mapGuestGrant, unmapGuestGrant } from './grant-map-translated.ts';
import type { HeldReference } from './invariants.ts';
import type { M2P } from './m2p.ts';
import type { MachineMemory } from './machine-memory.ts';
import { type PageType, PGT_seg_desc_page, PGT_writable_page, type TypeValidator } from './page-type.ts';
import type { Paging } from './paging.ts';
import type { PagingOptions } from './paging-direct.ts';
import { PHYSMAP_READONLY, Physmap, physmapMfn } from './physmap.ts';
import { pteMfn } from './pte.ts';
import { promoteSegDesc, updateDescriptor } from './seg-desc.ts';
import { canBeTable, findGuestL1Entry, type TranslatedContext, translateGuest } from './walk-translated.ts';

/**
 * Shadow translated paging of one domain (auto_translated_physmap): its page tables are ordinary memory of its own that
 * hold pseudo-physical frame numbers. They are read, through the physmap, when the TLB misses; the TLB is the shadow.
 * So a change takes effect when the TLB entry goes, as on a processor. Entries hold no references: what the physmap
 * names is what can be reached, and the TLB is flushed whenever a name is taken away.
 *
 * Invariants: * the physmap and the M2P agree on the domain's frames * every frame that the physmap names belongs to the
 * domain, or is a grant mapping, which holds a reference of its own
 * Source: xen/arch/x86/mm/shadow, shadow_mode_translate and _refcounts @ 3.0.3
 */
export class TranslatedPaging implements Paging, TranslatedContext, TypeValidator {
  readonly memory: MachineMemory;
  readonly frames: FrameTable;
  readonly m2p: M2P;
  readonly domid: number;
  readonly mode: PagingMode;
  readonly pae: boolean;
  readonly hypervisorVirtStart: number;
  /** None: the hypervisor's window is not in the guest's tables. */
  readonly firstXenL2Slot: number = 1024;
  readonly physmap: Physmap = new Physmap();

  constructor(options: PagingOptions) {
    this.memory = options.memory;
    this.frames = options.frames;
    this.m2p = options.m2p;
    this.domid = options.domid;
    this.mode = options.mode;
    this.pae = options.mode === 'pae';
    this.hypervisorVirtStart = HYPERVISOR_VIRT_START[options.mode];
    this.frames.registerValidator(this.domid, this);
  }

  // ---- content of frames (for the frame table): only descriptor tables have a type ----

  promote(mfn: number, type: PageType): number {
    return type === PGT_seg_desc_page ? promoteSegDesc(this, mfn) : -XEN_EINVAL;
  }

  demote(_mfn: number, _type: PageType): void {}

  // ---- names of frames ----

  toMfn(gfn: number): number {
    return this.physmap.ram(gfn);
  }

  toGfn(mfn: number): number {
    const gfn = this.m2p.get(mfn);
    return this.physmap.ram(gfn) === mfn ? gfn : INVALID_M2P_ENTRY;
  }

  highestGfn(): number {
    return this.physmap.highest;
  }

  /** Takes its name from a frame. Preconditions: it has one */
  #unname(gfn: number, mfn: number): void {
    this.physmap.clearRam(gfn);
    this.m2p.set(mfn, INVALID_M2P_ENTRY);
    this.frames.flushTlb();
  }

  // ---- the CPU's view ----

  translate(root: number, linear: number, access: number, user: boolean): number {
    return translateGuest(this, root, linear >>> 0, access, user);
  }

  linearToMfn(root: number, linear: number): number {
    const index = findGuestL1Entry(this, root, linear >>> 0);
    if (index < 0 || !(this.memory.u32[index] & _PAGE_PRESENT)) return -1;
    const hi = this.pae ? this.memory.u32[index + 1] : 0;
    const entry = this.physmap.entry(pteMfn(this.memory.u32[index], hi));
    return entry === 0 ? -1 : physmapMfn(entry);
  }

  // ---- page tables ----

  /**
   * MMU_NORMAL_PT_UPDATE stores into the page of a gfn, whatever it is used for; MMU_MACHPHYS_UPDATE names the machine
   * frame of the address. @returns 0, or -XEN_EINVAL for all else
   */
  mmuUpdate(ptrLo: number, ptrHi: number, valLo: number, valHi: number): number {
    if (ptrHi !== 0) return -XEN_EINVAL;
    const frame = ptrLo >>> 12;
    switch (ptrLo & (this.pae ? 7 : 3)) {
      case MMU_NORMAL_PT_UPDATE: {
        const mfn = this.toMfn(frame);
        if (this.getWritableFrame(mfn) !== 0) return -XEN_EINVAL;
        this.#store(mfn * 1024 + ((ptrLo & 0xfff) >>> 2), valLo, valHi);
        this.putWritableFrame(mfn);
        this.frames.flushTlb();
        return 0;
      }
      case MMU_MACHPHYS_UPDATE: {
        if (!this.frames.getPage(frame, this.domid)) return -XEN_EINVAL;
        const named = this.addFrame(valLo >>> 0, frame);
        this.frames.putPage(frame);
        return named ? 0 : -XEN_EINVAL;
      }
      default:
        return -XEN_EINVAL;
    }
  }

  updateVaMapping(root: number, linear: number, lo: number, hi: number): number {
    const index = findGuestL1Entry(this, root, linear >>> 0);
    if (index < 0) return -XEN_EINVAL;
    this.#store(index, lo, hi);
    this.frames.flushTlb();
    return 0;
  }

  #store(index: number, lo: number, hi: number): void {
    this.memory.u32[index] = lo;
    if (this.pae) this.memory.u32[index + 1] = hi;
    this.memory.onFrameReplaced(index >>> 10);
  }

  /** Tables are not counted, so there is nothing to pin. */
  pin(_level: number, _gfn: number): number {
    return 0;
  }

  unpin(_gfn: number): number {
    return 0;
  }

  adoptBuiltRoot(gfn: number): number {
    return canBeTable(this, this.toMfn(gfn)) ? 0 : -XEN_EINVAL;
  }

  newBaseptr(oldRoot: number, mfn: number): number {
    if (mfn !== oldRoot) {
      if (!this.frames.getPage(mfn, this.domid)) return -XEN_EINVAL;
      this.putRoot(oldRoot);
    }
    this.frames.flushTlb();
    return 0;
  }

  putRoot(root: number): void {
    if (root !== 0) this.frames.putPage(root);
  }

  clearPage(gfn: number): number {
    const mfn = this.toMfn(gfn);
    if (this.getWritableFrame(mfn) !== 0) return -XEN_EINVAL;
    this.memory.zero(mfn);
    this.putWritableFrame(mfn);
    return 0;
  }

  copyPage(dstGfn: number, srcGfn: number): number {
    const src = this.toMfn(srcGfn);
    const dst = this.toMfn(dstGfn);
    if (src < 0 || this.getWritableFrame(dst) !== 0) return -XEN_EINVAL;
    this.memory.copyFrame(dst, src);
    this.putWritableFrame(dst);
    return 0;
  }

  // ---- descriptor tables ----

  /**
   * Writable page-table entries are no uses of the frame, so its content may have changed since it was last checked, and
   * the TLB may still hold a right to write: both are dealt with here. From now on the walk refuses writes.
   */
  getSegDescFrame(mfn: number): number {
    const { frames, domid } = this;
    if (!frames.getPage(mfn, domid)) return -XEN_EINVAL;
    // As a writable page for a moment: the frame table then checks the content anew.
    if (frames.typeCount(mfn) === 0 && frames.getPageType(mfn, PGT_writable_page) === 0)
      frames.putPageType(mfn);
    const errno = frames.getPageType(mfn, PGT_seg_desc_page);
    if (errno === 0) frames.flushTlb();
    else frames.putPage(mfn);
    return errno === 0 ? 0 : -XEN_EINVAL;
  }

  putSegDescFrame(mfn: number): void {
    this.frames.putPageAndType(mfn);
  }

  getLdtFrame(root: number, linear: number): number {
    const mfn = this.linearToMfn(root, linear);
    return mfn >= 0 && this.getSegDescFrame(mfn) === 0 ? mfn : -1;
  }

  updateDescriptor(addressLo: number, addressHi: number, lo: number, hi: number): number {
    const mfn = addressHi === 0 ? this.toMfn(addressLo >>> 12) : -1;
    if (mfn < 0) return -XEN_EINVAL;
    return updateDescriptor(this, mfn * 4096 + (addressLo & 0xfff), 0, lo, hi);
  }

  // ---- frames that Xen writes for the guest ----

  getWritableFrame(mfn: number): number {
    return this.frames.getPageAndType(mfn, this.domid, PGT_writable_page) === 0 ? 0 : -XEN_EINVAL;
  }

  putWritableFrame(mfn: number): void {
    this.frames.putPageAndType(mfn);
  }

  // ---- grants ----

  mapGrant(request: GrantMapRequest): boolean {
    return mapGuestGrant(this, request);
  }

  unmapGrant(where: GrantMapping, newLinear: number = 0): boolean {
    return unmapGuestGrant(this, where, newLinear >>> 0);
  }

  // ---- ballooning and change of owner ----

  populateFrame(gfn?: number): number {
    if (gfn !== undefined && !this.physmap.canHold(gfn)) return -1;
    const mfn = this.frames.alloc(this.domid);
    if (mfn >= 0 && gfn !== undefined) this.addFrame(gfn, mfn);
    return mfn;
  }

  /** The frame that had the name stays the domain's, without a name; the named frame loses its former one. */
  addFrame(gfn: number, mfn: number): boolean {
    const { physmap } = this;
    if (!physmap.canHold(gfn)) return false;
    const before = physmap.ram(gfn);
    if (before === mfn) return true;
    if (before >= 0) this.#unname(gfn, before);
    const formerGfn = this.toGfn(mfn);
    if (formerGfn !== INVALID_M2P_ENTRY) this.#unname(formerGfn, mfn);
    physmap.setRam(gfn, mfn);
    this.m2p.set(mfn, gfn);
    return true;
  }

  releaseFrame(gfn: number): number {
    const mfn = this.toMfn(gfn);
    if (!this.frames.getPage(mfn, this.domid)) return -XEN_ENXIO;
    const errno = this.frames.isXenHeap(mfn) ? -XEN_EINVAL : 0;
    if (errno === 0) {
      this.#unname(gfn, mfn);
      this.frames.putAllocRef(mfn);
    }
    this.frames.putPage(mfn);
    return errno;
  }

  stealFrame(gfn: number): number {
    const mfn = this.toMfn(gfn);
    if (this.frames.steal(mfn, this.domid) !== 0) return -XEN_EINVAL;
    this.#unname(gfn, mfn);
    return mfn;
  }

  addXenFrame(gfn: number, mfn: number): number {
    if (!this.physmap.canHold(gfn) || mfn < 0) return -XEN_EINVAL;
    const before = this.toMfn(gfn);
    if (before === mfn) return 0;
    if (before >= 0 && this.releaseFrame(gfn) !== 0) this.#unname(gfn, before);
    this.addFrame(gfn, mfn);
    return 0;
  }

  removeGfn(gfn: number): number {
    const mfn = this.toMfn(gfn);
    if (mfn < 0) return -XEN_ENOENT;
    this.#unname(gfn, mfn);
    return 0;
  }

  destroy(): number {
    for (const { mfn, type } of this.held()) {
      if (type === PGT_writable_page) this.frames.putPageAndType(mfn);
      else this.frames.putPage(mfn);
    }
    const left = this.frames.relinquish(this.domid);
    this.frames.unregisterValidator(this.domid);
    return left;
  }

  /** What the grant mappings hold. */
  held(): readonly HeldReference[] {
    return this.physmap.grants().map((entry) => ({
      mfn: physmapMfn(entry),
      type: entry & PHYSMAP_READONLY ? -1 : PGT_writable_page,
    }));
  }
}
