import { Reg, Seg } from '@domu/x86-cpu';
import { VMASST_TYPE_architectural_iopl } from '@domu/xen-abi';
import { type Caller, HYPERCALL_KEEP_REGISTERS } from '../caller.ts';
import type { Vcpu } from '../vcpu.ts';
import { injectException } from './deliver.ts';
import { dropInnerDataSegments, loadCodeAndStack } from './load-segments.ts';
import { EFLAGS_IF, EFLAGS_IOPL, EFLAGS_VM, VECTOR_GP } from './vectors.ts';

/** Bits of EFLAGS that an iret from ring 0 restores; reserved bits keep their fixed values. */
const EFLAGS_RESTORABLE = 0x0025_7fd5;
const EFLAGS_FIXED = 2;

/** Of a frame that stays in ring 1; one to an outer ring is longer. */
const INNER_FRAME_BYTES = 16;

/** The iret hypercall's frame on the ring-1 stack. */
export interface IretFrame {
  readonly eax: number;
  readonly eip: number;
  readonly cs: number;
  readonly eflags: number;
  /** Present when CS asks for ring 2 or 3. */
  readonly esp: number;
  readonly ss: number;
}

/** Reads the frame at `esp`. @returns null when a word that is needed cannot be read */
export function readIretFrame(read: (va: number) => number, esp: number): IretFrame | null {
  const eax = read(esp);
  const eip = read((esp + 4) >>> 0);
  const cs = read((esp + 8) >>> 0);
  const eflags = read((esp + 12) >>> 0);
  if (eax < 0 || eip < 0 || cs < 0 || eflags < 0) return null;
  if ((cs & 2) === 0) return { eax, eip, cs: cs & 0xffff, eflags, esp: (esp + 16) >>> 0, ss: -1 };
  const outerEsp = read((esp + 16) >>> 0);
  const ss = read((esp + 20) >>> 0);
  if (outerEsp < 0 || ss < 0) return null;
  return { eax, eip, cs: cs & 0xffff, eflags, esp: outerEsp, ss: ss & 0xffff };
}

/**
 * HYPERVISOR_iret: returns from a handler through the frame {eax, eip, cs, eflags [, esp, ss]} on the ring-1 stack.
 * The upcall mask becomes !IF. A frame that names ring 0 or cannot be read crashes the domain.
 * Source: xen/arch/x86/pv/iret.c compat_iret @ RELEASE-4.18.0
 */
export function iret(caller: Caller): number {
  const { machine, domain, vcpu, mem } = caller;
  const { cpu } = machine;
  const esp = cpu.regs[Reg.ESP] >>> 0;
  // Through the TLB: no call is made more often.
  const inReach = mem.accessOk(esp, INNER_FRAME_BYTES);
  const frame = inReach ? readIretFrame((va) => cpu.readLinear(va, 4, false), esp) : null;
  if (frame === null) {
    machine.crashDomain(domain, `iret: cannot read the frame at 0x${esp.toString(16)}`);
    return HYPERCALL_KEEP_REGISTERS;
  }
  if (domain.hasAssist(VMASST_TYPE_architectural_iopl)) vcpu.viopl = (frame.eflags & EFLAGS_IOPL) >>> 12;
  if ((frame.eflags & EFLAGS_VM) === 0 && (frame.cs & 3) === 0) {
    machine.crashDomain(domain, `iret: to ring 0 (cs 0x${frame.cs.toString(16)})`);
    return HYPERCALL_KEEP_REGISTERS;
  }
  cpu.regs[Reg.EAX] = frame.eax | 0;
  vcpu.upcallMask = (frame.eflags & EFLAGS_IF) === 0;
  vcpu.nmiMasked = false;
  cpu.eflags = (frame.eflags & EFLAGS_RESTORABLE & ~(EFLAGS_IOPL | EFLAGS_VM)) | EFLAGS_IF | EFLAGS_FIXED;
  if ((frame.eflags & EFLAGS_VM) !== 0) {
    injectException(vcpu, VECTOR_GP, 0);
    return HYPERCALL_KEEP_REGISTERS;
  }
  returnTo(vcpu, frame);
  return HYPERCALL_KEEP_REGISTERS;
}

function returnTo(vcpu: Vcpu, frame: IretFrame): void {
  const { machine } = vcpu.domain;
  const { cpu } = machine;
  const ss = frame.ss < 0 ? cpu.seg.selector(Seg.SS) : frame.ss;
  cpu.eip = frame.eip;
  cpu.regs[Reg.ESP] = frame.esp | 0;
  const fault = loadCodeAndStack(machine, frame.cs, ss);
  if (fault === null) {
    dropInnerDataSegments(machine, frame.cs & 3);
    return;
  }
  // Xen's own iret faulted: the guest sees the fault as if it came from the context it returned to.
  injectException(vcpu, fault.vector, fault.errorCode, fault.cr2);
}
