import type { Insn } from '../decode/index.ts';
import { segField } from '../interp/segment-fields.ts';
import { Reg, Seg } from '../names.ts';
import type { ParsedSpec } from '../operand-spec.ts';
import { Imm, sizeOf } from '../operand-spec.ts';
import type { AccessMode, Size, Val } from '../ops.ts';
import type { AnyOperand } from '../row.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, load } from '../wasm/expr.ts';
import { JitOperand } from './jit-operand.ts';
import { isFlat, type JitOps } from './jit-ops.ts';
import { vectorOperand } from './simd-operands.ts';

/** Effective address of the instruction's memory operand; `espBias` corrects ESP as base (POP r/m). */
function effectiveAddress(o: JitOps, insn: Insn, espBias: number): Expr {
  const m = insn.memory;
  if (!m) return i32(0);
  const bias = m.base === 4 ? espBias : 0;
  let address: Expr = i32(m.disp + bias);
  if (m.index >= 0) address = o.add(o.shl(o.reg(32, m.index).get(), i32(Math.log2(m.scale))), address);
  if (m.base >= 0)
    address = address.known === 0 ? o.reg(32, m.base).get() : o.add(o.reg(32, m.base).get(), address);
  return address;
}

/** Linear address of a vector in memory. */
function vectorAddress(o: JitOps, insn: Insn, { bits, mode }: ParsedSpec): Expr {
  return o.linear(insn.memory?.segment ?? Seg.DS, effectiveAddress(o, insn, 0), bits, mode, true);
}

/** Resolves the operands of one decoded instruction. Sets `o.unsupported` for what compiled code leaves alone. */
export function resolveOperands(o: JitOps, insn: Insn): AnyOperand[] {
  const m = insn.memory;
  if (insn.addressSize === 16 || m?.segment === Seg.CS) o.unsupported = true;
  const popsMemory = insn.row.mnemonic === 'POP' && m !== null;
  if (insn.row.simd) o.simdReady(insn.row.simd);
  let immediate = 0;
  return insn.specs.map((spec) => {
    const value = spec.imm === Imm.none || spec.imm === Imm.moffs ? 0 : (insn.immediates[immediate++] ?? 0);
    return operand(o, insn, spec, value, popsMemory ? insn.operandSize / 8 : 0);
  });
}

/** Whether the register of ModRM is the base of the memory operand, too: a step along a list. */
function isOwnBase({ memory, modrm }: Insn): boolean {
  return memory !== null && memory.base === ((modrm >> 3) & 7);
}

function operand(o: JitOps, insn: Insn, spec: ParsedSpec, immediate: number, espBias: number): AnyOperand {
  const size = sizeOf(spec, o);
  switch (spec.kind) {
    case 'rm':
    case 'moffs': {
      if (!insn.memory) return o.reg(size, insn.modrm & 7);
      const place = o.framePlace(insn, size / 8, 0);
      if (place) return o.inWindow(size, place, spec.mode);
      const { base, segment } = insn.memory;
      const onStack = isFlat(segment) && (base === Reg.ESP || (base === Reg.EBP && o.framed));
      const address = o.linear(segment, effectiveAddress(o, insn, espBias), size, spec.mode, true);
      const isLink = insn.row.mnemonic === 'MOV' && size === 32 && spec.mode === 'r' && isOwnBase(insn);
      const host = onStack
        ? o.stackAccess(size, address, spec.mode)
        : isLink
          ? o.chase(address)
          : o.access(size, address, spec.mode);
      if (spec.mode !== 'r') return o.pointer(size, host);
      return o.value(size, o.let(o.pointer(size, host).get()));
    }
    case 'mem': {
      const address = o.let(effectiveAddress(o, insn, espBias));
      return Object.assign(new JitOperand(32), {
        offset: () => address,
        at: (bits: Size, disp: Val, mode: AccessMode) => {
          const place = disp.known === undefined ? null : o.framePlace(insn, bits / 8, disp.known);
          return place ? o.inWindow(bits, place, mode) : o.mem(bits, null, o.add(address, disp), mode);
        },
        at64: (disp: Val, mode: AccessMode) => {
          const place = disp.known === undefined ? null : o.framePlace(insn, 8, disp.known);
          return place ? o.wideInWindow(place) : o.access64(o.add(address, disp), mode);
        },
      });
    }
    case 'reg':
      return o.reg(size, (insn.modrm >> 3) & 7);
    case 'opreg':
      return o.reg(size, insn.row.opcode & 7);
    case 'fixed':
      return o.reg(size, spec.fixed);
    case 'one':
      return o.value(8, i32(1));
    case 'imm':
      if (spec.imm === Imm.signedByte) return o.value(32, i32(immediate));
      return o.value(size, o.zext(size, i32(immediate)));
    case 'rel':
      return o.value(32, i32(immediate));
    case 'fpreg':
      return o.value(32, i32(insn.modrm & 7));
    case 'segment':
      return o.value(16, load('i32', i32(0), segField(spec.fixed, 'selector')));
    case 'implicit':
      return new JitOperand(size);
    case 'xmm':
    case 'xmmrm':
    case 'xmmreg':
    case 'mmx':
    case 'mmxrm':
    case 'mmxreg': {
      return Object.assign(
        new JitOperand(32),
        vectorOperand(o, insn, spec, () => vectorAddress(o, insn, spec)),
      );
    }
    default:
      o.unsupported = true;
      return o.value(size, i32(0));
  }
}
