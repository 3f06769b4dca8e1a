import type { Ops, Val, Wide } from '../ops.ts';
import type { FloatVal, Rounding, Unless } from '../ops-x87.ts';
import type { AnyOperand, Row } from '../row.ts';
import { row } from '../row.ts';
import { narrowFast, toIntegerFast } from '../x87/inline-convert.ts';
import { EXPONENT_SHIFT, Format, POP, TRUNCATE } from '../x87/operations.ts';
import type { Sem } from './common.ts';
import { undefinedOpcode } from './common.ts';
import { allMasked, converted, done, image, memory, packed, plainRounding, register } from './x87-common.ts';

const SIXTEEN = 16;

/** Pushes unless the stack is full. */
function push(o: Ops, v: FloatVal): void {
  o.fpush(v);
  done(o, null);
}
const full = (o: Ops): Val => o.eqz(o.fisEmpty(o.c(7)));

const load =
  (format: number): Sem =>
  (o, a) => {
    o.fenter(true);
    const source = image(o, a, format);
    o.attempt(
      (unless) => {
        unless(full(o));
        push(o, converted(o, source, unless));
      },
      () => o.helper('x87Load', o.c(format), o.lo(source.bits), o.hi(source.bits)),
    );
  };

/** The ten bytes of an extended or decimal operand. */
function tenBytes(o: Ops, a: AnyOperand): { low: Wide; high: Val } {
  return { low: o.wlet(a.at64(o.c(0), 'r').get()), high: o.let(a.at(SIXTEEN, o.c(8), 'r').get()) };
}

const slowTen = (o: Ops, format: number, { low, high }: { low: Wide; high: Val }): void =>
  o.helper('x87Load', o.or(o.c(format), o.shl(high, o.c(EXPONENT_SHIFT))), o.lo(low), o.hi(low));

const loadExtended: Sem = (o, a) => {
  o.fenter(true);
  const source = tenBytes(o, a);
  o.attempt(
    (unless) => {
      unless(full(o));
      push(o, { m: source.low, se: source.high });
    },
    () => slowTen(o, Format.extended, source),
  );
};

const loadDecimal: Sem = (o, a) => {
  o.fenter(true);
  slowTen(o, Format.decimal, tenBytes(o, a));
};

const loadRegister: Sem = (o, a) => {
  o.fenter(true);
  const i = o.let(a.get());
  o.attempt(
    (unless) => {
      unless(o.or(full(o), o.fisEmpty(i)));
      push(o, o.fget(i));
    },
    () => o.helper('x87Load', packed(o, Format.register, i)),
  );
};

/** Writes what the helper says, if it says so. */
function storeSlow(o: Ops, options: number, write: () => void): void {
  o.helper('x87Store', o.c(options));
  o.fif(o.result(3), write);
}

const store =
  (format: number, options: number): Sem =>
  (o, a) => {
    o.fenter(true);
    if (format === Format.double || format === Format.int64) {
      const to = a.at64(o.c(0), 'w');
      storeTo(
        o,
        format,
        options,
        (w) => to.set(w),
        () => o.wide(o.result(1), o.result(0)),
      );
      return;
    }
    const to = a.at(format === Format.int16 ? 16 : 32, o.c(0), 'w');
    storeTo(
      o,
      format,
      options,
      (w) => to.set(o.lo(w)),
      () => o.wideU(o.result(0)),
    );
  };

function storeTo(o: Ops, format: number, options: number, write: (w: Wide) => void, slow: () => Wide): void {
  o.attempt(
    (unless) => {
      unless(o.fisEmpty(o.c(0)));
      const { bits, rounding } = rounded(o, format, options, o.fget(o.c(0)), unless);
      write(bits);
      done(o, rounding);
      if (options & POP) o.fpop();
    },
    () => storeSlow(o, format | options, () => write(slow())),
  );
}

const INTEGER_BITS = { [Format.int16]: 16, [Format.int32]: 32, [Format.int64]: 64 } as const;

function rounded(
  o: Ops,
  format: number,
  options: number,
  v: FloatVal,
  unless: Unless,
): { bits: Wide; rounding: Rounding } {
  if (format === Format.single || format === Format.double) {
    plainRounding(o, unless);
    const narrow = narrowFast(o, format === Format.double ? 64 : 32, v, unless);
    return { bits: narrow.image, rounding: narrow };
  }
  allMasked(o, unless);
  const rc = o.let(o.and(o.shr(o.fword('fcw').get(), o.c(10)), o.c(3)));
  if (!(options & TRUNCATE)) unless(o.and(o.add(rc, o.c(1)), o.c(2)));
  const chop = options & TRUNCATE ? o.c(1) : rc;
  const width = INTEGER_BITS[format as keyof typeof INTEGER_BITS];
  const whole = toIntegerFast(o, width, v, chop, unless);
  return { bits: whole.value, rounding: whole };
}

const storeTen =
  (format: number): Sem =>
  (o, a) => {
    o.fenter(true);
    const low = a.at64(o.c(0), 'w');
    const high = a.at(SIXTEEN, o.c(8), 'w');
    const write = (m: Wide, se: Val): void => {
      low.set(m);
      high.set(se);
    };
    const slow = (): void =>
      storeSlow(o, format | POP, () => write(o.wide(o.result(1), o.result(0)), o.result(2)));
    if (format === Format.decimal) {
      slow();
      return;
    }
    o.attempt((unless) => {
      unless(o.fisEmpty(o.c(0)));
      const v = o.fget(o.c(0));
      write(v.m, v.se);
      done(o, null);
      o.fpop();
    }, slow);
  };

const copy =
  (options: number): Sem =>
  (o, a) => {
    o.fenter(true);
    const i = o.let(a.get());
    o.attempt(
      (unless) => {
        unless(o.fisEmpty(o.c(0)));
        o.fmark(i, o.fget(o.c(0)));
        done(o, null);
        if (options & POP) o.fpop();
      },
      () => o.helper('x87Copy', packed(o, options, i)),
    );
  };

const exchange: Sem = (o, a) => {
  o.fenter(true);
  const i = o.let(a.get());
  o.attempt(
    (unless) => {
      unless(o.or(o.fisEmpty(o.c(0)), o.fisEmpty(i)));
      const [x, y] = [o.fget(o.c(0)), o.fget(i)];
      o.fset(o.c(0), y);
      o.fset(i, x);
      done(o, null);
    },
    () => o.helper('x87Exchange', packed(o, 0, i)),
  );
};

/** FCMOVcc: condition codes 2 (B), 4 (E), 6 (BE) and 10 (U), negated by their low bit. */
const conditional =
  (cc: number): Sem =>
  (o, a) => {
    o.fenter(true);
    const i = o.let(a.get());
    const cond = o.let(o.cond(cc));
    o.attempt(
      (unless) => {
        unless(o.or(o.fisEmpty(o.c(0)), o.fisEmpty(i)));
        const [x, y] = [o.fget(o.c(0)), o.fget(i)];
        o.fset(o.c(0), { m: o.wselect(cond, y.m, x.m), se: o.select(cond, y.se, x.se) });
        o.fword('fip').set(o.thisEip());
      },
      () => o.helper('x87Move', packed(o, 0, i), cond),
    );
  };

const free =
  (pop: number): Sem =>
  (o, a) => {
    o.fenter(true);
    o.helper('x87Free', packed(o, 0, o.let(a.get())), o.c(pop));
  };

const CONDITIONS = ['B', 'E', 'BE', 'U'] as const;
const CONDITION_CODES = [2, 4, 6, 10] as const;

/** Loads, stores and moves. */
export const X87_MOVE_ROWS: readonly Row[] = [
  row(0xd9, 'FLD M', memory(0), load(Format.single)),
  row(0xdd, 'FLD M', memory(0), load(Format.double)),
  row(0xdb, 'FLD M', memory(5), loadExtended),
  row(0xdf, 'FILD M', memory(0), load(Format.int16)),
  row(0xdb, 'FILD M', memory(0), load(Format.int32)),
  row(0xdf, 'FILD M', memory(5), load(Format.int64)),
  row(0xdf, 'FBLD M', memory(4), loadDecimal),
  row(0xd9, 'FST M', memory(2), store(Format.single, 0)),
  row(0xd9, 'FSTP M', memory(3), store(Format.single, POP)),
  row(0xdd, 'FST M', memory(2), store(Format.double, 0)),
  row(0xdd, 'FSTP M', memory(3), store(Format.double, POP)),
  row(0xdb, 'FSTP M', memory(7), storeTen(Format.extended)),
  row(0xdf, 'FIST M', memory(2), store(Format.int16, 0)),
  row(0xdf, 'FISTP M', memory(3), store(Format.int16, POP)),
  row(0xdb, 'FIST M', memory(2), store(Format.int32, 0)),
  row(0xdb, 'FISTP M', memory(3), store(Format.int32, POP)),
  row(0xdf, 'FISTP M', memory(7), store(Format.int64, POP)),
  row(0xdf, 'FISTTP M', memory(1), store(Format.int16, POP | TRUNCATE)),
  row(0xdb, 'FISTTP M', memory(1), store(Format.int32, POP | TRUNCATE)),
  row(0xdd, 'FISTTP M', memory(1), store(Format.int64, POP | TRUNCATE)),
  row(0xdf, 'FBSTP M', memory(6), storeTen(Format.decimal)),
  row(0xd9, 'FLD STi', register(0), loadRegister),
  row(0xdd, 'FST STi', register(2), copy(0)),
  row(0xdd, 'FSTP STi', register(3), copy(POP)),
  row(0xd9, 'FSTP STi', register(3), copy(POP)),
  row(0xdf, 'FSTP STi', register(2), copy(POP)),
  row(0xdf, 'FSTP STi', register(3), copy(POP)),
  row(0xd9, 'FXCH STi', register(1), exchange),
  row(0xdd, 'FXCH STi', register(1), exchange),
  row(0xdf, 'FXCH STi', register(1), exchange),
  row(0xdd, 'FFREE STi', register(0), free(0)),
  row(0xdf, 'FFREEP STi', register(0), free(1)),
  ...CONDITIONS.flatMap((name, ext) => {
    const cc = CONDITION_CODES[ext] ?? 0;
    return [
      row(0xda, `FCMOV${name} STi`, register(ext), conditional(cc)),
      row(0xdb, `FCMOVN${name} STi`, register(ext), conditional(cc + 1)),
    ];
  }),
  row(0xd9, 'FESC M', memory(1), undefinedOpcode),
  row(0xdb, 'FESC M', memory(4), undefinedOpcode),
  row(0xdb, 'FESC M', memory(6), undefinedOpcode),
  row(0xdd, 'FESC M', memory(5), undefinedOpcode),
  ...[4, 6, 7].map((ext) => row(0xda, 'FESC STi', register(ext), undefinedOpcode)),
  row(0xdb, 'FESC STi', register(7), undefinedOpcode),
  row(0xdd, 'FESC STi', register(6), undefinedOpcode),
  row(0xdd, 'FESC STi', register(7), undefinedOpcode),
  row(0xdf, 'FESC STi', register(7), undefinedOpcode),
];
