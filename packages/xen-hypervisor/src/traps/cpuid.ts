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

const CACHE_LEAF = 4;
const FEATURE_LEAF = 7;
const MAX_LEAF = FEATURE_LEAF;
const TIME_LEAF = XEN_CPUID_FIRST_LEAF + 3;
const XEN_MAX_LEAF = XEN_CPUID_FIRST_LEAF + XEN_CPUID_MAX_NUM_LEAVES;
const XEN_VERSION = (4 << 16) | 18;
const EXTENDED_LEAF = 0x8000_0000;
const EXTENDED_MAX_LEAF = EXTENDED_LEAF + 8;
const PHYSICAL_ADDRESS_BITS = 36;
const LINEAR_ADDRESS_BITS = 32;
/** Family 6, model 26, stepping 5: the first Core with SSE4.2. */
const SIGNATURE = 0x1_06a5;
/** CLFLUSH line of 64 bytes, in units of 8. */
const CLFLUSH_LINE = 8 << 8;

/** CPUID.1:EDX, what the CPU has; VME, PSE, PGE, APIC, MTRR are hidden from PV guests, and PAT is not usable in them here. */
const FEATURES_EDX =
  (1 << 0) | // FPU
  (1 << 2) | // DE
  (1 << 4) | // TSC
  (1 << 5) | // MSR
  (1 << 6) | // PAE
  (1 << 8) | // CX8
  (1 << 11) | // SEP
  (1 << 15) | // CMOV
  (1 << 19) | // CLFSH
  (1 << 23) | // MMX
  (1 << 24) | // FXSR
  (1 << 25) | // SSE
  (1 << 26); // SSE2
/** CPUID.1:ECX. Bit 31: running under a hypervisor. */
const FEATURES_ECX =
  (1 << 0) | // SSE3
  (1 << 9) | // SSSE3
  (1 << 19) | // SSE4.1
  (1 << 20) | // SSE4.2
  (1 << 23) | // POPCNT
  (1 << 31);
/** CPUID.7.0:EBX: FPU data pointer on exceptions only; fast REP MOVSB and STOSB; FPU CS and DS are zero. */
const FEATURES_7_EBX = (1 << 6) | (1 << 9) | (1 << 13);
/** CPUID.80000001:EDX: NX. */
const EXTENDED_EDX = 1 << 20;

/** EAX EBX ECX EDX of a leaf. */
type Leaf = readonly [number, number, number, number];

const BRAND = 'domu virtual i686 CPU'.padEnd(48, '\0');

/** Leaves that are the same for every vCPU. */
const CONSTANT_LEAVES: Readonly<Record<number, Leaf>> = {
  0: [MAX_LEAF, ascii('Genu'), ascii('ntel'), ascii('ineI')],
  // APIC id and number of logical CPUs are zero, as every PV vCPU sees them.
  1: [SIGNATURE, CLFLUSH_LINE, FEATURES_ECX, FEATURES_EDX],
  // Caches: see leaf 4; instruction and data TLB of 128 entries.
  2: [0xb3b0_ff01, 0, 0, 0],
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

/** Leaf 4: 32 KiB for data and for code, 2 MiB for both. Libraries choose how to copy by them. */
const CACHES: readonly Leaf[] = [
  cache({ type: 1, level: 1, ways: 8, sets: 64 }),
  cache({ type: 2, level: 1, ways: 8, sets: 64 }),
  cache({ type: 3, level: 2, ways: 16, sets: 2048 }),
];

/**
 * CPUID as the guest sees it: into out = [eax, ebx, ecx, edx]. Only features that the CPU has are reported.
 * Source: xen/arch/x86/cpuid.c guest_cpuid; public/arch-x86/cpuid.h @ RELEASE-4.18.0
 */
export function guestCpuid(vcpu: Vcpu, leaf: number, subleaf: number, out: Uint32Array): void {
  out.set(leafOf(vcpu, leaf, subleaf));
}

function leafOf(vcpu: Vcpu, leaf: number, subleaf: number): Leaf {
  switch (leaf) {
    case CACHE_LEAF:
      return CACHES[subleaf] ?? EMPTY_LEAF;
    case FEATURE_LEAF:
      return subleaf === 0 ? [0, FEATURES_7_EBX, 0, 0] : EMPTY_LEAF;
    case TIME_LEAF:
      return timeLeaf(vcpu, subleaf);
    default:
      return CONSTANT_LEAVES[leaf] ?? EMPTY_LEAF;
  }
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

/** A cache of 64-byte lines, of one CPU. @param shape.type 1 data, 2 code, 3 both */
function cache(shape: { type: number; level: number; ways: number; sets: number }): Leaf {
  const selfInitialising = 1 << 8;
  return [
    shape.type | (shape.level << 5) | selfInitialising,
    ((shape.ways - 1) << 22) | 63,
    shape.sets - 1,
    0,
  ];
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
