/** Branded numbers (kinds of frame and address cannot be mixed) and reserved domain identifiers. */

/** Machine frame number: real memory, in 4096-byte frames. */
export type Mfn = number & { readonly __brand: 'Mfn' };
/** Pseudo-physical frame number: a domain's own contiguous numbering of its frames. */
export type Pfn = number & { readonly __brand: 'Pfn' };
/** Guest frame number: what a domain passes for a frame; an Mfn in direct mode, a Pfn in translated mode. */
export type Gfn = number & { readonly __brand: 'Gfn' };
/** Machine address in bytes. */
export type Maddr = number & { readonly __brand: 'Maddr' };
/** Linear (virtual) address, unsigned 32 bits. */
export type LinearAddr = number & { readonly __brand: 'LinearAddr' };
/** Domain identifier, 16 bits. */
export type DomId = number & { readonly __brand: 'DomId' };
/** Event-channel port, local to a domain. */
export type Port = number & { readonly __brand: 'Port' };
/** Grant reference: index into a domain's grant table. */
export type Gref = number & { readonly __brand: 'Gref' };

/** Casts: they check nothing. */
export const mfn = (n: number): Mfn => n as Mfn;
/** Brands a number; it is not checked. */
export const pfn = (n: number): Pfn => n as Pfn;
/** Brands a number; it is not checked. */
export const gfn = (n: number): Gfn => n as Gfn;
/** Brands a number; it is not checked. */
export const maddr = (n: number): Maddr => n as Maddr;
/** Brands a number; it is not checked. */
export const linearAddr = (n: number): LinearAddr => (n >>> 0) as LinearAddr;
/** Brands a number; it is not checked. */
export const domId = (n: number): DomId => n as DomId;
/** Brands a number; it is not checked. */
export const port = (n: number): Port => n as Port;
/** Brands a number; it is not checked. */
export const gref = (n: number): Gref => n as Gref;

export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
/** Offset bits of an address within its page. */
export const PAGE_OFFSET_MASK = 0xfff;

/** Identifiers from here on name no ordinary domain. Source of the block: xen/include/public/xen.h @ RELEASE-4.18.0 */
export const DOMID_FIRST_RESERVED = 0x7ff0 as DomId;
/** The calling domain. */
export const DOMID_SELF = 0x7ff0 as DomId;
/** I/O memory (a page owner). */
export const DOMID_IO = 0x7ff1 as DomId;
/** Xen's own memory shared with domains (a page owner). */
export const DOMID_XEN = 0x7ff2 as DomId;
/** Shared copy-on-write frames (a page owner). */
export const DOMID_COW = 0x7ff3 as DomId;
/** Never names a domain. */
export const DOMID_INVALID = 0x7ff4 as DomId;
export const DOMID_IDLE = 0x7fff as DomId;
export const DOMID_MASK = 0x7fff;
