import type { Ops, Size, Val } from '../ops.ts';
import type { AnyOperand, Row, RowOptions } from '../row.ts';
import { AF, OF, row } from '../row.ts';
import type { Sem } from './common.ts';
import { bit, msb } from './common.ts';

/** Shifts `dst` by `n`, which is bound and lies in 1..31. */
type Kernel = (o: Ops, dst: AnyOperand, n: Val) => void;

/** The operand's value in every `size` bits of a word, so that rotating the word rotates the value. */
function repeated(o: Ops, dst: AnyOperand): Val {
  if (dst.size === 32) return dst.get();
  return o.mul(dst.get(), o.c(dst.size === 8 ? 0x01010101 : 0x00010001));
}

const rol: Kernel = (o, dst, n) => {
  const r = o.let(o.rotl(repeated(o, dst), n));
  dst.set(r);
  o.flagsRotate(dst.size, r, 'rol');
};
const ror: Kernel = (o, dst, n) => {
  const r = o.let(o.rotr(repeated(o, dst), n));
  dst.set(r);
  o.flagsRotate(dst.size, r, 'ror');
};

/** CF above the operand, rotated as `size + 1` bits: by size or less here, so that both halves stay within 32 bits. */
const throughCarry = (o: Ops, dst: AnyOperand, n: Val): { x: Val; count: Val } => ({
  x: o.let(o.or(dst.get(), o.shl(o.flag('cf'), o.c(dst.size)))),
  count: o.let(o.remU(n, o.c(dst.size + 1))),
});
const rcl: Kernel = (o, dst, n) => {
  let r: Val;
  let cf: Val;
  if (dst.size === 32) {
    const a = o.let(dst.get());
    const rest = o.let(o.sub(o.c(32), n));
    const carryIn = o.shl(o.flag('cf'), o.sub(n, o.c(1)));
    r = o.let(o.or(o.or(o.shl(a, n), carryIn), o.shr(o.shr(a, o.c(1)), rest)));
    cf = o.let(o.and(o.shr(a, rest), o.c(1)));
  } else {
    const { x, count } = throughCarry(o, dst, n);
    r = o.let(o.or(o.shl(x, count), o.shr(x, o.sub(o.c(dst.size + 1), count))));
    cf = o.let(bit(o, r, dst.size));
  }
  dst.set(r);
  o.setFlags({ cf, of: o.xor(cf, msb(o, dst.size, r)) });
};
const rcr: Kernel = (o, dst, n) => {
  let r: Val;
  let cf: Val;
  if (dst.size === 32) {
    const a = o.let(dst.get());
    const rest = o.let(o.sub(o.c(32), n));
    const carryIn = o.shl(o.flag('cf'), rest);
    r = o.let(o.or(o.or(o.shr(a, n), carryIn), o.shl(o.shl(a, o.c(1)), rest)));
    cf = o.let(o.and(o.shr(a, o.sub(n, o.c(1))), o.c(1)));
  } else {
    const { x, count } = throughCarry(o, dst, n);
    r = o.let(o.or(o.shr(x, count), o.shl(x, o.sub(o.c(dst.size + 1), count))));
    cf = o.let(bit(o, r, dst.size));
  }
  dst.set(r);
  o.setFlags({ cf, of: o.xor(msb(o, dst.size, r), bit(o, r, dst.size - 2)) });
};

/** The bit that left `a` last is bit 0 of this. */
const shiftedOutLeft = (o: Ops, size: Size, a: Val, n: Val): Val =>
  size === 32 ? o.shr(a, o.sub(o.c(32), n)) : o.shr(o.shl(a, n), o.c(size));

const shl: Kernel = (o, dst, n) => {
  const a = o.let(dst.get());
  const r = o.let(o.shl(a, n));
  dst.set(r);
  const cf = o.let(o.and(shiftedOutLeft(o, dst.size, a, n), o.c(1)));
  o.flagsResult(dst.size, r, { cf, of: o.xor(cf, msb(o, dst.size, r)) });
};
const shr: Kernel = (o, dst, n) => {
  const last = o.let(o.shr(dst.get(), o.sub(n, o.c(1))));
  const r = o.let(o.shr(last, o.c(1)));
  dst.set(r);
  o.flagsResult(dst.size, r, { cf: o.and(last, o.c(1)), of: msb(o, dst.size, last) });
};
const sar: Kernel = (o, dst, n) => {
  const last = o.let(o.sar(dst.sget(), o.sub(n, o.c(1))));
  const r = o.let(o.sar(last, o.c(1)));
  dst.set(r);
  o.flagsResult(dst.size, r, { cf: o.and(last, o.c(1)) });
};

const byOne =
  (kernel: Kernel): Sem =>
  (o, dst) =>
    kernel(o, dst, o.c(1));

/** A count that is zero modulo 32 changes nothing, flags included. */
const byCount =
  (kernel: Kernel): Sem =>
  (o, dst, count) => {
    const n = o.let(o.and(count.get(), o.c(31)));
    o.if(n, () => kernel(o, dst, n));
  };

/**
 * `a` moved by a bound count in 1..31 with the bits of `src` coming in. Beyond a count of 16 the manual leaves the result of
 * 16-bit operands undefined: here the source comes in once more, as on AMD's processors (Intel's take the destination).
 */
function double(o: Ops, left: boolean, a: Val, src: AnyOperand, n: Val): Val {
  if (src.size === 32) {
    const rest = o.sub(o.c(32), n);
    return left ? o.or(o.shl(a, n), o.shr(src.get(), rest)) : o.or(o.shr(a, n), o.shl(src.get(), rest));
  }
  const b = o.let(src.get());
  const sources = o.or(o.shl(b, o.c(16)), b);
  if (left) {
    const wide = o.wor(o.wshl(o.wideU(a), o.c(32)), o.wideU(sources));
    return o.lo(o.wshrU(wide, o.sub(o.c(32), n)));
  }
  return o.lo(o.wshrU(o.wor(o.wshl(o.wideU(sources), o.c(16)), o.wideU(a)), n));
}
const shiftDouble =
  (left: boolean): Sem =>
  (o, dst, src, count) => {
    const n = o.let(o.and(count.get(), o.c(31)));
    o.if(n, () => {
      const a = o.let(dst.get());
      const r = o.let(double(o, left, a, src, n));
      dst.set(r);
      const out = left ? shiftedOutLeft(o, dst.size, a, n) : o.shr(a, o.sub(n, o.c(1)));
      o.flagsResult(dst.size, r, { cf: o.and(out, o.c(1)), of: msb(o, dst.size, o.xor(a, r)) });
    });
  };
const shld = shiftDouble(true);
const shrd = shiftDouble(false);

interface Shift {
  readonly ext: number;
  readonly name: string;
  readonly kernel: Kernel;
  readonly rotates: boolean;
  /** Opcodes that compiled code uses. */
  readonly hot: readonly number[];
}
const shifts: readonly Shift[] = [
  { ext: 0, name: 'ROL', kernel: rol, rotates: true, hot: [0xc1] },
  { ext: 1, name: 'ROR', kernel: ror, rotates: true, hot: [0xc1] },
  { ext: 2, name: 'RCL', kernel: rcl, rotates: true, hot: [] },
  { ext: 3, name: 'RCR', kernel: rcr, rotates: true, hot: [] },
  { ext: 4, name: 'SHL', kernel: shl, rotates: false, hot: [0xc1, 0xd1, 0xd3] },
  { ext: 5, name: 'SHR', kernel: shr, rotates: false, hot: [0xc1, 0xd1, 0xd3] },
  { ext: 6, name: 'SAL', kernel: shl, rotates: false, hot: [] },
  { ext: 7, name: 'SAR', kernel: sar, rotates: false, hot: [0xc1, 0xd1, 0xd3] },
];

/** OF is defined for a count of one only; AF never after a shift. */
function shiftRows({ ext, name, kernel, rotates, hot }: Shift): Row[] {
  const af = rotates ? 0 : AF;
  const options = (opcode: number, undef: number): RowOptions => ({ ext, undef, hot: hot.includes(opcode) });
  return [
    row(0xc0, `${name} +Eb,Ib`, options(0xc0, af | OF), byCount(kernel)),
    row(0xc1, `${name} +Ev,Ib`, options(0xc1, af | OF), byCount(kernel)),
    row(0xd0, `${name} +Eb,1`, options(0xd0, af), byOne(kernel)),
    row(0xd1, `${name} +Ev,1`, options(0xd1, af), byOne(kernel)),
    row(0xd2, `${name} +Eb,CL`, options(0xd2, af | OF), byCount(kernel)),
    row(0xd3, `${name} +Ev,CL`, options(0xd3, af | OF), byCount(kernel)),
  ];
}

/** Rotations and shifts, double ones included. */
export const SHIFT_ROWS: readonly Row[] = [
  ...shifts.flatMap(shiftRows),
  row(0x0fa4, 'SHLD +Ev,Gv,Ib', { undef: AF | OF }, shld),
  row(0x0fa5, 'SHLD +Ev,Gv,CL', { undef: AF | OF }, shld),
  row(0x0fac, 'SHRD +Ev,Gv,Ib', { undef: AF | OF }, shrd),
  row(0x0fad, 'SHRD +Ev,Gv,CL', { undef: AF | OF }, shrd),
];
