import type { AccessMode, Cell, Operand, Ops, Size, Val } from '../ops.ts';
import { TLB_WRITE } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, load, op32 } from '../wasm/expr.ts';
import type { FunctionBuilder, Label } from '../wasm/function.ts';
import { InterpOps } from './interp-ops.ts';
import { tlbSlot } from './resolve.ts';

/** Locals of the fast loop. */
export interface FastLocals {
  /** Host address of the next instruction byte. */
  readonly ip: number;
  /** Host address of this instruction. */
  readonly start: number;
  /** Host address of the code page. */
  readonly page: number;
  /** Host minus linear address of the code page. */
  readonly delta: number;
  readonly budget: number;
  readonly result: number;
  readonly aux: number;
  /** S.tlb */
  readonly tlb: number;
}

/**
 * The algebra inside the fast loop: 32-bit code, flat segments, no debugging, everything aligned or within a page and in
 * the TLB. Whatever does not fit branches to `generic`, which runs the instruction again from its start.
 */
export class FastOps extends InterpOps implements Ops {
  readonly #l: FastLocals;
  readonly #generic: Label;
  readonly #taken: () => void;
  /** Whether the row that was emitted last jumps whatever happens. */
  jumped = false;

  /** @param taken runs where a conditional branch has been taken, as the last statement of its row */
  constructor(fn: FunctionBuilder, locals: FastLocals, generic: Label, taken: () => void) {
    super(fn, 32);
    this.#l = locals;
    this.#generic = generic;
    this.#taken = taken;
  }

  protected flagResult(): Expr {
    return this.fn.get(this.#l.result);
  }
  protected flagAux(): Expr {
    return this.fn.get(this.#l.aux);
  }
  protected setFlagResult(v: Expr): void {
    this.fn.set(this.#l.result, v);
  }
  protected setFlagAux(v: Expr): void {
    this.fn.set(this.#l.aux, v);
  }

  #cold(what: string): never {
    throw new Error(`${what} has no place in a hot row`);
  }
  eflags(): Val {
    return this.#cold('eflags');
  }
  setEflags(): void {
    this.#cold('setEflags');
  }
  mem(_size: Size, _seg: number | null, _offset: Val, _mode: AccessMode): Operand {
    return this.#cold('mem');
  }
  addrTrunc(v: Val): Val {
    return v;
  }
  addrReg(n: number): Cell {
    return this.reg(32, n);
  }

  sp(): Val {
    return this.reg(32, 4).get();
  }
  setSp(v: Val): void {
    this.reg(32, 4).set(v);
  }
  addSp(delta: Val): void {
    this.setSp(this.add(this.sp(), delta));
  }
  stackLoad(size: Size, disp: number): Val {
    return this.stackLoadAt(size, this.add(this.sp(), i32(disp)));
  }
  stackLoadAt(size: Size, base: Val): Val {
    return this.let(this.#stack(size, base, 0).get());
  }
  stackStore(size: Size, disp: number, v: Val): void {
    const value = this.let(v);
    this.stackSlot(size, disp).set(value);
  }
  stackSlot(size: Size, disp: number): Operand {
    return this.#stack(size, this.add(this.sp(), i32(disp)), TLB_WRITE);
  }

  /** An aligned stack word that hits the TLB. */
  #stack(size: Size, offset: Expr, table: number): Operand {
    const linear = this.let(offset);
    const entry = this.let(load('i32', tlbSlot(this.fn.get(this.#l.tlb), linear), table));
    const mask = i32((size >> 3) - 1 || 1);
    this.fn.brIf(op32('and', op32('or', entry, linear), mask), this.#generic);
    return this.pointer(size, this.let(this.add(linear, entry)));
  }

  nextEip(): Val {
    return this.sub(this.fn.get(this.#l.ip), this.fn.get(this.#l.delta));
  }
  thisEip(): Val {
    return this.sub(this.fn.get(this.#l.start), this.fn.get(this.#l.delta));
  }
  jump(target: Val): void {
    this.jumped = true;
    this.#goto(target);
  }
  jumpIf(cond: Val, target: Val): void {
    this.fn.if(cond, () => {
      this.#goto(target);
      this.#taken();
    });
  }
  #goto(target: Val): void {
    this.fn.set(this.#l.ip, this.add(target, this.fn.get(this.#l.delta)));
  }

  fault(): void {
    this.fn.br(this.#generic);
  }
  faultIf(cond: Val): void {
    this.fn.brIf(cond, this.#generic);
  }
  exit(): void {
    this.#cold('exit');
  }
  helper(): void {
    this.#cold('helper');
  }
}
