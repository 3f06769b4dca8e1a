import type { Cell, Size } from '../ops.ts';
import type { WideCell } from '../ops-x87.ts';
import type { FloatOp } from '../simd/float-ops.ts';
import { S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { I64, i32, i64, op32, op64, select } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import {
  type LaneOp,
  loadVector,
  type SimdOp,
  shuffle,
  simd,
  simdLane,
  storeVector,
  v128,
} from '../wasm/simd.ts';

/** The arithmetic half of the algebra: the same in every tier that emits WebAssembly. */
export abstract class WasmArithmetic {
  readonly fn: FunctionBuilder;
  #size: Size;
  /** Whether anything asked for the operand size: if not, the code serves every size. */
  sizeMatters = false;

  constructor(fn: FunctionBuilder, size: Size) {
    this.fn = fn;
    this.#size = size;
  }

  get size(): Size {
    this.sizeMatters = true;
    return this.#size;
  }
  /** The next instruction's operand size. */
  protected set size(size: Size) {
    this.#size = size;
  }

  c(n: number): Expr {
    return i32(n);
  }
  add(a: Expr, b: Expr): Expr {
    return op32('add', a, b);
  }
  sub(a: Expr, b: Expr): Expr {
    return op32('sub', a, b);
  }
  mul(a: Expr, b: Expr): Expr {
    return op32('mul', a, b);
  }
  and(a: Expr, b: Expr): Expr {
    return op32('and', a, b);
  }
  or(a: Expr, b: Expr): Expr {
    return op32('or', a, b);
  }
  xor(a: Expr, b: Expr): Expr {
    return op32('xor', a, b);
  }
  not(a: Expr): Expr {
    return op32('xor', a, i32(-1));
  }
  shl(a: Expr, n: Expr): Expr {
    return op32('shl', a, n);
  }
  shr(a: Expr, n: Expr): Expr {
    return op32('shr_u', a, n);
  }
  sar(a: Expr, n: Expr): Expr {
    return op32('shr_s', a, n);
  }
  rotl(a: Expr, n: Expr): Expr {
    return op32('rotl', a, n);
  }
  rotr(a: Expr, n: Expr): Expr {
    return op32('rotr', a, n);
  }
  clz(a: Expr): Expr {
    return op32('clz', a);
  }
  ctz(a: Expr): Expr {
    return op32('ctz', a);
  }
  popcnt(a: Expr): Expr {
    return op32('popcnt', a);
  }
  eqz(a: Expr): Expr {
    return op32('eqz', a);
  }
  eq(a: Expr, b: Expr): Expr {
    return op32('eq', a, b);
  }
  ne(a: Expr, b: Expr): Expr {
    return op32('ne', a, b);
  }
  ltU(a: Expr, b: Expr): Expr {
    return op32('lt_u', a, b);
  }
  leU(a: Expr, b: Expr): Expr {
    return op32('le_u', a, b);
  }
  ltS(a: Expr, b: Expr): Expr {
    return op32('lt_s', a, b);
  }
  leS(a: Expr, b: Expr): Expr {
    return op32('le_s', a, b);
  }
  divU(a: Expr, b: Expr): Expr {
    return op32('div_u', a, b);
  }
  remU(a: Expr, b: Expr): Expr {
    return op32('rem_u', a, b);
  }
  divS(a: Expr, b: Expr): Expr {
    return op32('div_s', a, b);
  }
  remS(a: Expr, b: Expr): Expr {
    return op32('rem_s', a, b);
  }
  select(cond: Expr, a: Expr, b: Expr): Expr {
    return select(cond, a, b);
  }
  zext(size: Size, v: Expr): Expr {
    return size === 32 ? v : op32('and', v, i32(size === 8 ? 0xff : 0xffff));
  }
  sext(size: Size, v: Expr): Expr {
    if (size === 32) return v;
    if (v.known !== undefined) return i32((v.known << (32 - size)) >> (32 - size));
    return op32(size === 8 ? 'extend8_s' : 'extend16_s', v);
  }

  wideU(v: Expr): Expr {
    return op64('extend_u', v);
  }
  wideS(v: Expr): Expr {
    return op64('extend_s', v);
  }
  wide(hi: Expr, lo: Expr): Expr {
    return op64('or', op64('shl', this.wideU(hi), i64(32n)), this.wideU(lo));
  }
  wadd(a: Expr, b: Expr): Expr {
    return op64('add', a, b);
  }
  wmul(a: Expr, b: Expr): Expr {
    return op64('mul', a, b);
  }
  wand(a: Expr, b: Expr): Expr {
    return op64('and', a, b);
  }
  wor(a: Expr, b: Expr): Expr {
    return op64('or', a, b);
  }
  wshl(a: Expr, n: Expr): Expr {
    return op64('shl', a, this.wideU(n));
  }
  wshrU(a: Expr, n: Expr): Expr {
    return op64('shr_u', a, this.wideU(n));
  }
  wshrS(a: Expr, n: Expr): Expr {
    return op64('shr_s', a, this.wideU(n));
  }
  wdivU(a: Expr, b: Expr): Expr {
    return op64('div_u', a, b);
  }
  wremU(a: Expr, b: Expr): Expr {
    return op64('rem_u', a, b);
  }
  wdivS(a: Expr, b: Expr): Expr {
    return op64('div_s', a, b);
  }
  wremS(a: Expr, b: Expr): Expr {
    return op64('rem_s', a, b);
  }
  weq(a: Expr, b: Expr): Expr {
    return op64('eq', a, b);
  }
  wltU(a: Expr, b: Expr): Expr {
    return op64('lt_u', a, b);
  }
  wsub(a: Expr, b: Expr): Expr {
    return op64('sub', a, b);
  }
  wxor(a: Expr, b: Expr): Expr {
    return op64('xor', a, b);
  }
  wclz(a: Expr): Expr {
    return op64('clz', a);
  }
  weqz(a: Expr): Expr {
    return op64('eqz', a);
  }
  wltS(a: Expr, b: Expr): Expr {
    return op64('lt_s', a, b);
  }
  wselect(cond: Expr, a: Expr, b: Expr): Expr {
    return select(cond, a, b);
  }
  wbig(n: bigint): Expr {
    return i64(BigInt.asIntN(64, n));
  }
  wcell(init: Expr): WideCell {
    const index = this.fn.local(I64);
    this.fn.set(index, init);
    return { get: () => this.fn.get(index, I64), set: (v) => this.fn.set(index, v) };
  }
  wc(n: number): Expr {
    return i64(BigInt(n));
  }
  lo(w: Expr): Expr {
    return op32('wrap', w);
  }
  hi(w: Expr): Expr {
    return op32('wrap', op64('shr_u', w, i64(32n)));
  }

  let(v: Expr): Expr {
    return this.fn.bind(v);
  }
  wlet(w: Expr): Expr {
    const index = this.fn.local(I64);
    this.fn.set(index, w);
    return this.fn.get(index, I64);
  }
  cell(init: Expr): Cell {
    const index = this.fn.local();
    this.fn.set(index, init);
    return { get: () => this.fn.get(index), set: (v) => this.fn.set(index, v) };
  }
  simd(op: SimdOp, ...args: Expr[]): Expr {
    return simd(op, ...args);
  }
  lane(op: LaneOp, lane: number, ...args: Expr[]): Expr {
    return simdLane(op, lane, ...args);
  }
  shuffle(bytes: readonly number[], a: Expr, b: Expr): Expr {
    return shuffle(bytes, a, b);
  }
  vconst(bytes: readonly number[]): Expr {
    return v128(bytes);
  }
  float(_op: FloatOp, _a: Expr, _b: Expr, _imm?: Expr): Expr {
    throw new Error('floating point has no place here');
  }
  xmm0(): Expr {
    return loadVector(128, i32(0), S.xmm);
  }
  setXmm0(v: Expr): void {
    storeVector(this.fn, 128, i32(0), v, S.xmm);
  }
  mxcsr(): Cell {
    throw new Error('MXCSR has no place here');
  }
  emptyMmx(): void {
    throw new Error('EMMS has no place here');
  }

  if(cond: Expr, then: () => void, otherwise?: () => void): void {
    this.fn.if(cond, then, otherwise);
  }
}
