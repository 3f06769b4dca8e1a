import { Imm, type ParsedSpec } from '../../src/operand-spec.ts';
import type { Row } from '../../src/row.ts';
import { ROWS } from '../../src/table/index.ts';
import type { Random } from './random.ts';

/** Rows that leave straight code, or depend on where the program lies, are emitted by hand if at all. */
const SPECIAL = /^(J|CALL|RET|LOOP|INT|IRET|HLT|UD|ENTER|SYS|ESC)/;
const USABLE: readonly Row[] = ROWS.filter((r) => !SPECIAL.test(r.mnemonic));
const isX87 = (r: Row): boolean => r.opcode >= 0xd8 && r.opcode <= 0xdf;
const GENERAL: readonly Row[] = USABLE.filter((r) => !r.simd && !isX87(r));
const HOT: readonly Row[] = USABLE.filter((r) => r.hot);
const X87: readonly Row[] = USABLE.filter(isX87);
const SSE: readonly Row[] = USABLE.filter((r) => r.simd === 'sse');
const MMX: readonly Row[] = USABLE.filter((r) => r.simd === 'mmx' || r.simd === 'mixed');

/** What a program is mostly about. */
export type Flavour = 'integer' | 'x87' | 'sse' | 'mmx';
const BY_FLAVOUR: Readonly<Record<Flavour, readonly Row[]>> = { integer: HOT, x87: X87, sse: SSE, mmx: MMX };

/** Bounds on a random instruction. */
export interface Wanted {
  readonly flavour: Flavour;
  /** Mask of registers that are mostly left alone. */
  readonly kept: number;
  /** Whether PUSH and POP are left out. */
  readonly balanced: boolean;
  /** ModRM, SIB and displacement of its memory operand, by the reg field; a random one when absent. */
  readonly memory?: (reg: number) => readonly number[];
}

const ESP = 1 << 4;
const MOVES_STACK = /^(PUSH|POP|LEAVE)/;
const MEMORY_KINDS: ReadonlySet<string> = new Set(['rm', 'mem', 'xmmrm', 'mmxrm']);
const hasMemory = (row: Row): boolean => row.mod !== 'reg' && row.specs.some((s) => MEMORY_KINDS.has(s.kind));

function fits(row: Row, { kept, balanced, memory }: Wanted): boolean {
  if (memory && !hasMemory(row)) return false;
  if (balanced && MOVES_STACK.test(row.mnemonic)) return false;
  if (kept & ESP && row.mnemonic === 'LEAVE') return false;
  return !row.specs.some((s) => s.kind === 'opreg' && s.mode !== 'r' && (kept >> (row.opcode & 7)) & 1);
}

function pickRow(random: Random, wanted: Wanted): Row {
  for (;;) {
    const own = wanted.flavour !== 'integer' && random.chance(45);
    const row = random.pick(own ? BY_FLAVOUR[wanted.flavour] : random.chance(75) ? HOT : GENERAL);
    if (fits(row, wanted) || (!wanted.memory && random.chance(2))) return row;
  }
}

function pickRegister(random: Random, kept: number): number {
  let n = random.below(8);
  while ((kept >> n) & 1 && !random.chance(3)) n = random.below(8);
  return n;
}

function immediate(random: Random, { imm }: ParsedSpec, bytes: number[], wide: boolean): void {
  const form = imm === Imm.moffs ? Imm.operand : imm;
  const isWide = wide || imm === Imm.moffs;
  const count = form === Imm.byte || form === Imm.signedByte ? 1 : form === Imm.word || !isWide ? 2 : 4;
  const small = random.chance(50);
  for (let i = 0; i < count; i++) bytes.push(small ? (i === 0 ? random.below(64) : 0) : random.below(256));
}

function memoryOperand(random: Random, reg: number): number[] {
  const mod = random.below(3);
  const rm = random.below(8);
  const bytes = [(mod << 6) | (reg << 3) | rm];
  const sib = rm === 4 ? random.below(256) : -1;
  if (sib >= 0) bytes.push(sib);
  const wide = mod === 2 || (mod === 0 && (rm === 5 || (sib & 7) === 5));
  if (mod === 1) bytes.push(random.below(256));
  else if (wide) bytes.push(random.below(256), random.below(64), 0, 0);
  return bytes;
}

function opcodeBytes({ opcode }: Row): number[] {
  if (opcode > 0xffff) return [0x0f, (opcode >> 8) & 0xff, opcode & 0xff];
  return opcode > 0xff ? [0x0f, opcode & 0xff] : [opcode];
}

const needsModrm = (row: Row): boolean =>
  row.ext !== undefined || row.mod !== undefined || row.specs.some((s) => s.modrm);
const ODD_PREFIXES = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65, 0x67, 0xf0];

/** The bytes of a random instruction. */
export function instruction(random: Random, wanted: Wanted): number[] {
  const row = pickRow(random, wanted);
  const bytes: number[] = [];
  const wide = row.simd !== undefined || !random.chance(8);
  if (!wide) bytes.push(0x66);
  if (random.chance(2)) bytes.push(random.pick(ODD_PREFIXES));
  if (row.rep && random.chance(50)) bytes.push(random.chance(50) ? 0xf3 : 0xf2);
  if (row.prefix) bytes.push(row.prefix);
  bytes.push(...opcodeBytes(row));
  if (needsModrm(row)) {
    const reg = row.ext ?? pickRegister(random, wanted.kept);
    const register = !wanted.memory && (row.mod === 'reg' || (row.mod !== 'mem' && random.chance(55)));
    if (register) bytes.push(0xc0 | (reg << 3) | pickRegister(random, wanted.kept));
    else bytes.push(...(wanted.memory?.(reg) ?? memoryOperand(random, reg)));
  }
  for (const spec of row.specs) if (spec.imm !== Imm.none) immediate(random, spec, bytes, wide);
  return bytes;
}
