import type { Ops, Val } from '../ops.ts';
import type { Vec } from '../ops-simd.ts';
import type { Row } from '../row.ts';
import type { Sem } from './common.ts';
import {
  type Binary,
  binary,
  bytesOf,
  controlled,
  lowHalves,
  mmx,
  pick,
  range,
  shiftBytes,
  sse,
  unary,
  zero,
} from './simd-common.ts';

/** Bytes by the low four bits of an index; zero where its sign is set. */
const shuffleBytes =
  (mask: number): Binary =>
  (o, a, b) =>
    o.simd(
      'i8x16.swizzle',
      a,
      o.simd(
        'v128.and',
        b,
        bytesOf(o, () => mask),
      ),
    );

type Width = 2 | 4;
const add = { 2: 'i16x8.add', 4: 'i32x4.add' } as const;
const sub = { 2: 'i16x8.sub', 4: 'i32x4.sub' } as const;

/** Even and odd lanes of two vectors, those of the first one first. */
function neighbours(o: Ops, width: Width, a: Vec, b: Vec): { even: Vec; odd: Vec } {
  const lanes = range(16 / width, (i) => 2 * i);
  return {
    even: o.let(pick(o, width, lanes, a, b)),
    odd: o.let(
      pick(
        o,
        width,
        lanes.map((i) => i + 1),
        a,
        b,
      ),
    ),
  };
}
const horizontal =
  (
    width: Width,
    op: 'i16x8.add' | 'i32x4.add' | 'i16x8.sub' | 'i32x4.sub' | 'i16x8.add_sat_s' | 'i16x8.sub_sat_s',
  ): Binary =>
  (o, a, b) => {
    const { even, odd } = neighbours(o, width, a, b);
    return o.simd(op, even, odd);
  };
/** MMX: both operands in one vector, of which the low half of the result counts. */
const inHalves =
  (f: Binary): Binary =>
  (o, a, b) => {
    const both = o.let(lowHalves(o, a, b));
    return f(o, both, both);
  };

/** Unsigned bytes of the first times signed bytes of the second, pairs added with saturation. */
const multiplyAdd: Binary = (o, a, b) => {
  const product = (first: number): Vec => {
    const bytes = range(8, (i) => 2 * i + first);
    const lanes = bytes.flatMap((i) => [i, 16]);
    const unsigned = o.shuffle(lanes, a, zero(o));
    const signed = o.simd(
      'i16x8.shr_s',
      o.shuffle(
        bytes.flatMap((i) => [16, i]),
        b,
        zero(o),
      ),
      o.c(8),
    );
    return o.simd('i16x8.mul', unsigned, signed);
  };
  return o.simd('i16x8.add_sat_s', product(0), product(1));
};

/** Negated, zeroed or kept by the sign of the second. */
const sign =
  (shape: 'i8x16' | 'i16x8' | 'i32x4'): Binary =>
  (o, a, b) => {
    const negative = o.let(o.simd(`${shape}.gt_s`, zero(o), b));
    const isZero = o.simd(`${shape}.eq`, b, zero(o));
    const flipped = o.simd('v128.bitselect', o.simd(`${shape}.neg`, a), a, negative);
    return o.simd('v128.andnot', flipped, isZero);
  };

/** Products of 16-bit lanes, rounded to 17 bits, of which the upper 16 are kept. */
const roundedProducts: Binary = (o, a, b) => {
  const rounded = (v: Vec): Vec => {
    const more = o.simd('i32x4.add', o.simd('i32x4.shr_s', v, o.c(14)), o.simd('i32x4.splat', o.c(1)));
    return o.simd('i32x4.shr_s', more, o.c(1));
  };
  const low = rounded(o.simd('i32x4.extmul_low_i16x8_s', a, b));
  const high = rounded(o.simd('i32x4.extmul_high_i16x8_s', a, b));
  return pick(
    o,
    2,
    range(8, (i) => 2 * i),
    low,
    high,
  );
};

/** The pair dst:src shifted right by bytes. */
const align = (o: Ops, a: Vec, b: Vec, imm: Val): Vec => {
  const up = o.let(o.sub(o.c(16), imm));
  const low = shiftBytes(o, b, imm, false);
  const fromHigh = o.select(
    o.ltU(imm, o.c(16)),
    shiftBytes(o, a, up, true),
    shiftBytes(o, a, o.sub(imm, o.c(16)), false),
  );
  return o.simd('v128.or', low, fromHigh);
};
/** MMX: the 16 bytes of both. */
const alignHalves = (o: Ops, a: Vec, b: Vec, imm: Val): Vec => shiftBytes(o, lowHalves(o, b, a), imm, false);

const both = (third: number, name: string, wide: Sem, narrow: Sem = wide): Row[] => [
  mmx(0x0f3800 | third, `${name} +Pq,Qq`, narrow),
  sse(0x0f3800 | third, 0x66, `${name} +Vx,Wx`, wide),
];
const horizontals = (third: number, name: string, f: Binary): Row[] =>
  both(third, name, binary(f), binary(inHalves(f)));
const absolute = (third: number, name: string, op: 'i8x16.abs' | 'i16x8.abs' | 'i32x4.abs'): Row[] => {
  const sem = unary((o, v) => o.simd(op, v));
  return [mmx(0x0f3800 | third, `${name} =Pq,Qq`, sem), sse(0x0f3800 | third, 0x66, `${name} =Vx,Wx`, sem)];
};

/** SSSE3. */
export const SSSE3_ROWS: readonly Row[] = [
  ...both(0x00, 'PSHUFB', binary(shuffleBytes(0x8f)), binary(shuffleBytes(0x87))),
  ...horizontals(0x01, 'PHADDW', horizontal(2, add[2])),
  ...horizontals(0x02, 'PHADDD', horizontal(4, add[4])),
  ...horizontals(0x03, 'PHADDSW', horizontal(2, 'i16x8.add_sat_s')),
  ...both(0x04, 'PMADDUBSW', binary(multiplyAdd)),
  ...horizontals(0x05, 'PHSUBW', horizontal(2, sub[2])),
  ...horizontals(0x06, 'PHSUBD', horizontal(4, sub[4])),
  ...horizontals(0x07, 'PHSUBSW', horizontal(2, 'i16x8.sub_sat_s')),
  ...both(0x08, 'PSIGNB', binary(sign('i8x16'))),
  ...both(0x09, 'PSIGNW', binary(sign('i16x8'))),
  ...both(0x0a, 'PSIGND', binary(sign('i32x4'))),
  ...both(0x0b, 'PMULHRSW', binary(roundedProducts)),
  ...absolute(0x1c, 'PABSB', 'i8x16.abs'),
  ...absolute(0x1d, 'PABSW', 'i16x8.abs'),
  ...absolute(0x1e, 'PABSD', 'i32x4.abs'),
  mmx(0x0f3a0f, 'PALIGNR +Pq,Qq,Ib', controlled(alignHalves)),
  sse(0x0f3a0f, 0x66, 'PALIGNR +Vx,Wx,Ib', controlled(align)),
];
