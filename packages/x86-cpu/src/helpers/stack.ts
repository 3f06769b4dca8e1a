import { Reg, Seg, Vector } from '../names.ts';
import { AC } from '../row.ts';
import { isBig, isExpandDown } from './descriptor.ts';
import type { HelperCpu } from './helper-cpu.ts';

const CR0_AM = 0x40000;

/** The bits of ESP that address the current stack. */
export const stackMask = (cpu: HelperCpu): number => (isBig(cpu.seg.attr(Seg.SS)) ? 0xffffffff : 0xffff);

/** Stack pointer, unsigned, truncated to the stack's address size. */
export const stackPointer = (cpu: HelperCpu): number => (cpu.regs[Reg.ESP]! & stackMask(cpu)) >>> 0;

/** Sets the part of a register that addresses the stack. */
export function setStackRegister(cpu: HelperCpu, register: number, value: number): void {
  const mask = stackMask(cpu);
  cpu.regs[register] = (cpu.regs[register]! & ~mask) | (value & mask);
}

const checksAlignment = (cpu: HelperCpu): boolean =>
  cpu.cpl === 3 && (cpu.cr0 & CR0_AM) !== 0 && (cpu.eflags & AC) !== 0;

/** @returns linear address of SS:offset, or -1 with #SS(0) or #AC(0) recorded */
function stackLinear(cpu: HelperCpu, offset: number, sizeBytes: number): number {
  const { seg } = cpu;
  const attr = seg.attr(Seg.SS);
  const limit = seg.limit(Seg.SS);
  const mask = isBig(attr) ? 0xffffffff : 0xffff;
  const at = (offset & mask) >>> 0;
  const last = at + sizeBytes - 1;
  const inside = isExpandDown(attr) ? at > limit && last <= mask : last <= limit;
  if (!inside) {
    cpu.fault(Vector.SS, 0);
    return -1;
  }
  const linear = (seg.base(Seg.SS) + at) >>> 0;
  if ((linear & (sizeBytes - 1)) === 0 || !checksAlignment(cpu)) return linear;
  cpu.fault(Vector.AC, 0);
  return -1;
}

/** Reads SS:offset at the current privilege. @returns the value, unsigned; or -1 with a fault recorded */
export function readStack(cpu: HelperCpu, offset: number, sizeBytes: 1 | 2 | 4): number {
  const linear = stackLinear(cpu, offset, sizeBytes);
  return linear < 0 ? -1 : cpu.readLinear(linear, sizeBytes, cpu.cpl === 3);
}

/** Writes SS:offset at the current privilege. @returns false with a fault recorded */
export function writeStack(cpu: HelperCpu, offset: number, sizeBytes: 1 | 2 | 4, value: number): boolean {
  const linear = stackLinear(cpu, offset, sizeBytes);
  return linear >= 0 && cpu.writeLinear(linear, sizeBytes, value, cpu.cpl === 3);
}

/** Whether a push of `sizeBytes` at SS:offset passes the segment checks; if not, #SS(0) is recorded. */
export const isStackRoom = (cpu: HelperCpu, offset: number, sizeBytes: number): boolean =>
  stackLinear(cpu, offset, sizeBytes) >= 0;

/** Whether SS:offset could be written; if not, the fault is recorded. */
export function isStackWritable(cpu: HelperCpu, offset: number, sizeBytes: number): boolean {
  const linear = stackLinear(cpu, offset, sizeBytes);
  return linear >= 0 && cpu.probeWrite(linear, sizeBytes, cpu.cpl === 3);
}
