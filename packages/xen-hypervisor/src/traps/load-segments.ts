import { Seg } from '@domu/x86-cpu';
import type { Machine } from '../machine.ts';
import {
  ATTR_CODE,
  ATTR_CONFORMING,
  ATTR_PRESENT,
  ATTR_S,
  ATTR_WRITABLE,
  attrDpl,
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

/** Reads a descriptor through the current vCPU's tables. */
export function readSegment(machine: Machine, selector: number): SegmentView | SegmentFault {
  const words = machine.scratchDescriptor;
  const rc = machine.bus.readDescriptor(selector, words);
  if (rc < 0) return { vector: VECTOR_PF, errorCode: -1 - rc, cr2: words[0] };
  if (rc !== 0) return fault(VECTOR_GP, selector);
  return unpackDescriptor(words[0], words[1]);
}

export const isFault = (x: SegmentView | SegmentFault): x is SegmentFault => 'vector' in x;

/** The checks that `iret` makes of a code segment whose RPL becomes the CPL. */
export function loadCodeSegment(machine: Machine, selector: number): SegmentFault | null {
  if (isNullSelector(selector)) return fault(VECTOR_GP, 0);
  const segment = readSegment(machine, selector);
  if (isFault(segment)) return segment;
  const { attr } = segment;
  const rpl = selector & 3;
  if ((attr & (ATTR_S | ATTR_CODE)) !== (ATTR_S | ATTR_CODE)) return fault(VECTOR_GP, selector);
  const conforming = (attr & ATTR_CONFORMING) !== 0;
  if (conforming ? attrDpl(attr) > rpl : attrDpl(attr) !== rpl) return fault(VECTOR_GP, selector);
  if ((attr & ATTR_PRESENT) === 0) return fault(VECTOR_NP, selector);
  machine.bus.setAccessed(selector);
  machine.cpu.seg.setRaw(Seg.CS, selector, segment.base, segment.limit, attr | 1);
  return null;
}

/** The checks that `iret` makes of a stack segment for the privilege level `cpl`. */
export function loadStackSegment(machine: Machine, selector: number, cpl: number): SegmentFault | null {
  if (isNullSelector(selector) || (selector & 3) !== cpl) return fault(VECTOR_GP, selector);
  const segment = readSegment(machine, selector);
  if (isFault(segment)) return segment;
  const { attr } = segment;
  const kind = attr & (ATTR_S | ATTR_CODE | ATTR_WRITABLE);
  if (kind !== (ATTR_S | ATTR_WRITABLE) || attrDpl(attr) !== cpl) return fault(VECTOR_GP, selector);
  if ((attr & ATTR_PRESENT) === 0) return fault(VECTOR_SS, selector);
  machine.bus.setAccessed(selector);
  machine.cpu.seg.setRaw(Seg.SS, selector, segment.base, segment.limit, attr | 1);
  return null;
}

/** Returning to an outer ring empties the data segment registers that the outer ring may not use (SDM vol. 2, IRET). */
export function dropInnerDataSegments(machine: Machine, cpl: number): void {
  const { seg } = machine.cpu;
  for (const i of [Seg.ES, Seg.DS, Seg.FS, Seg.GS]) {
    const attr = seg.attr(i);
    const conformingCode = (attr & (ATTR_CODE | ATTR_CONFORMING)) === (ATTR_CODE | ATTR_CONFORMING);
    if (attr !== 0 && attrDpl(attr) < cpl && !conformingCode) seg.setRaw(i, 0, 0, 0, 0);
  }
}
