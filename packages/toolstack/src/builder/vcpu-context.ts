import {
  FLAT_KERNEL_CS,
  FLAT_KERNEL_DS,
  FLAT_KERNEL_SS,
  VcpuGuestContext,
  VGCF_in_kernel,
  VGCF_online,
  VMASST_TYPE_pae_extended_cr3,
} from '@domu/xen-abi';
import type { Kernel } from '../elf/kernel.ts';
import { type Layout, PAGE_BYTES } from './layout.ts';

const X86_EFLAGS_IF = 0x200;
const X86_DR6_DEFAULT = 0xffff_0ff0;
const X86_DR7_DEFAULT = 0x400;

/**
 * First context of a new domain's vCPU 0: entry point, flat ring-1 segments, top of the boot stack in esp, start_info in
 * esi, everything else zero.
 * @param root what the domain calls the frame of its root page table
 * @returns struct vcpu_guest_context
 * Source: tools/libs/guest/xg_dom_x86.c, vcpu_x86_32
 */
export function firstVcpuContext(
  kernel: Pick<Kernel, 'entry' | 'pae'>,
  layout: Layout,
  root: number,
): DataView {
  const view = new DataView(new ArrayBuffer(VcpuGuestContext.size));
  const { user_regs: regs } = VcpuGuestContext;
  const stackTop = layout.bootStack.va + PAGE_BYTES;
  regs.eip.set(view, 0, kernel.entry);
  regs.esp.set(view, 0, stackTop);
  regs.esi.set(view, 0, layout.startInfo.va);
  regs.eflags.set(view, 0, X86_EFLAGS_IF);
  for (const segment of [regs.ds, regs.es, regs.fs, regs.gs]) segment.set(view, 0, FLAT_KERNEL_DS);
  regs.ss.set(view, 0, FLAT_KERNEL_SS);
  regs.cs.set(view, 0, FLAT_KERNEL_CS);
  VcpuGuestContext.kernel_ss.set(view, 0, FLAT_KERNEL_SS);
  VcpuGuestContext.kernel_sp.set(view, 0, stackTop);
  VcpuGuestContext.debugreg.set(view, 0, 6, X86_DR6_DEFAULT);
  VcpuGuestContext.debugreg.set(view, 0, 7, X86_DR7_DEFAULT);
  VcpuGuestContext.ctrlreg.set(view, 0, 3, foldedCr3(layout, root));
  VcpuGuestContext.flags.set(view, 0, VGCF_in_kernel | VGCF_online);
  if (kernel.pae === 'extended-cr3' || kernel.pae === 'bimodal') {
    VcpuGuestContext.vm_assist.set(view, 0, 1 << VMASST_TYPE_pae_extended_cr3);
  }
  return view;
}

/** cr3 of a PAE guest holds a frame number above 4 GiB in its low bits. Source: public/arch-x86/xen-x86_32.h, xen_pfn_to_cr3 */
function foldedCr3(layout: Layout, frame: number): number {
  return layout.mode === 'pae' ? ((frame << 12) | (frame >>> 20)) >>> 0 : (frame << 12) >>> 0;
}
