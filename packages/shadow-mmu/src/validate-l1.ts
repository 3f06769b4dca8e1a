import { _PAGE_PRESENT, _PAGE_RW, DOMID_IO, XEN_EBUSY, XEN_EINVAL, XEN_EPERM } from '@domu/xen-abi';
import { PGT_writable_page } from './page-type.ts';
import { isInvalidMfn, isSameMapping, L1_DISALLOW, pteMfn } from './pte.ts';
import { entryIndex, nrEntries, readHi, type TableContext, writeEntry } from './table-context.ts';

/**
 * Takes the references of a present L1 entry: one to the frame, and one to its type when it maps writable.
 * @returns 0, or: -XEN_EINVAL forbidden flags or INVALID_MFN; -XEN_EPERM no such memory (or I/O memory); -XEN_EBUSY not
 *   the domain's frame, or writable and in use as a table
 * Source: xen/arch/x86/mm.c, "get_page_from_l1e" @ RELEASE-4.18.0
 */
export function getPageFromL1e(ctx: TableContext, lo: number, hi: number): number {
  const { frames } = ctx;
  if (lo & L1_DISALLOW) return -XEN_EINVAL;
  const mfn = pteMfn(lo, hi);
  if (!frames.isValid(mfn) || frames.owner(mfn) === DOMID_IO) {
    return isInvalidMfn(lo, hi) ? -XEN_EINVAL : -XEN_EPERM;
  }
  if (!frames.getPage(mfn, ctx.domid)) return -XEN_EBUSY;
  if (lo & _PAGE_RW && frames.getPageType(mfn, PGT_writable_page) !== 0) {
    frames.putPage(mfn);
    return -XEN_EBUSY;
  }
  return 0;
}

/** Gives back what a present L1 entry holds, a grant mapping of another domain's frame included. */
export function putPageFromL1e(ctx: TableContext, lo: number, hi: number): void {
  if (!(lo & _PAGE_PRESENT)) return;
  const mfn = pteMfn(lo, hi);
  if (lo & _PAGE_RW) ctx.frames.putPageAndType(mfn);
  else ctx.frames.putPage(mfn);
}

/** Takes the references of a whole L1 table. @returns 0, or the errno of the first bad entry with all given back */
export function promoteL1(ctx: TableContext, mfn: number): number {
  const u32 = ctx.memory.u32;
  for (let slot = 0; slot < nrEntries(ctx); slot++) {
    const index = entryIndex(ctx, mfn, slot);
    const lo = u32[index];
    if (!(lo & _PAGE_PRESENT)) continue;
    const errno = getPageFromL1e(ctx, lo, readHi(ctx, index));
    if (errno === 0) continue;
    demoteL1(ctx, mfn, slot);
    return errno;
  }
  return 0;
}

/** Gives back what the first `slots` entries of an L1 table hold. */
export function demoteL1(ctx: TableContext, mfn: number, slots: number = nrEntries(ctx)): void {
  const u32 = ctx.memory.u32;
  for (let slot = 0; slot < slots; slot++) {
    const index = entryIndex(ctx, mfn, slot);
    const lo = u32[index];
    if (lo & _PAGE_PRESENT) putPageFromL1e(ctx, lo, readHi(ctx, index));
  }
}

/**
 * Changes an entry of a validated L1 table.
 * @param index of the entry's low word in `memory.u32`
 * @returns 0, or as `getPageFromL1e` with nothing changed
 * Source: xen/arch/x86/mm.c, "mod_l1_entry" @ RELEASE-4.18.0
 */
export function modL1Entry(
  ctx: TableContext,
  index: number,
  lo: number,
  hi: number,
  preserveAd: boolean,
): number {
  const oldLo = ctx.memory.u32[index];
  const oldHi = readHi(ctx, index);
  if (lo & _PAGE_PRESENT) {
    if (lo & L1_DISALLOW) return -XEN_EINVAL;
    if (isSameMapping(oldLo, oldHi, lo, hi)) {
      writeEntry(ctx, index, lo, hi, preserveAd);
      return 0;
    }
    const errno = getPageFromL1e(ctx, lo, hi);
    if (errno !== 0) return errno;
  }
  writeEntry(ctx, index, lo, hi, preserveAd);
  putPageFromL1e(ctx, oldLo, oldHi);
  return 0;
}
