import { _PAGE_ACCESSED, _PAGE_PRESENT, _PAGE_RW, _PAGE_USER, XEN_EINVAL } from '@domu/xen-abi';
import { PGT_l2_page_table, PGT_pae_xen_l2 } from './page-type.ts';
import { isSameMapping, L3_DISALLOW, L3_DISALLOW_HI, pteMfn } from './pte.ts';
import { entryIndex, type TableContext, writeEntry } from './table-context.ts';

/** Slots of an L3 table that count; the last holds the L2 with Xen's slots. */
const L3_SLOTS = 4;
const XEN_L2_SLOT = 3;

/** Takes the references of a present L3 entry: its L2 table. @returns 0, or -XEN_EINVAL, or the L2 table's errno */
function getPageFromL3e(ctx: TableContext, lo: number, hi: number, slot: number): number {
  if (lo & L3_DISALLOW || hi & L3_DISALLOW_HI) return -XEN_EINVAL;
  const { frames } = ctx;
  const mfn = pteMfn(lo, hi);
  const type = slot === XEN_L2_SLOT ? PGT_l2_page_table | PGT_pae_xen_l2 : PGT_l2_page_table;
  const errno = frames.getPageAndType(mfn, ctx.domid, type);
  if (errno !== 0 || slot !== XEN_L2_SLOT || frames.typeCount(mfn) === 1) return errno;
  // Xen's slots may differ between address spaces, so that L2 table belongs to one L3 table only.
  frames.putPageAndType(mfn);
  return -XEN_EINVAL;
}

function putPageFromL3e(ctx: TableContext, lo: number, hi: number): void {
  if (lo & _PAGE_PRESENT) ctx.frames.putPageAndType(pteMfn(lo, hi));
}

/**
 * Takes the references of a PAE L3 table: slot 3 must be present, the slots after it are cleared. Accepted entries get RW
 * and US, as a 64-bit Xen needs them and guests see them.
 * @returns 0, or the errno of the first bad entry with all given back
 * Source: xen/arch/x86/mm.c, "promote_l3_table", "adjust_guest_l3e" @ RELEASE-4.18.0
 */
export function promoteL3(ctx: TableContext, mfn: number): number {
  const u32 = ctx.memory.u32;
  u32.fill(0, entryIndex(ctx, mfn, L3_SLOTS), (mfn + 1) * 1024);
  for (let slot = 0; slot < L3_SLOTS; slot++) {
    const index = entryIndex(ctx, mfn, slot);
    const lo = u32[index];
    if (!(lo & _PAGE_PRESENT) && slot !== XEN_L2_SLOT) continue;
    const errno = lo & _PAGE_PRESENT ? getPageFromL3e(ctx, lo, u32[index + 1], slot) : -XEN_EINVAL;
    if (errno !== 0) {
      demoteL3(ctx, mfn, slot);
      return errno;
    }
    u32[index] = lo | _PAGE_USER | _PAGE_RW;
  }
  return 0;
}

/** Gives back what the first `slots` entries of an L3 table hold, and takes Xen's flags out of them. */
export function demoteL3(ctx: TableContext, mfn: number, slots: number = L3_SLOTS): void {
  const u32 = ctx.memory.u32;
  for (let slot = 0; slot < slots; slot++) {
    const index = entryIndex(ctx, mfn, slot);
    const lo = u32[index];
    if (!(lo & _PAGE_PRESENT)) continue;
    putPageFromL3e(ctx, lo, u32[index + 1]);
    u32[index] = lo & ~(_PAGE_USER | _PAGE_RW | _PAGE_ACCESSED);
  }
}

/**
 * Changes an entry of a validated L3 table.
 * @param index of the entry's low word in `memory.u32`
 * @returns 0, or: -XEN_EINVAL slot 3 and after it, bad flags, not an L2 table to be; or the L2 table's errno
 * Source: xen/arch/x86/mm.c, "mod_l3_entry" @ RELEASE-4.18.0
 */
export function modL3Entry(
  ctx: TableContext,
  index: number,
  lo: number,
  hi: number,
  preserveAd: boolean,
): number {
  const slot = (index & 1023) >>> 1;
  if (slot >= XEN_L2_SLOT) return -XEN_EINVAL;
  const oldLo = ctx.memory.u32[index];
  const oldHi = ctx.memory.u32[index + 1];
  let newLo = lo;
  if (lo & _PAGE_PRESENT) {
    if (lo & L3_DISALLOW || hi & L3_DISALLOW_HI) return -XEN_EINVAL;
    newLo |= _PAGE_USER | _PAGE_RW;
    if (isSameMapping(oldLo, oldHi, newLo, hi)) {
      writeEntry(ctx, index, newLo, hi, preserveAd);
      return 0;
    }
    const errno = getPageFromL3e(ctx, newLo, hi, slot);
    if (errno !== 0) return errno;
  }
  writeEntry(ctx, index, newLo, hi, preserveAd);
  putPageFromL3e(ctx, oldLo, oldHi);
  return 0;
}
