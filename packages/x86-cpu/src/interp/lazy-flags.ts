import { AUX_AF, AUX_CARRIES, AUX_CF } from '../flags.ts';
import type { FlagName, Size, Val } from '../ops.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, op32 } from '../wasm/expr.ts';
import { X87Registers } from './x87-ops.ts';

/** Flags as the two lazy words of flags.ts; where those words live is the tier's choice. */
export abstract class LazyFlags extends X87Registers {
  protected abstract flagResult(): Expr;
  protected abstract flagAux(): Expr;
  protected abstract setFlagResult(v: Expr): void;
  protected abstract setFlagAux(v: Expr): void;

  #setCarries(size: Size, r: Expr, carries: Expr): void {
    this.setFlagResult(this.sext(size, r));
    if (size === 32) {
      this.setFlagAux(this.and(carries, i32(AUX_CARRIES | AUX_AF)));
      return;
    }
    const bound = this.let(carries);
    const top = this.and(this.shl(bound, i32(32 - size)), i32(AUX_CARRIES));
    this.setFlagAux(this.or(top, this.and(bound, i32(AUX_AF))));
  }

  flagsAdd(size: Size, a: Val, b: Val, r: Val): void {
    this.#setCarries(size, r, this.or(this.and(a, b), this.and(this.or(a, b), this.not(r))));
  }

  flagsSub(size: Size, a: Val, b: Val, r: Val): void {
    const na = this.not(a);
    this.#setCarries(size, r, this.or(this.and(na, b), this.and(this.or(na, b), r)));
  }

  flagsAdc(size: Size, a: Val, b: Val, r: Val): void {
    this.flagsAdd(size, a, b, r);
  }

  flagsSbb(size: Size, a: Val, b: Val, r: Val): void {
    this.flagsSub(size, a, b, r);
  }

  flagsLogic(size: Size, r: Val): void {
    this.setFlagResult(this.sext(size, r));
    this.setFlagAux(i32(0));
  }

  /** CF stays: bit 31 of aux is kept, and bit 30 is CF ^ OF for the new OF. */
  #setKeepingCarry(size: Size, r: Expr, overflow: Expr, adjust: Expr): void {
    const cf = this.let(this.and(this.flagAux(), i32(AUX_CF)));
    const cfXorOf = this.xor(this.shr(cf, i32(1)), this.shl(overflow, i32(30)));
    const aux = this.or(this.or(cf, cfXorOf), this.shl(adjust, i32(3)));
    this.setFlagAux(aux);
    this.setFlagResult(this.sext(size, r));
  }

  flagsInc(size: Size, _a: Val, r: Val): void {
    const overflow = this.eq(this.sext(size, r), i32(-1 << (size - 1)));
    this.#setKeepingCarry(size, r, overflow, this.eqz(this.and(r, i32(15))));
  }

  flagsDec(size: Size, a: Val, r: Val): void {
    const overflow = this.eq(this.sext(size, a), i32(-1 << (size - 1)));
    this.#setKeepingCarry(size, r, overflow, this.eqz(this.and(a, i32(15))));
  }

  flagsResult(size: Size, r: Val, given: { cf?: Val; of?: Val; af?: Val }): void {
    const cf = given.cf ? this.let(given.cf) : i32(0);
    const af = given.af ?? i32(0);
    const cfXorOf = given.of ? this.xor(cf, given.of) : cf;
    const aux = this.or(this.shl(cf, i32(31)), this.shl(cfXorOf, i32(30)));
    this.setFlagAux(this.or(aux, this.shl(af, i32(3))));
    this.setFlagResult(this.sext(size, r));
  }

  /** CF, the bit that was carried round, and OF of a rotation's result. */
  protected rotated(size: Size, r: Val, by: 'rol' | 'ror'): { cf: Val; of: Val } {
    const bit = (n: number): Val => this.and(this.shr(r, i32(n)), i32(1));
    const top = this.let(bit(size - 1));
    if (by === 'ror') return { cf: top, of: this.xor(top, bit(size - 2)) };
    const cf = this.let(bit(0));
    return { cf, of: this.xor(cf, top) };
  }
  flagsRotate(size: Size, r: Val, by: 'rol' | 'ror'): void {
    this.setFlags(this.rotated(size, r, by));
  }

  setFlags(given: Partial<Record<FlagName, Val>>): void {
    if (given.zf || given.sf || given.pf) {
      const value = (name: FlagName): Expr => this.let(given[name] ?? this.flag(name));
      const [cf, pf, af, zf, sf, of] = [
        value('cf'),
        value('pf'),
        value('af'),
        value('zf'),
        value('sf'),
        value('of'),
      ];
      this.setAllFlags({ cf, pf, af, zf, sf, of });
      return;
    }
    let aux = this.flagAux();
    if (given.cf || given.of) {
      const cf = this.let(given.cf ?? this.flag('cf'));
      const of = this.let(given.of ?? this.flag('of'));
      const carries = this.or(this.shl(cf, i32(31)), this.shl(this.xor(cf, of), i32(30)));
      aux = this.or(this.and(aux, i32(~AUX_CARRIES)), carries);
    }
    if (given.af) aux = this.or(this.and(aux, i32(~AUX_AF)), this.shl(given.af, i32(3)));
    this.setFlagAux(aux);
  }

  /** Any combination of the six flags, each 0 or 1 and already bound. */
  protected setAllFlags(f: Record<FlagName, Expr>): void {
    const result = this.let(this.xor(f.zf, i32(1)));
    const parity = this.xor(result, this.xor(f.pf, i32(1)));
    const carries = this.or(this.shl(f.cf, i32(31)), this.shl(this.xor(f.cf, f.of), i32(30)));
    const low = this.or(this.shl(parity, i32(8)), this.or(this.shl(f.af, i32(3)), f.sf));
    this.setFlagAux(this.or(carries, low));
    this.setFlagResult(result);
  }

  flag(name: FlagName): Val {
    const aux = (): Expr => this.flagAux();
    switch (name) {
      case 'cf':
        return this.shr(aux(), i32(31));
      case 'of':
        return this.shr(this.xor(aux(), this.shl(aux(), i32(1))), i32(31));
      case 'zf':
        return this.eqz(this.flagResult());
      case 'sf':
        return this.xor(this.shr(this.flagResult(), i32(31)), this.and(aux(), i32(1)));
      case 'af':
        return this.and(this.shr(aux(), i32(3)), i32(1));
      case 'pf': {
        const byte = this.and(this.xor(this.flagResult(), this.shr(aux(), i32(8))), i32(0xff));
        return this.xor(this.and(op32('popcnt', byte), i32(1)), i32(1));
      }
    }
  }

  cond(cc: number): Val {
    const positive = this.#positive(cc >> 1);
    return cc & 1 ? this.eqz(positive) : positive;
  }

  #positive(pair: number): Expr {
    const aux = this.flagAux();
    switch (pair) {
      case 0:
        return this.ltS(this.xor(aux, this.shl(aux, i32(1))), i32(0));
      case 1:
        return this.ltS(aux, i32(0));
      case 2:
        return this.flag('zf');
      case 3:
        return this.or(this.flag('zf'), this.ltS(aux, i32(0)));
      case 4:
        return this.ltS(this.xor(this.flagResult(), this.shl(aux, i32(31))), i32(0));
      case 5:
        return this.flag('pf');
      case 6:
        return this.#less();
      default:
        return this.or(this.flag('zf'), this.#less());
    }
  }

  /** SF != OF */
  #less(): Expr {
    const aux = this.flagAux();
    const of = this.xor(aux, this.shl(aux, i32(1)));
    const sf = this.xor(this.flagResult(), this.shl(aux, i32(31)));
    return this.ltS(this.xor(of, sf), i32(0));
  }
}
