import type { Ops, Val, Wide } from '../ops.ts';
import type { FloatVal, Rounding, Unless } from '../ops-x87.ts';

/* Conversions between memory formats and registers, for normal numbers and zeros. */

const TOP = 1n << 63n;
const EXPONENT = 0x7fff;
const SIGN = 0x8000;
const BIAS = 16383;

const notZero = (o: Ops, w: Wide): Val => o.eqz(o.weqz(w));

/** A single (32) or double (64) precision number whose image is bound to a local. */
export function widenFast(o: Ops, width: 32 | 64, image: Wide, unless: Unless): FloatVal {
  const fraction = width === 64 ? 52 : 23;
  const special = width === 64 ? 0x7ff : 0xff;
  const rebias = BIAS - (special >> 1);
  const top = o.let(o.lo(o.wshrU(image, o.c(fraction))));
  const e = o.let(o.and(top, o.c(special)));
  const sign = o.let(o.and(o.shl(top, o.c(width === 64 ? 4 : 7)), o.c(SIGN)));
  const m = o.wcell(o.wor(o.wshl(image, o.c(63 - fraction)), o.wbig(TOP)));
  const se = o.cell(o.or(o.add(e, o.c(rebias)), sign));
  o.fif(o.leU(o.c(special - 1), o.sub(e, o.c(1))), () => {
    unless(notZero(o, o.wshl(image, o.c(65 - width))));
    m.set(o.wbig(0n));
    se.set(sign);
  });
  return { m: m.get(), se: se.get(), bound: special };
}

/** A signed integer. */
export function integerFast(o: Ops, value: Wide): FloatVal {
  const sign = o.wlet(o.wshrS(value, o.c(63)));
  const magnitude = o.wlet(o.wsub(o.wxor(value, sign), sign));
  const count = o.let(o.lo(o.wclz(magnitude)));
  const se = o.or(o.sub(o.c(BIAS + 63), count), o.and(o.lo(sign), o.c(SIGN)));
  return {
    m: o.wlet(o.wshl(magnitude, count)),
    se: o.let(o.select(o.weqz(magnitude), o.c(0), se)),
    bound: 64,
  };
}

/** Rounds a register to single or double precision, to nearest. */
export function narrowFast(o: Ops, width: 32 | 64, v: FloatVal, unless: Unless): Rounding & { image: Wide } {
  const fraction = width === 64 ? 52 : 23;
  const rebias = BIAS - (width === 64 ? 1023 : 127);
  const range = width === 64 ? 2045 : 253;
  const dropped = 63 - fraction;
  const e = o.let(o.sub(o.and(v.se, o.c(EXPONENT)), o.c(rebias + 1)));
  const sign = o.wshl(o.wideU(o.and(v.se, o.c(SIGN))), o.c(width - 16));
  const rest = o.wlet(o.wshl(v.m, o.c(64 - dropped)));
  const kept = o.wlet(o.wshrU(v.m, o.c(dropped)));
  const up = o.let(o.wltU(o.wsub(o.wbig(TOP), o.wand(kept, o.wbig(1n))), rest));
  // The implicit bit counts as one in the exponent field, and so does a carry.
  const magnitude = o.wadd(o.wadd(o.wshl(o.wideU(e), o.c(fraction)), kept), o.wideU(up));
  const image = o.wcell(o.wor(magnitude, sign));
  // Zero rounds as well, to itself.
  const plain = o.and(o.ltU(e, o.c(range)), o.wltS(v.m, o.wbig(0n)));
  o.fif(o.eqz(plain), () => {
    unless(notZero(o, o.wor(v.m, o.wideU(o.and(v.se, o.c(EXPONENT))))));
    image.set(sign);
  });
  return { image: image.get(), rest, up };
}

/** Rounds to a signed integer of `bits` bits, towards zero when `chop` holds, else to nearest. */
export function toIntegerFast(
  o: Ops,
  bits: 16 | 32 | 64,
  v: FloatVal,
  chop: Val,
  unless: Unless,
): Rounding & { value: Wide } {
  const e = o.let(o.sub(o.and(v.se, o.c(EXPONENT)), o.c(BIAS)));
  const whole = o.wcell(o.wbig(0n));
  const lost = o.wcell(o.wbig(0n));
  const up = o.cell(o.c(0));
  const inRange = o.ltU(o.add(e, o.c(1)), o.c(bits));
  o.fif(
    inRange,
    () => {
      unless(o.eqz(o.wltS(v.m, o.wbig(0n))));
      const kept = o.wlet(o.wshrU(o.wshrU(v.m, o.c(1)), o.sub(o.c(62), e)));
      const rest = o.wlet(o.wshl(v.m, o.add(e, o.c(1))));
      const half = o.wsub(o.wbig(TOP), o.wand(kept, o.wbig(1n)));
      up.set(o.and(o.wltU(half, rest), o.eqz(chop)));
      whole.set(o.wadd(kept, o.wideU(up.get())));
      unless(notZero(o, o.wshrU(whole.get(), o.c(bits - 1))));
      lost.set(rest);
    },
    () => {
      // Less than a half, zero included; larger ones and everything special give up.
      unless(o.leS(o.c(0), e));
      const zero = o.weqz(o.wor(v.m, o.wideU(o.and(v.se, o.c(EXPONENT)))));
      const small = o.and(o.wltS(v.m, o.wbig(0n)), o.ne(e, o.c(-BIAS)));
      unless(o.eqz(o.or(zero, small)));
      lost.set(v.m);
    },
  );
  const sign = o.wlet(o.wsub(o.wbig(0n), o.wideU(o.and(o.shr(v.se, o.c(15)), o.c(1)))));
  const value = o.wlet(o.wsub(o.wxor(whole.get(), sign), sign));
  return { value, rest: lost.get(), up: up.get() };
}

/** Whether a < b and whether a = b, for normal numbers and zeros. */
export function compareFast(o: Ops, a: FloatVal, b: FloatVal): { less: Val; equal: Val } {
  const [ea, eb] = [o.let(o.and(a.se, o.c(EXPONENT))), o.let(o.and(b.se, o.c(EXPONENT)))];
  const level = o.let(o.eq(ea, eb));
  const below = o.let(o.or(o.ltU(ea, eb), o.and(level, o.wltU(a.m, b.m))));
  const same = o.let(o.and(level, o.weq(a.m, b.m)));
  const negative = o.let(o.and(o.shr(a.se, o.c(15)), o.c(1)));
  const differ = o.let(o.and(o.xor(a.se, b.se), o.c(SIGN)));
  const bothZero = o.weqz(o.wor(a.m, b.m));
  const equal = o.let(o.and(same, o.or(o.eqz(differ), bothZero)));
  const order = o.select(differ, negative, o.xor(below, o.and(negative, o.eqz(same))));
  return { less: o.let(o.and(order, o.eqz(equal))), equal };
}
