import { FpuClass } from '../helpers/helper-cpu.ts';
import { Reg, Vector } from '../names.ts';
import type { Ops, Val } from '../ops.ts';
import type { FloatVal } from '../ops-x87.ts';
import type { AnyOperand, Row } from '../row.ts';
import { row } from '../row.ts';
import { X87_ABSENT, X87_DOUBLE, X87_PENDING, X87_ROUNDING, X87_SINGLE, X87_UNMASKED } from '../state.ts';
import { ABSOLUTE, CHANGE_SIGN } from '../x87/functions.ts';
import { Image } from '../x87/image.ts';
import { Format, REGISTER_SHIFT } from '../x87/operations.ts';
import type { Sem } from './common.ts';
import { test } from './x87-arith.ts';
import { byRegister, done, memory, register, UNRECORDED } from './x87-common.ts';

const EXCEPTIONS = 0x3f;
const TOP_SHIFT = 11;
const FXSAVE_BYTES = 512;

const byHelper =
  (operation: number) =>
  (o: Ops): void => {
    o.fenter(true);
    o.helper('x87Function', o.c(operation));
  };

/** FCHS and FABS. */
const signed =
  (operation: number, change: (o: Ops, se: Val) => Val) =>
  (o: Ops): void => {
    o.fenter(true);
    o.attempt(
      (unless) => {
        unless(o.fisEmpty(o.c(0)));
        const v: FloatVal = o.fget(o.c(0));
        o.fset(o.c(0), { m: v.m, se: change(o, v.se) });
        done(o, null);
      },
      () => o.helper('x87Function', o.c(operation)),
    );
  };

function examine(o: Ops): void {
  o.fenter(true);
  o.helper('x87Examine');
}

/** FLD1 and FLDZ; the irrational constants depend on RC. */
const constant =
  (rm: number, value?: readonly [bigint, number]) =>
  (o: Ops): void => {
    o.fenter(true);
    const slow = (): void => o.helper('x87Load', o.c(Format.constant | (rm << REGISTER_SHIFT)));
    if (!value) {
      slow();
      return;
    }
    o.attempt((unless) => {
      unless(o.eqz(o.fisEmpty(o.c(7))));
      o.fpush({ m: o.wbig(value[0]), se: o.c(value[1]) });
      done(o, null);
    }, slow);
  };

const turn =
  (operation: number, by: number) =>
  (o: Ops): void => {
    o.fenter(true);
    o.attempt(
      () => {
        done(o, null);
        o.fturn(by);
      },
      () => o.helper('x87Function', o.c(operation)),
    );
  };

const status = (o: Ops): Val => o.or(o.fword('fsw').get(), o.shl(o.fword('ftop').get(), o.c(TOP_SHIFT)));

function storeStatus(o: Ops): void {
  o.fenter(false);
  o.reg(16, Reg.EAX).set(status(o));
}

const storeStatusMemory: Sem = (o, a) => {
  o.fenter(false);
  a.at(16, o.c(0), 'w').set(status(o));
};

const storeControl: Sem = (o, a) => {
  o.fenter(false);
  a.at(16, o.c(0), 'w').set(o.fword('fcw').get());
};

const loadControl: Sem = (o, a) => {
  o.fenter(true);
  const given = o.let(a.at(16, o.c(0), 'r').get());
  o.attempt(
    (unless) => {
      const fcw = o.let(o.or(o.and(given, o.c(0x1f3f)), o.c(0x40)));
      unless(o.and(o.fword('fsw').get(), o.and(o.not(fcw), o.c(EXCEPTIONS))));
      const precision = o.let(o.and(fcw, o.c(0x300)));
      const care = [
        o.select(o.and(o.not(fcw), o.c(EXCEPTIONS)), o.c(X87_UNMASKED), o.c(0)),
        o.select(o.and(fcw, o.c(0xc00)), o.c(X87_ROUNDING), o.c(0)),
        o.select(o.eq(precision, o.c(0x200)), o.c(X87_DOUBLE), o.c(0)),
        o.select(o.ltU(precision, o.c(0x200)), o.c(X87_SINGLE), o.c(0)),
      ];
      o.fword('fcw').set(fcw);
      o.fword('fcare').set(care.reduce((x, y) => o.or(x, y)));
    },
    () => o.helper('x87Control', o.c(2), given),
  );
};

const control =
  (operation: number) =>
  (o: Ops): void => {
    o.fenter(false);
    o.helper('x87Control', o.c(operation));
  };

const nothing = (o: Ops): void => o.fenter(false);

const wait: Sem = (o) =>
  o.attempt(
    (unless) => unless(o.and(o.fword('fcare').get(), o.c(X87_ABSENT | X87_PENDING))),
    () => {
      o.helper('fpu', o.c(FpuClass.Wait));
      o.faultIf(o.and(o.fword('fcare').get(), o.c(X87_PENDING)), Vector.MF);
    },
  );

/** Copies an image word by word, after each place was looked at: a fault leaves nothing half done. */
function writeImage(o: Ops, a: AnyOperand, bytes: number, alignment = 4): void {
  for (let at = 0; at < bytes; at += alignment) a.at(16, o.c(at), 'w');
  if (alignment === 4) for (let at = 2; at < bytes; at += 4) a.at(16, o.c(at), 'w');
  for (let at = 0; at + 4 <= bytes; at += 4) a.at(32, o.c(at), 'w').set(o.fimage(at).get());
  if (bytes & 2) a.at(16, o.c(bytes - 2), 'w').set(o.fimage(bytes - 2).get());
}
function readImage(o: Ops, a: AnyOperand, bytes: number): void {
  for (let at = 0; at + 4 <= bytes; at += 4) o.fimage(at).set(a.at(32, o.c(at), 'r').get());
  if (bytes & 2) o.fimage(bytes - 2).set(a.at(16, o.c(bytes - 2), 'r').get());
}

const environmentBytes = (o: Ops): number => (o.size === 32 ? 28 : 14);
const saveBytes = (o: Ops): number => environmentBytes(o) + 80;

const storeImage =
  (build: number, after: number, bytes: (o: Ops) => number): Sem =>
  (o, a) => {
    o.fenter(false);
    o.helper('x87Image', o.c(build));
    writeImage(o, a, bytes(o));
    o.helper('x87Image', o.c(after));
  };
const loadImage =
  (take: number, bytes: (o: Ops) => number): Sem =>
  (o, a) => {
    o.fenter(true);
    readImage(o, a, bytes(o));
    o.helper('x87Image', o.c(take));
  };

const fxsave: Sem = (o, a) => {
  o.fenter(false);
  o.helper('x87Image', o.c(Image.aligned));
  o.helper('x87Image', o.c(Image.fxsave));
  writeImage(o, a, FXSAVE_BYTES, 16);
};
const fxrstor: Sem = (o, a) => {
  o.fenter(false);
  o.helper('x87Image', o.c(Image.aligned));
  readImage(o, a, FXSAVE_BYTES);
  o.helper('x87Image', o.c(Image.fxrstor));
};

const FUNCTIONS_6 = [0, 1, 2, 3, 4, 5] as const;
const FUNCTIONS_7 = [0, 1, 2, 3, 4, 5, 6, 7] as const;
const SIGN = 0x8000;
const ONE = [1n << 63n, 0x3fff] as const;
const ZERO = [0n, 0] as const;

/** Functions of the stack, control of the unit and its images. */
export const X87_CONTROL_ROWS: readonly Row[] = [
  row(0x9b, 'WAIT', UNRECORDED, wait),
  row(0xd9, 'FNOP STi', register(2), byRegister({ 0: (o) => o.fenter(true) })),
  row(
    0xd9,
    'FCHS STi',
    register(4),
    byRegister({
      0: signed(CHANGE_SIGN, (o, se) => o.xor(se, o.c(SIGN))),
      1: signed(ABSOLUTE, (o, se) => o.and(se, o.c(~SIGN))),
      4: test,
      5: examine,
    }),
  ),
  row(
    0xd9,
    'FLDC STi',
    register(5),
    byRegister({
      0: constant(0, ONE),
      1: constant(1),
      2: constant(2),
      3: constant(3),
      4: constant(4),
      5: constant(5),
      6: constant(6, ZERO),
    }),
  ),
  row(
    0xd9,
    'F2XM1 STi',
    register(6),
    byRegister({
      ...Object.fromEntries(FUNCTIONS_6.map((n) => [n, byHelper(n)])),
      6: turn(6, -1),
      7: turn(7, 1),
    }),
  ),
  row(
    0xd9,
    'FPREM STi',
    register(7),
    byRegister(Object.fromEntries(FUNCTIONS_7.map((n) => [n, byHelper(n + 8)]))),
  ),
  row(
    0xdb,
    'FNINIT STi',
    register(4),
    byRegister({ 0: nothing, 1: nothing, 2: control(1), 3: control(0), 4: nothing }),
  ),
  row(0xdf, 'FNSTSW STi', register(4), byRegister({ 0: storeStatus })),
  row(0xdd, 'FNSTSW M', memory(7), storeStatusMemory),
  row(0xd9, 'FNSTCW M', memory(7), storeControl),
  row(0xd9, 'FLDCW M', memory(5), loadControl),
  row(0xd9, 'FNSTENV M', memory(6), storeImage(Image.environment, Image.environmentStored, environmentBytes)),
  row(0xdd, 'FNSAVE M', memory(6), storeImage(Image.save, Image.saved, saveBytes)),
  row(0xd9, 'FLDENV M', memory(4), loadImage(Image.loadEnvironment, environmentBytes)),
  row(0xdd, 'FRSTOR M', memory(4), loadImage(Image.restore, saveBytes)),
  row(0x0fae, 'FXSAVE M', memory(0), fxsave),
  row(0x0fae, 'FXRSTOR M', memory(1), fxrstor),
];
