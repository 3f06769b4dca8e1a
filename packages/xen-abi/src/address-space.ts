/** Xen's part of the address space. Source: xen/include/public/arch-x86/xen-x86_32.h @ RELEASE-4.18.0 */

/** Form of a domain's page tables: PAE, or two levels of 4-byte entries. */
export type PagingMode = 'pae' | 'classic';

/** Where the hypervisor begins and where it shows the machine-to-phys table; PAE guests. */
export const HYPERVISOR_VIRT_START_PAE = 0xf580_0000;
export const MACH2PHYS_VIRT_START_PAE = 0xf580_0000;
export const MACH2PHYS_VIRT_END_PAE = 0xf680_0000;
/** The same for guests with 2-level tables. */
export const HYPERVISOR_VIRT_START_NONPAE = 0xfc00_0000;
export const MACH2PHYS_VIRT_START_NONPAE = 0xfc00_0000;
export const MACH2PHYS_VIRT_END_NONPAE = 0xfc40_0000;
/** A machine-to-phys entry of a frame without a pseudo-physical number. */
export const INVALID_M2P_ENTRY = 0xffff_ffff;

/** Lowest linear address that belongs to Xen. */
export const HYPERVISOR_VIRT_START: Readonly<Record<PagingMode, number>> = {
  pae: HYPERVISOR_VIRT_START_PAE,
  classic: HYPERVISOR_VIRT_START_NONPAE,
};
/** The machine-to-phys table (u32 per mfn), readable by the guest kernel: first address ... */
export const MACH2PHYS_VIRT_START: Readonly<Record<PagingMode, number>> = {
  pae: MACH2PHYS_VIRT_START_PAE,
  classic: MACH2PHYS_VIRT_START_NONPAE,
};
/** ... and the address after the last. */
export const MACH2PHYS_VIRT_END: Readonly<Record<PagingMode, number>> = {
  pae: MACH2PHYS_VIRT_END_PAE,
  classic: MACH2PHYS_VIRT_END_NONPAE,
};
