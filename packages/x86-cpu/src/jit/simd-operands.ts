import type { Insn } from '../decode/index.ts';
import { mmxRegister, vectorInMemory, xmmRegister } from '../interp/simd-operands.ts';
import type { ParsedSpec } from '../operand-spec.ts';
import type { VectorOperand } from '../ops-simd.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32 } from '../wasm/expr.ts';
import type { JitOps } from './jit-ops.ts';

const ALIGNMENT = 15;

/**
 * A vector operand of compiled code.
 * @param host resolves the operand's linear address: a host address within one page
 */
export function vectorOperand(
  o: JitOps,
  insn: Insn,
  spec: ParsedSpec,
  address: Expr,
  host: (linear: Expr) => Expr,
): VectorOperand {
  const isMmx = spec.kind.startsWith('mmx');
  const byReg = spec.kind === 'xmm' || spec.kind === 'mmx';
  if (byReg || !insn.memory) {
    const n = i32(byReg ? (insn.modrm >> 3) & 7 : insn.modrm & 7);
    return isMmx ? mmxRegister(o.fn, n) : xmmRegister(o.fn, n);
  }
  const linear = o.let(address);
  if (spec.aligned) o.faultIf(o.and(linear, i32(ALIGNMENT)));
  const operand = vectorInMemory(o.fn, spec.bits, host(linear));
  if (spec.mode !== 'r') return operand;
  const value = o.let(operand.vget());
  return { vget: () => value, vset: operand.vset };
}
