import { Seg, writeFpuImage } from '@domu/x86-cpu';
import { VcpuGuestContext, VGCF_i387_valid, VGCF_online, XEN_EINVAL } from '@domu/xen-abi';
import { gdtFrameCount, setGdt, setLdt } from './descriptor-tables.ts';
import { fixupKernelSelector, isNullSelector } from './selectors.ts';
import { CR0_FIXED, CR0_TS, CR4_DE, CR4_PAE, CR4_SSE, CR4_TSD, cr3ToPfn } from './traps/control-registers.ts';
import { setDebugreg } from './traps/debug-registers.ts';
import { isFault, readSegment } from './traps/load-segments.ts';
import { EFLAGS_IF, EFLAGS_IOPL, EFLAGS_VM } from './traps/vectors.ts';
import type { Vcpu } from './vcpu.ts';

const MAX_LDT_ENTRIES = 8192;
const MAX_GDT_ENTRIES = 7168;
const EFLAGS_FIXED = 2;
/** Index of debug registers that a context holds; 4 and 5 are aliases. */
const DEBUG_REGISTERS: readonly number[] = [0, 1, 2, 3, 6, 7];

/**
 * Gives a vCPU its first registers, tables and callbacks from a struct vcpu_guest_context: by the domain builder and by
 * VCPUOP_initialise. The vCPU is then initialised, and online if the context's flags say so.
 * @returns 0; -EINVAL a table or root that cannot be used, with nothing taken
 * Preconditions: the vCPU is not initialised
 * Source: xen/arch/x86/domain.c arch_set_info_guest @ RELEASE-4.18.0
 */
export function initialiseVcpu(vcpu: Vcpu, context: DataView): number {
  const C = VcpuGuestContext;
  const { machine, paging } = vcpu.domain;
  const ldtEnts = C.ldt_ents.get(context, 0);
  const gdtEnts = C.gdt_ents.get(context, 0);
  const cr3 = C.ctrlreg.get(context, 0, 3);
  if (ldtEnts > MAX_LDT_ENTRIES || gdtEnts > MAX_GDT_ENTRIES) return -XEN_EINVAL;
  const mfn = paging.toMfn(cr3ToPfn(cr3, vcpu.domain.mode));
  if (mfn === 0) return -XEN_EINVAL;
  const rc = paging.newBaseptr(vcpu.rootMfn, mfn);
  if (rc !== 0) return rc;
  vcpu.rootMfn = mfn;
  const frames = Array.from({ length: gdtFrameCount(gdtEnts) }, (_, i) =>
    paging.toMfn(C.gdt_frames.get(context, 0, i)),
  );
  if (setGdt(vcpu, frames, gdtEnts) !== 0 || setLdt(vcpu, C.ldt_base.get(context, 0), ldtEnts) !== 0) {
    paging.putRoot(mfn);
    vcpu.rootMfn = 0;
    return -XEN_EINVAL;
  }
  setTables(vcpu, context);
  machine.withRegisters(vcpu, () => setRegisters(vcpu, context));
  vcpu.initialised = true;
  vcpu.online = (C.flags.get(context, 0) & VGCF_online) !== 0;
  return 0;
}

function setTables(vcpu: Vcpu, context: DataView): void {
  const C = VcpuGuestContext;
  const { trap_ctxt: traps } = C;
  for (let i = 0; i < traps.length; i++) {
    const at = traps.at(0, i);
    const cs = fixupKernelSelector(traps.element.cs.get(context, at));
    vcpu.traps.set(i, cs, traps.element.address.get(context, at), traps.element.flags.get(context, at));
  }
  const { event, failsafe } = vcpu.callbacks;
  event.cs = fixupKernelSelector(C.event_callback_cs.get(context, 0));
  event.address = C.event_callback_eip.get(context, 0);
  failsafe.cs = fixupKernelSelector(C.failsafe_callback_cs.get(context, 0));
  failsafe.address = C.failsafe_callback_eip.get(context, 0);
  vcpu.kernelSs = fixupKernelSelector(C.kernel_ss.get(context, 0));
  vcpu.kernelSp = C.kernel_sp.get(context, 0);
  if (vcpu.id === 0) vcpu.domain.vmAssist |= C.vm_assist.get(context, 0);
  const guestCr4 = C.ctrlreg.get(context, 0, 4) & (CR4_DE | CR4_TSD);
  vcpu.cr4 = guestCr4 | CR4_SSE | (vcpu.domain.mode === 'pae' ? CR4_PAE : 0);
}

function setRegisters(vcpu: Vcpu, context: DataView): void {
  const { cpu } = vcpu.domain.machine;
  const { user_regs: regs, ctrlreg, debugreg, flags, fpu_ctxt: fpu } = VcpuGuestContext;
  const general = [regs.eax, regs.ecx, regs.edx, regs.ebx, regs.esp, regs.ebp, regs.esi, regs.edi];
  for (const [i, field] of general.entries()) cpu.regs[i] = field.get(context, 0) | 0;
  cpu.eip = regs.eip.get(context, 0);
  const eflags = regs.eflags.get(context, 0);
  vcpu.viopl = (eflags & EFLAGS_IOPL) >>> 12;
  cpu.eflags = (eflags & ~(EFLAGS_IOPL | EFLAGS_VM)) | EFLAGS_IF | EFLAGS_FIXED;
  cpu.cr0 = CR0_FIXED | (ctrlreg.get(context, 0, 0) & CR0_TS);
  cpu.cr4 = vcpu.cr4;
  setSegment(vcpu, Seg.CS, fixupKernelSelector(regs.cs.get(context, 0)));
  setSegment(vcpu, Seg.SS, fixupKernelSelector(regs.ss.get(context, 0)));
  setSegment(vcpu, Seg.ES, regs.es.get(context, 0));
  setSegment(vcpu, Seg.DS, regs.ds.get(context, 0));
  setSegment(vcpu, Seg.FS, regs.fs.get(context, 0));
  setSegment(vcpu, Seg.GS, regs.gs.get(context, 0));
  for (const i of DEBUG_REGISTERS) setDebugreg(vcpu, i, debugreg.get(context, 0, i));
  // Without the flag the FPU stays as a new one is: FNINIT's control word, all masked in MXCSR.
  if (flags.get(context, 0) & VGCF_i387_valid)
    writeFpuImage(cpu, new Uint8Array(context.buffer, context.byteOffset + fpu.offset, fpu.size));
}

/** A selector without a usable descriptor leaves the register empty; its first use faults. */
function setSegment(vcpu: Vcpu, register: number, selector: number): void {
  const { machine } = vcpu.domain;
  const segment = isNullSelector(selector) ? null : readSegment(machine, selector);
  if (segment === null || isFault(segment)) machine.cpu.seg.setRaw(register, selector, 0, 0, 0);
  else machine.cpu.seg.setRaw(register, selector, segment.base, segment.limit, segment.attr | 1);
}
