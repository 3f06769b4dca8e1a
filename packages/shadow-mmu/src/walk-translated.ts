import { Access, PAGE_WRITABLE } from '@domu/x86-cpu';
import { _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_NX_HI, _PAGE_PRESENT, _PAGE_RW, _PAGE_USER } from '@domu/xen-abi';
import type { FrameTable } from './frame-table.ts';
import type { MachineMemory } from './machine-memory.ts';
import { PGT_seg_desc_page } from './page-type.ts';
import { PHYSMAP_GRANT, PHYSMAP_READONLY, type Physmap, physmapMfn } from './physmap.ts';
import { pteMfn } from './pte.ts';
import { fault, PF_PRESENT, translateWindow, type WindowContext } from './walk.ts';

/** What a walk of tables that hold gfns needs. */
export interface TranslatedContext extends WindowContext {
  readonly frames: FrameTable;
  readonly memory: MachineMemory;
  readonly physmap: Physmap;
  readonly domid: number;
}

/** @returns whether the frame holds descriptors that a vCPU uses: nothing but Xen may write to it then */
export function isDescriptorFrame(frames: FrameTable, mfn: number): boolean {
  return frames.typeCount(mfn) > 0 && frames.type(mfn) === PGT_seg_desc_page;
}

/**
 * @returns whether a frame can serve as a page table: the domain's own, and no descriptors in it. The owner is looked up
 *   each time, so that no error elsewhere could make a walk write to another domain's frame
 */
export function canBeTable({ frames, domid }: TranslatedContext, mfn: number): boolean {
  return frames.isValid(mfn) && frames.owner(mfn) === domid && !isDescriptorFrame(frames, mfn);
}

/** @returns the table that an entry above L1 names, or -1: not present, or no frame that can be a table */
function nextTable(ctx: TranslatedContext, lo: number, hi: number): number {
  if (!(lo & _PAGE_PRESENT)) return -1;
  const mfn = ctx.physmap.ram(pteMfn(lo, hi));
  return canBeTable(ctx, mfn) ? mfn : -1;
}

/** @returns index in `memory.u32` of the L2 entry for a linear address, or -1 */
function findL2Entry(ctx: TranslatedContext, root: number, linear: number): number {
  if (!canBeTable(ctx, root)) return -1;
  if (!ctx.pae) return root * 1024 + (linear >>> 22);
  const { u32 } = ctx.memory;
  const i3 = root * 1024 + (linear >>> 30) * 2;
  const l2mfn = nextTable(ctx, u32[i3], u32[i3 + 1]);
  return l2mfn < 0 ? -1 : l2mfn * 1024 + ((linear >>> 21) & 511) * 2;
}

/** @returns index in `memory.u32` of the L1 entry below an L2 entry, or -1 */
function findL1Below(ctx: TranslatedContext, i2: number, linear: number): number {
  const { u32 } = ctx.memory;
  const l1mfn = nextTable(ctx, u32[i2], ctx.pae ? u32[i2 + 1] : 0);
  if (l1mfn < 0) return -1;
  return l1mfn * 1024 + (ctx.pae ? ((linear >>> 12) & 511) * 2 : (linear >>> 12) & 1023);
}

/**
 * Finds the L1 entry that maps a linear address, whether or not it is present.
 * @returns index of its low word in `memory.u32`, or -1 when there is no L1 table or the address is Xen's
 */
export function findGuestL1Entry(ctx: TranslatedContext, root: number, linear: number): number {
  if (linear >= ctx.hypervisorVirtStart) return -1;
  const i2 = findL2Entry(ctx, root, linear);
  return i2 < 0 ? -1 : findL1Below(ctx, i2, linear);
}

/**
 * Walks page tables that hold gfns for one access. As `translate` of walk.ts, but: an entry that names no frame of the
 * domain's counts as not present; a frame with descriptors in use, and one granted for reading only, cannot be written
 * whatever the entry says; L3 entries have no accessed bit.
 * @param root machine frame of the root table
 * @returns the page's machine address, plus PAGE_WRITABLE when writes are allowed and D is set; or -1 - error code
 * Source: xen/arch/x86/mm/shadow/multi.c, "guest_walk_tables", "guest_set_ad_bits" @ 3.0.3
 */
export function translateGuest(
  ctx: TranslatedContext,
  root: number,
  linear: number,
  access: number,
  user: boolean,
): number {
  if (linear >= ctx.hypervisorVirtStart) return translateWindow(ctx, linear, access, user);
  const { u32 } = ctx.memory;
  const i2 = findL2Entry(ctx, root, linear);
  const i1 = i2 < 0 ? -1 : findL1Below(ctx, i2, linear);
  if (i1 < 0) return fault(ctx, 0, access, user);
  const l1 = u32[i1];
  const l1hi = ctx.pae ? u32[i1 + 1] : 0;
  const entry = l1 & _PAGE_PRESENT ? ctx.physmap.entry(pteMfn(l1, l1hi)) : 0;
  if (entry === 0) return fault(ctx, 0, access, user);
  const mfn = physmapMfn(entry);
  if (!(entry & PHYSMAP_GRANT) && ctx.frames.owner(mfn) !== ctx.domid) return fault(ctx, 0, access, user);

  const l2hi = ctx.pae ? u32[i2 + 1] : 0;
  const rights = u32[i2] & l1;
  const writable =
    (rights & _PAGE_RW) !== 0 && !(entry & PHYSMAP_READONLY) && !isDescriptorFrame(ctx.frames, mfn);
  if (
    (user && !(rights & _PAGE_USER)) ||
    (access === Access.Write && !writable) ||
    (access >= Access.Execute && (l2hi | l1hi) & _PAGE_NX_HI)
  ) {
    return fault(ctx, PF_PRESENT, access, user);
  }
  if (access === Access.Probe && !(rights & _PAGE_ACCESSED)) return fault(ctx, PF_PRESENT, access, user);
  u32[i2] |= _PAGE_ACCESSED;
  u32[i1] |= access === Access.Write ? _PAGE_ACCESSED | _PAGE_DIRTY : _PAGE_ACCESSED;
  return mfn * 4096 + (writable && u32[i1] & _PAGE_DIRTY ? PAGE_WRITABLE : 0);
}
