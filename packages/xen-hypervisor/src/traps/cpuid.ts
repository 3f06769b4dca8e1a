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

const TIME_LEAF = XEN_CPUID_FIRST_LEAF + 3;
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

/** EAX EBX ECX EDX of a leaf. */
type Leaf = readonly [number, number, number, number];

const BRAND = 'domu virtual i686 CPU'.padEnd(48, '\0');

/** Leaves that are the same for every vCPU. */
const CONSTANT_LEAVES: Readonly<Record<number, Leaf>> = {
  0: [1, ascii('Genu'), ascii('ntel'), ascii('ineI')],
  [EXTENDED_LEAF]: [EXTENDED_MAX_LEAF, 0, 0, 0],
  [EXTENDED_LEAF + 1]: [0, 0, 0, EXTENDED_EDX],
  [EXTENDED_LEAF + 2]: brand(0),
  [EXTENDED_LEAF + 3]: brand(16),
  [EXTENDED_LEAF + 4]: brand(32),
  [EXTENDED_LEAF + 8]: [PHYSICAL_ADDRESS_BITS | (LINEAR_ADDRESS_BITS << 8), 0, 0, 0],
  [XEN_CPUID_FIRST_LEAF]: [
    XEN_MAX_LEAF,
    XEN_CPUID_SIGNATURE_EBX,
    XEN_CPUID_SIGNATURE_ECX,
    XEN_CPUID_SIGNATURE_EDX,
  ],
  [XEN_CPUID_FIRST_LEAF + 1]: [XEN_VERSION, 0, 0, 0],
  [XEN_CPUID_FIRST_LEAF + 2]: [1, XEN_HYPERCALL_PAGE_MSR, XEN_CPUID_FEAT1_MMU_PT_UPDATE_PRESERVE_AD, 0],
  [XEN_CPUID_FIRST_LEAF + 5]: [0, PHYSICAL_ADDRESS_BITS, 0, 0],
};

const EMPTY_LEAF: Leaf = [0, 0, 0, 0];

/**
 * CPUID as the guest sees it: into out = [eax, ebx, ecx, edx]. Only features that the CPU has are reported.
 * Source: xen/arch/x86/cpuid.c guest_cpuid; public/arch-x86/cpuid.h @ RELEASE-4.18.0
 */
export function guestCpuid(vcpu: Vcpu, leaf: number, subleaf: number, out: Uint32Array): void {
  if (leaf === 1) {
    out[0] = SIGNATURE;
    out[1] = CLFLUSH_LINE | (vcpu.id << 25) | (1 << 16);
    out[2] = FEATURES_ECX;
    out[3] = FEATURES_EDX;
    return;
  }
  const values = leaf === TIME_LEAF ? timeLeaf(vcpu, subleaf) : (CONSTANT_LEAVES[leaf] ?? EMPTY_LEAF);
  out.set(values);
}

/** How the TSC relates to time. Bit 0 emulated, bit 1 host TSC reliable, bit 2 RDTSCP. */
function timeLeaf(vcpu: Vcpu, subleaf: number): Leaf {
  const { tscKhz, mul, shift } = vcpu.domain.machine.timeScale;
  switch (subleaf) {
    case 0:
      return [2, 0, tscKhz, 0];
    case 1:
      return [0, 0, mul, shift >>> 0];
    case 2:
      return [tscKhz, 0, 0, 0];
    default:
      return EMPTY_LEAF;
  }
}

function ascii(text: string): number {
  let word = 0;
  for (let i = 0; i < 4; i++) word |= text.charCodeAt(i) << (8 * i);
  return word >>> 0;
}

function brand(from: number): Leaf {
  const word = (i: number): number => ascii(BRAND.slice(from + i, from + i + 4));
  return [word(0), word(4), word(8), word(12)];
}
