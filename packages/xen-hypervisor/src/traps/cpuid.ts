import {
  XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD,
  XEN_CPUID_FIRST_LEAF,
  XEN_CPUID_MAX_NUM_LEAVES,
  XEN_CPUID_SIGNATURE_EBX,
  XEN_CPUID_SIGNATURE_ECX,
  XEN_CPUID_SIGNATURE_EDX,
  XEN_HYPERCALL_PAGE_MSR,
} from '@domu/xen-abi';
import type { Vcpu } from '../vcpu.ts';

const XEN_MAX_LEAF = XEN_CPUID_FIRST_LEAF + XEN_CPUID_MAX_NUM_LEAVES;
const XEN_VERSION = (4 << 16) | 18;
const EXTENDED_LEAF = 0x8000_0000;
const EXTENDED_MAX_LEAF = EXTENDED_LEAF + 8;
const PHYSICAL_ADDRESS_BITS = 36;
const LINEAR_ADDRESS_BITS = 32;
/** A 32-bit Core: family 6, model 14, stepping 8. */
const SIGNATURE = 0x06e8;
/** CLFLUSH line of 64 bytes, in units of 8. */
const CLFLUSH_LINE = 8 << 8;

/** CPUID.1:EDX as far as this CPU goes: no FPU, MMX, FXSR, SSE yet; VME, PSE, PGE, MTRR are hidden from PV guests. */
const FEATURES_EDX =
  (1 << 2) | // DE
  (1 << 4) | // TSC
  (1 << 5) | // MSR
  (1 << 6) | // PAE
  (1 << 8) | // CX8
  (1 << 11) | // SEP
  (1 << 15) | // CMOV
  (1 << 19); // CLFSH
/** CPUID.1:ECX: running under a hypervisor. */
const FEATURES_ECX = 0x8000_0000 | 0;
/** CPUID.80000001:EDX: NX. */
const EXTENDED_EDX = 1 << 20;

const ascii = (text: string): number =>
  (text.charCodeAt(0) |
    (text.charCodeAt(1) << 8) |
    (text.charCodeAt(2) << 16) |
    (text.charCodeAt(3) << 24)) >>>
  0;

/**
 * CPUID as the guest sees it: into out = [eax, ebx, ecx, edx]. Only features that the CPU has are reported.
 * Source: xen/arch/x86/cpuid.c guest_cpuid; public/arch-x86/cpuid.h @ RELEASE-4.18.0
 */
export function guestCpuid(vcpu: Vcpu, leaf: number, subleaf: number, out: Uint32Array): void {
  out.fill(0);
  const fill = (eax: number, ebx: number, ecx: number, edx: number): void => {
    out[0] = eax;
    out[1] = ebx;
    out[2] = ecx;
    out[3] = edx;
  };
  if (leaf >= XEN_CPUID_FIRST_LEAF && leaf <= XEN_CPUID_FIRST_LEAF + 0xff) {
    xenLeaf(vcpu, leaf - XEN_CPUID_FIRST_LEAF, subleaf, fill);
    return;
  }
  switch (leaf) {
    case 0:
      return fill(1, ascii('Genu'), ascii('ntel'), ascii('ineI'));
    case 1:
      return fill(SIGNATURE, CLFLUSH_LINE | (vcpu.id << 25) | (1 << 16), FEATURES_ECX, FEATURES_EDX);
    case EXTENDED_LEAF:
      return fill(EXTENDED_MAX_LEAF, 0, 0, 0);
    case EXTENDED_LEAF + 1:
      return fill(0, 0, 0, EXTENDED_EDX);
    case EXTENDED_LEAF + 2:
    case EXTENDED_LEAF + 3:
    case EXTENDED_LEAF + 4: {
      const brand = 'domu virtual i686 CPU'.padEnd(48, '\0').slice((leaf - EXTENDED_LEAF - 2) * 16);
      return fill(ascii(brand), ascii(brand.slice(4)), ascii(brand.slice(8)), ascii(brand.slice(12)));
    }
    case EXTENDED_LEAF + 8:
      return fill(PHYSICAL_ADDRESS_BITS | (LINEAR_ADDRESS_BITS << 8), 0, 0, 0);
    default:
  }
}

function xenLeaf(
  vcpu: Vcpu,
  index: number,
  subleaf: number,
  fill: (eax: number, ebx: number, ecx: number, edx: number) => void,
): void {
  switch (index) {
    case 0:
      return fill(XEN_MAX_LEAF, XEN_CPUID_SIGNATURE_EBX, XEN_CPUID_SIGNATURE_ECX, XEN_CPUID_SIGNATURE_EDX);
    case 1:
      return fill(XEN_VERSION, 0, 0, 0);
    case 2:
      return fill(1, XEN_HYPERCALL_PAGE_MSR, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0);
    case 3:
      return timeLeaf(vcpu, subleaf, fill);
    case 5:
      return fill(0, PHYSICAL_ADDRESS_BITS, 0, 0);
    default:
  }
}

/** Leaf 3: how the TSC relates to time. Bit 0 emulated, bit 1 host TSC reliable, bit 2 RDTSCP. */
function timeLeaf(
  vcpu: Vcpu,
  subleaf: number,
  fill: (eax: number, ebx: number, ecx: number, edx: number) => void,
): void {
  const { timeScale } = vcpu.domain.machine;
  if (subleaf === 0) fill(2, 0, timeScale.tscKhz, 0);
  else if (subleaf === 1) fill(0, 0, timeScale.mul, timeScale.shift >>> 0);
  else if (subleaf === 2) fill(timeScale.tscKhz, 0, 0, 0);
}
