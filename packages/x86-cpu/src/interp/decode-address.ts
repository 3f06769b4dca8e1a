import { S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, load, op32, select } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { DECODE_POP_RM } from './decode-table.ts';

const and = (a: Expr, b: Expr): Expr => op32('and', a, b);
const add = (a: Expr, b: Expr): Expr => op32('add', a, b);
const eq = (a: Expr, b: number): Expr => op32('eq', a, i32(b));

/** Locals of `step` that address decoding reads and writes. */
export interface AddressLocals {
  /** Host address after ModRM; moves past SIB and displacement. */
  readonly ip: number;
  readonly modrm: number;
  /** Receives the effective address. */
  readonly ea: number;
  /** Receives 1 when the base is (E)SP or (E)BP: the segment is SS by default. */
  readonly stackBase: number;
}

/** Emits the decoding of a memory operand. */
export class AddressDecoder {
  readonly #fn: FunctionBuilder;
  readonly #l: AddressLocals;

  constructor(fn: FunctionBuilder, locals: AddressLocals) {
    this.#fn = fn;
    this.#l = locals;
  }

  #get(index: number): Expr {
    return this.#fn.get(index);
  }
  #set(index: number, v: Expr): void {
    this.#fn.set(index, v);
  }
  #advance(n: number): void {
    this.#set(this.#l.ip, add(this.#get(this.#l.ip), i32(n)));
  }
  #reg(n: Expr): Expr {
    return load('i32', op32('shl', n, i32(2)), S.regs);
  }
  #addEa(v: Expr): void {
    this.#set(this.#l.ea, add(this.#get(this.#l.ea), v));
  }
  #mod(): Expr {
    return op32('shr_u', this.#get(this.#l.modrm), i32(6));
  }

  /** 32-bit addressing; POP r/m counts ESP as already moved by the operand size. */
  bits32(op16: Expr, flags: Expr): void {
    const fn = this.#fn;
    const base = fn.local();
    this.#set(base, and(this.#get(this.#l.modrm), i32(7)));
    this.#set(this.#l.ea, i32(0));
    fn.if(eq(this.#get(base), 4), () => {
      const sib = fn.bind(load('u8', this.#get(this.#l.ip)));
      this.#advance(1);
      this.#set(base, and(sib, i32(7)));
      const index = fn.bind(and(op32('shr_u', sib, i32(3)), i32(7)));
      fn.if(op32('ne', index, i32(4)), () =>
        this.#set(this.#l.ea, op32('shl', this.#reg(index), op32('shr_u', sib, i32(6)))),
      );
      fn.if(and(eq(this.#get(base), 4), op32('ne', and(flags, i32(DECODE_POP_RM)), i32(0))), () =>
        this.#addEa(op32('sub', i32(4), op32('shl', op16, i32(1)))),
      );
    });
    const absolute = and(eq(this.#get(base), 5), op32('eqz', this.#mod()));
    fn.if(
      absolute,
      () => {
        this.#addEa(load('i32', this.#get(this.#l.ip)));
        this.#advance(4);
      },
      () => {
        this.#addEa(this.#reg(this.#get(base)));
        this.#set(this.#l.stackBase, eq(and(this.#get(base), i32(6)), 4));
      },
    );
    this.#displacement(4);
  }

  /** disp8, or disp16/32 by `wideBytes`, as ModRM.mod says. */
  #displacement(wideBytes: 2 | 4): void {
    const fn = this.#fn;
    fn.if(eq(this.#mod(), 1), () => {
      this.#addEa(load('s8', this.#get(this.#l.ip)));
      this.#advance(1);
    });
    fn.if(eq(this.#mod(), 2), () => {
      this.#addEa(load(wideBytes === 4 ? 'i32' : 's16', this.#get(this.#l.ip)));
      this.#advance(wideBytes);
    });
  }

  /** 16-bit addressing. */
  bits16(): void {
    const fn = this.#fn;
    const rm = fn.bind(and(this.#get(this.#l.modrm), i32(7)));
    const [bx, bp, si, di] = [3, 5, 6, 7].map((n) => this.#reg(i32(n)));
    if (!bx || !bp || !si || !di) return;
    const isBp = op32('or', eq(rm, 2), op32('or', eq(rm, 3), eq(rm, 6)));
    this.#set(this.#l.stackBase, isBp);
    const usesBx = op32('or', op32('lt_u', rm, i32(2)), eq(rm, 7));
    const usesSi = and(op32('lt_u', rm, i32(5)), op32('eqz', and(rm, i32(1))));
    const usesDi = and(op32('lt_u', rm, i32(6)), and(rm, i32(1)));
    this.#set(this.#l.ea, select(usesBx, bx, i32(0)));
    this.#addEa(select(isBp, bp, i32(0)));
    this.#addEa(select(usesSi, si, i32(0)));
    this.#addEa(select(usesDi, di, i32(0)));
    fn.if(and(eq(rm, 6), op32('eqz', this.#mod())), () => {
      this.#set(this.#l.ea, load('u16', this.#get(this.#l.ip)));
      this.#set(this.#l.stackBase, i32(0));
      this.#advance(2);
    });
    this.#displacement(2);
    this.#set(this.#l.ea, and(this.#get(this.#l.ea), i32(0xffff)));
  }
}
