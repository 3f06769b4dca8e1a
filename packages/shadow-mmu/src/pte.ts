/**
 * Page-table entries as two 32-bit words, `lo` and `hi` (0 in 2-level tables). Machine frames are below 2^20, so a frame
 * number is in `lo` alone; what a guest writes into the frame bits of `hi` makes the entry name no frame at all.
 * Source: xen/arch/x86/mm.c, "L1_DISALLOW_MASK" and following @ RELEASE-4.18.0
 */
/** Frame bits 32-51, in `hi`. */
export const PTE_FRAME_HI = 0xf_ffff;
const PTE_FRAME_LO = 0xffff_f000;

/** PWT, PCD, PAT: a domain without devices may not choose its caching. */
export const L1_DISALLOW = 0x098;
/** As L1, and no large page, no G. */
export const L2_DISALLOW = 0x198;
export const L3_DISALLOW = 0x198;
/** A PAE L3 entry has no flags above its frame number. */
export const L3_DISALLOW_HI = 0xfff0_0000;

/** What may change in an entry without looking at the frame again: NX, AVL, G, D, A, US. All else is compared. */
const SAME_MAPPING_LO = PTE_FRAME_LO | 0x09b;

/** @returns whether both entries map the same frame with the same rights, caching and presence */
export function isSameMapping(oldLo: number, oldHi: number, newLo: number, newHi: number): boolean {
  return ((oldLo ^ newLo) & SAME_MAPPING_LO) === 0 && ((oldHi ^ newHi) & PTE_FRAME_HI) === 0;
}

/** @returns the frame that an entry names, or -1 when it is at or above 2^20 */
export function pteMfn(lo: number, hi: number): number {
  return (hi & PTE_FRAME_HI) === 0 ? lo >>> 12 : -1;
}

/** @returns whether the entry names the frame of all ones (INVALID_MFN) */
export function isInvalidMfn(lo: number, hi: number): boolean {
  return lo >>> 12 === 0xf_ffff && (hi & PTE_FRAME_HI) === PTE_FRAME_HI;
}
