import type { Cell, Val } from '../ops.ts';
import type { FloatOperation, FloatResult, FloatVal, Rounding, Unless, X87Word } from '../ops-x87.ts';
import { S, X87_BYTES, X87_DOUBLE } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, load } from '../wasm/expr.ts';
import { floatArithmetic } from '../x87/inline.ts';
import { WasmArithmetic } from './wasm-ops.ts';

const C1 = 0x200;
/** From a register to its sign and exponent. */
const SIGN_EXPONENT = 8;

/** PE and C1 of a rounding. */
export function statusOf(o: WasmArithmetic, { rest, up }: Rounding): Val {
  return o.or(o.shl(o.eqz(o.weqz(rest)), i32(5)), o.shl(up, i32(9)));
}

/** The x87 half of the algebra with the stack in memory, addressed through TOP. */
export abstract class X87Registers extends WasmArithmetic {
  #top: Expr = i32(0);
  readonly fprecisions: readonly (53 | 64)[] = [64, 53];

  /** Reads TOP; later operations of the instruction count registers from it. */
  protected takeTop(): void {
    this.#top = this.let(this.fword('ftop').get());
  }

  fword(name: X87Word): Cell {
    const offset = S[name];
    return {
      get: () => load('i32', i32(0), offset),
      set: (v) => this.fn.store('i32', i32(0), v, offset),
    };
  }

  fimage(at: number): Cell {
    return {
      get: () => load('i32', i32(0), S.image + at),
      set: (v) => this.fn.store('i32', i32(0), v, S.image + at),
    };
  }
  fif(cond: Val, then: () => void, otherwise?: () => void): void {
    this.fn.if(cond, then, otherwise);
  }
  falternative(first: (unless: Unless) => void, second: () => void): void {
    this.fn.block((done) => {
      this.fn.block((giveUp) => {
        first((cond) => this.fn.brIf(cond, giveUp));
        this.fn.br(done);
      });
      second();
    });
  }
  attempt(fast: (unless: Unless) => void, slow: () => void): void {
    this.falternative(fast, slow);
  }
  fenter(_waiting: boolean): void {
    throw new Error('x87 has no place here');
  }

  /** Number of the physical register. */
  protected physical(i: Val): Val {
    return i.known === 0 ? this.#top : this.and(this.add(this.#top, i), i32(7));
  }
  #address(i: Val): Val {
    return this.let(this.shl(this.physical(i), i32(Math.log2(X87_BYTES))));
  }

  fisEmpty(i: Val): Val {
    return this.eqz(this.and(this.shr(this.fword('ftags').get(), this.physical(i)), i32(1)));
  }
  fget(i: Val): FloatVal {
    const address = this.#address(i);
    return {
      m: this.let(load('i64', address, S.x87)),
      se: this.let(load('i32', address, S.x87 + SIGN_EXPONENT)),
    };
  }
  fset(i: Val, v: FloatVal): void {
    const address = this.#address(i);
    this.fn.store('i64', address, v.m, S.x87);
    this.fn.store('i32', address, v.se, S.x87 + SIGN_EXPONENT);
  }
  fmark(i: Val, v: FloatVal | null): void {
    const tags = this.fword('ftags');
    const bit = this.shl(i32(1), this.physical(i));
    if (v) {
      this.fset(i, v);
      tags.set(this.or(tags.get(), bit));
    } else tags.set(this.and(tags.get(), this.not(bit)));
  }
  fpush(v: FloatVal): void {
    this.fmark(i32(7), v);
    this.fturn(-1);
  }
  fpop(): void {
    this.fmark(i32(0), null);
    this.fturn(1);
  }
  fturn(by: number): void {
    this.#top = this.let(this.and(this.add(this.#top, i32(by)), i32(7)));
    this.fword('ftop').set(this.#top);
  }
  frounded(rounding: Rounding | null): void {
    const fsw = this.fword('fsw');
    const kept = this.and(fsw.get(), i32(~C1));
    fsw.set(rounding ? this.or(kept, statusOf(this, rounding)) : kept);
  }
  fcareless(precision: 53 | 64): Val {
    return this.eq(this.fword('fcare').get(), i32(precision === 53 ? X87_DOUBLE : 0));
  }
  fcares(allowed: number): Val {
    return this.and(this.fword('fcare').get(), i32(~allowed));
  }
  farith(op: FloatOperation, precision: 53 | 64, a: FloatVal, b: FloatVal, unless: Unless): FloatResult {
    return floatArithmetic(this, op, precision, a, b, unless);
  }
}
