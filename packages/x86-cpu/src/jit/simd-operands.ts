import type { Insn } from '../decode/index.ts';
import { mmxRegister, vectorInMemory } from '../interp/simd-operands.ts';
import type { ParsedSpec } from '../operand-spec.ts';
import type { VectorOperand } from '../ops-simd.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32 } from '../wasm/expr.ts';
import type { JitOps } from './jit-ops.ts';

const ALIGNMENT = 15;
/** Instructions that use XMM0 without naming it. */
const IMPLICIT_XMM0 = /BLENDV|STRM$/;

/** Mask of the XMM registers that an instruction uses. */
export function namedVectors({ row, specs, modrm, memory }: Insn): number {
  if (!row.simd) return 0;
  let mask = IMPLICIT_XMM0.test(row.mnemonic) ? 1 : 0;
  for (const { kind } of specs) {
    if (kind === 'xmm') mask |= 1 << ((modrm >> 3) & 7);
    else if (kind.startsWith('xmm') && !memory) mask |= 1 << (modrm & 7);
  }
  return mask;
}

/**
 * A vector operand of compiled code.
 * @param address the linear address of an operand in memory
 */
export function vectorOperand(o: JitOps, insn: Insn, spec: ParsedSpec, address: () => Expr): VectorOperand {
  const isMmx = spec.kind.startsWith('mmx');
  const byReg = spec.kind === 'xmm' || spec.kind === 'mmx';
  if (byReg || !insn.memory) {
    const n = byReg ? (insn.modrm >> 3) & 7 : insn.modrm & 7;
    return isMmx ? mmxRegister(o.fn, i32(n)) : o.xmm(n);
  }
  const linear = o.let(address());
  if (spec.aligned) o.faultIf(o.and(linear, i32(ALIGNMENT)));
  const operand = vectorInMemory(o.fn, spec.bits, o.access(spec.bits, linear, spec.mode));
  if (spec.mode !== 'r') return operand;
  const value = o.let(operand.vget());
  return { vget: () => value, vset: operand.vset };
}
