import { Vector } from '../names.ts';
import type { Ops, Val, Wide } from '../ops.ts';
import type { FloatVal, Rounding, Unless } from '../ops-x87.ts';
import type { AnyOperand, RowOptions } from '../row.ts';
import { X87_DOUBLE, X87_ROUNDING, X87_SINGLE } from '../state.ts';
import { integerFast, widenFast } from '../x87/inline-convert.ts';
import { Format, REGISTER_SHIFT } from '../x87/operations.ts';
import type { Sem } from './common.ts';

export const UNRECORDED: RowOptions = { unrecorded: 'x87 has vectors of its own' };
export const register = (ext: number): RowOptions => ({ ext, mod: 'reg', ...UNRECORDED });
export const memory = (ext: number): RowOptions => ({ ext, mod: 'mem', ...UNRECORDED });

/** What a memory operand holds before it is converted: its bits, or the integer. */
export interface Image {
  readonly format: number;
  readonly bits: Wide;
}

/** Reads a memory operand of arithmetic or of a load; an integer is sign-extended. */
export function image(o: Ops, m: AnyOperand, format: number): Image {
  const at = o.c(0);
  switch (format) {
    case Format.single:
      return { format, bits: o.wlet(o.wideU(m.at(32, at, 'r').get())) };
    case Format.int16:
      return { format, bits: o.wlet(o.wideS(m.at(16, at, 'r').sget())) };
    case Format.int32:
      return { format, bits: o.wlet(o.wideS(m.at(32, at, 'r').get())) };
    default:
      return { format, bits: o.wlet(m.at64(at, 'r').get()) };
  }
}

/** The operand as a register would hold it, on the straight path. */
export function converted(o: Ops, { format, bits }: Image, unless: Unless): FloatVal {
  if (format === Format.single) return widenFast(o, 32, bits, unless);
  if (format === Format.double) return widenFast(o, 64, bits, unless);
  return integerFast(o, bits);
}

/** First argument of a helper: constant bits and the number of a register. */
export const packed = (o: Ops, bits: number, i?: Val): Val =>
  i ? o.or(o.c(bits), o.shl(i, o.c(REGISTER_SHIFT))) : o.c(bits);

/** Ends a straight path: what the rounding did, and where the instruction was. */
export function done(o: Ops, rounding: Rounding | null): void {
  o.frounded(rounding);
  o.fword('fip').set(o.thisEip());
}

/** Leaves the straight path unless all exceptions are masked, and rounding is to nearest where it matters. */
export function plainRounding(o: Ops, unless: Unless): void {
  unless(o.fcares(X87_DOUBLE | X87_SINGLE));
}
export function allMasked(o: Ops, unless: Unless): void {
  unless(o.fcares(X87_DOUBLE | X87_SINGLE | X87_ROUNDING));
}

/** Chooses among the encodings of one ModRM.reg by ModRM.rm; the others raise #UD. */
export function byRegister(cases: Readonly<Record<number, (o: Ops) => void>>): Sem {
  return (o, a) => {
    const i = a.get();
    if (i.known !== undefined) {
      const chosen = cases[i.known];
      if (chosen) chosen(o);
      else o.fault(Vector.UD);
      return;
    }
    const choose = ([first, ...rest]: readonly (readonly [string, (o: Ops) => void])[]): void => {
      if (!first) o.fault(Vector.UD);
      else
        o.fif(
          o.eq(i, o.c(Number(first[0]))),
          () => first[1](o),
          () => choose(rest),
        );
    };
    choose(Object.entries(cases));
  };
}
