import type { Ops, Val } from '../ops.ts';
import type { FloatOperation, FloatResult, FloatVal, Unless } from '../ops-x87.ts';
import type { AnyOperand, Row } from '../row.ts';
import { row } from '../row.ts';
import { isSimple } from '../x87/inline.ts';
import { compareFast } from '../x87/inline-convert.ts';
import {
  Arith,
  Format,
  OPERATION_SHIFT,
  POP,
  POP_TWICE,
  TO_EFLAGS,
  TO_REGISTER,
  UNORDERED,
} from '../x87/operations.ts';
import type { Sem } from './common.ts';
import { byRegister, converted, done, type Image, image, memory, packed, register } from './x87-common.ts';

const SIGN = 0x8000;
const CODES = 0x4700;

const negated = (o: Ops, v: FloatVal): FloatVal => ({ ...v, se: o.let(o.xor(v.se, o.c(SIGN))) });

/** a op b, in the operation's own order. */
function compute(o: Ops, operation: number, a: FloatVal, b: FloatVal, unless: Unless): FloatResult {
  const at = (precision: 53 | 64): FloatResult => {
    const run = (op: FloatOperation, x: FloatVal, y: FloatVal): FloatResult =>
      o.farith(op, precision, x, y, unless);
    if (operation === Arith.mul) return run('mul', a, b);
    if (operation === Arith.div) return run('div', a, b);
    if (operation === Arith.divr) return run('div', b, a);
    if (operation === Arith.add) return run('add', a, b);
    return operation === Arith.sub ? run('add', a, negated(o, b)) : run('add', b, negated(o, a));
  };
  const [first, second] = o.fprecisions;
  if (second === undefined) {
    unless(o.eqz(o.fcareless(first ?? 64)));
    return at(first ?? 64);
  }
  const m = o.wcell(o.wbig(0n));
  const se = o.cell(o.c(0));
  const rest = o.wcell(o.wbig(0n));
  const up = o.cell(o.c(0));
  const keep = (r: FloatResult): void => {
    m.set(r.m);
    se.set(r.se);
    rest.set(r.rest);
    up.set(r.up);
  };
  o.fif(
    o.fcareless(64),
    () => keep(at(64)),
    () => {
      unless(o.eqz(o.fcareless(53)));
      keep(at(53));
    },
  );
  return { m: m.get(), se: se.get(), rest: rest.get(), up: up.get() };
}

/** ST := ST op memory */
const withMemory =
  (operation: number, format: number): Sem =>
  (o, a) => {
    o.fenter(true);
    const source = image(o, a, format);
    o.attempt(
      (unless) => {
        unless(o.fisEmpty(o.c(0)));
        const r = compute(o, operation, o.fget(o.c(0)), converted(o, source, unless), unless);
        o.fset(o.c(0), r);
        done(o, r);
      },
      () => slowArith(o, packed(o, format | (operation << OPERATION_SHIFT)), source),
    );
  };

const slowArith = (o: Ops, a: Val, { bits }: Image): void => o.helper('x87Arith', a, o.lo(bits), o.hi(bits));

/** ST := ST op ST(i), or ST(i) := ST(i) op ST. */
const withRegister =
  (operation: number, options: number): Sem =>
  (o, a) => {
    o.fenter(true);
    const i = o.let(a.get());
    const [destination, source] = options & TO_REGISTER ? [i, o.c(0)] : [o.c(0), i];
    o.attempt(
      (unless) => {
        unless(o.or(o.fisEmpty(o.c(0)), o.fisEmpty(i)));
        const r = compute(o, operation, o.fget(destination), o.fget(source), unless);
        o.fset(destination, r);
        done(o, r);
        if (options & POP) o.fpop();
      },
      () => o.helper('x87Arith', packed(o, options | (operation << OPERATION_SHIFT), i)),
    );
  };

function compareOn(o: Ops, a: FloatVal, b: FloatVal, options: number, unless: Unless): void {
  unless(o.eqz(o.and(isSimple(o, a), isSimple(o, b))));
  const { less, equal } = compareFast(o, a, b);
  if (options & TO_EFLAGS) {
    const none = o.c(0);
    o.setFlags({ zf: equal, pf: none, cf: less, of: none, sf: none, af: none });
    o.fword('fip').set(o.thisEip());
  } else {
    const fsw = o.fword('fsw');
    const codes = o.or(o.shl(less, o.c(8)), o.shl(equal, o.c(14)));
    fsw.set(o.or(o.and(fsw.get(), o.c(~CODES)), codes));
    o.fword('fip').set(o.thisEip());
  }
  if (options & (POP | POP_TWICE)) o.fpop();
  if (options & POP_TWICE) o.fpop();
}

const compareMemory =
  (format: number, options: number): Sem =>
  (o, a) => {
    o.fenter(true);
    const source = image(o, a, format);
    o.attempt(
      (unless) => {
        unless(o.fisEmpty(o.c(0)));
        compareOn(o, o.fget(o.c(0)), converted(o, source, unless), options, unless);
      },
      () => o.helper('x87Compare', o.c(format | options), o.lo(source.bits), o.hi(source.bits)),
    );
  };

function compareRegister(o: Ops, i: Val, options: number): void {
  o.fenter(true);
  o.attempt(
    (unless) => {
      unless(o.or(o.fisEmpty(o.c(0)), o.fisEmpty(i)));
      compareOn(o, o.fget(o.c(0)), o.fget(i), options, unless);
    },
    () => o.helper('x87Compare', packed(o, options, i)),
  );
}

const compare =
  (options: number): Sem =>
  (o, a: AnyOperand) =>
    compareRegister(o, o.let(a.get()), options);

/** FTST. */
export function test(o: Ops): void {
  o.fenter(true);
  o.attempt(
    (unless) => {
      unless(o.fisEmpty(o.c(0)));
      compareOn(o, o.fget(o.c(0)), { m: o.wbig(0n), se: o.c(0) }, 0, unless);
    },
    () => o.helper('x87Compare', o.c(Format.constant)),
  );
}

const NAMES = ['FADD', 'FMUL', 'FCOM', 'FCOMP', 'FSUB', 'FSUBR', 'FDIV', 'FDIVR'] as const;
const OPERATIONS = [Arith.add, Arith.mul, Arith.sub, Arith.subr, Arith.div, Arith.divr] as const;

const memoryRows = (opcode: number, format: number, prefix: string): Row[] => [
  ...OPERATIONS.map((op) =>
    row(opcode, `${prefix}${NAMES[op].slice(1)} M`, memory(op), withMemory(op, format)),
  ),
  row(opcode, `${prefix}COM M`, memory(Arith.com), compareMemory(format, 0)),
  row(opcode, `${prefix}COMP M`, memory(Arith.comp), compareMemory(format, POP)),
];

/** DC and DE name the reversed operation where D8 names the plain one. */
const reversed = (op: number): number => (op >= Arith.sub ? op ^ 1 : op);

const registerRows = (opcode: number, options: number, suffix: string): Row[] =>
  OPERATIONS.map((op) => {
    const operation = options & TO_REGISTER ? reversed(op) : op;
    const name = NAMES[operation as (typeof OPERATIONS)[number]];
    return row(opcode, `${name}${suffix} STi`, register(op), withRegister(operation, options));
  });

/** Arithmetic and comparisons. Source: SDM vol. 2, tables */
export const X87_ARITH_ROWS: readonly Row[] = [
  ...memoryRows(0xd8, Format.single, 'F'),
  ...memoryRows(0xdc, Format.double, 'F'),
  ...memoryRows(0xda, Format.int32, 'FI'),
  ...memoryRows(0xde, Format.int16, 'FI'),
  ...registerRows(0xd8, 0, ''),
  ...registerRows(0xdc, TO_REGISTER, ''),
  ...registerRows(0xde, TO_REGISTER | POP, 'P'),
  row(0xd8, 'FCOM STi', register(2), compare(0)),
  row(0xd8, 'FCOMP STi', register(3), compare(POP)),
  row(0xdc, 'FCOM STi', register(2), compare(0)),
  row(0xdc, 'FCOMP STi', register(3), compare(POP)),
  row(0xde, 'FCOMP STi', register(2), compare(POP)),
  row(0xde, 'FCOMPP STi', register(3), byRegister({ 1: (o) => compareRegister(o, o.c(1), POP_TWICE) })),
  row(
    0xda,
    'FUCOMPP STi',
    register(5),
    byRegister({ 1: (o) => compareRegister(o, o.c(1), POP_TWICE | UNORDERED) }),
  ),
  row(0xdd, 'FUCOM STi', register(4), compare(UNORDERED)),
  row(0xdd, 'FUCOMP STi', register(5), compare(UNORDERED | POP)),
  row(0xdb, 'FUCOMI STi', register(5), compare(UNORDERED | TO_EFLAGS)),
  row(0xdb, 'FCOMI STi', register(6), compare(TO_EFLAGS)),
  row(0xdf, 'FUCOMIP STi', register(5), compare(UNORDERED | TO_EFLAGS | POP)),
  row(0xdf, 'FCOMIP STi', register(6), compare(TO_EFLAGS | POP)),
];
