import type { ParsedSpec } from '../operand-spec.ts';
import type { AccessMode } from '../ops.ts';
import type { VectorOperand } from '../ops-simd.ts';
import { S, X87_BYTES } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, load, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { loadVector, simdLane, storeVector, v128 } from '../wasm/simd.ts';

const XMM_SHIFT = 4;
const X87_SHIFT = Math.log2(X87_BYTES);
/** Sign and exponent of a register that MMX wrote. */
const ALL_ONES = 0xffff;

/** XMM register number `n`. */
export function xmmRegister(fn: FunctionBuilder, n: Expr): VectorOperand {
  const address = fn.bind(op32('shl', n, i32(XMM_SHIFT)));
  return {
    vget: () => loadVector(128, address, S.xmm),
    vset: (v) => storeVector(fn, 128, address, v, S.xmm),
  };
}

/** MMX register number `n`: the mantissa of physical register n. */
export function mmxRegister(fn: FunctionBuilder, n: Expr): VectorOperand {
  const address = fn.bind(op32('shl', n, i32(X87_SHIFT)));
  return {
    vget: () => loadVector(64, address, S.x87),
    vset: (v) => {
      storeVector(fn, 64, address, v, S.x87);
      fn.store('i32', address, i32(ALL_ONES), S.x87 + 8);
    },
  };
}

/** The bytes of a vector in memory at a host address; `stored` runs after a store. */
export function vectorInMemory(
  fn: FunctionBuilder,
  bits: ParsedSpec['bits'],
  host: Expr,
  stored?: () => void,
): VectorOperand {
  return {
    vget: () => {
      if (bits !== 16) return loadVector(bits, host);
      return simdLane('i32x4.replace_lane', 0, v128(new Array<number>(16).fill(0)), load('u16', host));
    },
    vset: (v) => {
      if (bits === 16) throw new Error('no row stores a vector of 16 bits');
      storeVector(fn, bits, host, v);
      stored?.();
    },
  };
}

/** How the general interpreter reaches memory: a checked host address, and what follows a store. */
export interface VectorMemory {
  resolve(spec: ParsedSpec): Expr;
  stored(host: Expr, bytes: number): () => void;
}

/** A register or memory operand of which only the running instruction knows which it is. */
export function vectorRm(
  fn: FunctionBuilder,
  spec: ParsedSpec,
  modrm: Expr,
  mod: 'reg' | 'mem' | undefined,
  memory: VectorMemory,
): VectorOperand {
  const rm = op32('and', modrm, i32(7));
  const register = (): VectorOperand =>
    spec.kind.startsWith('mmx') ? mmxRegister(fn, rm) : xmmRegister(fn, rm);
  const inMemory = (): VectorOperand => {
    const host = memory.resolve(spec);
    return vectorInMemory(fn, spec.bits, host, memory.stored(host, spec.bits >> 3));
  };
  if (mod === 'reg') return register();
  if (mod === 'mem') return taken(fn, spec.mode, inMemory());
  const isMemory = op32('lt_u', modrm, i32(0xc0));
  if (spec.mode === 'r') {
    const value = fn.local(V128);
    fn.if(
      isMemory,
      () => fn.set(value, inMemory().vget()),
      () => fn.set(value, register().vget()),
    );
    return { vget: () => fn.get(value, V128), vset: notWritten };
  }
  const host = fn.local();
  fn.if(isMemory, () => fn.set(host, memory.resolve(spec)));
  const place = vectorInMemory(fn, spec.bits, fn.get(host), memory.stored(fn.get(host), spec.bits >> 3));
  return {
    vget: () => {
      throw new Error('a vector operand is read or written, not both');
    },
    vset: (v) => {
      const value = fn.bind(v);
      fn.if(
        isMemory,
        () => place.vset(value),
        () => register().vset(value),
      );
    },
  };
}

const notWritten = (): never => {
  throw new Error('store to an operand that its row declares as read only');
};

/** A memory operand that is only read is read once. */
function taken(fn: FunctionBuilder, mode: AccessMode, operand: VectorOperand): VectorOperand {
  if (mode !== 'r') return operand;
  const value = fn.bind(operand.vget());
  return { vget: () => value, vset: notWritten };
}
