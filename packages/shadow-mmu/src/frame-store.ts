import { DOMID_INVALID, DOMID_XEN } from '@domu/xen-abi';
import { bug } from './bug.ts';
import { FreeFrames } from './free-frames.ts';
import type { MachineMemory } from './machine-memory.ts';
import {
  type PageType,
  PGT_none,
  PGT_pae_xen_l2,
  PGT_pinned,
  PGT_type_mask,
  PGT_validated,
  PGT_writable_page,
  type TlbFlush,
} from './page-type.ts';

/** The owner still holds the reference that came with the allocation (PGC_allocated). */
export const PGC_ALLOCATED = 1;
/** Xen's own frame that its owner may map: struct shared_info, grant table (PGC_xen_heap). */
export const PGC_XEN_HEAP = 2;
/** Holds data of an earlier owner. */
const PGC_NEED_SCRUB = 4;

/** Counts stop growing here; the request that would pass it is refused. */
export const COUNT_LIMIT = 0x7fff_fff0;
const NR_DOMIDS = 0x8000;

/** Ownership, allocation and references of machine frames: the part of `FrameTable` that knows nothing of page tables. */
export class FrameStore {
  readonly nrFrames: number;
  readonly memory: MachineMemory;
  /** Called for each frame that becomes free. */
  onFree: ((mfn: number) => void) | null = null;
  protected readonly owners: Uint16Array;
  protected readonly counts: Int32Array;
  protected readonly flags: Uint8Array;
  protected readonly typeInfos: Uint8Array;
  protected readonly typeCounts: Int32Array;
  /** Above 0: number of linear entries the L2 table has; below 0: number of L2 tables it is a linear entry of. */
  protected readonly linears: Int16Array;
  /** Flush epoch in which the frame lost its last use as its type, or was freed. */
  protected readonly stamps: Uint32Array;
  /** Number of the current flush epoch: it ends with a flush of the whole TLB. */
  protected epoch: number = 1;
  /** Frames per domain. */
  protected readonly pages: Int32Array = new Int32Array(NR_DOMIDS);
  readonly #free: FreeFrames;
  readonly #tlb: TlbFlush;

  /** All frames start free, except frame 0, which nobody gets (a zero MFN is never valid). */
  constructor(parts: { memory: MachineMemory; tlb: TlbFlush }) {
    const nrFrames = parts.memory.nrFrames;
    this.nrFrames = nrFrames;
    this.memory = parts.memory;
    this.#tlb = parts.tlb;
    this.owners = new Uint16Array(nrFrames).fill(DOMID_INVALID);
    this.counts = new Int32Array(nrFrames);
    this.flags = new Uint8Array(nrFrames);
    this.typeInfos = new Uint8Array(nrFrames);
    this.typeCounts = new Int32Array(nrFrames);
    this.linears = new Int16Array(nrFrames);
    this.stamps = new Uint32Array(nrFrames);
    this.#free = new FreeFrames(nrFrames);
    for (let mfn = 1; mfn < nrFrames; mfn++) this.#free.add(mfn);
    this.owners[0] = DOMID_XEN;
    this.counts[0] = 1;
  }

  // ---- state ----

  get freeFrames(): number {
    return this.#free.count;
  }

  isFree(mfn: number): boolean {
    return this.#free.has(mfn);
  }

  /** @returns whether machine memory has such a frame */
  isValid(mfn: number): boolean {
    return mfn >= 0 && mfn < this.nrFrames;
  }

  /** @returns the owning domain, DOMID_XEN for Xen's own, DOMID_INVALID for a free frame */
  owner(mfn: number): number {
    return this.owners[mfn];
  }

  refcount(mfn: number): number {
    return this.counts[mfn];
  }

  /** @returns the frame's PGT_* type; meaningful while `typeCount` is above 0 */
  type(mfn: number): PageType {
    return this.typeInfos[mfn] & PGT_type_mask;
  }

  typeCount(mfn: number): number {
    return this.typeCounts[mfn];
  }

  isPinned(mfn: number): boolean {
    return (this.typeInfos[mfn] & PGT_pinned) !== 0;
  }

  isValidated(mfn: number): boolean {
    return (this.typeInfos[mfn] & PGT_validated) !== 0;
  }

  /** @returns whether the frame is an L2 table in slot 3 of an L3 table */
  isPaeXenL2(mfn: number): boolean {
    return (this.typeInfos[mfn] & PGT_pae_xen_l2) !== 0;
  }

  isAllocated(mfn: number): boolean {
    return (this.flags[mfn] & PGC_ALLOCATED) !== 0;
  }

  isXenHeap(mfn: number): boolean {
    return (this.flags[mfn] & PGC_XEN_HEAP) !== 0;
  }

  linearCount(mfn: number): number {
    return this.linears[mfn];
  }

  /** Frames that `domid` owns, without Xen's own that it may map. */
  totPages(domid: number): number {
    return this.pages[domid];
  }

  /** Calls `visit` for each frame of a domain, Xen's own that it may map included, lowest first. */
  forEachFrame(domid: number, visit: (mfn: number) => void): void {
    for (let mfn = 0; mfn < this.nrFrames; mfn++) if (this.owners[mfn] === domid) visit(mfn);
  }

  // ---- allocation ----

  /** Gives a zeroed frame to a domain. @returns its mfn, or -1 when none is free */
  alloc(domid: number): number {
    const mfn = this.#free.take();
    if (mfn < 0) return -1;
    this.#setUp(mfn, domid);
    this.pages[domid]++;
    return mfn;
  }

  /** Takes `count` zeroed frames in a row for Xen itself. @returns the first, or -1 */
  allocXen(count: number = 1): number {
    const first = count === 1 ? this.#free.take() : this.#free.takeRun(count);
    if (first < 0) return -1;
    for (let mfn = first; mfn < first + count; mfn++) this.#setUp(mfn, DOMID_XEN);
    return first;
  }

  /** Gives back a frame of Xen's own that is not shared. */
  freeXen(mfn: number): void {
    if (this.owners[mfn] !== DOMID_XEN || mfn === 0) bug(`frame ${mfn} is not Xen's to free`);
    this.putAllocRef(mfn);
  }

  /**
   * Lets `domid` map one of Xen's frames (share_xen_page_with_guest): the domain becomes its owner, its type is held at
   * writable (or, read-only, at none), so that it can never become a table. It is not counted as the domain's memory.
   */
  shareXenFrame(mfn: number, domid: number, options: { readonly: boolean } = { readonly: false }): void {
    if (this.owners[mfn] !== DOMID_XEN || mfn === 0) bug(`frame ${mfn} is not Xen's to share`);
    this.owners[mfn] = domid;
    this.flags[mfn] |= PGC_XEN_HEAP;
    this.typeInfos[mfn] = (options.readonly ? PGT_none : PGT_writable_page) | PGT_validated;
    this.typeCounts[mfn] = 1;
  }

  #setUp(mfn: number, domid: number): void {
    if (this.stamps[mfn] === this.epoch) this.flushTlb();
    if (this.flags[mfn] & PGC_NEED_SCRUB) this.memory.zero(mfn);
    this.owners[mfn] = domid;
    this.counts[mfn] = 1;
    this.flags[mfn] = PGC_ALLOCATED;
  }

  #release(mfn: number): void {
    const domid = this.owners[mfn];
    const xenHeap = (this.flags[mfn] & PGC_XEN_HEAP) !== 0;
    if (this.typeCounts[mfn] !== 0 && !xenHeap)
      bug(`frame ${mfn} freed while in use as type ${this.type(mfn)}`);
    if (!xenHeap && domid !== DOMID_XEN) this.pages[domid]--;
    this.typeCounts[mfn] = 0;
    this.typeInfos[mfn] = PGT_none;
    this.owners[mfn] = DOMID_INVALID;
    this.flags[mfn] = PGC_NEED_SCRUB;
    this.stamps[mfn] = this.epoch;
    this.#free.add(mfn);
    this.onFree?.(mfn);
  }

  // ---- references ----

  /** Takes a reference to a frame of `domid`. @returns false when it is not a frame of that domain */
  getPage(mfn: number, domid: number): boolean {
    if (!(mfn >= 0 && mfn < this.nrFrames)) return false;
    const count = this.counts[mfn];
    if (count <= 0 || count >= COUNT_LIMIT || this.owners[mfn] !== domid) return false;
    this.counts[mfn] = count + 1;
    return true;
  }

  /** Drops a reference; the last one frees the frame. */
  putPage(mfn: number): void {
    const count = this.counts[mfn] - 1;
    if (!(count >= 0)) bug(`frame ${mfn}: reference count below 0`);
    this.counts[mfn] = count;
    if (count === 0) this.#release(mfn);
  }

  /** Drops the reference of the allocation, if it is still there. */
  putAllocRef(mfn: number): void {
    if (!(this.flags[mfn] & PGC_ALLOCATED)) return;
    this.flags[mfn] &= ~PGC_ALLOCATED;
    this.putPage(mfn);
  }

  // ---- TLB ----

  flushTlb(): void {
    this.#tlb.flushAll();
    this.noteTlbFlush();
  }

  /** To be called by whoever flushes the whole TLB past `flushTlb`; spares later flushes. */
  noteTlbFlush(): void {
    this.epoch++;
    if (this.epoch <= 0xffff_ffff) return;
    this.stamps.fill(0);
    this.epoch = 1;
  }
}
