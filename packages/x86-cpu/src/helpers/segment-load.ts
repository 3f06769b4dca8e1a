import { Seg, Vector } from '../names.ts';
import type { Descriptor } from './descriptor.ts';
import {
  dplOf,
  errorCodeOf,
  fetchDescriptor,
  install,
  isConforming,
  isNull,
  isPresent,
  isReadable,
  isWritable,
  rplOf,
} from './descriptor.ts';
import type { Helper, HelperCpu, HelperStatus } from './helper-cpu.ts';

/**
 * Checks that a selector may become SS at privilege level `level`: a writable segment of exactly that level.
 * @returns its descriptor, or the status of #GP, #SS or a page fault
 */
export function checkStackSegment(
  cpu: HelperCpu,
  selector: number,
  level: number,
): Descriptor | HelperStatus {
  if (isNull(selector)) return cpu.fault(Vector.GP, 0);
  const d = fetchDescriptor(cpu, selector);
  if (typeof d === 'number') return d;
  const refused = rplOf(selector) !== level || !isWritable(d.attr) || dplOf(d.attr) !== level;
  if (refused) return cpu.fault(Vector.GP, errorCodeOf(selector));
  if (!isPresent(d.attr)) return cpu.fault(Vector.SS, errorCodeOf(selector));
  return d;
}

function checkDataSegment(cpu: HelperCpu, selector: number): Descriptor | HelperStatus {
  const d = fetchDescriptor(cpu, selector);
  if (typeof d === 'number') return d;
  const level = Math.max(cpu.cpl, rplOf(selector));
  const refused = !isReadable(d.attr) || (!isConforming(d.attr) && dplOf(d.attr) < level);
  if (refused) return cpu.fault(Vector.GP, errorCodeOf(selector));
  if (!isPresent(d.attr)) return cpu.fault(Vector.NP, errorCodeOf(selector));
  return d;
}

/**
 * Loads a segment register other than CS with all architectural checks at the current privilege level.
 * @param i        register, as in Seg
 * @param selector its low 16 bits count
 * Errors: #GP(0) null SS; #GP(selector) beyond its table, wrong type or privilege; #NP(selector), #SS(selector) not present
 * Source: SDM vol. 2, MOV
 */
export const loadSegment: Helper = (cpu, i, value) => {
  const selector = value & 0xffff;
  if (i !== Seg.SS && isNull(selector)) {
    cpu.seg.setRaw(i, selector, 0, 0, 0);
    return 0;
  }
  const d = i === Seg.SS ? checkStackSegment(cpu, selector, cpu.cpl) : checkDataSegment(cpu, selector);
  if (typeof d === 'number') return d;
  install(cpu, i, selector, d);
  return 0;
};

/** Makes the data segments null that the level just entered may not use (return to an outer level). */
export function dropInnerSegments(cpu: HelperCpu): void {
  const { cpl, seg } = cpu;
  for (let i: number = Seg.ES; i <= Seg.GS; i++) {
    if (i === Seg.CS || i === Seg.SS) continue;
    const attr = seg.attr(i);
    if (attr !== 0 && dplOf(attr) < cpl && !isConforming(attr)) seg.setRaw(i, 0, 0, 0, 0);
  }
}
