import { Reg, Seg, Vector } from '../names.ts';
import type { Descriptor } from './descriptor.ts';
import {
  dplOf,
  errorCodeOf,
  fetchDescriptor,
  install,
  isCode,
  isConforming,
  isNull,
  isPresent,
  isSystem,
  rplOf,
  stage,
} from './descriptor.ts';
import type { HelperCpu, HelperStatus } from './helper-cpu.ts';
import { dropInnerSegments } from './segment-load.ts';
import { setStackRegister } from './stack.ts';

const GATE_TYPES: readonly number[] = [0x4, 0xc];

/** Offset of a transfer, truncated to the operand size. */
export const truncate = (cpu: HelperCpu, offset: number): number =>
  cpu.operandSize === 16 ? offset & 0xffff : offset >>> 0;

/**
 * Checks the target of a far jump or call. Gates and tasks are refused with #GP(selector): the embedder, which sees the
 * fault, emulates the gates that it knows.
 * @returns the code segment's descriptor, or a fault's status
 */
export function checkJumpTarget(cpu: HelperCpu, selector: number, offset: number): Descriptor | HelperStatus {
  if (isNull(selector)) return cpu.fault(Vector.GP, 0);
  const d = fetchDescriptor(cpu, selector);
  if (typeof d === 'number') return d;
  if (!isPermittedTarget(cpu, selector, d.attr)) return cpu.fault(Vector.GP, errorCodeOf(selector));
  if (!isPresent(d.attr)) return cpu.fault(Vector.NP, errorCodeOf(selector));
  if (isSystem(d.attr)) return cpu.fault(Vector.GP, errorCodeOf(selector));
  if (truncate(cpu, offset) > d.limit) return cpu.fault(Vector.GP, 0);
  return d;
}

function isPermittedTarget(cpu: HelperCpu, selector: number, attr: number): boolean {
  const dpl = dplOf(attr);
  if (isSystem(attr)) return GATE_TYPES.includes(attr & 0xf) && dpl >= Math.max(cpu.cpl, rplOf(selector));
  if (!isCode(attr)) return false;
  if (isConforming(attr)) return dpl <= cpu.cpl;
  return dpl === cpu.cpl && rplOf(selector) <= cpu.cpl;
}

/**
 * Checks the code segment that RETF or IRET returns to, at the same or an outer level.
 * @returns its descriptor, or a fault's status
 */
export function checkReturnTarget(cpu: HelperCpu, selector: number): Descriptor | HelperStatus {
  if (isNull(selector)) return cpu.fault(Vector.GP, 0);
  const d = fetchDescriptor(cpu, selector);
  if (typeof d === 'number') return d;
  const level = rplOf(selector);
  const dpl = dplOf(d.attr);
  const levelFits = isConforming(d.attr) ? dpl <= level : dpl === level;
  if (!isCode(d.attr) || level < cpu.cpl || !levelFits) return cpu.fault(Vector.GP, errorCodeOf(selector));
  if (!isPresent(d.attr)) return cpu.fault(Vector.NP, errorCodeOf(selector));
  return d;
}

/** Loads CS and EIP, keeping the privilege level. */
export function enterCode(cpu: HelperCpu, d: Descriptor, offset: number): void {
  install(cpu, Seg.CS, (d.selector & ~3) | cpu.cpl, d);
  cpu.nextEip = offset;
}

/** Loads CS:EIP and SS:ESP of an outer level; nothing can fault any more. */
export function enterOuterLevel(
  cpu: HelperCpu,
  code: Descriptor,
  offset: number,
  stack: Descriptor,
  stackPointer: number,
): void {
  stage(cpu, Seg.CS, code.selector, code);
  cpu.nextEip = offset;
  install(cpu, Seg.SS, stack.selector, stack);
  setStackRegister(cpu, Reg.ESP, stackPointer);
  dropInnerSegments(cpu);
}
