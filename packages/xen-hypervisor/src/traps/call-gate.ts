import { Reg, Seg } from '@domu/x86-cpu';
import {
  ATTR_CODE,
  ATTR_CONFORMING,
  ATTR_EXPAND_DOWN,
  ATTR_PRESENT,
  ATTR_S,
  ATTR_WRITABLE,
  attrDpl,
  isNullSelector,
  type SegmentView,
} from '../selectors.ts';
import type { Vcpu } from '../vcpu.ts';
import { injectException } from './deliver.ts';
import { retire } from './emulation.ts';
import { fetchFarBranch } from './far-branch.ts';
import { isFault, readSegment } from './load-segments.ts';
import { VECTOR_GP, VECTOR_NP, VECTOR_SS } from './vectors.ts';

const VECTOR_TS = 10;
const GUEST_KERNEL_RPL = 1;
/** Type field of a 32-bit call gate, with S clear. */
const CALL_GATE_32 = 0x0c;
const MAX_PARAMS = 0x1f;

/** An exception that the guest gets instead of the transfer. */
interface Refusal {
  readonly vector: number;
  readonly errorCode: number;
  readonly cr2?: number;
}

interface Gate {
  readonly selector: number;
  readonly offset: number;
  readonly dpl: number;
  readonly present: boolean;
  readonly params: number;
}

/** Where the transfer goes, all checks passed. */
interface Target {
  readonly selector: number;
  readonly offset: number;
  readonly segment: SegmentView;
}

/**
 * Far calls and jumps through a guest's call gates: Xen stores them with DPL 0 so that every use faults, and does the
 * transfer itself, with the guest's own DPL.
 * @param errorCode of the #GP: the gate's selector
 * @returns false when the guest shall see the #GP
 * Source: xen/arch/x86/pv/emul-gate-op.c @ RELEASE-4.18.0
 */
export function emulateCallGate(vcpu: Vcpu, errorCode: number): boolean {
  const { cpu } = vcpu.domain.machine;
  const gate = readGate(vcpu, errorCode);
  if (gate === null || gate.dpl < cpu.cpl) return false;
  if (!gate.present) return refuse(vcpu, { vector: VECTOR_NP, errorCode });
  const branch = fetchFarBranch(cpu);
  if (branch === null || (branch.selector & ~3) !== errorCode || gate.dpl < (branch.selector & 3))
    return false;
  const target = findTarget(vcpu, gate, branch.jump);
  if ('vector' in target) return refuse(vcpu, target);
  if (branch.jump) return transfer(vcpu, target, cpu.cpl);
  const returnEip = (cpu.eip + branch.length) >>> 0;
  const inner = attrDpl(target.segment.attr) < cpu.cpl && (target.segment.attr & ATTR_CONFORMING) === 0;
  const problem = inner
    ? pushInner(vcpu, returnEip, gate.params, errorCode)
    : pushFrame(vcpu, { ss: cpu.seg.selector(Seg.SS), esp: cpu.regs[Reg.ESP] >>> 0 }, [
        returnEip,
        cpu.seg.selector(Seg.CS),
      ]);
  if (problem !== null) return refuse(vcpu, problem);
  return transfer(vcpu, target, inner ? GUEST_KERNEL_RPL : cpu.cpl);
}

function refuse(vcpu: Vcpu, { vector, errorCode, cr2 }: Refusal): true {
  injectException(vcpu, vector, errorCode, cr2);
  return true;
}

/** @returns the gate as the guest wrote it, its DPL taken from where `checkDescriptor` keeps it; null if it is none */
function readGate(vcpu: Vcpu, errorCode: number): Gate | null {
  const { bus, scratchDescriptor: words } = vcpu.domain.machine;
  if (bus.readDescriptor(errorCode, words) !== 0) return null;
  const [lo, hi] = words;
  const type = (hi >>> 8) & 0x1f;
  if (type !== CALL_GATE_32 || ((hi >>> 13) & 3) !== 0) return null;
  return {
    selector: (lo >>> 16) & 0xfffc,
    offset: ((lo & 0xffff) | (hi & 0xffff_0000)) >>> 0,
    dpl: (lo >>> 16) & 3,
    present: (hi & 0x8000) !== 0,
    params: hi & MAX_PARAMS,
  };
}

function findTarget(vcpu: Vcpu, gate: Gate, jump: boolean): Target | Refusal {
  const { machine } = vcpu.domain;
  const { cpl } = machine.cpu;
  const bad: Refusal = { vector: VECTOR_GP, errorCode: gate.selector };
  const segment = isNullSelector(gate.selector) ? null : readSegment(machine, gate.selector);
  if (segment === null || isFault(segment)) return bad;
  const { attr } = segment;
  if ((attr & (ATTR_S | ATTR_CODE)) !== (ATTR_S | ATTR_CODE)) return bad;
  const mayBeInner = !jump || (attr & ATTR_CONFORMING) !== 0;
  if (mayBeInner ? attrDpl(attr) > cpl : attrDpl(attr) !== cpl) return bad;
  if ((attr & ATTR_PRESENT) === 0) return { vector: VECTOR_NP, errorCode: gate.selector };
  if (gate.offset > segment.limit) return { vector: VECTOR_GP, errorCode: 0 };
  return { selector: gate.selector, offset: gate.offset, segment };
}

/** The kernel's stack gets SS, ESP, the parameters, CS and EIP. */
function pushInner(vcpu: Vcpu, returnEip: number, params: number, errorCode: number): Refusal | null {
  const { machine, hypervisorVirtStart } = vcpu.domain;
  const { cpu } = machine;
  const ss = vcpu.kernelSs;
  const stack = isNullSelector(ss) ? null : readSegment(machine, ss);
  const kind = ATTR_S | ATTR_CODE | ATTR_WRITABLE;
  if (
    stack === null ||
    isFault(stack) ||
    (ss & 3) !== GUEST_KERNEL_RPL ||
    attrDpl(stack.attr) !== GUEST_KERNEL_RPL ||
    (stack.attr & kind) !== (ATTR_S | ATTR_WRITABLE)
  ) {
    return { vector: VECTOR_TS, errorCode: ss & ~3 };
  }
  if ((stack.attr & ATTR_PRESENT) === 0) return { vector: VECTOR_SS, errorCode: ss & ~3 };
  const words = [returnEip, cpu.seg.selector(Seg.CS)];
  const from = (cpu.seg.base(Seg.SS) + cpu.regs[Reg.ESP]) >>> 0;
  if (from + 4 * params > hypervisorVirtStart) return { vector: VECTOR_GP, errorCode };
  for (let i = 0; i < params; i++) {
    const word = cpu.readLinear((from + 4 * i) >>> 0, 4, false);
    if (word < 0) return { vector: cpu.exit.vector, errorCode: cpu.exit.errorCode, cr2: cpu.exit.cr2 };
    words.push(word);
  }
  words.push(cpu.regs[Reg.ESP] >>> 0, cpu.seg.selector(Seg.SS));
  return pushFrame(vcpu, { ss, esp: vcpu.kernelSp }, words);
}

/** Writes `words` below ss:esp, lowest first, and makes that the stack. */
function pushFrame(vcpu: Vcpu, top: { ss: number; esp: number }, words: readonly number[]): Refusal | null {
  const { machine } = vcpu.domain;
  const { cpu } = machine;
  const stack = readSegment(machine, top.ss);
  if (isFault(stack)) return { vector: VECTOR_SS, errorCode: top.ss & ~3 };
  const esp = top.esp - 4 * words.length;
  const down = (stack.attr & ATTR_EXPAND_DOWN) !== 0;
  const fits = down ? esp > stack.limit : top.esp - 1 <= stack.limit;
  if (esp < 0 || !fits) return { vector: VECTOR_SS, errorCode: top.ss & ~3 };
  for (const [i, word] of words.entries()) {
    if (cpu.writeLinear((stack.base + esp + 4 * i) >>> 0, 4, word, false)) continue;
    return { vector: cpu.exit.vector, errorCode: cpu.exit.errorCode, cr2: cpu.exit.cr2 };
  }
  cpu.regs[Reg.ESP] = esp | 0;
  cpu.seg.setRaw(Seg.SS, top.ss, stack.base, stack.limit, stack.attr | 1);
  return null;
}

function transfer(vcpu: Vcpu, target: Target, cpl: number): true {
  const { cpu } = vcpu.domain.machine;
  const { base, limit, attr } = target.segment;
  cpu.seg.setRaw(Seg.CS, target.selector | cpl, base, limit, attr | 1);
  cpu.eip = target.offset;
  retire(vcpu, 0);
  return true;
}
