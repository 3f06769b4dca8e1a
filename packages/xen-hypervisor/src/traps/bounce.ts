import { Reg, Seg } from '@domu/x86-cpu';
import { VMASST_TYPE_architectural_iopl } from '@domu/xen-abi';
import type { Machine } from '../machine.ts';
import {
  ATTR_CODE,
  ATTR_DB,
  ATTR_EXPAND_DOWN,
  ATTR_PRESENT,
  ATTR_S,
  descriptorAttr,
  descriptorBase,
  descriptorLimit,
  isNullSelector,
} from '../selectors.ts';
import type { Vcpu } from '../vcpu.ts';
import { loadCodeAndStack, type SegmentFault } from './load-segments.ts';
import { EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM } from './vectors.ts';

/** EFLAGS that a handler starts without. */
const CLEARED_FLAGS: number = EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM;

/** An entry into the guest kernel that Xen makes up: an exception, an interrupt gate, a callback. */
export interface Bounce {
  cs: number;
  eip: number;
  /** -1: none is pushed. */
  errorCode: number;
  /** Sets upcall_mask (an interrupt gate or a callback that masks events). */
  masksEvents: boolean;
}

/** What went wrong: the guest's stack or entry point is unusable, which a guest does not survive. */
export interface BounceFailure {
  readonly crash: string;
}

/** Stack of the frame that is being pushed. */
interface BounceStack {
  ss: number;
  base: number;
  limit: number;
  attr: number;
  /** Offset of the word pushed last. */
  offset: number;
}

/** What making one frame needs; one per machine, reused, because every entry makes one. */
export class BounceScratch {
  readonly bounce: Bounce = { cs: 0, eip: 0, errorCode: -1, masksEvents: false };
  readonly stack: BounceStack = { ss: 0, base: 0, limit: 0, attr: 0, offset: 0 };
}

/**
 * Makes the guest kernel's handler the next thing that the current vCPU runs, by a frame from low to high address: [error
 * code,] EIP, CS with the saved upcall mask, EFLAGS, and for an entry from ring 2 or 3 ESP and SS. EFLAGS shows IF = "events
 * were enabled" and IOPL 0, or the virtual IOPL with architectural_iopl.
 * @returns null when done; a SegmentFault when the new CS or SS cannot be loaded (Xen's own iret faulted and the guest
 * shall see that fault); a BounceFailure when the frame cannot be written (the domain must crash)
 * Source: xen/arch/x86/x86_64/compat/entry.S compat_create_bounce_frame @ RELEASE-4.18.0
 */
export function enterGuestKernel(vcpu: Vcpu, bounce: Bounce): null | SegmentFault | BounceFailure {
  const { machine } = vcpu.domain;
  const { cpu, memory } = machine;
  const { stack } = machine.bounceScratch;
  const cs = cpu.seg.selector(Seg.CS);
  const esp = cpu.regs[Reg.ESP];
  const outer = (cs & 2) !== 0;
  const unusable = selectStack(vcpu, stack, outer);
  if (unusable !== null) return unusable;
  const mask = memory.u8[vcpu.infoMaddr + 1];
  const written =
    (!outer || (push(machine, cpu.seg.selector(Seg.SS)) && push(machine, esp))) &&
    push(machine, shownFlags(vcpu, mask)) &&
    push(machine, cs | (mask << 16)) &&
    push(machine, cpu.eip) &&
    (bounce.errorCode < 0 || push(machine, bounce.errorCode));
  if (!written) return notWritten(stack);
  if (isNullSelector(bounce.cs)) return { crash: `handler has null code selector ${hex(bounce.cs)}` };
  if (bounce.masksEvents) memory.u8[vcpu.infoMaddr + 1] |= 1;
  const flags = cpu.eflags;
  if ((flags & CLEARED_FLAGS) !== 0) cpu.eflags = flags & ~CLEARED_FLAGS;
  cpu.regs[Reg.ESP] = stack.offset;
  cpu.eip = bounce.eip;
  return loadCodeAndStack(machine, bounce.cs, stack.ss);
}

function shownFlags(vcpu: Vcpu, mask: number): number {
  const iopl = vcpu.domain.hasAssist(VMASST_TYPE_architectural_iopl) ? vcpu.viopl : 0;
  const flags = vcpu.domain.machine.cpu.eflags & ~(EFLAGS_IF | EFLAGS_IOPL);
  return flags | (mask === 0 ? EFLAGS_IF : 0) | (iopl << 12);
}

/** Pushes a word on the stack in `machine.bounceScratch`, with the rights of the guest kernel. */
function push({ cpu, bounceScratch: { stack } }: Machine, word: number): boolean {
  stack.offset = (stack.offset - 4) >>> 0;
  return withinStack(stack) && cpu.writeLinear((stack.base + stack.offset) >>> 0, 4, word, false);
}

function notWritten(stack: BounceStack): BounceFailure {
  const { ss, base, offset } = stack;
  return {
    crash: withinStack(stack)
      ? `cannot write the exception frame at ${hex(base + offset)}`
      : `stack offset ${hex(offset)} is outside of segment ${hex(ss)}`,
  };
}

/** The live stack for an entry from ring 1, else the kernel stack of stack_switch. @returns null when `stack` can be used */
function selectStack(vcpu: Vcpu, stack: BounceStack, outer: boolean): BounceFailure | null {
  const { machine } = vcpu.domain;
  const { seg, regs } = machine.cpu;
  const ss = outer ? vcpu.kernelSs : seg.selector(Seg.SS);
  stack.ss = ss;
  stack.offset = (outer ? vcpu.kernelSp : regs[Reg.ESP]) >>> 0;
  if (!outer && seg.attr(Seg.SS) !== 0) {
    stack.base = seg.base(Seg.SS);
    stack.limit = seg.limit(Seg.SS);
    stack.attr = seg.attr(Seg.SS);
    return null;
  }
  const words = machine.scratchDescriptor;
  if (isNullSelector(ss) || machine.bus.readDescriptor(ss, words) !== 0)
    return { crash: `kernel stack selector ${hex(ss)} has no descriptor` };
  stack.attr = descriptorAttr(words[1]);
  stack.base = descriptorBase(words[0], words[1]);
  stack.limit = descriptorLimit(words[0], words[1]);
  const isData = (stack.attr & (ATTR_S | ATTR_PRESENT | ATTR_CODE)) === (ATTR_S | ATTR_PRESENT);
  return isData ? null : { crash: `kernel stack selector ${hex(ss)} is not a present data segment` };
}

function withinStack({ attr, limit, offset }: BounceStack): boolean {
  if ((attr & ATTR_EXPAND_DOWN) === 0) return offset <= limit - 3;
  const top = (attr & ATTR_DB) !== 0 ? 0xffff_ffff : 0xffff;
  return offset > limit && offset <= top - 3;
}

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;
