import type { Expression } from './expression.ts';

/** Operand sizes in bits. */
export type Bits = 8 | 16 | 32;

export type RegisterClass = 'general' | 'segment' | 'control' | 'debug';

export interface RegisterOperand {
  readonly kind: 'register';
  readonly class: RegisterClass;
  readonly bits: Bits;
  /** Hardware number. */
  readonly number: number;
}

export interface MemoryOperand {
  readonly kind: 'memory';
  /** As written (`dword ptr`); undefined when the other operand must tell. `far` is a far pointer. */
  readonly bits: Bits | 48 | 64 | undefined;
  /** Hardware numbers of 32-bit registers. */
  readonly base: number | undefined;
  readonly index: number | undefined;
  /** log2 */
  readonly scale: number;
  readonly displacement: Expression | undefined;
  /** Hardware number of the overriding segment register. */
  readonly segment: number | undefined;
}

export interface ImmediateOperand {
  readonly kind: 'immediate';
  readonly value: Expression;
  /** Written bare, so that it can be a jump's target but not an immediate: only `offset` and numbers can. */
  readonly bareLabel: boolean;
}

/** `selector:offset` */
export interface FarOperand {
  readonly kind: 'far';
  readonly selector: Expression;
  readonly offset: Expression;
}

export type AsmOperand = RegisterOperand | MemoryOperand | ImmediateOperand | FarOperand;

const BANKS: readonly (readonly [RegisterClass, Bits, string])[] = [
  ['general', 8, 'al cl dl bl ah ch dh bh'],
  ['general', 16, 'ax cx dx bx sp bp si di'],
  ['general', 32, 'eax ecx edx ebx esp ebp esi edi'],
  ['segment', 16, 'es cs ss ds fs gs'],
  ['control', 32, 'cr0 cr1 cr2 cr3 cr4'],
  ['debug', 32, 'dr0 dr1 dr2 dr3 dr4 dr5 dr6 dr7'],
];

/** The register of that name. */
export function register(name: string): RegisterOperand | undefined {
  for (const [bank, bits, names] of BANKS) {
    const number = names.split(' ').indexOf(name.toLowerCase());
    if (number >= 0) return { kind: 'register', class: bank, bits, number };
  }
  return undefined;
}

/** Sizes as written before `ptr`. */
export const POINTER_SIZES: Readonly<Record<string, 8 | 16 | 32 | 48 | 64>> = {
  byte: 8,
  word: 16,
  dword: 32,
  fword: 48,
  qword: 64,
};
