/** The part of the GDT that Xen owns. Source: xen/include/public/arch-x86/xen.h, xen-x86_32.h @ RELEASE-4.18.0 */

/** First selector index, page and byte of the GDT that belong to Xen. */
export const FIRST_RESERVED_GDT_PAGE = 14;
export const FIRST_RESERVED_GDT_BYTE = 0xe000;
export const FIRST_RESERVED_GDT_ENTRY = 7168;

/** Flat segments that Xen offers every guest. */
export const FLAT_RING1_CS = 0xe019;
export const FLAT_RING1_DS = 0xe021;
export const FLAT_RING1_SS = 0xe021;
export const FLAT_RING3_CS = 0xe02b;
export const FLAT_RING3_DS = 0xe033;
export const FLAT_RING3_SS = 0xe033;
export const FLAT_KERNEL_CS = 0xe019;
export const FLAT_KERNEL_DS = 0xe021;
export const FLAT_KERNEL_SS = 0xe021;
export const FLAT_USER_CS = 0xe02b;
export const FLAT_USER_DS = 0xe033;
export const FLAT_USER_SS = 0xe033;
