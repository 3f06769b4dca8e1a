import { Reg, Seg, Vector } from '../names.ts';
import { checkJumpTarget, checkReturnTarget, enterCode, enterOuterLevel, truncate } from './code-target.ts';
import { rplOf } from './descriptor.ts';
import type { Helper } from './helper-cpu.ts';
import { checkStackSegment } from './segment-load.ts';
import { isStackRoom, readStack, setStackRegister, stackPointer, writeStack } from './stack.ts';

/** JMP selector:offset to a code segment of the same level or a conforming one. Source: SDM vol. 2, JMP */
export const farJump: Helper = (cpu, value, offset) => {
  const d = checkJumpTarget(cpu, value & 0xffff, offset);
  if (typeof d === 'number') return d;
  enterCode(cpu, d, truncate(cpu, offset));
  return 0;
};

/** CALL selector:offset: as farJump, with CS and the return offset pushed. Source: SDM vol. 2, CALL */
export const farCall: Helper = (cpu, value, offset) => {
  const d = checkJumpTarget(cpu, value & 0xffff, offset);
  if (typeof d === 'number') return d;
  const word = cpu.operandSize === 16 ? 2 : 4;
  const sp = stackPointer(cpu);
  if (!isStackRoom(cpu, sp - 2 * word, word)) return cpu.faulted;
  if (!writeStack(cpu, sp - word, word, cpu.seg.selector(Seg.CS))) return cpu.faulted;
  if (!writeStack(cpu, sp - 2 * word, word, cpu.nextEip)) return cpu.faulted;
  setStackRegister(cpu, Reg.ESP, sp - 2 * word);
  enterCode(cpu, d, truncate(cpu, offset));
  return 0;
};

/**
 * RETF: pops EIP and CS (read first, as an AMD processor does), and ESP and SS when the selector's RPL is an outer level.
 * @param release bytes of parameters dropped from either stack
 * Source: SDM vol. 2, RET
 */
export const farReturn: Helper = (cpu, release) => {
  const word = cpu.operandSize === 16 ? 2 : 4;
  const sp = stackPointer(cpu);
  const pushedCs = readStack(cpu, sp + word, word);
  const offset = pushedCs < 0 ? -1 : readStack(cpu, sp, word);
  if (offset < 0) return cpu.faulted;
  const selector = pushedCs & 0xffff;
  const code = checkReturnTarget(cpu, selector);
  if (typeof code === 'number') return code;
  const after = sp + 2 * word + release;
  if (rplOf(selector) === cpu.cpl) {
    if (offset > code.limit) return cpu.fault(Vector.GP, 0);
    enterCode(cpu, code, offset);
    setStackRegister(cpu, Reg.ESP, after);
    return 0;
  }
  const newSp = readStack(cpu, after, word);
  const pushedSs = newSp < 0 ? -1 : readStack(cpu, after + word, word);
  if (pushedSs < 0) return cpu.faulted;
  const stack = checkStackSegment(cpu, pushedSs & 0xffff, rplOf(selector));
  if (typeof stack === 'number') return stack;
  if (offset > code.limit) return cpu.fault(Vector.GP, 0);
  enterOuterLevel(cpu, code, offset, stack, newSp + release);
  return 0;
};
