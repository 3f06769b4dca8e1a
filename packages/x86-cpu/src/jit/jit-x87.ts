import type { Cell, Size, Val } from '../ops.ts';
import type { FloatVal, Rounding, Unless, X87Word } from '../ops-x87.ts';
import { X87_ABSENT, X87_DOUBLE, X87_PENDING } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { I64, i32 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { FlagFunctions, FlagLocals } from './flag-kinds.ts';
import { JitFlags } from './jit-flags.ts';
import type { X87State } from './x87-state.ts';

/** The x87 half of the algebra in compiled code: the stack in locals, what is rare left to the general interpreter. */
export abstract class JitX87 extends JitFlags {
  readonly #x: X87State | null;
  override readonly fprecisions: readonly (53 | 64)[];

  constructor(
    fn: FunctionBuilder,
    size: Size,
    locals: FlagLocals,
    functions: FlagFunctions,
    x87: X87State | null,
  ) {
    super(fn, size, locals, functions);
    this.#x = x87;
    this.fprecisions = [x87?.care === X87_DOUBLE ? 53 : 64];
  }

  /** Leaves for the general interpreter when `cond` holds. */
  protected abstract bail(cond: Expr): void;
  /** Marks the instruction as one for the general interpreter. */
  protected abstract giveUp(): Expr;

  /** The region's stack. */
  #stack(): X87State {
    if (!this.#x) throw new Error('an x87 instruction in a region without x87');
    return this.#x;
  }

  override attempt(fast: (unless: Unless) => void, _slow: () => void): void {
    fast((cond) => {
      if (cond.known !== 0) this.bail(cond);
    });
  }
  override fenter(waiting: boolean): void {
    const x = this.#stack();
    if (x.careKnown) return;
    if (!x.careLoose) {
      x.careKnown = true;
      this.bail(this.ne(this.fword('fcare').get(), i32(x.care)));
      return;
    }
    const reasons = waiting ? X87_ABSENT | X87_PENDING : X87_ABSENT;
    this.bail(this.and(this.fword('fcare').get(), i32(reasons)));
  }

  override fword(name: X87Word): Cell {
    const x = this.#stack();
    if (name === 'fsw') return { get: () => x.status(), set: (v) => x.setStatus(v) };
    if (name === 'fip') return { get: () => this.fn.get(x.fip), set: (v) => this.fn.set(x.fip, v) };
    if (name === 'ftop') return { get: () => x.top(), set: () => this.giveUp() };
    if (name === 'ftags') return { get: () => this.giveUp(), set: () => this.giveUp() };
    const { get, set } = super.fword(name);
    return {
      get,
      set: (v) => {
        x.careKnown = false;
        x.careLoose = true;
        set(v);
      },
    };
  }

  #position(i: Val): number {
    return this.#stack().position(i.known ?? 0);
  }

  override fisEmpty(i: Val): Val {
    const x = this.#stack();
    const bit = 1 << this.#position(i);
    if (x.full & bit) return i32(0);
    if (x.empty & bit) return i32(1);
    return this.eqz(this.and(this.fn.get(x.tags), i32(bit)));
  }
  override fget(i: Val): FloatVal {
    const x = this.#stack();
    const p = this.#position(i);
    x.full |= 1 << p;
    const v = { m: this.let(this.fn.get(x.mantissa(p), I64)), se: this.let(this.fn.get(x.exponent(p))) };
    const bound = x.bounds[p];
    return bound === undefined ? v : { ...v, bound };
  }
  override fset(i: Val, v: FloatVal): void {
    const x = this.#stack();
    const p = this.#position(i);
    this.fn.set(x.mantissa(p), v.m);
    this.fn.set(x.exponent(p), v.se);
    x.bounds[p] = v.bound;
  }
  override fmark(i: Val, v: FloatVal | null): void {
    const x = this.#stack();
    const bit = 1 << this.#position(i);
    const tags = this.fn.get(x.tags);
    if (v) {
      this.fset(i, v);
      if (!(x.full & bit)) this.fn.set(x.tags, this.or(tags, i32(bit)));
      x.full |= bit;
      x.empty &= ~bit;
    } else {
      this.fn.set(x.tags, this.and(tags, i32(~bit)));
      x.full &= ~bit;
      x.empty |= bit;
    }
  }
  override fturn(by: number): void {
    const x = this.#stack();
    x.depth = (x.depth + by) & 7;
  }
  override frounded(rounding: Rounding | null): void {
    const x = this.#stack();
    this.fn.set(x.up, rounding ? rounding.up : i32(0));
    if (rounding) this.fn.set(x.inexact, this.wor(this.fn.get(x.inexact, I64), rounding.rest));
  }
  override fcareless(precision: 53 | 64): Val {
    const x = this.#stack();
    if (x.careKnown) return i32(1);
    x.careKnown = true;
    return this.eq(this.fword('fcare').get(), i32(precision === 53 ? X87_DOUBLE : 0));
  }
  override fcares(allowed: number): Val {
    const known = this.#stack().careKnown;
    return known ? i32(0) : super.fcares(allowed);
  }
}
