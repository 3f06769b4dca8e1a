import { Seg } from '@domu/x86-cpu';
import type { Machine } from '../machine.ts';
import {
  ATTR_ACCESSED,
  ATTR_CODE,
  ATTR_CONFORMING,
  ATTR_PRESENT,
  ATTR_S,
  ATTR_WRITABLE,
  attrDpl,
  descriptorAttr,
  descriptorBase,
  descriptorLimit,
  isNullSelector,
  type SegmentView,
  unpackDescriptor,
} from '../selectors.ts';
import { VECTOR_GP, VECTOR_NP, VECTOR_PF, VECTOR_SS } from './vectors.ts';

/** A fault met while Xen loads a segment register on a guest's behalf. */
export interface SegmentFault {
  readonly vector: number;
  readonly errorCode: number;
  /** Faulting address for #PF. */
  readonly cr2: number;
}

const fault = (vector: number, selector: number): SegmentFault => ({
  vector,
  errorCode: selector & 0xfffc,
  cr2: 0,
});

/** Reads a descriptor through the current vCPU's tables into `machine.scratchDescriptor`. @returns null when it is there */
function fetchDescriptor(machine: Machine, selector: number): SegmentFault | null {
  const words = machine.scratchDescriptor;
  const rc = machine.bus.readDescriptor(selector, words);
  if (rc === 0) return null;
  return rc < 0 ? { vector: VECTOR_PF, errorCode: -1 - rc, cr2: words[0] } : fault(VECTOR_GP, selector);
}

/** Reads a descriptor through the current vCPU's tables. */
export function readSegment(machine: Machine, selector: number): SegmentView | SegmentFault {
  const words = machine.scratchDescriptor;
  return fetchDescriptor(machine, selector) ?? unpackDescriptor(words[0], words[1]);
}

export const isFault = (x: SegmentView | SegmentFault): x is SegmentFault => 'vector' in x;

/** Puts the descriptor in `machine.scratchDescriptor`, which has passed all checks, into a segment register. */
function install(machine: Machine, register: number, selector: number): void {
  const lo = machine.scratchDescriptor[0];
  const hi = machine.scratchDescriptor[1];
  const attr = descriptorAttr(hi);
  if ((attr & ATTR_ACCESSED) === 0) machine.bus.setAccessed(selector);
  machine.cpu.seg.store(
    register,
    selector,
    descriptorBase(lo, hi),
    descriptorLimit(lo, hi),
    attr | ATTR_ACCESSED,
  );
  machine.cpu.descriptors.remember(selector);
}

/** The checks that `iret` makes of a code segment whose RPL becomes the CPL. */
function loadCodeSegment(machine: Machine, selector: number): SegmentFault | null {
  if (isNullSelector(selector)) return fault(VECTOR_GP, 0);
  const missing = fetchDescriptor(machine, selector);
  if (missing !== null) return missing;
  const attr = descriptorAttr(machine.scratchDescriptor[1]);
  const rpl = selector & 3;
  if ((attr & (ATTR_S | ATTR_CODE)) !== (ATTR_S | ATTR_CODE)) return fault(VECTOR_GP, selector);
  const conforming = (attr & ATTR_CONFORMING) !== 0;
  if (conforming ? attrDpl(attr) > rpl : attrDpl(attr) !== rpl) return fault(VECTOR_GP, selector);
  if ((attr & ATTR_PRESENT) === 0) return fault(VECTOR_NP, selector);
  install(machine, Seg.CS, selector);
  return null;
}

/** The checks that `iret` makes of a stack segment for the privilege level `cpl`. */
function loadStackSegment(machine: Machine, selector: number, cpl: number): SegmentFault | null {
  if (isNullSelector(selector) || (selector & 3) !== cpl) return fault(VECTOR_GP, selector);
  const missing = fetchDescriptor(machine, selector);
  if (missing !== null) return missing;
  const attr = descriptorAttr(machine.scratchDescriptor[1]);
  const kind = attr & (ATTR_S | ATTR_CODE | ATTR_WRITABLE);
  if (kind !== (ATTR_S | ATTR_WRITABLE) || attrDpl(attr) !== cpl) return fault(VECTOR_GP, selector);
  if ((attr & ATTR_PRESENT) === 0) return fault(VECTOR_SS, selector);
  install(machine, Seg.SS, selector);
  return null;
}

/**
 * Loads CS and SS with the checks of `iret`. When one of them cannot be loaded both hold their selectors all the same: that
 * is what the frame of the fault shall show.
 */
export function loadCodeAndStack(machine: Machine, cs: number, ss: number): SegmentFault | null {
  const codeFault = loadCodeSegment(machine, cs);
  const stackFault = loadStackSegment(machine, ss, cs & 3);
  const { cpu } = machine;
  if (codeFault !== null || stackFault !== null) {
    const { seg } = cpu;
    seg.store(Seg.CS, cs, seg.base(Seg.CS), seg.limit(Seg.CS), seg.attr(Seg.CS));
    seg.store(Seg.SS, ss, seg.base(Seg.SS), seg.limit(Seg.SS), seg.attr(Seg.SS));
  }
  cpu.refreshMode();
  return codeFault ?? stackFault;
}

/** Returning to an outer ring empties the data segment registers that the outer ring may not use (SDM vol. 2, IRET). */
export function dropInnerDataSegments(machine: Machine, cpl: number): void {
  const { seg } = machine.cpu;
  for (let i: number = Seg.ES; i <= Seg.GS; i++) {
    if (i === Seg.CS || i === Seg.SS) continue;
    const attr = seg.attr(i);
    const conformingCode = (attr & (ATTR_CODE | ATTR_CONFORMING)) === (ATTR_CODE | ATTR_CONFORMING);
    if (attr !== 0 && attrDpl(attr) < cpl && !conformingCode) seg.setRaw(i, 0, 0, 0, 0);
  }
}
