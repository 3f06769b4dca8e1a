import type { Ops, Val } from '../ops.ts';
import type { Vec } from '../ops-simd.ts';
import type { Row } from '../row.ts';
import type { SimdOp } from '../wasm/simd.ts';
import type { Sem } from './common.ts';
import {
  type Binary,
  binary,
  bytesOf,
  controlled,
  lanewise,
  lowHalves,
  mmx,
  pick,
  range,
  shiftBytes,
  shuffle16,
  shuffle32,
  sse,
  zero,
} from './simd-common.ts';

/** Two-byte opcode, name, and the operation that serves MMX and SSE alike. */
const SAME: readonly (readonly [number, string, Binary])[] = (
  [
    [0x64, 'PCMPGTB', 'i8x16.gt_s'],
    [0x65, 'PCMPGTW', 'i16x8.gt_s'],
    [0x66, 'PCMPGTD', 'i32x4.gt_s'],
    [0x74, 'PCMPEQB', 'i8x16.eq'],
    [0x75, 'PCMPEQW', 'i16x8.eq'],
    [0x76, 'PCMPEQD', 'i32x4.eq'],
    [0xd4, 'PADDQ', 'i64x2.add'],
    [0xd5, 'PMULLW', 'i16x8.mul'],
    [0xd8, 'PSUBUSB', 'i8x16.sub_sat_u'],
    [0xd9, 'PSUBUSW', 'i16x8.sub_sat_u'],
    [0xda, 'PMINUB', 'i8x16.min_u'],
    [0xdb, 'PAND', 'v128.and'],
    [0xdc, 'PADDUSB', 'i8x16.add_sat_u'],
    [0xdd, 'PADDUSW', 'i16x8.add_sat_u'],
    [0xde, 'PMAXUB', 'i8x16.max_u'],
    [0xe0, 'PAVGB', 'i8x16.avgr_u'],
    [0xe3, 'PAVGW', 'i16x8.avgr_u'],
    [0xe8, 'PSUBSB', 'i8x16.sub_sat_s'],
    [0xe9, 'PSUBSW', 'i16x8.sub_sat_s'],
    [0xea, 'PMINSW', 'i16x8.min_s'],
    [0xeb, 'POR', 'v128.or'],
    [0xec, 'PADDSB', 'i8x16.add_sat_s'],
    [0xed, 'PADDSW', 'i16x8.add_sat_s'],
    [0xee, 'PMAXSW', 'i16x8.max_s'],
    [0xef, 'PXOR', 'v128.xor'],
    [0xf5, 'PMADDWD', 'i32x4.dot_i16x8_s'],
    [0xf8, 'PSUBB', 'i8x16.sub'],
    [0xf9, 'PSUBW', 'i16x8.sub'],
    [0xfa, 'PSUBD', 'i32x4.sub'],
    [0xfb, 'PSUBQ', 'i64x2.sub'],
    [0xfc, 'PADDB', 'i8x16.add'],
    [0xfd, 'PADDW', 'i16x8.add'],
    [0xfe, 'PADDD', 'i32x4.add'],
  ] as readonly [number, string, SimdOp][]
).map(([opcode, name, op]) => [opcode, name, lanewise(op)]);

const andNot: Binary = (o, a, b) => o.simd('v128.andnot', b, a);

/** Upper halves of 16-bit products. */
const highProducts =
  (signed: 's' | 'u'): Binary =>
  (o, a, b) => {
    const low = o.simd(`i32x4.extmul_low_i16x8_${signed}`, a, b);
    const high = o.simd(`i32x4.extmul_high_i16x8_${signed}`, a, b);
    return pick(
      o,
      2,
      range(8, (i) => 2 * i + 1),
      low,
      high,
    );
  };

/** Products of the even 32-bit lanes. */
const evenProducts =
  (op: 'i64x2.extmul_low_i32x4_u' | 'i64x2.extmul_low_i32x4_s'): Binary =>
  (o, a, b) => {
    const even = (v: Vec): Vec => pick(o, 4, [0, 2, 0, 2], v, v);
    return o.simd(op, even(a), even(b));
  };

/** Sums of absolute differences of the eight bytes of each half. */
const sumOfDifferences: Binary = (o, a, b) => {
  const difference = o.simd('i8x16.sub', o.simd('i8x16.max_u', a, b), o.simd('i8x16.min_u', a, b));
  const words = o.simd('i16x8.extadd_pairwise_i8x16_u', difference);
  const quads = o.let(o.simd('i32x4.extadd_pairwise_i16x8_u', words));
  const sums = o.simd('i64x2.add', quads, o.simd('i64x2.shr_u', quads, o.c(32)));
  return o.simd(
    'v128.and',
    sums,
    bytesOf(o, (i) => (i % 8 < 2 ? 0xff : 0)),
  );
};

const BOTH: readonly (readonly [number, string, Binary])[] = [
  ...SAME,
  [0xdf, 'PANDN', andNot],
  [0xe4, 'PMULHUW', highProducts('u')],
  [0xe5, 'PMULHW', highProducts('s')],
  [0xf4, 'PMULUDQ', evenProducts('i64x2.extmul_low_i32x4_u')],
  [0xf6, 'PSADBW', sumOfDifferences],
];

/** Lanes of `width` bytes alternating from the low or the high half. */
const interleave =
  (width: number, first: number): Binary =>
  (o, a, b) =>
    pick(
      o,
      width,
      range(16 / width, (i) => first + (i >> 1) + (i & 1 ? 16 / width : 0)),
      a,
      b,
    );

/** Opcode, name, bytes of a lane; the upper half for MMX begins in the middle of the lower one. */
const UNPACK: readonly (readonly [number, string, number, 'low' | 'high'])[] = [
  [0x60, 'PUNPCKLBW', 1, 'low'],
  [0x61, 'PUNPCKLWD', 2, 'low'],
  [0x62, 'PUNPCKLDQ', 4, 'low'],
  [0x68, 'PUNPCKHBW', 1, 'high'],
  [0x69, 'PUNPCKHWD', 2, 'high'],
  [0x6a, 'PUNPCKHDQ', 4, 'high'],
];
const PACK: readonly (readonly [number, string, SimdOp])[] = [
  [0x63, 'PACKSSWB', 'i8x16.narrow_i16x8_s'],
  [0x67, 'PACKUSWB', 'i8x16.narrow_i16x8_u'],
  [0x6b, 'PACKSSDW', 'i16x8.narrow_i32x4_s'],
];
/** MMX: both sources in one vector. */
const packHalves =
  (op: SimdOp): Binary =>
  (o, a, b) => {
    const both = o.let(lowHalves(o, a, b));
    return o.simd(op, both, both);
  };

/** Shifts by a count: at or beyond the lane's width the lane is empty, or all sign. */
function shift(o: Ops, op: SimdOp, bits: number, v: Vec, count: Val): Vec {
  const beyond = o.let(o.ltU(o.c(bits - 1), count));
  if (op.endsWith('shr_s')) return o.simd(op, v, o.select(beyond, o.c(bits - 1), count));
  const shifted = o.simd(op, v, count);
  return o.select(beyond, zero(o), shifted);
}
/** By the low 64 bits of a vector. */
const shiftByVector =
  (op: SimdOp, bits: number): Sem =>
  (o, dst, src) => {
    const count = o.wlet(o.lane('i64x2.extract_lane', 0, src.vget()));
    const limited = o.let(o.select(o.eqz(o.hi(count)), o.lo(count), o.c(-1)));
    dst.vset(shift(o, op, bits, o.let(dst.vget()), limited));
  };
const shiftByImmediate =
  (op: SimdOp, bits: number): Sem =>
  (o, dst, imm) =>
    dst.vset(shift(o, op, bits, o.let(dst.vget()), o.let(imm.get())));
const shiftWhole =
  (up: boolean): Sem =>
  (o, dst, imm) =>
    dst.vset(shiftBytes(o, dst.vget(), o.let(imm.get()), up));

/** Opcode by vector, opcode and extension by immediate, name, operation, bits. */
const SHIFTS: readonly (readonly [number, number, number, string, SimdOp, number])[] = [
  [0xd1, 0x71, 2, 'PSRLW', 'i16x8.shr_u', 16],
  [0xd2, 0x72, 2, 'PSRLD', 'i32x4.shr_u', 32],
  [0xd3, 0x73, 2, 'PSRLQ', 'i64x2.shr_u', 64],
  [0xe1, 0x71, 4, 'PSRAW', 'i16x8.shr_s', 16],
  [0xe2, 0x72, 4, 'PSRAD', 'i32x4.shr_s', 32],
  [0xf1, 0x71, 6, 'PSLLW', 'i16x8.shl', 16],
  [0xf2, 0x72, 6, 'PSLLD', 'i32x4.shl', 32],
  [0xf3, 0x73, 6, 'PSLLQ', 'i64x2.shl', 64],
];

const both = (opcode: number, name: string, sem: Sem): Row[] => [
  mmx(0x0f00 | opcode, `${name} +Pq,Qq`, sem),
  sse(0x0f00 | opcode, 0x66, `${name} +Vx,Wx`, sem),
];

/** Integer arithmetic, comparison, packing and shifting in MMX and XMM registers (MMX, SSE, SSE2). */
export const SIMD_INTEGER_ROWS: readonly Row[] = [
  ...BOTH.flatMap(([opcode, name, f]) => both(opcode, name, binary(f))),
  ...UNPACK.flatMap(([opcode, name, width, half]): Row[] => [
    mmx(
      0x0f00 | opcode,
      `${name} +Pq,${half === 'low' ? 'Qd' : 'Qq'}`,
      binary(interleave(width, half === 'low' ? 0 : 4 / width)),
    ),
    sse(0x0f00 | opcode, 0x66, `${name} +Vx,Wx`, binary(interleave(width, half === 'low' ? 0 : 8 / width))),
  ]),
  sse(0x0f6c, 0x66, 'PUNPCKLQDQ +Vx,Wx', binary(interleave(8, 0))),
  sse(0x0f6d, 0x66, 'PUNPCKHQDQ +Vx,Wx', binary(interleave(8, 1))),
  ...PACK.flatMap(([opcode, name, op]) => [
    mmx(0x0f00 | opcode, `${name} +Pq,Qq`, binary(packHalves(op))),
    sse(0x0f00 | opcode, 0x66, `${name} +Vx,Wx`, binary(lanewise(op))),
  ]),
  ...SHIFTS.flatMap(([opcode, group, ext, name, op, bits]): Row[] => [
    ...both(opcode, name, shiftByVector(op, bits)),
    mmx(0x0f00 | group, `${name} +Nq,Ib`, shiftByImmediate(op, bits), { ext, mod: 'reg' }),
    sse(0x0f00 | group, 0x66, `${name} +Ux,Ib`, shiftByImmediate(op, bits), { ext, mod: 'reg' }),
  ]),
  sse(0x0f73, 0x66, 'PSRLDQ +Ux,Ib', shiftWhole(false), { ext: 3, mod: 'reg' }),
  sse(0x0f73, 0x66, 'PSLLDQ +Ux,Ib', shiftWhole(true), { ext: 7, mod: 'reg' }),
  mmx(
    0x0f70,
    'PSHUFW =Pq,Qq,Ib',
    controlled((o, _a, b, imm) => shuffle16(o, b, imm, 0)),
  ),
  sse(
    0x0f70,
    0x66,
    'PSHUFD =Vx,Wx,Ib',
    controlled((o, _a, b, imm) => shuffle32(o, b, imm)),
  ),
  sse(
    0x0f70,
    0xf2,
    'PSHUFLW =Vx,Wx,Ib',
    controlled((o, _a, b, imm) => shuffle16(o, b, imm, 0)),
  ),
  sse(
    0x0f70,
    0xf3,
    'PSHUFHW =Vx,Wx,Ib',
    controlled((o, _a, b, imm) => shuffle16(o, b, imm, 4)),
  ),
];
