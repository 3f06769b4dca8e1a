import { _PAGE_PRESENT, _PAGE_RW, XEN_EINVAL, XEN_EPERM } from '@domu/xen-abi';
import { type PageType, PGT_l1_page_table, PGT_pae_xen_l2 } from './page-type.ts';
import { isSameMapping, L2_DISALLOW, pteMfn } from './pte.ts';
import { entryIndex, nrEntries, readHi, type TableContext, writeEntry } from './table-context.ts';

/** @returns slots of an L2 table that the guest fills; those from there on are Xen's */
export function guestL2Slots(ctx: TableContext, type: PageType): number {
  return !ctx.pae || type & PGT_pae_xen_l2 ? ctx.firstXenL2Slot : nrEntries(ctx);
}

/**
 * Takes the references of a present L2 entry: the L1 table it names, or, read-only, an L2 table (a linear page table).
 * @returns 0, or: -XEN_EINVAL forbidden flags, not the domain's frame, in use as something else; or the table's own errno
 * Source: xen/arch/x86/mm.c, "get_page_from_l2e", "define_get_linear_pagetable" @ RELEASE-4.18.0
 */
export function getPageFromL2e(ctx: TableContext, lo: number, hi: number, l2mfn: number): number {
  if (lo & L2_DISALLOW) return -XEN_EINVAL;
  const mfn = pteMfn(lo, hi);
  const errno = ctx.frames.getPageAndType(mfn, ctx.domid, PGT_l1_page_table);
  if (errno !== -XEN_EINVAL || lo & _PAGE_RW) return errno;
  // A table that maps itself holds no reference to itself, or it could never be released.
  return mfn === l2mfn || ctx.frames.getLinearPageTable(l2mfn, mfn, ctx.domid) ? 0 : errno;
}

/** Gives back what a present L2 entry holds. */
export function putPageFromL2e(ctx: TableContext, lo: number, hi: number, l2mfn: number): void {
  if (!(lo & _PAGE_PRESENT)) return;
  const mfn = pteMfn(lo, hi);
  if (mfn === l2mfn) return;
  ctx.frames.putPageType(mfn, l2mfn);
  ctx.frames.putPage(mfn);
}

/**
 * Takes the references of a whole L2 table. What the guest left in Xen's slots is not looked at, but cleared.
 * @returns 0, or the errno of the first bad entry with all given back
 */
export function promoteL2(ctx: TableContext, mfn: number, type: PageType): number {
  const u32 = ctx.memory.u32;
  const guestSlots = guestL2Slots(ctx, type);
  for (let slot = 0; slot < guestSlots; slot++) {
    const index = entryIndex(ctx, mfn, slot);
    const lo = u32[index];
    if (!(lo & _PAGE_PRESENT)) continue;
    const errno = getPageFromL2e(ctx, lo, readHi(ctx, index), mfn);
    if (errno === 0) continue;
    demoteL2(ctx, mfn, slot);
    return errno;
  }
  u32.fill(0, entryIndex(ctx, mfn, guestSlots), (mfn + 1) * 1024);
  return 0;
}

/** Gives back what the first `slots` entries of an L2 table hold. */
export function demoteL2(ctx: TableContext, mfn: number, slots: number): void {
  const u32 = ctx.memory.u32;
  for (let slot = 0; slot < slots; slot++) {
    const index = entryIndex(ctx, mfn, slot);
    const lo = u32[index];
    if (lo & _PAGE_PRESENT) putPageFromL2e(ctx, lo, readHi(ctx, index), mfn);
  }
}

/**
 * Changes an entry of a validated L2 table.
 * @param index of the entry's low word in `memory.u32`
 * @returns 0, or: -XEN_EPERM one of Xen's slots; as `getPageFromL2e`. Nothing is changed then
 * Source: xen/arch/x86/mm.c, "mod_l2_entry" @ RELEASE-4.18.0
 */
export function modL2Entry(
  ctx: TableContext,
  index: number,
  lo: number,
  hi: number,
  preserveAd: boolean,
): number {
  const mfn = index >>> 10;
  const slot = (index & 1023) >>> (ctx.pae ? 1 : 0);
  if (slot >= guestL2Slots(ctx, ctx.frames.isPaeXenL2(mfn) ? PGT_pae_xen_l2 : 0)) return -XEN_EPERM;
  const oldLo = ctx.memory.u32[index];
  const oldHi = readHi(ctx, index);
  if (lo & _PAGE_PRESENT) {
    if (lo & L2_DISALLOW) return -XEN_EINVAL;
    if (isSameMapping(oldLo, oldHi, lo, hi)) {
      writeEntry(ctx, index, lo, hi, preserveAd);
      return 0;
    }
    const errno = getPageFromL2e(ctx, lo, hi, mfn);
    if (errno !== 0) return errno;
  }
  writeEntry(ctx, index, lo, hi, preserveAd);
  putPageFromL2e(ctx, oldLo, oldHi, mfn);
  return 0;
}
