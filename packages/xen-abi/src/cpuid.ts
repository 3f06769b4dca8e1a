/** Xen's CPUID leaves and the forced-emulation prefix. Source: xen/include/public/arch-x86/cpuid.h, xen.h @ RELEASE-4.18.0 */

export const XEN_CPUID_FIRST_LEAF = 0x4000_0000;
/** "XenVMMXenVMM" in ebx, ecx, edx of the first leaf. */
export const XEN_CPUID_SIGNATURE_EBX = 0x566e6558;
export const XEN_CPUID_SIGNATURE_ECX = 0x65584d4d;
export const XEN_CPUID_SIGNATURE_EDX = 0x4d4d566e;
/** Leaf 2, ecx: MMU_PT_UPDATE_PRESERVE_AD is supported. */
export const XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD = 1;
/** Leaves after the first. */
export const XEN_CPUID_MAX_NUM_LEAVES = 5;
/** MSR named by leaf 2: a write fills a hypercall page. */
export const XEN_HYPERCALL_PAGE_MSR = 0x4000_0000;
/** Bytes before an instruction that ask Xen to emulate it: `ud2`, then "xen". */
export const XEN_EMULATE_PREFIX: readonly number[] = [0x0f, 0x0b, 0x78, 0x65, 0x6e];
