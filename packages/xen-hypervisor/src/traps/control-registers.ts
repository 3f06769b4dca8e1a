import type { PagingMode } from '@domu/xen-abi';
import type { Vcpu } from '../vcpu.ts';

export const CR0_TS = 8;
/** PE, MP, ET, NE, WP, AM, PG: what every guest runs with. */
export const CR0_FIXED = 0x8005_0033;
export const CR4_TSD = 0x04;
export const CR4_DE = 0x08;
export const CR4_PAE = 0x20;
/** OSFXSR, OSXMMEXCPT: Xen keeps SSE on, and guests see that it does. */
export const CR4_SSE = 0x600;
/** The CR4 bits that a guest may choose; others keep the values that Xen runs with. */
const CR4_GUEST_OWNED = CR4_TSD | CR4_DE;

/** Sets or clears the guest's CR0.TS: the next FPU instruction then raises #NM. */
export function setTaskSwitched(vcpu: Vcpu, set: boolean): void {
  const { cpu } = vcpu.domain.machine;
  cpu.cr0 = set ? cpu.cr0 | CR0_TS : cpu.cr0 & ~CR0_TS;
}

/**
 * A root table's frame number (a gfn) as the guest's CR3 holds it: with PAE, frames above 4 GiB fold into the low bits.
 * Source: public/arch-x86/xen-x86_32.h xen_pfn_to_cr3
 */
export const pfnToCr3 = (pfn: number, mode: PagingMode): number =>
  ((pfn << 12) | (mode === 'pae' ? pfn >>> 20 : 0)) >>> 0;
export const cr3ToPfn = (cr3: number, mode: PagingMode): number =>
  ((cr3 >>> 12) | (mode === 'pae' ? cr3 << 20 : 0)) >>> 0;

/** @param reg 0, 2, 3 or 4 */
export function readControlRegister(vcpu: Vcpu, reg: number): number {
  const { cpu } = vcpu.domain.machine;
  switch (reg) {
    case 0:
      return (CR0_FIXED | (cpu.cr0 & CR0_TS)) >>> 0;
    case 2:
      return cpu.cr2 >>> 0;
    case 3:
      return pfnToCr3(vcpu.domain.paging.toGfn(vcpu.rootMfn), vcpu.domain.mode);
    default:
      return vcpu.cr4;
  }
}

/** @returns false when the value is refused (#GP for the guest) */
export function writeControlRegister(vcpu: Vcpu, reg: number, value: number): boolean {
  const { machine, mode, release } = vcpu.domain;
  switch (reg) {
    case 0:
      if (((value ^ CR0_FIXED) & ~CR0_TS) !== 0) return false;
      setTaskSwitched(vcpu, (value & CR0_TS) !== 0);
      return true;
    case 2:
      machine.cpu.cr2 = value;
      return true;
    case 3:
      return machine.newBaseptr(vcpu, cr3ToPfn(value, mode)) === 0 || release.ignoresBadCr3;
    default:
      if (release.strictCr4) return value === vcpu.cr4;
      vcpu.cr4 = ((vcpu.cr4 & ~CR4_GUEST_OWNED) | (value & CR4_GUEST_OWNED)) >>> 0;
      machine.cpu.cr4 = vcpu.cr4;
      return true;
  }
}
