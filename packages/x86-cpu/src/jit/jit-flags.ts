import { LazyFlags } from '../interp/lazy-flags.ts';
import type { FlagName, Size, Val } from '../ops.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, op32 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import {
  type FlagFunctions,
  type FlagLocals,
  type FlagOperation,
  type FlagOverlay,
  type FlagState,
  isCount,
  overResult,
  RAW,
  rawFlags,
  UNKNOWN,
} from './flag-kinds.ts';

/** Pairs of Jcc that are one flag each. */
const DIRECT_FLAGS: Partial<Record<FlagName, number>> = { of: 0, cf: 1, zf: 2, sf: 4 };

/** Flags of compiled code: operands and result stay in locals, and what is never asked for is never computed. */
export abstract class JitFlags extends LazyFlags {
  state: FlagState = UNKNOWN;
  protected readonly f: FlagLocals;
  readonly #functions: FlagFunctions;

  constructor(fn: FunctionBuilder, size: Size, locals: FlagLocals, functions: FlagFunctions) {
    super(fn, size);
    this.f = locals;
    this.#functions = functions;
  }

  #keep(kind: FlagOperation, size: Size, a: Expr | null, b: Expr | null, r: Expr): void {
    if (a) this.fn.set(this.f.fa, a);
    if (b) this.fn.set(this.f.fb, b);
    this.fn.set(this.f.fr, r);
    this.state = { kind, size, over: null };
  }

  override flagsAdd(size: Size, a: Val, b: Val, r: Val): void {
    this.#keep('add', size, a, b, r);
  }
  override flagsSub(size: Size, a: Val, b: Val, r: Val): void {
    this.#keep('sub', size, a, b, r);
  }
  override flagsAdc(size: Size, a: Val, b: Val, r: Val): void {
    this.#keep('adc', size, a, b, r);
  }
  override flagsSbb(size: Size, a: Val, b: Val, r: Val): void {
    this.#keep('sbb', size, a, b, r);
  }
  override flagsLogic(size: Size, r: Val): void {
    this.#keep('logic', size, null, null, r);
  }
  override flagsInc(size: Size, _a: Val, r: Val): void {
    this.#lay('inc', size, r);
  }
  override flagsDec(size: Size, _a: Val, r: Val): void {
    this.#lay('dec', size, r);
  }
  override flagsRotate(size: Size, r: Val, by: 'rol' | 'ror'): void {
    this.#lay(by, size, r);
  }
  /** An operation takes the place of one before it that sets the same flags; else that is settled first. */
  #lay(kind: FlagOverlay['kind'], size: Size, r: Val): void {
    const { over } = this.state;
    const next: FlagOverlay = { kind, size };
    if (over && isCount(over) !== isCount(next)) this.toRaw();
    this.fn.set(isCount(next) ? this.f.fo : this.f.fx, r);
    this.state = { ...this.state, over: next };
  }

  /** Brings the flags into raw form, in the locals. */
  toRaw(): void {
    this.state = rawFlags(this.fn, this.#functions, this.f, this.state);
  }

  protected flagResult(): Expr {
    this.toRaw();
    return this.fn.get(this.f.fr);
  }
  protected flagAux(): Expr {
    this.toRaw();
    return this.fn.get(this.f.fb);
  }
  protected setFlagResult(v: Expr): void {
    this.toRaw();
    this.fn.set(this.f.fr, v);
  }
  protected setFlagAux(v: Expr): void {
    this.toRaw();
    this.fn.set(this.f.fb, v);
  }

  /** All raw words are set anew: what they were before does not matter. */
  override flagsResult(size: Size, r: Val, given: { cf?: Val; of?: Val; af?: Val }): void {
    const cf = this.let(given.cf ?? i32(0));
    const of = this.let(given.of ?? i32(0));
    const af = this.let(given.af ?? i32(0));
    const result = this.let(this.sext(size, r));
    this.state = RAW;
    const carries = this.or(this.shl(cf, i32(31)), this.shl(this.xor(cf, of), i32(30)));
    this.fn.set(this.f.fb, this.or(carries, this.shl(af, i32(3))));
    this.fn.set(this.f.fr, result);
  }

  /** Flags may be set inside: both ways end in raw form. */
  override if(cond: Expr, then: () => void, otherwise?: () => void): void {
    if (cond.known !== undefined) {
      if (cond.known) then();
      else otherwise?.();
      return;
    }
    const bound = this.let(cond);
    this.toRaw();
    const side = (body: () => void) => (): void => {
      this.state = RAW;
      body();
      this.toRaw();
    };
    this.fn.if(bound, side(then), otherwise && side(otherwise));
  }

  /** Bound at once: the locals behind it change when the flags take another form. */
  override flag(name: FlagName): Val {
    return this.let(this.#flagNow(name));
  }

  #flagNow(name: FlagName): Val {
    const pair = DIRECT_FLAGS[name];
    return (pair === undefined ? null : this.#direct(pair)) ?? super.flag(name);
  }

  override cond(cc: number): Val {
    const direct = this.#direct(cc >> 1);
    if (!direct) return this.let(super.cond(cc));
    return this.let(cc & 1 ? this.eqz(direct) : direct);
  }

  /** A condition (pairs of Jcc) straight from operands and result, where few operations give it. */
  #direct(pair: number): Expr | null {
    const { over } = this.state;
    return over ? this.#overlaid(pair, over) : this.#plain(pair);
  }

  #plain(pair: number): Expr | null {
    const { kind, size } = this.state;
    if (kind === 'memory' || kind === 'unknown') return null;
    const [a, b, r] = [this.fn.get(this.f.fa), this.fn.get(this.f.fb), this.fn.get(this.f.fr)];
    if (kind === 'raw') return pair === 1 ? this.shr(b, i32(31)) : null;
    if (pair === 2) return this.eqz(this.zext(size, r));
    if (pair === 4) return this.ltS(this.sext(size, r), i32(0));
    if (kind === 'sub') return this.#subtract(pair, this.zext(size, a), this.zext(size, b), a, b, size);
    if (kind === 'add' && pair === 1) return this.ltU(this.zext(size, r), this.zext(size, a));
    if (kind === 'logic') return this.#logic(pair, this.sext(size, r));
    return null;
  }

  #overlaid(pair: number, over: FlagOverlay): Expr | null {
    const r = overResult(this.fn, this.f, over);
    if (isCount(over)) return this.#counted(pair, over, this.let(this.sext(over.size, r)));
    const by = over.kind === 'rol' ? 'rol' : 'ror';
    if (pair === 0) return this.rotated(over.size, r, by).of;
    if (pair === 1) return this.rotated(over.size, r, by).cf;
    return pair === 2 || pair === 4 ? this.#plain(pair) : null;
  }

  /** INC overflows to the least number, DEC to the greatest. */
  #counted(pair: number, { kind, size }: FlagOverlay, r: Expr): Expr | null {
    const extreme = i32(kind === 'inc' ? -1 << (size - 1) : 0x7fffffff >> (32 - size));
    const less = (): Expr => this.xor(this.ltS(r, i32(0)), this.eq(r, extreme));
    switch (pair) {
      case 0:
        return this.eq(r, extreme);
      case 1:
        return this.#plain(1);
      case 2:
        return this.eqz(r);
      case 4:
        return this.ltS(r, i32(0));
      case 6:
        return less();
      case 7:
        return this.or(this.eqz(r), less());
      default:
        return null;
    }
  }

  #subtract(pair: number, ua: Expr, ub: Expr, a: Expr, b: Expr, size: Size): Expr | null {
    switch (pair) {
      case 1:
        return this.ltU(ua, ub);
      case 3:
        return this.leU(ua, ub);
      case 6:
        return this.ltS(this.sext(size, a), this.sext(size, b));
      case 7:
        return this.leS(this.sext(size, a), this.sext(size, b));
      default:
        return null;
    }
  }

  #logic(pair: number, signed: Expr): Expr | null {
    switch (pair) {
      case 0:
      case 1:
        return i32(0);
      case 3:
        return op32('eqz', signed);
      case 6:
        return this.ltS(signed, i32(0));
      case 7:
        return this.leS(signed, i32(0));
      default:
        return null;
    }
  }
}
