import type { Row } from '../row.ts';
import { ALU_ROWS } from './alu.ts';
import { ATOMIC_ROWS } from './atomic.ts';
import { BCD_ROWS } from './bcd.ts';
import { BIT_ROWS } from './bits.ts';
import { CONTROL_ROWS } from './control.ts';
import { FLAG_ROWS } from './flags.ts';
import { FPU_ROWS } from './fpu.ts';
import { MOV_ROWS } from './mov.ts';
import { MULDIV_ROWS } from './muldiv.ts';
import { SHIFT_ROWS } from './shift.ts';
import { STACK_ROWS } from './stack.ts';
import { STRING_ROWS } from './string.ts';
import { SYSTEM_ROWS } from './system.ts';

/**
 * The instruction table: every instruction form, declared once. The decoder, the disassembler, the execution tiers and the
 * test generator are made from it. An opcode without a row raises #UD.
 * Source: SDM vol. 2, opcode maps of appendix A and the instruction pages.
 */
export const ROWS: readonly Row[] = [
  ...ALU_ROWS,
  ...MOV_ROWS,
  ...STACK_ROWS,
  ...SHIFT_ROWS,
  ...MULDIV_ROWS,
  ...BIT_ROWS,
  ...BCD_ROWS,
  ...STRING_ROWS,
  ...CONTROL_ROWS,
  ...FLAG_ROWS,
  ...ATOMIC_ROWS,
  ...SYSTEM_ROWS,
  ...FPU_ROWS,
];
