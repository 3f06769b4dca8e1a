import { Reg } from '../names.ts';
import type { Helper } from './helper-cpu.ts';
import {
  isStackWritable,
  readStack,
  setStackRegister,
  stackMask,
  stackPointer,
  writeStack,
} from './stack.ts';

/**
 * ENTER: pushes EBP, copies the frame pointers of the enclosing levels, and reserves `allocation` bytes.
 * A word at the final stack pointer must be writable, though nothing is written there.
 * The frame pointer is all of ESP, on a 16-bit stack as well (seen on an AMD processor).
 * Source: SDM vol. 2, ENTER
 */
export const enter: Helper = (cpu, allocation, nesting) => {
  const level = nesting & 31;
  const word = cpu.operandSize === 16 ? 2 : 4;
  let sp = stackPointer(cpu);
  const push = (value: number): boolean => {
    sp -= word;
    return writeStack(cpu, sp, word, value);
  };
  const oldFrame = cpu.regs[Reg.EBP]!;
  if (!push(oldFrame)) return cpu.faulted;
  const mask = stackMask(cpu);
  const frame = ((cpu.regs[Reg.ESP]! & ~mask) | (sp & mask)) >>> 0;
  for (let i = 1; i < level; i++) {
    const pointer = readStack(cpu, oldFrame - i * word, word);
    if (pointer < 0 || !push(pointer)) return cpu.faulted;
  }
  if (level > 0 && !push(frame)) return cpu.faulted;
  const end = sp - allocation;
  if (!isStackWritable(cpu, end, word)) return cpu.faulted;
  setStackRegister(cpu, Reg.ESP, end);
  if (word === 4) cpu.regs[Reg.EBP] = frame;
  else cpu.regs[Reg.EBP] = (oldFrame & ~0xffff) | (frame & 0xffff);
  return 0;
};
