import type { AccessMode, Size } from './ops.ts';

export type OperandKind =
  | 'rm'
  | 'mem'
  | 'reg'
  | 'opreg'
  | 'imm'
  | 'rel'
  | 'moffs'
  | 'far'
  | 'sreg'
  | 'control'
  | 'debug'
  | 'creg'
  | 'fpreg'
  | 'fixed'
  | 'segment'
  | 'one'
  | 'implicit'
  | VectorKind;

/** XMM and MMX registers: by ModRM.reg, by ModRM.rm or memory, by ModRM.rm as a register. */
export type VectorKind = 'xmm' | 'xmmrm' | 'xmmreg' | 'mmx' | 'mmxrm' | 'mmxreg';

/** Immediate bytes that follow an instruction, by form. */
export const Imm = {
  none: 0,
  byte: 1,
  signedByte: 2,
  word: 3,
  operand: 4,
  moffs: 5,
  wordByte: 6,
  far: 7,
} as const;

/** One operand code of a row, taken apart (see row.ts for the codes). */
export interface ParsedSpec {
  readonly kind: OperandKind;
  readonly mode: AccessMode;
  /** `v` follows the operand size. */
  readonly size: Size | 'v';
  /** Needs a ModRM byte. */
  readonly modrm: boolean;
  /** One of Imm. */
  readonly imm: number;
  /** Hardware number of a fixed register. */
  readonly fixed: number;
  /** Bits of a vector operand in memory; unaligned ones of 128 bits are allowed when not `aligned`. */
  readonly bits: 16 | 32 | 64 | 128;
  readonly aligned: boolean;
  readonly text: string;
}

const NAMES8 = ['AL', 'CL', 'DL', 'BL', 'AH', 'CH', 'DH', 'BH'];
const NAMES16 = ['AX', 'CX', 'DX', 'BX', 'SP', 'BP', 'SI', 'DI'];
const SEGMENTS = ['ES', 'CS', 'SS', 'DS', 'FS', 'GS'];
const KINDS: Record<string, OperandKind> = {
  E: 'rm',
  G: 'reg',
  Z: 'opreg',
  R: 'creg',
  I: 'imm',
  J: 'rel',
  O: 'moffs',
  S: 'sreg',
  C: 'control',
  D: 'debug',
  X: 'implicit',
  Y: 'implicit',
  F: 'implicit',
  V: 'xmm',
  W: 'xmmrm',
  U: 'xmmreg',
  P: 'mmx',
  Q: 'mmxrm',
  N: 'mmxreg',
};
/** Suffixes of vector operands: x 128 bits, aligned; u 128 bits at any address; q, d, w 64, 32, 16 bits. */
const VECTOR_BITS: Record<string, ParsedSpec['bits']> = { x: 128, u: 128, q: 64, d: 32, w: 16 };
const MODRM_KINDS: ReadonlySet<OperandKind> = new Set([
  'rm',
  'creg',
  'fpreg',
  'mem',
  'reg',
  'sreg',
  'control',
  'debug',
  'xmm',
  'xmmrm',
  'xmmreg',
  'mmx',
  'mmxrm',
  'mmxreg',
]);
const SIZES: Record<string, Size | 'v'> = { b: 8, bs: 8, w: 16, v: 'v', z: 'v', y: 'v', d: 32, q: 32 };

function fixedRegister(text: string): { size: Size | 'v'; fixed: number } | null {
  if (NAMES8.includes(text)) return { size: 8, fixed: NAMES8.indexOf(text) };
  if (NAMES16.includes(text)) return { size: 16, fixed: NAMES16.indexOf(text) };
  const rest = text.slice(1);
  if (!NAMES16.includes(rest)) return null;
  return { size: text.startsWith('e') ? 'v' : 32, fixed: NAMES16.indexOf(rest) };
}

function immediate(kind: OperandKind, suffix: string): number {
  if (kind === 'moffs') return Imm.moffs;
  if (kind === 'rel') return suffix === 'b' ? Imm.signedByte : Imm.operand;
  if (kind !== 'imm') return Imm.none;
  if (suffix === 'b') return Imm.byte;
  if (suffix === 'bs') return Imm.signedByte;
  return suffix === 'w' ? Imm.word : Imm.operand;
}

/** Takes an operand code apart; the table is trusted, so an unknown code is our bug. */
export function parseSpec(spec: string): ParsedSpec {
  const mode: AccessMode = spec.startsWith('=') ? 'w' : spec.startsWith('+') ? 'rw' : 'r';
  const text = mode === 'r' ? spec : spec.slice(1);
  const make = (kind: OperandKind, size: Size | 'v', imm: number, fixed = 0): ParsedSpec => ({
    kind,
    mode,
    size,
    imm,
    fixed,
    bits: VECTOR_BITS[text.slice(1)] ?? 128,
    aligned: text.endsWith('x'),
    text,
    modrm: MODRM_KINDS.has(kind),
  });
  if (text === 'STi') return make('fpreg', 32, Imm.none);
  if (text === '1') return make('one', 8, Imm.none);
  if (text === 'Ap') return make('far', 'v', Imm.far);
  if (SEGMENTS.includes(text)) return make('segment', 16, Imm.none, SEGMENTS.indexOf(text));
  const register = fixedRegister(text);
  if (register) return make('fixed', register.size, Imm.none, register.fixed);
  if (text.startsWith('M')) return make('mem', 32, Imm.none);
  const kind = KINDS[text[0] ?? ''];
  const suffix = text.slice(1);
  if (!kind) return make('implicit', 'v', Imm.none);
  return make(kind, SIZES[suffix] ?? 'v', immediate(kind, suffix));
}

/** The operand's size in an instance of the row; asks for the operand size only when it matters. */
export function sizeOf(spec: ParsedSpec, instance: { readonly size: Size }): Size {
  return spec.size === 'v' ? instance.size : spec.size;
}
