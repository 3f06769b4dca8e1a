import {
  MMU_MACHPHYS_UPDATE,
  MMU_NORMAL_PT_UPDATE,
  MMU_PT_UPDATE_NO_TRANSLATE,
  MMU_PT_UPDATE_PRESERVE_AD,
  XEN_EINVAL,
  XEN_ENOSYS,
} from '@domu/xen-abi';
import { PGT_l1_page_table, PGT_l2_page_table, PGT_l3_page_table, PGT_writable_page } from './page-type.ts';
import { writeEntry } from './table-context.ts';
import { modL1Entry } from './validate-l1.ts';
import { modL2Entry } from './validate-l2.ts';
import { modL3Entry } from './validate-l3.ts';
import { findL1Entry, type WalkContext } from './walk.ts';

/**
 * Does one request of HYPERVISOR_mmu_update on the domain's own tables. Changes above L1 flush the TLB at once.
 * @param ptrLo, ptrHi machine address of an entry (or, MACHPHYS, within a frame), the command in its low bits
 * @param valLo, valHi new entry; for MACHPHYS the pfn in `valLo`
 * @returns 0, or: -XEN_EINVAL not the domain's frame, or not to be written; -XEN_ENOSYS no such command; errnos of the
 *   entry's level (`getPageFromL1e`, `modL2Entry`, `modL3Entry`). Nothing is changed then
 * Source: xen/arch/x86/mm.c, "do_mmu_update" @ RELEASE-4.18.0
 */
export function mmuUpdate(
  ctx: WalkContext,
  ptrLo: number,
  ptrHi: number,
  valLo: number,
  valHi: number,
): number {
  const command = ptrLo & (ctx.pae ? 7 : 3);
  const mfn = ptrHi === 0 ? ptrLo >>> 12 : -1;
  switch (command) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_PRESERVE_AD:
    case MMU_PT_UPDATE_NO_TRANSLATE: {
      if (!ctx.frames.getPage(mfn, ctx.domid)) return -XEN_EINVAL;
      const index = mfn * 1024 + ((ptrLo & 0xfff & (ctx.pae ? ~7 : ~3)) >>> 2);
      const errno = updateEntry(
        ctx,
        mfn,
        index,
        valLo >>> 0,
        valHi >>> 0,
        command === MMU_PT_UPDATE_PRESERVE_AD,
      );
      ctx.frames.putPage(mfn);
      return errno;
    }
    case MMU_MACHPHYS_UPDATE:
      if (!ctx.frames.getPage(mfn, ctx.domid)) return -XEN_EINVAL;
      ctx.m2p.set(mfn, valLo >>> 0);
      ctx.frames.putPage(mfn);
      return 0;
    default:
      return -XEN_ENOSYS;
  }
}

function updateEntry(
  ctx: WalkContext,
  mfn: number,
  index: number,
  lo: number,
  hi: number,
  preserveAd: boolean,
): number {
  const { frames } = ctx;
  if (frames.isValidated(mfn) && frames.typeCount(mfn) > 0) {
    switch (frames.type(mfn)) {
      case PGT_l1_page_table:
        return modL1Entry(ctx, index, lo, hi, preserveAd);
      case PGT_l2_page_table:
        return flushAfter(ctx, modL2Entry(ctx, index, lo, hi, preserveAd));
      case PGT_l3_page_table:
        return flushAfter(ctx, modL3Entry(ctx, index, lo, hi, preserveAd));
      case PGT_writable_page:
        writeEntry(ctx, index, lo, hi, false);
        return 0;
      default:
        return -XEN_EINVAL;
    }
  }
  if (frames.getPageType(mfn, PGT_writable_page) !== 0) return -XEN_EINVAL;
  writeEntry(ctx, index, lo, hi, false);
  frames.putPageType(mfn);
  return 0;
}

function flushAfter(ctx: WalkContext, errno: number): number {
  if (errno === 0) ctx.frames.flushTlb();
  return errno;
}

/**
 * Changes the L1 entry that maps a linear address (HYPERVISOR_update_va_mapping); the flush that the flags ask for is the
 * caller's.
 * @param root the vCPU's root table
 * @returns 0, or: -XEN_EINVAL no L1 table there; errnos of `getPageFromL1e`. Nothing is changed then
 */
export function updateVaMapping(
  ctx: WalkContext,
  root: number,
  linear: number,
  lo: number,
  hi: number,
): number {
  const index = findOwnL1Entry(ctx, root, linear);
  return index < 0 ? -XEN_EINVAL : modL1Entry(ctx, index, lo >>> 0, hi >>> 0, false);
}

/** As `findL1Entry`, but only in a validated L1 table of the domain (a linear page table shows others as well). */
export function findOwnL1Entry(ctx: WalkContext, root: number, linear: number): number {
  const index = findL1Entry(ctx, root, linear);
  return index >= 0 && isOwnL1Table(ctx, index >>> 10) ? index : -1;
}

/** @returns whether `mfn` is a validated L1 table of the domain, in use */
export function isOwnL1Table(ctx: WalkContext, mfn: number): boolean {
  const { frames } = ctx;
  return (
    frames.isValid(mfn) &&
    frames.owner(mfn) === ctx.domid &&
    frames.type(mfn) === PGT_l1_page_table &&
    frames.typeCount(mfn) > 0 &&
    frames.isValidated(mfn)
  );
}
