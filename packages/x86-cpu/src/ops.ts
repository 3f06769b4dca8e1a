import type { SimdOps } from './ops-simd.ts';
import type { X87Ops } from './ops-x87.ts';
import type { Expr } from './wasm/expr.ts';

/**
 * The operations algebra in which instruction semantics are written, once (see table/*.ts).
 * A tier is an instance of it: the interpreter generator and the JIT emit WebAssembly for each operation.
 * Values are opaque 32-bit expressions, evaluated where they are used: bind with `let` what is used more than once
 * or must be read before something changes it.
 */
export type Val = Expr;
/** A 64-bit value. */
export type Wide = Expr;
export type Size = 8 | 16 | 32;
/** Arithmetic flags by their EFLAGS bit. */
export type FlagName = 'cf' | 'pf' | 'af' | 'zf' | 'sf' | 'of';
export type AccessMode = 'r' | 'w' | 'rw';

/** A mutable local of the generated code. */
export interface Cell {
  get(): Val;
  set(v: Val): void;
}

/** An operand of an instruction, resolved: faults of its memory access have been raised before `sem` runs. */
export interface Operand {
  readonly size: Size;
  /** Zero-extended value. Evaluated at use; bind with `o.let`. */
  get(): Val;
  /** Stores the low `size` bits. */
  set(v: Val): void;
  /** Sign-extended value. */
  sget(): Val;
}

/** A memory operand whose access the semantics perform themselves (LEA, BT, BOUND, far pointers, CMPXCHG8B…). */
export interface MemOperand {
  /** Effective address without the segment base, truncated to the address size. */
  offset(): Val;
  /** Resolves `size` bits at offset()+disp through the instruction's segment; faults here. */
  at(size: Size, disp: Val, mode: AccessMode): Operand;
  /** The same for 64 bits. */
  at64(disp: Val, mode: AccessMode): { get(): Wide; set(v: Wide): void };
}

export interface Ops extends SimdOps, X87Ops {
  /** Size of a `v`-sized instance: 32 or 16. */
  readonly size: Size;

  c(n: number): Val;
  add(a: Val, b: Val): Val;
  sub(a: Val, b: Val): Val;
  mul(a: Val, b: Val): Val;
  and(a: Val, b: Val): Val;
  or(a: Val, b: Val): Val;
  xor(a: Val, b: Val): Val;
  not(a: Val): Val;
  /** Shift counts are taken modulo 32. */
  shl(a: Val, n: Val): Val;
  shr(a: Val, n: Val): Val;
  sar(a: Val, n: Val): Val;
  rotl(a: Val, n: Val): Val;
  rotr(a: Val, n: Val): Val;
  clz(a: Val): Val;
  ctz(a: Val): Val;
  popcnt(a: Val): Val;
  eqz(a: Val): Val;
  eq(a: Val, b: Val): Val;
  ne(a: Val, b: Val): Val;
  ltU(a: Val, b: Val): Val;
  leU(a: Val, b: Val): Val;
  ltS(a: Val, b: Val): Val;
  leS(a: Val, b: Val): Val;
  divU(a: Val, b: Val): Val;
  remU(a: Val, b: Val): Val;
  divS(a: Val, b: Val): Val;
  remS(a: Val, b: Val): Val;
  /** cond ? a : b; both sides are evaluated. */
  select(cond: Val, a: Val, b: Val): Val;
  zext(size: Size, v: Val): Val;
  sext(size: Size, v: Val): Val;

  wideU(v: Val): Wide;
  wideS(v: Val): Wide;
  /** hi:lo */
  wide(hi: Val, lo: Val): Wide;
  wadd(a: Wide, b: Wide): Wide;
  wmul(a: Wide, b: Wide): Wide;
  wand(a: Wide, b: Wide): Wide;
  wor(a: Wide, b: Wide): Wide;
  /** 64-bit shifts; the count is taken modulo 64. */
  wshl(a: Wide, n: Val): Wide;
  wshrU(a: Wide, n: Val): Wide;
  wshrS(a: Wide, n: Val): Wide;
  /** Division by zero and signed overflow must have been excluded before. */
  wdivU(a: Wide, b: Wide): Wide;
  wremU(a: Wide, b: Wide): Wide;
  wdivS(a: Wide, b: Wide): Wide;
  wremS(a: Wide, b: Wide): Wide;
  weq(a: Wide, b: Wide): Val;
  wltU(a: Wide, b: Wide): Val;
  wc(n: number): Wide;
  lo(w: Wide): Val;
  hi(w: Wide): Val;

  let(v: Val): Val;
  wlet(w: Wide): Wide;
  cell(init: Val): Cell;
  if(cond: Val, then: () => void, otherwise?: () => void): void;

  /** General register by hardware number (8-bit: AL CL DL BL AH CH DH BH). */
  reg(size: Size, n: number): Operand;

  /** Flags of r = a + b, all six. `a`, `b` zero- or sign-extended, `r` may carry junk above `size`. */
  flagsAdd(size: Size, a: Val, b: Val, r: Val): void;
  /** Flags of r = a - b, all six. */
  flagsSub(size: Size, a: Val, b: Val, r: Val): void;
  /** Flags of r = a + b + CF and of r = a - b - CF. */
  flagsAdc(size: Size, a: Val, b: Val, r: Val): void;
  flagsSbb(size: Size, a: Val, b: Val, r: Val): void;
  /** CF=OF=AF=0; ZF SF PF of r. */
  flagsLogic(size: Size, r: Val): void;
  /** As flagsAdd / flagsSub with b = 1, CF kept. */
  flagsInc(size: Size, a: Val, r: Val): void;
  flagsDec(size: Size, a: Val, r: Val): void;
  /** CF and OF after a rotation with the result r; the others stay. */
  flagsRotate(size: Size, r: Val, by: 'rol' | 'ror'): void;
  /** ZF SF PF of r; the given flags (each 0 or 1), those not given become 0. */
  flagsResult(size: Size, r: Val, given: { cf?: Val; of?: Val; af?: Val }): void;
  /** Replaces only the given flags; each value is 0 or 1. */
  setFlags(given: Partial<Record<FlagName, Val>>): void;
  /** 0 or 1. */
  flag(name: FlagName): Val;
  /** Condition code 0..15 as in Jcc; 0 or 1. */
  cond(cc: number): Val;
  /** All of EFLAGS, materialised. */
  eflags(): Val;
  /** Writes exactly the EFLAGS bits of `mask`. TF, AC, RF, NT and IF changes take effect as architected. */
  setEflags(mask: Val, value: Val): void;
  /** 1 when EFLAGS.DF is set. */
  df(): Val;

  /** Reads or writes SS:[SP + disp] with the stack's address size. Faults here; does not move SP. */
  stackLoad(size: Size, disp: number): Val;
  stackStore(size: Size, disp: number, v: Val): void;
  /** SS:[SP + disp] that will be written: faults here, before what the semantics do until they set it. */
  stackSlot(size: Size, disp: number): Operand;
  /** SS:[base + disp] for a base register other than SP (LEAVE, ENTER): truncated to the stack's address size. */
  stackLoadAt(size: Size, base: Val): Val;
  /** Moves SP or ESP by SS.B; keeps the upper half of ESP on a 16-bit stack. */
  addSp(delta: Val): void;
  setSp(v: Val): void;
  sp(): Val;

  /** Memory at a computed offset of a data segment: `seg` null means the instruction's segment (DS or its override). */
  mem(size: Size, seg: number | null, offset: Val, mode: AccessMode): Operand;
  /** Truncates to the address size (16-bit addressing of string and loop instructions). */
  addrTrunc(v: Val): Val;
  /** Register used as address or counter: value truncated, writes keep the upper half under 16-bit addressing. */
  addrReg(n: number): Cell;

  /** EIP after this instruction. */
  nextEip(): Val;
  /** EIP of this instruction. */
  thisEip(): Val;
  /** Sets EIP (truncated to the operand size); #GP(0) beyond the CS limit, before anything else changed. */
  jump(target: Val): void;
  jumpIf(cond: Val, target: Val): void;

  /** Leaves with a fault: nothing architectural may have changed. Error code absent when undefined. */
  fault(vector: number, errorCode?: Val): void;
  faultIf(cond: Val, vector: number, errorCode?: Val): void;
  /** Ends the instruction (EIP committed to the next) and leaves the CPU. */
  exit(kind: number, vector: Val): void;
  /**
   * Calls a helper written in TypeScript (helpers.ts) with this instruction's state in memory.
   * It returns 0, or leaves a fault or exit pending; the rest of `sem` runs only on 0.
   */
  helper(name: string, ...args: Val[]): void;
  /** A result slot (0..3) that the helper filled. */
  result(i: number): Val;
  /** Current privilege level, and I/O privilege level. */
  cpl(): Val;
  iopl(): Val;
  /** A control register or debug register field of the state block, by name. */
  field(name: 'cr0' | 'cr2' | 'cr4'): Cell;
}
