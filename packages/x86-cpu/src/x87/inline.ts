import type { Cell, Ops, Val, Wide } from '../ops.ts';
import type { FloatOperation, FloatResult, FloatVal, Unless, WideCell } from '../ops-x87.ts';

/*
 * Arithmetic on two 64-bit mantissas with round-to-nearest-even in 64-bit operations, exact: normal numbers and zeros go
 * straight through, anything else gives up.
 */

/** The operations that the arithmetic needs. */
export type Arithmetic = Pick<
  Ops,
  | 'add'
  | 'and'
  | 'c'
  | 'cell'
  | 'eq'
  | 'eqz'
  | 'falternative'
  | 'fif'
  | 'leU'
  | 'let'
  | 'lo'
  | 'ltU'
  | 'or'
  | 'select'
  | 'shl'
  | 'shr'
  | 'sub'
  | 'wadd'
  | 'wand'
  | 'wbig'
  | 'wcell'
  | 'wclz'
  | 'wdivU'
  | 'weqz'
  | 'wideU'
  | 'wlet'
  | 'wltS'
  | 'wltU'
  | 'wmul'
  | 'wor'
  | 'wselect'
  | 'wshl'
  | 'wshrU'
  | 'wsub'
  | 'xor'
>;

const TOP = 1n << 63n;
const LOW32 = 0xffffffffn;
const EXPONENT = 0x7fff;
const SIGN = 0x8000;
const LAST_NORMAL = 0x7ffe;

/** Bounded results below this neither overflow nor underflow. */
const SAFE = 16000;

interface Result {
  readonly m: WideCell;
  readonly se: Cell;
  readonly rest: WideCell;
  readonly up: Cell;
  readonly bound: number | undefined;
}

const low = (o: Arithmetic, w: Wide): Wide => o.wand(w, o.wbig(LOW32));
const high = (o: Arithmetic, w: Wide): Wide => o.wshrU(w, o.c(32));
const exponent = (o: Arithmetic, v: FloatVal): Val => o.let(o.and(v.se, o.c(EXPONENT)));
/** 1 when the biased exponent is none of a normal number. */
const outOfRange = (o: Arithmetic, e: Val): Val => o.leU(o.c(LAST_NORMAL), o.sub(e, o.c(1)));
const isNormal = (o: Arithmetic, v: FloatVal): Val =>
  o.and(o.eqz(outOfRange(o, o.and(v.se, o.c(EXPONENT)))), o.wltS(v.m, o.wbig(0n)));
const isZero = (o: Arithmetic, v: FloatVal): Val => o.weqz(o.wor(v.m, o.wideU(o.and(v.se, o.c(EXPONENT)))));
export const isSimple = (o: Arithmetic, v: FloatVal): Val => o.or(isNormal(o, v), isZero(o, v));

/** Rounds hi:lo, hi normalized, to the precision. */
function round(
  o: Arithmetic,
  precision: 53 | 64,
  result: Result,
  hi: Wide,
  lo: Wide,
  e: Val,
  sign: Val,
  unless: Unless,
): void {
  let [kept, rest, odd] = [hi, lo, hi];
  if (precision === 53) {
    const sticky = o.wideU(o.eqz(o.weqz(lo)));
    rest = o.wlet(o.wor(o.wshl(hi, o.c(53)), sticky));
    kept = o.wlet(o.wand(hi, o.wbig(~0x7ffn)));
    odd = o.wshrU(hi, o.c(11));
  }
  o.fif(
    o.weqz(rest),
    () => exact(o, result, kept, e, sign, unless),
    () => {
      const up = o.let(o.wltU(o.wsub(o.wbig(TOP), o.wand(odd, o.wbig(1n))), rest));
      const step = o.wideU(precision === 53 ? o.shl(up, o.c(11)) : up);
      const m = o.wlet(o.wadd(kept, step));
      const carry = o.let(o.weqz(m));
      const scaled = o.let(o.add(e, carry));
      if (result.bound === undefined) unless(outOfRange(o, scaled));
      result.m.set(o.wor(m, o.wshl(o.wideU(carry), o.c(63))));
      result.se.set(o.or(scaled, sign));
      result.rest.set(rest);
      result.up.set(up);
    },
  );
}

/** A normalized mantissa that is the result as it is. */
function exact(o: Arithmetic, result: Result, m: Wide, e: Val, sign: Val, unless: Unless): void {
  if (result.bound === undefined) unless(outOfRange(o, e));
  result.m.set(m);
  result.se.set(o.or(e, sign));
}

function multiplyNormal(
  o: Arithmetic,
  p: 53 | 64,
  r: Result,
  a: FloatVal,
  b: FloatVal,
  sign: Val,
  unless: Unless,
): void {
  const e = o.cell(o.sub(o.add(exponent(o, a), exponent(o, b)), o.c(16382)));
  const long = (): void => multiplyLong(o, p, r, a, b, e, sign, unless);
  if (p === 53) {
    long();
    return;
  }
  // Integers and short fractions are frequent, and exact.
  const isShort = o.weqz(o.wand(o.wor(a.m, b.m), o.wbig(LOW32)));
  const short = (): void => {
    const m = o.wlet(o.wmul(high(o, a.m), high(o, b.m)));
    const shift = o.let(o.eqz(o.wltS(m, o.wbig(0n))));
    exact(o, r, o.wshl(m, shift), o.let(o.sub(e.get(), shift)), sign, unless);
  };
  o.fif(isShort, short, long);
}

function multiplyLong(
  o: Arithmetic,
  p: 53 | 64,
  r: Result,
  a: FloatVal,
  b: FloatVal,
  e: Cell,
  sign: Val,
  unless: Unless,
): void {
  const [a0, a1] = [o.wlet(low(o, a.m)), o.wlet(high(o, a.m))];
  const [b0, b1] = [o.wlet(low(o, b.m)), o.wlet(high(o, b.m))];
  const product = o.wlet(o.wmul(a0, b0));
  const middle = o.wlet(o.wadd(o.wmul(a1, b0), high(o, product)));
  const other = o.wlet(o.wadd(o.wmul(a0, b1), low(o, middle)));
  const hi = o.wcell(o.wadd(o.wadd(o.wmul(a1, b1), high(o, middle)), high(o, other)));
  const lo = o.wcell(o.wor(o.wshl(other, o.c(32)), low(o, product)));
  const shift = o.let(o.eqz(o.wltS(hi.get(), o.wbig(0n))));
  hi.set(o.wor(o.wshl(hi.get(), shift), o.wand(o.wshrU(lo.get(), o.c(63)), o.wideU(shift))));
  lo.set(o.wshl(lo.get(), shift));
  e.set(o.sub(e.get(), shift));
  round(o, p, r, hi.get(), lo.get(), e.get(), sign, unless);
}

function addNormal(o: Arithmetic, p: 53 | 64, r: Result, a: FloatVal, b: FloatVal, unless: Unless): void {
  const [ea, eb] = [exponent(o, a), exponent(o, b)];
  const distance = o.let(o.sub(ea, eb));
  const level = o.and(o.eqz(distance), o.wltU(a.m, b.m));
  const swap = o.let(o.or(o.shr(distance, o.c(31)), level));
  const hi = o.wcell(o.wselect(swap, b.m, a.m));
  const small = o.wcell(o.wselect(swap, a.m, b.m));
  const e = o.cell(o.select(swap, eb, ea));
  const sign = o.let(o.and(o.select(swap, b.se, a.se), o.c(SIGN)));
  const d = o.let(o.select(swap, o.sub(o.c(0), distance), distance));
  const lo = o.wcell(o.wbig(0n));
  o.fif(
    o.ltU(d, o.c(64)),
    () => {
      lo.set(o.wshl(o.wshl(small.get(), o.c(1)), o.xor(d, o.c(63))));
      small.set(o.wshrU(small.get(), d));
    },
    () => {
      // Two places below the last bit only whether something is there matters.
      const t = small.get();
      const next = o.wor(o.wshrU(t, o.c(1)), o.wand(t, o.wbig(1n)));
      lo.set(o.wselect(o.eq(d, o.c(64)), t, o.wselect(o.eq(d, o.c(65)), next, o.wbig(1n))));
      small.set(o.wbig(0n));
    },
  );
  o.fif(
    o.and(o.xor(a.se, b.se), o.c(SIGN)),
    () => subtractMagnitudes(o, hi, small, lo, e),
    () => {
      const total = o.wlet(o.wadd(hi.get(), small.get()));
      o.fif(
        o.wltU(total, hi.get()),
        () => {
          const sticky = o.wand(lo.get(), o.wbig(1n));
          lo.set(o.wor(o.wor(o.wshl(total, o.c(63)), o.wshrU(lo.get(), o.c(1))), sticky));
          hi.set(o.wor(o.wshrU(total, o.c(1)), o.wbig(TOP)));
          e.set(o.add(e.get(), o.c(1)));
        },
        () => hi.set(total),
      );
    },
  );
  o.fif(
    o.weqz(hi.get()),
    () => {
      r.m.set(o.wbig(0n));
      r.se.set(o.c(0));
    },
    () => round(o, p, r, hi.get(), lo.get(), e.get(), sign, unless),
  );
}

/** hi:lo := hi:0 - small:lo, normalized; hi = 0 when nothing is left. */
function subtractMagnitudes(o: Arithmetic, hi: WideCell, small: WideCell, lo: WideCell, e: Cell): void {
  const borrow = o.wideU(o.eqz(o.weqz(lo.get())));
  hi.set(o.wsub(o.wsub(hi.get(), small.get()), borrow));
  lo.set(o.wsub(o.wbig(0n), lo.get()));
  o.fif(o.eqz(o.wltS(hi.get(), o.wbig(0n))), () => {
    o.fif(o.weqz(hi.get()), () => {
      hi.set(lo.get());
      lo.set(o.wbig(0n));
      e.set(o.sub(e.get(), o.c(64)));
    });
    const count = o.let(o.lo(o.wclz(hi.get())));
    const carried = o.wshrU(o.wshrU(lo.get(), o.c(1)), o.xor(count, o.c(63)));
    hi.set(o.wor(o.wshl(hi.get(), count), carried));
    lo.set(o.wshl(lo.get(), count));
    e.set(o.sub(e.get(), count));
  });
}

/** One digit of Knuth's division: (high : next 32 bits) / divisor. */
function digit(o: Arithmetic, high: WideCell, next: Wide, divisor: Wide): Wide {
  const top = o.wlet(o.wshrU(divisor, o.c(32)));
  const bottom = o.wlet(o.wand(divisor, o.wbig(LOW32)));
  const q = o.wcell(o.wdivU(high.get(), top));
  const rest = o.wcell(o.wsub(high.get(), o.wmul(q.get(), top)));
  for (let i = 0; i < 2; i++) {
    const tooBig = o.or(
      o.wltU(o.wbig(LOW32), q.get()),
      o.wltU(o.wor(o.wshl(rest.get(), o.c(32)), next), o.wmul(q.get(), bottom)),
    );
    o.fif(o.and(tooBig, o.weqz(o.wshrU(rest.get(), o.c(32)))), () => {
      q.set(o.wsub(q.get(), o.wbig(1n)));
      rest.set(o.wadd(rest.get(), top));
    });
  }
  high.set(o.wsub(o.wor(o.wshl(high.get(), o.c(32)), next), o.wmul(q.get(), divisor)));
  return o.wlet(q.get());
}

function divideNormal(
  o: Arithmetic,
  p: 53 | 64,
  r: Result,
  a: FloatVal,
  b: FloatVal,
  sign: Val,
  unless: Unless,
): void {
  const big = o.let(o.eqz(o.wltU(a.m, b.m)));
  const e = o.let(o.add(o.sub(exponent(o, a), exponent(o, b)), o.add(o.c(16382), big)));
  const rest = o.wcell(o.wshrU(a.m, big));
  const low = o.wlet(o.wshl(o.wand(a.m, o.wideU(big)), o.c(63)));
  const first = digit(o, rest, o.wlet(o.wshrU(low, o.c(32))), b.m);
  const second = digit(o, rest, o.wbig(0n), b.m);
  const quotient = o.wlet(o.wor(o.wshl(first, o.c(32)), second));
  // The remainder against half of the divisor: a quotient is never half way.
  const above = o.wltU(o.wsub(b.m, rest.get()), rest.get());
  const lo = o.wlet(o.wor(o.wideU(o.eqz(o.weqz(rest.get()))), o.wshl(o.wideU(above), o.c(63))));
  round(o, p, r, quotient, lo, e, sign, unless);
}

/** The result of operands of which at least one is zero. */
function zeroOperand(
  o: Arithmetic,
  op: FloatOperation,
  p: 53 | 64,
  r: Result,
  a: FloatVal,
  b: FloatVal,
  unless: Unless,
): void {
  unless(o.eqz(o.and(isSimple(o, a), isSimple(o, b))));
  if (op === 'add') {
    const [za, zb] = [o.let(isZero(o, a)), o.let(isZero(o, b))];
    const m = o.wlet(o.wor(a.m, b.m));
    if (p === 53) unless(o.and(o.lo(m), o.c(0x7ff)));
    r.m.set(m);
    r.se.set(o.select(za, o.select(zb, o.and(a.se, b.se), b.se), a.se));
    return;
  }
  if (op === 'div') unless(isZero(o, b));
  r.m.set(o.wbig(0n));
  r.se.set(o.and(o.xor(a.se, b.se), o.c(SIGN)));
}

/** a op b, for operands bound to locals. Square roots go another way. */
export function floatArithmetic(
  o: Arithmetic,
  op: FloatOperation,
  p: 53 | 64,
  a: FloatVal,
  b: FloatVal,
  unless: Unless,
): FloatResult {
  const bound = boundOf(op, a.bound, b.bound);
  const r: Result = {
    m: o.wcell(o.wbig(0n)),
    se: o.cell(o.c(0)),
    rest: o.wcell(o.wbig(0n)),
    up: o.cell(o.c(0)),
    bound,
  };
  o.falternative(
    (strange) => {
      for (const v of [a, b]) if (v.bound === undefined) strange(outOfRange(o, o.and(v.se, o.c(EXPONENT))));
      strange(o.eqz(o.wltS(o.wand(a.m, b.m), o.wbig(0n))));
      if (op === 'add') {
        addNormal(o, p, r, a, b, unless);
        return;
      }
      const sign = o.let(o.and(o.xor(a.se, b.se), o.c(SIGN)));
      if (op === 'mul') multiplyNormal(o, p, r, a, b, sign, unless);
      else divideNormal(o, p, r, a, b, sign, unless);
    },
    () => zeroOperand(o, op, p, r, a, b, unless),
  );
  const result = { m: r.m.get(), se: r.se.get(), rest: r.rest.get(), up: r.up.get() };
  return bound === undefined ? result : { ...result, bound };
}

/** Bound of a result from those of the operands; cancellation takes up to 64 more bits than an addition gains. */
function boundOf(op: FloatOperation, a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return undefined;
  const bound = op === 'add' ? Math.max(a, b) + 130 : a + b + 2;
  return bound < SAFE ? bound : undefined;
}
