import { constant, type Expression } from './expression.ts';
import type { AsmOperand, Bits, ImmediateOperand, MemoryOperand, RegisterOperand } from './operand.ts';

/** Bytes of an immediate, target or displacement: filled in when labels have their places. */
export interface Field {
  readonly bytes: 1 | 2 | 4;
  readonly value: Expression;
  /** Counted from the end of the instruction. */
  readonly relative: boolean;
}

/** A form of an instruction that fits the operands. */
export interface Match {
  readonly opcode: readonly number[];
  /** Needs the operand-size prefix. */
  readonly size16: boolean;
  /** ModRM.reg, when there is a ModRM byte. */
  readonly reg: number | undefined;
  readonly rm: RegisterOperand | MemoryOperand | undefined;
  readonly fields: readonly Field[];
  /** The operands do not say the size of the memory operand. */
  readonly sizeUnknown: boolean;
  /** Short form of a jump: right only when the target is near enough. */
  readonly short: boolean;
}

interface Progress {
  bits: Bits | undefined;
  reg: number | undefined;
  rm: RegisterOperand | MemoryOperand | undefined;
  plus: number;
  fields: Field[];
  sizeUnknown: boolean;
}

const SEGMENT_NAMES = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'];
const FIXED: Readonly<Record<string, readonly [Bits | 'v', number]>> = {
  al: [8, 0],
  av: ['v', 0],
  cl: [8, 1],
  dx: [16, 2],
};
const SIZES: Readonly<Record<string, Bits | 64>> = { b: 8, w: 16, d: 32, q: 64 };

/** Value that an expression has whatever the layout. */
function known(value: Expression): number | undefined {
  return value.labels.length === 0 ? value.evaluate(() => undefined) : undefined;
}

/** True when `value` modulo 2^bits is a sign-extended byte. */
function fitsSignedByte(value: number, bits: Bits): boolean {
  const extended = bits === 32 ? value | 0 : (value << (32 - bits)) >> (32 - bits);
  return extended >= -128 && extended <= 127 && value >= -(2 ** (bits - 1)) && value < 2 ** bits;
}

/** Takes the size of a v operand from the first operand that has one. */
function agree(progress: Progress, bits: number | undefined): boolean {
  if (bits !== 16 && bits !== 32) return false;
  progress.bits ??= bits;
  return progress.bits === bits;
}

function matchSize(progress: Progress, letter: string, bits: number | undefined): boolean {
  if (letter === 'v' || letter === 'y') return agree(progress, bits);
  return SIZES[letter] === bits;
}

function matchMemory(progress: Progress, letter: string, operand: MemoryOperand): boolean {
  progress.rm = operand;
  if (letter === '') return true;
  if (letter === 'p') return operand.bits === 48;
  if (operand.bits !== undefined) return matchSize(progress, letter, operand.bits);
  if (letter === 'y') progress.bits ??= 32;
  // M with a size: there is no other.
  else progress.sizeUnknown = true;
  return true;
}

function matchRegister(progress: Progress, code: string, operand: RegisterOperand): boolean {
  const [role, letter = ''] = code;
  if (role === 'S' || role === 'C' || role === 'D') {
    const wanted = { S: 'segment', C: 'control', D: 'debug' }[role];
    progress.reg = operand.number;
    return operand.class === wanted;
  }
  if (operand.class !== 'general')
    return operand.class === 'segment' && code === SEGMENT_NAMES[operand.number];
  const fixed = FIXED[code];
  if (fixed) {
    return (
      operand.number === fixed[1] &&
      (fixed[0] === 'v' ? agree(progress, operand.bits) : fixed[0] === operand.bits)
    );
  }
  if (role === 'G') progress.reg = operand.number;
  else if (role === 'Z') progress.plus = operand.number;
  else if (role === 'E' || role === 'R') progress.rm = operand;
  else return false;
  return matchSize(progress, letter, operand.bits);
}

function matchImmediate(progress: Progress, code: string, { value, bareLabel }: ImmediateOperand): boolean {
  const number = known(value);
  const add = (bytes: Field['bytes'], relative = false, emitted = value): true => {
    progress.fields.push({ bytes, value: emitted, relative });
    return true;
  };
  const addSignedByte = (bits: Bits): boolean =>
    number !== undefined && fitsSignedByte(number, bits) && add(1, false, constant(number & 0xff));
  if (code === 'Jb') return add(1, true);
  if (code === 'Jv') return add(4, true);
  if (!code.startsWith('I') && !/^[13]$/.test(code)) return false;
  if (bareLabel) throw new Error(`write "offset ${value.labels[0]}" or "[${value.labels[0]}]"`);
  if (code === '1' || code === '3') return number === Number(code);
  if (code === 'Ib') return add(1);
  if (code === 'Iw') return add(2);
  if (code === 'Id') return add(4);
  if (code === 'Id8') return addSignedByte(32);
  return code === 'Is' ? addSignedByte(progress.bits ?? 32) : add(progress.bits === 16 ? 2 : 4);
}

function matchOperand(progress: Progress, code: string, operand: AsmOperand): boolean {
  if (operand.kind === 'register') return matchRegister(progress, code, operand);
  if (operand.kind === 'immediate') return matchImmediate(progress, code, operand);
  if (operand.kind === 'far') {
    if (code !== 'p') return false;
    progress.fields.push({ bytes: 4, value: operand.offset, relative: false });
    progress.fields.push({ bytes: 2, value: operand.selector, relative: false });
    return true;
  }
  const [role, letter = ''] = code;
  if (role === 'O') {
    const { base, index, segment, displacement } = operand;
    if (base !== undefined || index !== undefined || segment !== undefined || !displacement) return false;
    progress.fields.push({ bytes: 4, value: displacement, relative: false });
    return matchMemory(progress, letter, operand);
  }
  return (role === 'E' || role === 'M') && matchMemory(progress, letter, operand);
}

/** Tries one form on the operands. */
export function matchForm(form: string, operands: readonly AsmOperand[]): Match | undefined {
  const [left, encoding] = form.split(' ') as [string, string];
  const codes = left === '' ? [] : left.split(',');
  if (codes.length !== operands.length) return undefined;
  const progress: Progress = {
    bits: undefined,
    reg: undefined,
    rm: undefined,
    plus: 0,
    fields: [],
    sizeUnknown: false,
  };
  for (const [i, code] of codes.entries()) {
    if (!matchOperand(progress, code, operands[i]!)) return undefined;
  }
  const [, digits = '', slash] = /^([0-9a-f]+)(?:\/(.)|\+)?$/.exec(encoding)!;
  const opcode = (digits.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
  opcode[opcode.length - 1]! += progress.plus;
  const modrm = slash !== undefined;
  const sizeTold = /^(?=.*[EO]b)(?=.*(Gb|al))|^(?=.*[EO]v)(?=.*(Gv|Zv|av))|^(?!.*[EO][bv])/.test(left);
  return {
    opcode,
    size16: progress.bits === 16,
    reg: modrm ? (slash === 'r' ? progress.reg : Number(slash)) : undefined,
    rm: modrm ? progress.rm : undefined,
    fields: progress.fields,
    sizeUnknown: progress.sizeUnknown && !sizeTold,
    short: left === 'Jb' && /^(7.|eb)$/.test(encoding),
  };
}
