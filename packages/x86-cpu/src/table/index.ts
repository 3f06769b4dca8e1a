import type { Row } from '../row.ts';
import { ALU_ROWS } from './alu.ts';
import { ATOMIC_ROWS } from './atomic.ts';
import { BCD_ROWS } from './bcd.ts';
import { BIT_ROWS } from './bits.ts';
import { CONTROL_ROWS } from './control.ts';
import { FLAG_ROWS } from './flags.ts';
import { MOV_ROWS } from './mov.ts';
import { MULDIV_ROWS } from './muldiv.ts';
import { SHIFT_ROWS } from './shift.ts';
import { SIMD_FLOAT_ROWS } from './simd-float.ts';
import { SIMD_INTEGER_ROWS } from './simd-integer.ts';
import { SIMD_MOVE_ROWS } from './simd-move.ts';
import { SSE4_ROWS } from './sse4.ts';
import { SSSE3_ROWS } from './ssse3.ts';
import { STACK_ROWS } from './stack.ts';
import { STRING_ROWS } from './string.ts';
import { SYSTEM_ROWS } from './system.ts';
import { X87_ARITH_ROWS } from './x87-arith.ts';
import { X87_CONTROL_ROWS } from './x87-control.ts';
import { X87_MOVE_ROWS } from './x87-move.ts';

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
  ...X87_ARITH_ROWS,
  ...X87_MOVE_ROWS,
  ...X87_CONTROL_ROWS,
  ...SIMD_MOVE_ROWS,
  ...SIMD_INTEGER_ROWS,
  ...SIMD_FLOAT_ROWS,
  ...SSSE3_ROWS,
  ...SSE4_ROWS,
];
