import { Reg, readFpuImage, Seg } from '@domu/x86-cpu';
import { VcpuGuestContext, VGCF_i387_valid, VGCF_in_kernel, VGCF_online } from '@domu/xen-abi';
import { pfnToCr3, readControlRegister } from './traps/control-registers.ts';
import { getDebugreg } from './traps/debug-registers.ts';
import type { Vcpu } from './vcpu.ts';

const CONTROL_REGISTERS: readonly number[] = [0, 2, 4];
const DEBUG_REGISTERS: readonly number[] = [0, 1, 2, 3, 6, 7];

/**
 * Describes a vCPU as XEN_DOMCTL_getvcpucontext does: struct vcpu_guest_context, for core dumps. Changes nothing.
 * Source: xen/arch/x86/domctl.c arch_get_info_guest @ RELEASE-4.18.0
 */
export function vcpuContext(vcpu: Vcpu): DataView {
  const view = new DataView(new ArrayBuffer(VcpuGuestContext.size));
  vcpu.domain.machine.withRegisters(vcpu, () => writeRegisters(vcpu, view));
  writeTables(vcpu, view);
  return view;
}

function writeRegisters(vcpu: Vcpu, view: DataView): void {
  const { cpu } = vcpu.domain.machine;
  const { user_regs: regs, ctrlreg, debugreg, flags, fpu_ctxt: fpu } = VcpuGuestContext;
  const general = [
    [regs.eax, Reg.EAX],
    [regs.ecx, Reg.ECX],
    [regs.edx, Reg.EDX],
    [regs.ebx, Reg.EBX],
    [regs.esp, Reg.ESP],
    [regs.ebp, Reg.EBP],
    [regs.esi, Reg.ESI],
    [regs.edi, Reg.EDI],
  ] as const;
  for (const [field, i] of general) field.set(view, 0, cpu.regs[i] >>> 0);
  const segments = [
    [regs.es, Seg.ES],
    [regs.cs, Seg.CS],
    [regs.ss, Seg.SS],
    [regs.ds, Seg.DS],
    [regs.fs, Seg.FS],
    [regs.gs, Seg.GS],
  ] as const;
  for (const [field, i] of segments) field.set(view, 0, cpu.seg.selector(i));
  regs.eip.set(view, 0, cpu.eip);
  regs.eflags.set(view, 0, (cpu.eflags | (vcpu.viopl << 12)) >>> 0);
  regs.saved_upcall_mask.set(view, 0, vcpu.upcallMask ? 1 : 0);
  for (const i of CONTROL_REGISTERS) ctrlreg.set(view, 0, i, readControlRegister(vcpu, i) >>> 0);
  for (const i of DEBUG_REGISTERS) debugreg.set(view, 0, i, (getDebugreg(vcpu, i) ?? 0) >>> 0);
  new Uint8Array(view.buffer, fpu.offset, fpu.size).set(readFpuImage(cpu));
  const inKernel = cpu.cpl < 3 ? VGCF_in_kernel : 0;
  flags.set(view, 0, VGCF_i387_valid | (vcpu.online ? VGCF_online : 0) | inKernel);
}

function writeTables(vcpu: Vcpu, view: DataView): void {
  const C = VcpuGuestContext;
  const { paging, mode, vmAssist } = vcpu.domain;
  const { trap_ctxt: traps } = C;
  for (let i = 0; i < traps.length; i++) {
    const at = traps.at(0, i);
    traps.element.vector.set(view, at, vcpu.traps.address[i] === 0 ? 0 : i);
    traps.element.flags.set(view, at, vcpu.traps.flags[i]);
    traps.element.cs.set(view, at, vcpu.traps.cs[i]);
    traps.element.address.set(view, at, vcpu.traps.address[i]);
  }
  for (const [i, mfn] of vcpu.gdtFrames.entries()) {
    if (mfn >= 0) C.gdt_frames.set(view, 0, i, paging.toGfn(mfn));
  }
  C.gdt_ents.set(view, 0, vcpu.gdtEnts);
  C.ldt_base.set(view, 0, vcpu.ldtBase);
  C.ldt_ents.set(view, 0, vcpu.ldtEnts);
  C.kernel_ss.set(view, 0, vcpu.kernelSs);
  C.kernel_sp.set(view, 0, vcpu.kernelSp >>> 0);
  if (vcpu.rootMfn !== 0) C.ctrlreg.set(view, 0, 3, pfnToCr3(paging.toGfn(vcpu.rootMfn), mode) >>> 0);
  C.event_callback_cs.set(view, 0, vcpu.callbacks.event.cs);
  C.event_callback_eip.set(view, 0, vcpu.callbacks.event.address);
  C.failsafe_callback_cs.set(view, 0, vcpu.callbacks.failsafe.cs);
  C.failsafe_callback_eip.set(view, 0, vcpu.callbacks.failsafe.address);
  C.vm_assist.set(view, 0, vmAssist >>> 0);
}
