/** Operands of x87 helpers, packed in their first argument. */

/** Where a second operand comes from, or where a result goes. */
export const Format = {
  register: 0,
  single: 1,
  double: 2,
  extended: 3,
  int16: 4,
  int32: 5,
  int64: 6,
  decimal: 7,
  constant: 8,
} as const;

/** ModRM.reg of the arithmetic opcodes. */
export const Arith = { add: 0, mul: 1, com: 2, comp: 3, sub: 4, subr: 5, div: 6, divr: 7 } as const;

/** Bits of the first argument: format 0-3, then these; the register number lies at REGISTER_SHIFT. */
export const OPERATION_SHIFT = 4;
/** The result goes to ST(i), not ST(0). */
export const TO_REGISTER = 0x80;
export const POP = 0x100;
export const POP_TWICE = 0x200;
/** Compare: quiet NaNs raise nothing. */
export const UNORDERED = 0x400;
/** Compare: the result goes to EFLAGS. */
export const TO_EFLAGS = 0x800;
/** Store: rounds towards zero whatever RC says. */
export const TRUNCATE = 0x400;
export const REGISTER_SHIFT = 12;
/** Sign and exponent of an extended operand, above everything else. */
export const EXPONENT_SHIFT = 16;
