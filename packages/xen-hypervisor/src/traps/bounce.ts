import { Reg, Seg } from '@domu/x86-cpu';
import { VMASST_TYPE_architectural_iopl } from '@domu/xen-abi';
import { ATTR_CODE, ATTR_DB, ATTR_EXPAND_DOWN, ATTR_PRESENT, ATTR_S, isNullSelector } from '../selectors.ts';
import type { Vcpu } from '../vcpu.ts';
import {
  isFault,
  loadCodeSegment,
  loadStackSegment,
  readSegment,
  type SegmentFault,
} from './load-segments.ts';
import { EFLAGS_IF, EFLAGS_IOPL, EFLAGS_NT, EFLAGS_RF, EFLAGS_TF, EFLAGS_VM } from './vectors.ts';

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

interface Stack {
  readonly base: number;
  readonly limit: number;
  readonly attr: number;
}

/**
 * The words of a bounce frame from low to high address: [error code,] EIP, CS with the saved upcall mask, EFLAGS,
 * and for an entry from ring 2 or 3 ESP and SS. EFLAGS shows IF = "events were enabled" and IOPL 0, or the virtual IOPL
 * with architectural_iopl.
 * Source: xen/arch/x86/x86_64/compat/entry.S compat_create_bounce_frame @ RELEASE-4.18.0
 */
export function bounceFrame(state: {
  readonly cs: number;
  readonly eip: number;
  readonly eflags: number;
  readonly esp: number;
  readonly ss: number;
  readonly upcallMask: number;
  readonly errorCode: number;
  /** Virtual IOPL to show, 0..3. */
  readonly iopl: number;
}): number[] {
  const flags =
    (state.eflags & ~(EFLAGS_IF | EFLAGS_IOPL)) |
    (state.upcallMask === 0 ? EFLAGS_IF : 0) |
    (state.iopl << 12);
  const frame = [state.eip >>> 0, ((state.cs & 0xffff) | (state.upcallMask << 16)) >>> 0, flags >>> 0];
  if ((state.cs & 2) !== 0) frame.push(state.esp >>> 0, state.ss & 0xffff);
  if (state.errorCode >= 0) frame.unshift(state.errorCode);
  return frame;
}

/**
 * Makes the guest kernel's handler the next thing that the current vCPU runs.
 * @returns null when done; a SegmentFault when the new CS or SS cannot be loaded (Xen's own iret faulted and the guest
 * shall see that fault); a BounceFailure when the frame cannot be written (the domain must crash)
 */
export function enterGuestKernel(vcpu: Vcpu, bounce: Bounce): null | SegmentFault | BounceFailure {
  const { machine } = vcpu.domain;
  const { cpu, memory } = machine;
  const cs = cpu.seg.selector(Seg.CS);
  const outer = (cs & 2) !== 0;
  const ss = outer ? vcpu.kernelSs : cpu.seg.selector(Seg.SS);
  const esp = outer ? vcpu.kernelSp : cpu.regs[Reg.ESP] >>> 0;
  const stack = stackFor(vcpu, ss, outer);
  if ('crash' in stack) return stack;
  const maskAddress = vcpu.infoMaddr + 1;
  const frame = bounceFrame({
    cs,
    eip: cpu.eip,
    eflags: cpu.eflags,
    esp: cpu.regs[Reg.ESP],
    ss: cpu.seg.selector(Seg.SS),
    upcallMask: memory.u8[maskAddress],
    errorCode: bounce.errorCode,
    iopl: vcpu.domain.hasAssist(VMASST_TYPE_architectural_iopl) ? vcpu.viopl : 0,
  });
  const newEsp = (esp - 4 * frame.length) >>> 0;
  for (let i = frame.length - 1; i >= 0; i--) {
    const offset = (newEsp + 4 * i) >>> 0;
    if (!withinStack(stack, offset))
      return { crash: `stack offset ${hex(offset)} is outside of segment ${hex(ss)}` };
    if (!cpu.writeLinear((stack.base + offset) >>> 0, 4, frame[i], false)) {
      return { crash: `cannot write the exception frame at ${hex(stack.base + offset)}` };
    }
  }
  if (isNullSelector(bounce.cs)) return { crash: `handler has null code selector ${hex(bounce.cs)}` };
  if (bounce.masksEvents) memory.u8[maskAddress] |= 1;
  cpu.eflags &= ~(EFLAGS_TF | EFLAGS_NT | EFLAGS_RF | EFLAGS_VM);
  cpu.regs[Reg.ESP] = newEsp;
  cpu.eip = bounce.eip;
  return loadHandlerSegments(vcpu, bounce.cs, ss);
}

function loadHandlerSegments(vcpu: Vcpu, cs: number, ss: number): null | SegmentFault {
  const { machine } = vcpu.domain;
  const codeFault = loadCodeSegment(machine, cs);
  const stackFault = loadStackSegment(machine, ss, cs & 3);
  if (codeFault === null && stackFault === null) return null;
  // The frame of the fault shall show the selectors that could not be loaded.
  const { seg } = machine.cpu;
  seg.setRaw(Seg.CS, cs, seg.base(Seg.CS), seg.limit(Seg.CS), seg.attr(Seg.CS));
  seg.setRaw(Seg.SS, ss, seg.base(Seg.SS), seg.limit(Seg.SS), seg.attr(Seg.SS));
  return codeFault ?? stackFault;
}

function stackFor(vcpu: Vcpu, ss: number, outer: boolean): Stack | BounceFailure {
  const { machine } = vcpu.domain;
  const { seg } = machine.cpu;
  if (!outer && seg.attr(Seg.SS) !== 0) {
    return { base: seg.base(Seg.SS), limit: seg.limit(Seg.SS), attr: seg.attr(Seg.SS) };
  }
  const segment = isNullSelector(ss) ? null : readSegment(machine, ss);
  if (segment === null || isFault(segment))
    return { crash: `kernel stack selector ${hex(ss)} has no descriptor` };
  if (
    (segment.attr & (ATTR_S | ATTR_PRESENT)) !== (ATTR_S | ATTR_PRESENT) ||
    (segment.attr & ATTR_CODE) !== 0
  ) {
    return { crash: `kernel stack selector ${hex(ss)} is not a present data segment` };
  }
  return segment;
}

function withinStack(stack: Stack, offset: number): boolean {
  if ((stack.attr & ATTR_EXPAND_DOWN) === 0) return offset <= stack.limit - 3;
  const top = (stack.attr & ATTR_DB) !== 0 ? 0xffff_ffff : 0xffff;
  return offset > stack.limit && offset <= top - 3;
}

const hex = (n: number): string => `0x${(n >>> 0).toString(16)}`;
