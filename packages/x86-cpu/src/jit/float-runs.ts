import type { Insn } from '../decode/index.ts';
import type { RegionInsn } from './block.ts';

/** Arithmetic that gains by being tested at the end of a run. */
const ARITHMETIC = /^(ADD|SUB|MUL|DIV|SQRT|MIN|MAX|CMP)[PS][SD]$/;
/** Instructions that change more than their operands. */
const STRINGS = /^PCMP.STR/;

/** The XMM register that an instruction writes; -1 when it writes none, or anything else. */
export function writtenVector({ row, specs, modrm, memory }: Insn): number {
  if (row.simd !== 'sse' || STRINGS.test(row.mnemonic)) return -1;
  const [first, ...others] = specs;
  if (!first || first.mode === 'r' || others.some(({ mode }) => mode !== 'r')) return -1;
  if (first.kind === 'xmm') return (modrm >> 3) & 7;
  return (first.kind === 'xmmrm' || first.kind === 'xmmreg') && !memory ? modrm & 7 : -1;
}

/**
 * How many instructions from `start` on do floating-point arithmetic and change nothing but XMM registers; 0 when none of
 * them computes.
 * @param isCompiled whether compiled code does an instruction itself
 */
export function floatRun(
  insns: readonly RegionInsn[],
  start: number,
  isCompiled: (item: RegionInsn) => boolean,
): number {
  let last = start - 1;
  for (let i = start; i < insns.length; i++) {
    const item = insns[i]!;
    if (item.flow !== 'next' || writtenVector(item.insn) < 0 || !isCompiled(item)) break;
    if (ARITHMETIC.test(item.insn.row.mnemonic)) last = i;
  }
  return last - start + 1;
}
