/**
 * Page types, with the numbers that Xen gives them. A frame has one type at a time and a count of uses as that type; the
 * type changes only while the count is 0. A writable mapping is a use as `PGT_writable_page`, so a frame that serves as
 * page table or descriptor table cannot be mapped writable, and the other way round.
 * Source: xen/arch/x86/include/asm/mm.h, "PGT_*" @ RELEASE-4.18.0
 */
export const PGT_none = 0;
export const PGT_l1_page_table = 1;
export const PGT_l2_page_table = 2;
export const PGT_l3_page_table = 3;
export const PGT_seg_desc_page = 5;
export const PGT_writable_page = 7;
export const PGT_type_mask = 7;
/** Of an L2 table: it stands in slot 3 of a PAE L3 table, so its last slots belong to Xen. Part of the type asked for. */
export const PGT_pae_xen_l2 = 8;
/** The owner holds a reference to the frame and to its type (MMUEXT_PIN_*). */
export const PGT_pinned = 16;
/** The content has been checked for the type. */
export const PGT_validated = 32;

/** One of the `PGT_*` types above, `PGT_pae_xen_l2` possibly added to `PGT_l2_page_table`. */
export type PageType = number;

/** Checks and releases the content of a domain's tables; one per domain, registered at the frame table. */
export interface TypeValidator {
  /**
   * Checks the content of a frame for a type that needs it and takes the references that the content implies.
   * @returns 0, or a negative errno with every reference given back
   */
  promote(mfn: number, type: PageType): number;
  /** Gives back the references that the content of a page table holds. */
  demote(mfn: number, type: PageType): void;
}

/** Discards cached translations of the CPU. */
export interface TlbFlush {
  flushAll(): void;
  flushPage(linear: number): void;
}
