import { constant } from './expression.ts';
import { PREFIXES } from './forms.ts';
import { type Field, type Match, matchForm } from './match.ts';
import type { AsmOperand, MemoryOperand, RegisterOperand } from './operand.ts';

/** An instruction encoded as far as it can be before labels have their places. */
export interface Encoded {
  /** Prefixes, opcode, ModRM, SIB and known displacements. */
  readonly head: readonly number[];
  /** What follows. */
  readonly fields: readonly Field[];
}

/** A jump has two encodings, the short one first; everything else has one. */
export type Encodings = readonly [Encoded] | readonly [Encoded, Encoded];

const ESP = 4;
const EBP = 5;
const SS = 2;
const DS = 3;
const SIB = 4;
const OPERAND_SIZE = { byte: 0x66, place: 2 };
const SEGMENTS = ['es', 'cs', 'ss', 'ds', 'fs', 'gs'] as const;

/** ModRM, SIB and displacement of a memory operand. */
function address(operand: MemoryOperand, reg: number): { bytes: number[]; displacement: Field | undefined } {
  const { base, index, scale } = operand;
  const expression = operand.displacement ?? constant(0);
  const value = expression.labels.length === 0 ? expression.evaluate(() => undefined)! | 0 : undefined;
  let mod = 2;
  if (base === undefined || (value === 0 && base !== EBP)) mod = 0;
  else if (value !== undefined && value >= -128 && value <= 127) mod = 1;
  const long = mod === 2 || base === undefined;
  const displacement: Field | undefined =
    long || mod === 1 ? { bytes: long ? 4 : 1, value: expression, relative: false } : undefined;
  const rm = index !== undefined || base === ESP ? SIB : (base ?? EBP);
  const bytes = [(mod << 6) | (reg << 3) | rm];
  if (rm === SIB) bytes.push((scale << 6) | ((index ?? ESP) << 3) | (base ?? EBP));
  return { bytes, displacement };
}

function override(rm: Match['rm']): number | undefined {
  if (rm?.kind !== 'memory') return undefined;
  const usual = rm.base === ESP || rm.base === EBP ? SS : DS;
  return rm.segment === usual ? undefined : rm.segment;
}

function encode(match: Match, prefixes: readonly string[]): Encoded {
  const used = prefixes.map((name) => PREFIXES[name]!);
  const segment = override(match.rm);
  if (segment !== undefined) used.push(PREFIXES[SEGMENTS[segment]!]!);
  if (match.size16) used.push(OPERAND_SIZE);
  const head = used.sort((a, b) => a.place - b.place).map(({ byte }) => byte);
  head.push(...match.opcode);
  const fields = [...match.fields];
  if (match.rm?.kind === 'register') head.push(direct(match.rm, match.reg!));
  if (match.rm?.kind === 'memory') {
    const { bytes, displacement } = address(match.rm, match.reg!);
    head.push(...bytes);
    if (displacement) fields.unshift(displacement);
  }
  return { head, fields };
}

function direct(rm: RegisterOperand, reg: number): number {
  return 0xc0 | (reg << 3) | rm.number;
}

/** Encodes an instruction in the preferred form of those that fit its operands. Throws an Error with the reason. */
export function encodeInstruction(
  forms: readonly string[],
  operands: readonly AsmOperand[],
  prefixes: readonly string[],
): Encodings {
  const matches = forms.map((form) => matchForm(form, operands)).filter((match) => match !== undefined);
  const [match, other] = matches;
  if (!match) throw new Error('no form of this instruction takes these operands');
  if (match.sizeUnknown) throw new Error('the size of the memory operand is not known');
  const first = encode(match, prefixes);
  return match.short ? [first, encode(other!, prefixes)] : [first];
}
