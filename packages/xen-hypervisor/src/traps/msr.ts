import { PGT_writable_page } from '@domu/shadow-mmu';
import { XEN_HYPERCALL_PAGE_MSR } from '@domu/xen-abi';
import { fillHypercallPage } from '../hypercall-page.ts';
import type { Vcpu } from '../vcpu.ts';
import { VECTOR_GP } from './vectors.ts';

const APIC_BASE = 0xfee0_0800;
const APIC_BASE_BSP = 0x100;
const EFER_NXE = 0x800;
/** Write-back, write-through, uncached-minus, uncached, write-combining, write-protect. */
const PAT_LO = 0x0007_0406;
const PAT_HI = 0x0000_0501;
/** Fast strings; BTS, PEBS unavailable; xTPR disabled. */
const MISC_ENABLE = 0x0080_1801;
const FEATURE_CONTROL_LOCK = 1;
/** CPUID faulting is available. */
const PLATFORM_INFO_CPUID_FAULTING = 0x8000_0000;

type Value = readonly [lo: number, hi: number];

const ZERO: Value = [0, 0];

/** Registers that read as a constant. */
const CONSTANTS: ReadonlyMap<number, Value> = new Map<number, Value>([
  [0x17, ZERO], // IA32_PLATFORM_ID
  [0x3a, [FEATURE_CONTROL_LOCK, 0]],
  [0x8b, ZERO], // IA32_UCODE_REV
  [0xce, [PLATFORM_INFO_CPUID_FAULTING, 0]],
  [0x179, ZERO], // IA32_MCG_CAP
  [0x17a, ZERO], // IA32_MCG_STATUS
  [0x198, ZERO], // IA32_PERF_STATUS
  [0x199, ZERO], // IA32_PERF_CTL
  [0x19c, ZERO], // IA32_THERM_STATUS
  [0x1a0, [MISC_ENABLE, 0]],
  [0x1d9, ZERO], // IA32_DEBUGCTL: XTF reads it unguarded
  [0x277, [PAT_LO, PAT_HI]],
  [0x345, ZERO], // IA32_PERF_CAPABILITIES
  [0xc000_0080, [EFER_NXE, 0]],
  [XEN_HYPERCALL_PAGE_MSR, ZERO],
]);

/** Registers where writing the value that is read does nothing. */
const WRITE_SAME: ReadonlySet<number> = new Set([0x8b, 0xc000_0080]);
/** Registers where any write does nothing. */
const WRITE_IGNORED: ReadonlySet<number> = new Set([0x1a0]);

/**
 * @returns the two halves, or null when the guest gets #GP(0). A guest without a #GP handler reads unknown registers as 0.
 * Source: xen/arch/x86/msr.c guest_rdmsr, pv/emul-priv-op.c read_msr @ RELEASE-4.18.0
 */
export function readMsr(vcpu: Vcpu, msr: number): Value | null {
  const constant = CONSTANTS.get(msr);
  if (constant !== undefined) return constant;
  switch (msr) {
    case 0x10: {
      const tsc = vcpu.domain.machine.bus.rdtsc();
      return [tsc >>> 0, Math.floor(tsc / 2 ** 32)];
    }
    case 0x1b:
      return [APIC_BASE | (vcpu.id === 0 ? APIC_BASE_BSP : 0), 0];
    case 0x140:
      return [vcpu.cpuidFaulting ? 1 : 0, 0];
    default:
  }
  const noHandler = vcpu.traps.address[VECTOR_GP] === 0;
  return noHandler && msr >>> 16 !== 0x4000 ? ZERO : null;
}

/** @returns false when the guest gets #GP(0) */
export function writeMsr(vcpu: Vcpu, msr: number, lo: number, hi: number): boolean {
  if (msr === 0x140) {
    if ((lo & ~1) !== 0 || hi !== 0) return false;
    vcpu.cpuidFaulting = (lo & 1) !== 0;
    return true;
  }
  if (msr === XEN_HYPERCALL_PAGE_MSR) return writeHypercallPage(vcpu, lo, hi);
  if (WRITE_IGNORED.has(msr)) return true;
  const current = CONSTANTS.get(msr);
  return WRITE_SAME.has(msr) && current !== undefined && current[0] === lo && current[1] === hi;
}

/** The value is the page's machine address; the low bits number the page, and there is one. */
function writeHypercallPage(vcpu: Vcpu, lo: number, hi: number): boolean {
  const { machine, id } = vcpu.domain;
  const { frames, memory } = machine;
  const mfn = (lo >>> 12) | (hi << 20);
  if ((lo & 0xfff) !== 0 || hi >= 1 << 12 || frames.getPageAndType(mfn, id, PGT_writable_page) !== 0)
    return false;
  fillHypercallPage(memory.u8, mfn * 4096);
  frames.putPageAndType(mfn);
  return true;
}
