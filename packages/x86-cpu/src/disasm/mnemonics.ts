import type { Insn } from '../decode/insn.ts';

/** Rows whose name depends on the operand size: for 16 and for 32 bits. */
const BY_OPERAND_SIZE: Readonly<Record<string, readonly [string, string]>> = {
  CWDE: ['cbw', 'cwde'],
  CDQ: ['cwd', 'cdq'],
  PUSHA: ['pusha', 'pushad'],
  POPA: ['popa', 'popad'],
  PUSHF: ['pushf', 'pushfd'],
  POPF: ['popf', 'popfd'],
  IRET: ['iret', 'iretd'],
};
const STRINGS: ReadonlySet<string> = new Set(['MOVS', 'CMPS', 'STOS', 'LODS', 'SCAS', 'INS', 'OUTS']);
const FAR: Readonly<Record<string, string>> = { CALLF: 'call far', JMPF: 'jmp far' };

/** Whether the mnemonic says all about the operands (string instructions and XLAT). */
export const isImplicit = ({ row }: Insn): boolean => STRINGS.has(row.mnemonic) || row.mnemonic === 'XLAT';

/** Mnemonic of an instruction as assemblers spell it, without prefixes. */
export function mnemonicOf(insn: Insn): string {
  const { row, operandSize, addressSize } = insn;
  const pair = BY_OPERAND_SIZE[row.mnemonic];
  if (pair) return pair[operandSize === 16 ? 0 : 1];
  if (row.mnemonic === 'JCXZ') return addressSize === 16 ? 'jcxz' : 'jecxz';
  if (STRINGS.has(row.mnemonic)) {
    const byte = row.operands.some((o) => o.endsWith('b'));
    return row.mnemonic.toLowerCase() + (byte ? 'b' : operandSize === 16 ? 'w' : 'd');
  }
  return FAR[row.mnemonic] ?? row.mnemonic.toLowerCase();
}
