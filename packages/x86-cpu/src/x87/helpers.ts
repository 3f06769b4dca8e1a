import type { Helper, HelperCpu } from '../helpers/helper-cpu.ts';
import { S } from '../state.ts';
import { add, divide, multiply, type Result, subtract } from './arithmetic.ts';
import { compare } from './compare.ts';
import { loadConstant } from './constants.ts';
import {
  DOUBLE,
  fromDecimal,
  fromInteger,
  narrow,
  SINGLE,
  toDecimal,
  toInteger,
  widen,
  widenOperand,
} from './convert.ts';
import { type Extended, INDEFINITE, number80, zero } from './number.ts';
import {
  Arith,
  EXPONENT_SHIFT,
  Format,
  OPERATION_SHIFT,
  POP,
  POP_TWICE,
  REGISTER_SHIFT,
  TO_EFLAGS,
  TO_REGISTER,
  TRUNCATE,
  UNORDERED,
} from './operations.ts';
import { C0, C1, C2, C3, DE, type Environment, IE, OE, Rounding, raised, STACK_FAULT, UE } from './round.ts';
import { X87Unit } from './unit.ts';

export const unitOf = (cpu: HelperCpu): X87Unit => new X87Unit(cpu.state);
export const registerOf = (a: number): number => (a >> REGISTER_SHIFT) & 7;
/** The instruction pointer of everything but control instructions. */
export function remember(cpu: HelperCpu): void {
  cpu.state[S.fip >> 2] = cpu.eip;
}

const image64 = (lo: number, hi: number): bigint => (BigInt(hi >>> 0) << 32n) | BigInt(lo >>> 0);

/** A memory operand of arithmetic. */
function operand(format: number, lo: number, hi: number): Extended {
  switch (format) {
    case Format.single:
      return widenOperand(SINGLE, BigInt(lo >>> 0));
    case Format.double:
      return widenOperand(DOUBLE, image64(lo, hi));
    default:
      return fromInteger(BigInt(format === Format.int16 ? (lo << 16) >> 16 : lo));
  }
}

function operate(env: Environment, operation: number, a: Extended, b: Extended): Result {
  switch (operation) {
    case Arith.add:
      return add(env, a, b);
    case Arith.mul:
      return multiply(env, a, b);
    case Arith.sub:
      return subtract(env, a, b);
    case Arith.subr:
      return subtract(env, b, a);
    case Arith.div:
      return divide(env, a, b);
    default:
      return divide(env, b, a);
  }
}

/** ST(0) op operand, or ST(i) op ST(0) with TO_REGISTER. */
export const x87Arith: Helper = (cpu, a, lo, hi) => {
  remember(cpu);
  const unit = unitOf(cpu);
  const env = unit.environment();
  const format = a & 15;
  const i = registerOf(a);
  const destination = a & TO_REGISTER ? i : 0;
  const source = a & TO_REGISTER ? 0 : i;
  let result: Result;
  if (unit.isEmpty(destination) || (format === Format.register && unit.isEmpty(source))) {
    result = unit.stackFault(env) ? INDEFINITE : null;
  } else {
    const other = format === Format.register ? unit.raw(source) : operand(format, lo, hi);
    result = operate(env, (a >> OPERATION_SHIFT) & 7, unit.raw(destination), other);
  }
  if (result) {
    unit.set(destination, result);
    if (a & POP) unit.pop();
  }
  unit.commit(env);
  return 0;
};

const ZF = 0x40;
const PF = 4;
const CF = 1;
const CLEARED = 0x8d5;

/** Compares ST(0) with an operand. */
export const x87Compare: Helper = (cpu, a, lo, hi) => {
  remember(cpu);
  const unit = unitOf(cpu);
  const env = unit.environment();
  const format = a & 15;
  const i = registerOf(a);
  let codes: number = C3 | C2 | C0;
  if (unit.isEmpty(0) || (format === Format.register && unit.isEmpty(i))) {
    unit.stackFault(env);
  } else {
    const other =
      format === Format.register
        ? unit.raw(i)
        : format === Format.constant
          ? zero(0)
          : operand(format, lo, hi);
    codes = compare(env, unit.raw(0), other, (a & UNORDERED) !== 0);
  }
  if (a & TO_EFLAGS) {
    const flags = (codes & C3 ? ZF : 0) | (codes & C2 ? PF : 0) | (codes & C0 ? CF : 0);
    cpu.eflags = (cpu.eflags & ~CLEARED) | flags;
    unit.commit(env, 0, env.flags & STACK_FAULT ? C1 : 0);
  } else unit.commit(env, codes, C0 | C1 | C2 | C3);
  if (raised(env, IE | DE)) return 0;
  if (a & (POP | POP_TWICE)) unit.pop();
  if (a & POP_TWICE) unit.pop();
  return 0;
};

function loaded(env: Environment, unit: X87Unit, a: number, lo: number, hi: number): Result {
  switch (a & 15) {
    case Format.register:
      return unit.read(env, registerOf(a));
    case Format.single:
      return widen(env, SINGLE, BigInt(lo >>> 0));
    case Format.double:
      return widen(env, DOUBLE, image64(lo, hi));
    case Format.extended: {
      const se = a >>> EXPONENT_SHIFT;
      return number80(se & 0x8000 ? 1 : 0, se & 0x7fff, image64(lo, hi));
    }
    case Format.int64:
      return fromInteger(BigInt.asIntN(64, image64(lo, hi)));
    case Format.decimal:
      return fromDecimal((BigInt(a >>> EXPONENT_SHIFT) << 64n) | image64(lo, hi));
    case Format.constant:
      return loadConstant(env, registerOf(a));
    default:
      return operand(a & 15, lo, hi);
  }
}

/** Pushes a number. */
export const x87Load: Helper = (cpu, a, lo, hi) => {
  remember(cpu);
  const unit = unitOf(cpu);
  const env = unit.environment();
  const copies = (a & 15) === Format.register && unit.isEmpty(registerOf(a));
  const full = !unit.isEmpty(7) && !copies;
  const value = full ? (unit.stackFault(env, true) ? INDEFINITE : null) : loaded(env, unit, a, lo, hi);
  if (value) unit.push(value);
  unit.commit(env);
  return 0;
};

const BITS: Readonly<Record<number, number>> = {
  [Format.int16]: 16,
  [Format.int32]: 32,
  [Format.int64]: 64,
};

/** The bytes that a store writes, or null when an unmasked exception keeps it from writing. */
function stored(env: Environment, format: number, v: Extended): bigint | null {
  switch (format) {
    case Format.single:
      return narrow(env, SINGLE, v);
    case Format.double:
      return narrow(env, DOUBLE, v);
    case Format.extended:
      return (BigInt((v.sign << 15) | v.exponent) << 64n) | v.mantissa;
    case Format.decimal:
      return toDecimal(env, v);
    default:
      return toInteger(env, v, BITS[format] ?? 0);
  }
}

/** Stores ST(0): result slots 0 to 2 hold the bytes, slot 3 whether to write them. */
export const x87Store: Helper = (cpu, a) => {
  remember(cpu);
  const unit = unitOf(cpu);
  const given = unit.environment();
  const env = a & TRUNCATE ? { ...given, rounding: Rounding.chop } : given;
  const value = unit.read(env, 0);
  const bytes = value && stored(env, a & 15, value);
  const written = bytes !== null && !raised(env, IE | OE | UE);
  cpu.setResult(3, written ? 1 : 0);
  if (written) {
    for (let i = 0; i < 3; i++) cpu.setResult(i, Number((bytes >> BigInt(32 * i)) & 0xffffffffn) | 0);
    if (a & POP) unit.pop();
  }
  unit.commit(env);
  return 0;
};

/** FST ST(i). */
export const x87Copy: Helper = (cpu, a) => {
  remember(cpu);
  const unit = unitOf(cpu);
  const env = unit.environment();
  const value = unit.read(env, 0);
  if (value) {
    unit.set(registerOf(a), value);
    if (a & POP) unit.pop();
  }
  unit.commit(env);
  return 0;
};

/** FXCH ST(i). */
export const x87Exchange: Helper = (cpu, a) => {
  remember(cpu);
  const unit = unitOf(cpu);
  const env = unit.environment();
  const i = registerOf(a);
  const [x, y] = [unit.read(env, 0), unit.read(env, i)];
  if (x && y) {
    unit.set(0, y);
    unit.set(i, x);
  }
  unit.commit(env);
  return 0;
};

/** FCMOVcc whose condition `b` is 0 or 1. */
export const x87Move: Helper = (cpu, a, b) => {
  remember(cpu);
  const unit = unitOf(cpu);
  const env = unit.environment();
  const [x, y] = [unit.read(env, 0), unit.read(env, registerOf(a))];
  const underflow = env.flags !== 0;
  if (x && y && (b || underflow)) unit.set(0, underflow ? INDEFINITE : y);
  unit.commit(env, 0, underflow ? C1 : 0);
  return 0;
};
