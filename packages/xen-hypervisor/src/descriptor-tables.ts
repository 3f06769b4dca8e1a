import { FIRST_RESERVED_GDT_ENTRY, XEN_EINVAL } from '@domu/xen-abi';
import { DESCRIPTORS_PER_FRAME } from './selectors.ts';
import type { Vcpu } from './vcpu.ts';

const MAX_LDT_ENTRIES = 8192;

/**
 * Gives a vCPU its GDT: `mfns` hold `entries` descriptors from index 0 on. Each frame is checked as a whole, rewritten and
 * kept from being mapped writable.
 * @returns 0; -EINVAL too many entries, or a frame that cannot hold descriptors; the old GDT then stays
 * Source: xen/arch/x86/pv/descriptor-tables.c pv_set_gdt @ RELEASE-4.18.0
 */
export function setGdt(vcpu: Vcpu, mfns: readonly number[], entries: number): number {
  if (entries > FIRST_RESERVED_GDT_ENTRY) return -XEN_EINVAL;
  const { paging } = vcpu.domain;
  for (const [i, mfn] of mfns.entries()) {
    if (paging.getSegDescFrame(mfn) === 0) continue;
    for (const taken of mfns.slice(0, i)) paging.putSegDescFrame(taken);
    return -XEN_EINVAL;
  }
  destroyGdt(vcpu);
  vcpu.gdtFrames.set(mfns);
  vcpu.gdtEnts = entries;
  return 0;
}

/** Number of frames for so many descriptors. */
export const gdtFrameCount = (entries: number): number => Math.ceil(entries / DESCRIPTORS_PER_FRAME);

export function destroyGdt(vcpu: Vcpu): void {
  for (const mfn of vcpu.gdtFrames) if (mfn >= 0) vcpu.domain.paging.putSegDescFrame(mfn);
  vcpu.gdtFrames.fill(-1);
  vcpu.domain.machine.cpu.descriptors.forget();
  vcpu.gdtEnts = 0;
}

/**
 * MMUEXT_SET_LDT. The pages are taken when first used.
 * @param base page-aligned linear address below the hypervisor's window
 * @returns 0, or -EINVAL with the old LDT kept
 */
export function setLdt(vcpu: Vcpu, base: number, entries: number): number {
  const outside = (base & 0xfff) !== 0 || base >= vcpu.domain.hypervisorVirtStart;
  if (entries > MAX_LDT_ENTRIES || (entries !== 0 && outside)) return -XEN_EINVAL;
  if (vcpu.ldtEnts === entries && vcpu.ldtBase === base) return 0;
  releaseLdtPages(vcpu);
  vcpu.ldtBase = base;
  vcpu.ldtEnts = entries;
  return 0;
}

/** Gives up the LDT pages in use: also a new base pointer does, since the pages may be mapped elsewhere then. */
export function releaseLdtPages(vcpu: Vcpu): void {
  for (const mfn of vcpu.ldtFrames) if (mfn >= 0) vcpu.domain.paging.putSegDescFrame(mfn);
  vcpu.ldtFrames.fill(-1);
  vcpu.domain.machine.cpu.descriptors.forget();
}
