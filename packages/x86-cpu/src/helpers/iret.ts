import { Reg, Vector } from '../names.ts';
import { AC, DF, ID, IF, IOPL, NT, OSZAPC, RF, TF, VIF, VIP, VM } from '../row.ts';
import { checkReturnTarget, enterCode, enterOuterLevel } from './code-target.ts';
import { rplOf } from './descriptor.ts';
import type { Helper, HelperCpu } from './helper-cpu.ts';
import { checkStackSegment } from './segment-load.ts';
import { readStack, setStackRegister, stackPointer } from './stack.ts';

/** EFLAGS bits that IRET loads: by the level that executes it, not the one it returns to. */
function loadedFlags(cpu: HelperCpu, eflags: number): number {
  const long = cpu.operandSize === 32;
  let mask = OSZAPC | TF | DF | NT;
  if (long) mask |= RF | AC | ID;
  if (cpu.cpl <= (eflags & IOPL) >> 12) mask |= IF;
  if (cpu.cpl === 0) mask |= IOPL | (long ? VIF | VIP : 0);
  return mask;
}

/**
 * IRET to the same or an outer level. EFLAGS are read first and EIP last, as an AMD processor does. With NT set it would switch tasks, and there is no task to switch to: #GP(0). The
 * same answers a return to virtual-8086 mode, which only level 0 can ask for.
 * Source: SDM vol. 2, IRET
 */
export const iret: Helper = (cpu) => {
  const { eflags } = cpu;
  if (eflags & NT) return cpu.fault(Vector.GP, 0);
  const word = cpu.operandSize === 16 ? 2 : 4;
  const sp = stackPointer(cpu);
  const image = readStack(cpu, sp + 2 * word, word);
  const pushedCs = image < 0 ? -1 : readStack(cpu, sp + word, word);
  const offset = pushedCs < 0 ? -1 : readStack(cpu, sp, word);
  if (offset < 0) return cpu.faulted;
  if (cpu.cpl === 0 && word === 4 && image & VM) return cpu.fault(Vector.GP, 0);
  const selector = pushedCs & 0xffff;
  const code = checkReturnTarget(cpu, selector);
  if (typeof code === 'number') return code;
  const mask = loadedFlags(cpu, eflags);
  const flags = (eflags & ~mask) | (image & mask);
  if (rplOf(selector) === cpu.cpl) {
    if (offset > code.limit) return cpu.fault(Vector.GP, 0);
    enterCode(cpu, code, offset);
    setStackRegister(cpu, Reg.ESP, sp + 3 * word);
    cpu.eflags = flags;
    return 0;
  }
  const newSp = readStack(cpu, sp + 3 * word, word);
  const pushedSs = newSp < 0 ? -1 : readStack(cpu, sp + 4 * word, word);
  if (pushedSs < 0) return cpu.faulted;
  const stack = checkStackSegment(cpu, pushedSs & 0xffff, rplOf(selector));
  if (typeof stack === 'number') return stack;
  if (offset > code.limit) return cpu.fault(Vector.GP, 0);
  enterOuterLevel(cpu, code, offset, stack, newSp);
  cpu.eflags = flags;
  return 0;
};
