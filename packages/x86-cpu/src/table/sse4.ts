import { Reg } from '../names.ts';
import type { Ops, Val } from '../ops.ts';
import type { Vec } from '../ops-simd.ts';
import type { Row } from '../row.ts';
import { row } from '../row.ts';
import type { SimdOp } from '../wasm/simd.ts';
import type { Sem } from './common.ts';
import {
  type Binary,
  binary,
  bytesOf,
  controlled,
  firstLane,
  laneMask,
  laneToFront,
  lanewise,
  pick,
  range,
  recorded,
  sse,
  unary,
  zero,
} from './simd-common.ts';

const mem = { mod: 'mem' } as const;
const reg = { mod: 'reg' } as const;

/** Lanes of the second where a mask's sign bit is set. */
const blend = (o: Ops, a: Vec, b: Vec, mask: Vec): Vec => o.simd('v128.bitselect', b, a, mask);

/** Whole lanes of ones by the sign of the lanes of `width` bytes. */
function signMask(o: Ops, v: Vec, width: 1 | 4 | 8): Vec {
  if (width === 1) return o.simd('i8x16.gt_s', zero(o), v);
  return o.simd(width === 4 ? 'i32x4.gt_s' : 'i64x2.gt_s', zero(o), v);
}
const blendByXmm0 =
  (width: 1 | 4 | 8): Sem =>
  (o, dst, src) => {
    const b = o.let(src.vget());
    const mask = o.let(signMask(o, o.xmm0(), width));
    dst.vset(blend(o, dst.vget(), b, mask));
  };
/** Lanes of `width` bytes by the bits of the immediate. */
const blendByBits = (width: 2 | 4 | 8): Sem =>
  controlled((o, a, b, imm) => {
    const bits = o.simd('i16x8.splat', imm);
    const chosen = bytesOf(o, (i) => (i % 2 === 0 ? 1 << Math.floor(i / width) : 0));
    const hit = o.simd('v128.and', bits, chosen);
    return blend(o, b, a, o.simd('i16x8.eq', hit, zero(o)));
  });

const test: Sem = (o, a, b) => {
  const [x, y] = [o.let(a.vget()), o.let(b.vget())];
  const none = (v: Vec): Val => o.eqz(o.simd('v128.any_true', v));
  const zf = none(o.simd('v128.and', x, y));
  const cf = none(o.simd('v128.andnot', y, x));
  o.setFlags({ cf, pf: o.c(0), af: o.c(0), zf, sf: o.c(0), of: o.c(0) });
};

/** Extensions of the low lanes: name, operations one after the other, bits of the source. */
const EXTEND: readonly (readonly [number, string, readonly SimdOp[], string])[] = (
  [
    ['BW', ['i16x8.extend_low_i8x16'], 'Wq'],
    ['BD', ['i16x8.extend_low_i8x16', 'i32x4.extend_low_i16x8'], 'Wd'],
    ['BQ', ['i16x8.extend_low_i8x16', 'i32x4.extend_low_i16x8', 'i64x2.extend_low_i32x4'], 'Ww'],
    ['WD', ['i32x4.extend_low_i16x8'], 'Wq'],
    ['WQ', ['i32x4.extend_low_i16x8', 'i64x2.extend_low_i32x4'], 'Wd'],
    ['DQ', ['i64x2.extend_low_i32x4'], 'Wq'],
  ] as const
).flatMap(([name, steps, source], i) =>
  (['s', 'u'] as const).map((s): [number, string, readonly SimdOp[], string] => [
    0x0f3820 + i + (s === 's' ? 0 : 0x10),
    `PMOV${s === 's' ? 'S' : 'Z'}X${name}`,
    steps.map((step) => `${step}_${s}` as SimdOp),
    source,
  ]),
);

const LANEWISE: readonly (readonly [number, string, SimdOp])[] = [
  [0x29, 'PCMPEQQ', 'i64x2.eq'],
  [0x37, 'PCMPGTQ', 'i64x2.gt_s'],
  [0x38, 'PMINSB', 'i8x16.min_s'],
  [0x39, 'PMINSD', 'i32x4.min_s'],
  [0x3a, 'PMINUW', 'i16x8.min_u'],
  [0x3b, 'PMINUD', 'i32x4.min_u'],
  [0x3c, 'PMAXSB', 'i8x16.max_s'],
  [0x3d, 'PMAXSD', 'i32x4.max_s'],
  [0x3e, 'PMAXUW', 'i16x8.max_u'],
  [0x3f, 'PMAXUD', 'i32x4.max_u'],
  [0x40, 'PMULLD', 'i32x4.mul'],
  [0x2b, 'PACKUSDW', 'i16x8.narrow_i32x4_u'],
];

const signedProducts: Binary = (o, a, b) => {
  const even = (v: Vec): Vec => pick(o, 4, [0, 2, 0, 2], v, v);
  return o.simd('i64x2.extmul_low_i32x4_s', even(a), even(b));
};

/** The least 16-bit lane and its position. */
const leastWord: Sem = (o, dst, src) => {
  const v = o.let(src.vget());
  const word = (i: number): Val => o.lane('i16x8.extract_lane_u', i, v);
  // Value above position, so that the first of equal ones wins.
  const least = o.cell(o.shl(word(0), o.c(3)));
  for (let i = 1; i < 8; i++) {
    const key = o.let(o.or(o.shl(word(i), o.c(3)), o.c(i)));
    least.set(o.select(o.ltU(key, least.get()), key, least.get()));
  }
  const found = o.or(o.shr(least.get(), o.c(3)), o.shl(o.and(least.get(), o.c(7)), o.c(16)));
  dst.vset(o.lane('i32x4.replace_lane', 0, zero(o), found));
};

/** Sums of absolute differences of four bytes of the second with eight windows of the first. */
const windowSums = controlled((o, a, b, imm) => {
  const first = o.let(laneToFront(o, a, o.and(o.shr(imm, o.c(2)), o.c(1)), 4));
  const block = o.let(laneToFront(o, b, o.and(imm, o.c(3)), 4));
  let sum = zero(o);
  for (let i = 0; i < 4; i++) {
    const windows = o.shuffle(
      range(16, (j) => (j & 1 ? 16 : (j >> 1) + i)),
      first,
      zero(o),
    );
    const same = o.shuffle(
      range(16, (j) => (j & 1 ? 16 : i)),
      block,
      zero(o),
    );
    const difference = o.simd('i16x8.abs', o.simd('i16x8.sub', windows, same));
    sum = o.simd('i16x8.add', sum, difference);
  }
  return sum;
});

const extract =
  (width: 1 | 2 | 4): Sem =>
  (o, dst, src, imm) => {
    const lane = o.let(o.and(imm.get(), o.c(16 / width - 1)));
    const front = laneToFront(o, src.vget(), lane, width);
    if (width === 4) dst.set(firstLane(o, front));
    else dst.set(o.lane(width === 1 ? 'i8x16.extract_lane_u' : 'i16x8.extract_lane_u', 0, front));
  };
const insert =
  (width: 1 | 4): Sem =>
  (o, dst, src, imm) => {
    const lane = o.let(o.and(imm.get(), o.c(16 / width - 1)));
    const value = o.simd(width === 1 ? 'i8x16.splat' : 'i32x4.splat', src.get());
    dst.vset(o.simd('v128.bitselect', value, dst.vget(), laneMask(o, width, lane)));
  };
/** INSERTPS: a lane of the source to a lane, then lanes zeroed; a source in memory has one lane. */
const insertSingle = (fromMemory: boolean): Sem =>
  controlled((o, a, b, imm) => {
    const from = fromMemory ? o.c(0) : o.and(o.shr(imm, o.c(6)), o.c(3));
    const value = o.simd('i32x4.splat', firstLane(o, laneToFront(o, b, o.let(from), 4)));
    const lane = o.and(o.shr(imm, o.c(4)), o.c(3));
    const merged = o.simd('v128.bitselect', value, a, laneMask(o, 4, lane));
    const bits = o.simd('i32x4.splat', imm);
    const chosen = o.vconst([1, 0, 0, 0, 2, 0, 0, 0, 4, 0, 0, 0, 8, 0, 0, 0]);
    const kept = o.simd('i32x4.eq', o.simd('v128.and', bits, chosen), zero(o));
    return o.simd('v128.and', merged, kept);
  });

const rounding = (third: number, kind: string, source: string): Row =>
  sse(
    0x0f3a00 | third,
    0x66,
    `ROUND${kind.toUpperCase()} +Vx,${source},Ib`,
    controlled((o, a, b, imm) => o.float(`round${kind}`, a, b, imm)),
  );
const dotProduct = (third: number, kind: string): Row =>
  sse(
    0x0f3a00 | third,
    0x66,
    `DP${kind.toUpperCase()} +Vx,Wx,Ib`,
    controlled((o, a, b, imm) => o.float(`dp${kind}`, a, b, imm)),
  );

const POLYNOMIAL = 0x82f63b78 | 0;
/** CRC-32C (Castagnoli), bits reversed, one bit after the other. */
const crc =
  (bytes: 1 | 4): Sem =>
  (o, dst, src) => {
    const size = bytes === 4 ? o.size : 8;
    const state = o.cell(o.xor(dst.get(), o.zext(size, src.get())));
    for (let i = 0; i < size; i++) {
      const bit = o.sub(o.c(0), o.and(state.get(), o.c(1)));
      state.set(o.xor(o.shr(state.get(), o.c(1)), o.and(bit, o.c(POLYNOMIAL))));
    }
    dst.set(state.get());
  };

/** The magnitude of a length, at most 16. */
function limited(o: Ops, length: Val): Val {
  const v = o.let(length);
  const magnitude = o.let(o.select(o.ltS(v, o.c(0)), o.sub(o.c(0), v), v));
  return o.select(o.ltU(o.c(16), magnitude), o.c(16), magnitude);
}
/** The lengths of explicit strings, above the control byte. */
const lengths = (o: Ops): Val =>
  o.or(
    o.shl(limited(o, o.reg(32, Reg.EAX).get()), o.c(8)),
    o.shl(limited(o, o.reg(32, Reg.EDX).get()), o.c(16)),
  );

/** PCMPESTRI and the like; the flags are part of the result. */
const strings =
  (name: string, index: boolean): Sem =>
  (o, a, b, imm) => {
    const [x, y] = [o.let(a.vget()), o.let(b.vget())];
    const control = o.let(name === 'pcmpestr' ? o.or(imm.get(), lengths(o)) : imm.get());
    const result = o.let(o.float(`${name}${index ? 'i' : 'm'}`, x, y, control));
    const flags = o.let(firstLane(o, o.float(`${name}f`, x, y, control)));
    const bit = (n: number): Val => o.and(o.shr(flags, o.c(n)), o.c(1));
    if (index) o.reg(32, Reg.ECX).set(firstLane(o, result));
    else o.setXmm0(result);
    o.setFlags({ cf: bit(0), pf: o.c(0), af: o.c(0), zf: bit(6), sf: bit(7), of: bit(11) });
  };

const popcnt: Sem = (o, dst, src) => {
  const v = o.let(src.get());
  dst.set(o.popcnt(v));
  o.setFlags({ cf: o.c(0), pf: o.c(0), af: o.c(0), zf: o.eqz(v), sf: o.c(0), of: o.c(0) });
};

/** SSE4.1 and SSE4.2 and POPCNT. */
export const SSE4_ROWS: readonly Row[] = [
  sse(0x0f3810, 0x66, 'PBLENDVB +Vx,Wx', blendByXmm0(1)),
  sse(0x0f3814, 0x66, 'BLENDVPS +Vx,Wx', blendByXmm0(4)),
  sse(0x0f3815, 0x66, 'BLENDVPD +Vx,Wx', blendByXmm0(8)),
  sse(0x0f3a0c, 0x66, 'BLENDPS +Vx,Wx,Ib', blendByBits(4)),
  sse(0x0f3a0d, 0x66, 'BLENDPD +Vx,Wx,Ib', blendByBits(8)),
  sse(0x0f3a0e, 0x66, 'PBLENDW +Vx,Wx,Ib', blendByBits(2)),
  sse(0x0f3817, 0x66, 'PTEST Vx,Wx', test),
  ...EXTEND.map(([opcode, name, steps, source]) =>
    sse(
      opcode,
      0x66,
      `${name} =Vx,${source}`,
      unary((o, v) => steps.reduce((w, step) => o.simd(step, w), v)),
    ),
  ),
  ...LANEWISE.map(([third, name, op]) => sse(0x0f3800 | third, 0x66, `${name} +Vx,Wx`, binary(lanewise(op)))),
  sse(0x0f3828, 0x66, 'PMULDQ +Vx,Wx', binary(signedProducts)),
  sse(
    0x0f382a,
    0x66,
    'MOVNTDQA =Vx,Wx',
    unary((_o, v) => v),
    mem,
  ),
  sse(0x0f3841, 0x66, 'PHMINPOSUW =Vx,Wx', leastWord),
  sse(0x0f3a42, 0x66, 'MPSADBW +Vx,Wx,Ib', windowSums),
  rounding(0x08, 'ps', 'Wx'),
  rounding(0x09, 'pd', 'Wx'),
  rounding(0x0a, 'ss', 'Wd'),
  rounding(0x0b, 'sd', 'Wq'),
  dotProduct(0x40, 'ps'),
  dotProduct(0x41, 'pd'),
  sse(0x0f3a14, 0x66, 'PEXTRB =Ed,Vx,Ib', extract(1), reg),
  sse(0x0f3a14, 0x66, 'PEXTRB =Eb,Vx,Ib', extract(1), mem),
  sse(0x0f3a15, 0x66, 'PEXTRW =Ed,Vx,Ib', extract(2), reg),
  sse(0x0f3a15, 0x66, 'PEXTRW =Ew,Vx,Ib', extract(2), mem),
  sse(0x0f3a16, 0x66, 'PEXTRD =Ed,Vx,Ib', extract(4)),
  sse(0x0f3a17, 0x66, 'EXTRACTPS =Ed,Vx,Ib', extract(4)),
  sse(0x0f3a20, 0x66, 'PINSRB +Vx,Ed,Ib', insert(1), reg),
  sse(0x0f3a20, 0x66, 'PINSRB +Vx,Eb,Ib', insert(1), mem),
  sse(0x0f3a22, 0x66, 'PINSRD +Vx,Ed,Ib', insert(4)),
  sse(0x0f3a21, 0x66, 'INSERTPS +Vx,Ux,Ib', insertSingle(false), reg),
  sse(0x0f3a21, 0x66, 'INSERTPS +Vx,Wd,Ib', insertSingle(true), mem),
  sse(0x0f3a60, 0x66, 'PCMPESTRM Vx,Wu,Ib', strings('pcmpestr', false)),
  sse(0x0f3a61, 0x66, 'PCMPESTRI Vx,Wu,Ib', strings('pcmpestr', true)),
  sse(0x0f3a62, 0x66, 'PCMPISTRM Vx,Wu,Ib', strings('pcmpistr', false)),
  sse(0x0f3a63, 0x66, 'PCMPISTRI Vx,Wu,Ib', strings('pcmpistr', true)),
  row(0x0f38f0, 'CRC32 +Gd,Eb', { prefix: 0xf2, ...recorded }, crc(1)),
  row(0x0f38f1, 'CRC32 +Gd,Ev', { prefix: 0xf2, ...recorded }, crc(4)),
  row(0x0fb8, 'POPCNT =Gv,Ev', { prefix: 0xf3, ...recorded }, popcnt),
];
