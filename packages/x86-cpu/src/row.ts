import { type ParsedSpec, parseSpec } from './operand-spec.ts';
import type { MemOperand, Operand, Ops } from './ops.ts';
import type { VectorOperand } from './ops-simd.ts';

/**
 * Operand codes of the opcode maps (SDM vol. 2, appendix A): E r/m, G register of modrm, Z register of the opcode's low
 * three bits, I immediate, J relative target, O moffs, M memory only, S segment register, X/Y implicit string operands;
 * R r/m as a register whatever mod is, C/D control or debug register; segment registers by name;
 * sizes b w v(16/32) d q p(far pointer) z. V XMM register of modrm, W XMM or memory, U XMM by rm; P, Q, N the same for MMX;
 * their sizes in memory: x 128 bits aligned, u 128 bits, q d w 64 32 16 bits. `Ibs` is a byte sign-extended to the operand size. Fixed registers by name.
 * A leading `=` marks an operand that is only written, `+` one that is read and written; plain ones are read.
 */
export type OperandSpec = string;

/** What `sem` receives for one operand, by its code. */
export type AnyOperand = Operand & MemOperand & VectorOperand;

export interface Row {
  /** 0x00..0xff, 0x0f00 | second byte, or 0x0f3800 or 0x0f3a00 | third byte. */
  readonly opcode: number;
  /** ModRM.reg when the opcode is a group. */
  readonly ext?: number;
  /** Row for register (`reg`) or memory (`mem`) forms only. */
  readonly mod?: 'reg' | 'mem';
  /** Mandatory prefix: 0x66, 0xf3, 0xf2; 0 for none of them; any when absent. */
  readonly prefix?: number;
  /** Register file that must be accessible before operands are looked at; MMX instructions take the x87 stack over. */
  readonly simd?: 'sse' | 'mmx' | 'mixed';
  readonly mnemonic: string;
  readonly operands: readonly OperandSpec[];
  /** The operands' codes, taken apart. */
  readonly specs: readonly ParsedSpec[];
  /** LOCK is allowed with a memory destination. */
  readonly lockable?: boolean;
  /** String instruction: REP repeats while ECX, REPE/REPNE also while ZF is 1/0. */
  readonly rep?: 'rep' | 'repz';
  /** An iteration under REPE, where it is not as under the others. */
  readonly repe?: (o: Ops) => void;
  /** What a run of forward iterations does to memory, for doing many at once. */
  readonly bulk?: 'copy' | 'fill';
  /** Compiled into the fast loop of the interpreter (32-bit and byte forms). */
  readonly hot?: boolean;
  /** EFLAGS bits left undefined by the manual: masked in comparisons with the host CPU. */
  readonly undef?: number;
  /** The test generator leaves it out of native recording, for this reason. */
  readonly unrecorded?: string;
  readonly sem: (o: Ops, a: AnyOperand, b: AnyOperand, c: AnyOperand) => void;
}

export type RowOptions = Partial<
  Pick<
    Row,
    'ext' | 'mod' | 'prefix' | 'simd' | 'lockable' | 'rep' | 'repe' | 'bulk' | 'hot' | 'undef' | 'unrecorded'
  >
>;

/** Declares one instruction form; `form` is mnemonic and operands, as in `'ADD +Ev,Gv'`. */
export function row(opcode: number, form: string, options: RowOptions, sem: Row['sem']): Row {
  const space = form.indexOf(' ');
  const mnemonic = space < 0 ? form : form.slice(0, space);
  const operands = space < 0 ? [] : form.slice(space + 1).split(',');
  let specs: readonly ParsedSpec[] | null = null;
  return {
    opcode,
    mnemonic,
    operands,
    get specs() {
      specs ??= operands.map(parseSpec);
      return specs;
    },
    sem,
    ...options,
  };
}

export const CF = 0x1;
export const PF = 0x4;
export const AF = 0x10;
export const ZF = 0x40;
export const SF = 0x80;
export const TF = 0x100;
export const IF = 0x200;
export const DF = 0x400;
export const OF = 0x800;
export const IOPL = 0x3000;
export const NT = 0x4000;
export const RF = 0x10000;
export const VM = 0x20000;
export const AC = 0x40000;
export const VIF = 0x80000;
export const VIP = 0x100000;
export const ID = 0x200000;
/** The six arithmetic flags. */
export const OSZAPC: number = CF | PF | AF | ZF | SF | OF;
