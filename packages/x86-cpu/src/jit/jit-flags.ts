import { LazyFlags } from '../interp/lazy-flags.ts';
import type { FlagName, Size, Val } from '../ops.ts';
import { S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, load, op32 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { type FlagLocals, type FlagOperation, type FlagState, FlagWords } from './flag-kinds.ts';

/** Flags of compiled code: operands and result stay in locals, and what is never asked for is never computed. */
export abstract class JitFlags extends LazyFlags {
  state: FlagState = { kind: 'unknown' };
  protected readonly f: FlagLocals;
  readonly #storeFlags: number;

  constructor(fn: FunctionBuilder, size: Size, locals: FlagLocals, storeFlags: number) {
    super(fn, size);
    this.f = locals;
    this.#storeFlags = storeFlags;
  }

  #keep(operation: FlagOperation, size: Size, a: Expr | null, b: Expr | null, r: Expr): void {
    if (a) this.fn.set(this.f.fa, a);
    if (b) this.fn.set(this.f.fb, b);
    this.fn.set(this.f.fr, r);
    this.state = { kind: operation, size };
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
    this.#keep('inc', size, null, this.let(this.flag('cf')), r);
  }
  override flagsDec(size: Size, _a: Val, r: Val): void {
    this.#keep('dec', size, null, this.let(this.flag('cf')), r);
  }

  /** Brings the flags into raw form, in the locals. */
  toRaw(): void {
    const { fn, f, state } = this;
    if (state.kind === 'raw') return;
    if (state.kind === 'unknown') {
      fn.invoke(this.#storeFlags, [fn.get(f.fk), fn.get(f.fa), fn.get(f.fb), fn.get(f.fr)]);
      fn.set(f.fr, load('i32', i32(0), S.result));
      fn.set(f.fb, load('i32', i32(0), S.aux));
    } else {
      const { result, aux } = new FlagWords(fn, 32).words(
        state.kind,
        state.size,
        fn.get(f.fa),
        fn.get(f.fb),
        fn.get(f.fr),
      );
      const bound = this.let(aux);
      fn.set(f.fr, result);
      fn.set(f.fb, bound);
    }
    this.state = { kind: 'raw' };
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
    const needsOld = this.state;
    const cf = this.let(given.cf ?? i32(0));
    const of = this.let(given.of ?? i32(0));
    const af = this.let(given.af ?? i32(0));
    const result = this.let(this.sext(size, r));
    if (needsOld.kind !== 'raw') this.state = { kind: 'raw' };
    const carries = this.or(this.shl(cf, i32(31)), this.shl(this.xor(cf, of), i32(30)));
    this.fn.set(this.f.fb, this.or(carries, this.shl(af, i32(3))));
    this.fn.set(this.f.fr, result);
  }

  /** Flags may be set inside: both ways end in raw form. */
  override if(cond: Expr, then: () => void, otherwise?: () => void): void {
    const bound = this.let(cond);
    this.toRaw();
    const side = (body: () => void) => (): void => {
      this.state = { kind: 'raw' };
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
    const { state } = this;
    if (name === 'cf' && state.kind !== 'raw' && state.kind !== 'unknown') {
      if (state.kind === 'inc' || state.kind === 'dec') return this.fn.get(this.f.fb);
      if (state.kind === 'logic') return i32(0);
    }
    const direct =
      name === 'cf'
        ? this.#direct(1)
        : name === 'zf'
          ? this.#direct(2)
          : name === 'sf'
            ? this.#direct(4)
            : null;
    return direct ?? super.flag(name);
  }

  override cond(cc: number): Val {
    const direct = this.#direct(cc >> 1);
    if (!direct) return this.let(super.cond(cc));
    return this.let(cc & 1 ? this.eqz(direct) : direct);
  }

  /** A condition (pairs of Jcc) straight from operands and result, where one comparison gives it. */
  #direct(pair: number): Expr | null {
    const { state } = this;
    if (state.kind === 'raw' || state.kind === 'unknown') return null;
    const { size } = state;
    const [a, b, r] = [this.fn.get(this.f.fa), this.fn.get(this.f.fb), this.fn.get(this.f.fr)];
    if (pair === 2) return this.eqz(this.zext(size, r));
    if (pair === 4) return this.ltS(this.sext(size, r), i32(0));
    if (state.kind === 'sub') return this.#subtract(pair, this.zext(size, a), this.zext(size, b), a, b, size);
    if (state.kind === 'add' && pair === 1) return this.ltU(this.zext(size, r), this.zext(size, a));
    if (state.kind === 'logic') return this.#logic(pair, this.sext(size, r));
    return null;
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
