import { Reg, Vector } from '../names.ts';
import type { Operand, Ops, Size, Val } from '../ops.ts';
import type { AnyOperand, Row } from '../row.ts';
import { AF, OSZAPC, PF, row, SF, ZF } from '../row.ts';
import type { Sem } from './common.ts';

const AH = 4;
const SIGN = -0x80000000;

const accumulator = (o: Ops, size: Size): Operand => o.reg(size, Reg.EAX);

/** The upper half does not fit: CF and OF. */
function setOverflow(o: Ops, size: Size, r: Val, overflow: Val): void {
  const flag = o.let(overflow);
  o.flagsResult(size, r, { cf: flag, of: flag });
}

const mul: Sem = (o, src) => {
  const { size } = src;
  if (size === 32) {
    const w = o.wlet(o.wmul(o.wideU(accumulator(o, 32).get()), o.wideU(src.get())));
    o.reg(32, Reg.EAX).set(o.lo(w));
    o.reg(32, Reg.EDX).set(o.hi(w));
    setOverflow(o, 32, o.lo(w), o.ne(o.hi(w), o.c(0)));
    return;
  }
  const p = o.let(o.mul(accumulator(o, size).get(), src.get()));
  const upper = o.let(o.shr(p, o.c(size)));
  o.reg(16, Reg.EAX).set(p);
  if (size === 16) o.reg(16, Reg.EDX).set(upper);
  setOverflow(o, size, p, o.ne(upper, o.c(0)));
};

const imulAccumulator: Sem = (o, src) => {
  const { size } = src;
  if (size === 32) {
    const w = o.wlet(o.wmul(o.wideS(accumulator(o, 32).get()), o.wideS(src.get())));
    o.reg(32, Reg.EAX).set(o.lo(w));
    o.reg(32, Reg.EDX).set(o.hi(w));
    setOverflow(o, 32, o.lo(w), o.ne(o.hi(w), o.sar(o.lo(w), o.c(31))));
    return;
  }
  const p = o.let(o.mul(accumulator(o, size).sget(), src.sget()));
  o.reg(16, Reg.EAX).set(p);
  if (size === 16) o.reg(16, Reg.EDX).set(o.shr(p, o.c(16)));
  setOverflow(o, size, p, o.ne(o.sext(size, p), p));
};

function imul(o: Ops, dst: AnyOperand, a: Val, b: Val): void {
  if (dst.size === 32) {
    const w = o.wlet(o.wmul(o.wideS(a), o.wideS(b)));
    const low = o.let(o.lo(w));
    dst.set(low);
    setOverflow(o, 32, low, o.ne(o.hi(w), o.sar(low, o.c(31))));
    return;
  }
  const p = o.let(o.mul(a, b));
  dst.set(p);
  setOverflow(o, dst.size, p, o.ne(o.sext(dst.size, p), p));
}
const imulTwo: Sem = (o, dst, src) => imul(o, dst, dst.sget(), src.sget());
const imulThree: Sem = (o, dst, src, factor) => imul(o, dst, src.sget(), factor.sget());

/** The dividend of 8- and 16-bit divisions: AX, or DX:AX. */
const dividend = (o: Ops, size: 8 | 16): Val =>
  size === 8
    ? o.reg(16, Reg.EAX).get()
    : o.or(o.shl(o.reg(16, Reg.EDX).get(), o.c(16)), o.reg(16, Reg.EAX).get());

function setQuotient(o: Ops, size: 8 | 16, quotient: Val, remainder: Val): void {
  const r = o.let(remainder);
  o.reg(size, Reg.EAX).set(quotient);
  o.reg(size, size === 8 ? AH : Reg.EDX).set(r);
}

const div: Sem = (o, src) => {
  const divisor = o.let(src.get());
  const { size } = src;
  if (size === 32) {
    const high = o.let(o.reg(32, Reg.EDX).get());
    o.faultIf(o.leU(divisor, high), Vector.DE);
    const w = o.wlet(o.wide(high, o.reg(32, Reg.EAX).get()));
    const d = o.wlet(o.wideU(divisor));
    o.reg(32, Reg.EAX).set(o.lo(o.wdivU(w, d)));
    o.reg(32, Reg.EDX).set(o.lo(o.wremU(w, d)));
    return;
  }
  o.faultIf(o.eqz(divisor), Vector.DE);
  const n = o.let(dividend(o, size));
  const q = o.let(o.divU(n, divisor));
  o.faultIf(o.ne(o.shr(q, o.c(size)), o.c(0)), Vector.DE);
  setQuotient(o, size, q, o.remU(n, divisor));
};

/**
 * A dividend whose upper half is the most negative number overflows for every divisor, so it is refused before the
 * division, which would itself overflow for -1.
 */
const idiv: Sem = (o, src) => {
  const divisor = o.let(src.sget());
  const { size } = src;
  if (size === 32) {
    const high = o.let(o.reg(32, Reg.EDX).get());
    o.faultIf(o.or(o.eqz(divisor), o.eq(high, o.c(SIGN))), Vector.DE);
    const w = o.wlet(o.wide(high, o.reg(32, Reg.EAX).get()));
    const d = o.wlet(o.wideS(divisor));
    const q = o.wlet(o.wdivS(w, d));
    o.faultIf(o.eqz(o.weq(q, o.wideS(o.lo(q)))), Vector.DE);
    o.reg(32, Reg.EAX).set(o.lo(q));
    o.reg(32, Reg.EDX).set(o.lo(o.wremS(w, d)));
    return;
  }
  const n = o.let(size === 8 ? o.sext(16, dividend(o, 8)) : dividend(o, 16));
  o.faultIf(o.or(o.eqz(divisor), o.eq(n, o.c(SIGN))), Vector.DE);
  const q = o.let(o.divS(n, divisor));
  o.faultIf(o.ne(o.sext(size, q), q), Vector.DE);
  setQuotient(o, size, q, o.remS(n, divisor));
};

const product = { undef: SF | ZF | AF | PF };
const hotProduct = { ...product, hot: true };
const quotient = { undef: OSZAPC };

/** MUL, IMUL, DIV, IDIV. */
export const MULDIV_ROWS: readonly Row[] = [
  row(0xf6, 'MUL Eb', { ...product, ext: 4 }, mul),
  row(0xf7, 'MUL Ev', { ...hotProduct, ext: 4 }, mul),
  row(0xf6, 'IMUL Eb', { ...product, ext: 5 }, imulAccumulator),
  row(0xf7, 'IMUL Ev', { ...product, ext: 5 }, imulAccumulator),
  row(0x0faf, 'IMUL +Gv,Ev', hotProduct, imulTwo),
  row(0x69, 'IMUL =Gv,Ev,Iz', hotProduct, imulThree),
  row(0x6b, 'IMUL =Gv,Ev,Ibs', hotProduct, imulThree),
  row(0xf6, 'DIV Eb', { ...quotient, ext: 6 }, div),
  row(0xf7, 'DIV Ev', { ...quotient, hot: true, ext: 6 }, div),
  row(0xf6, 'IDIV Eb', { ...quotient, ext: 7 }, idiv),
  row(0xf7, 'IDIV Ev', { ...quotient, ext: 7 }, idiv),
];
