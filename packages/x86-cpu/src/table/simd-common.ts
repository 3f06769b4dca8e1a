import type { Ops, Val } from '../ops.ts';
import type { Vec } from '../ops-simd.ts';
import type { Row, RowOptions } from '../row.ts';
import { row } from '../row.ts';
import type { SimdOp } from '../wasm/simd.ts';
import type { Sem } from './common.ts';

/** Recorded apart from the integer rows. */
export const recorded = { unrecorded: 'recorded with the state of SIMD registers, see test/simd' };

/** An SSE row: prefix 0 stands for none. */
export const sse = (opcode: number, prefix: number, form: string, sem: Sem, options: RowOptions = {}): Row =>
  row(opcode, form, { prefix, simd: 'sse', ...recorded, ...options }, sem);

/** An MMX row. */
export const mmx = (opcode: number, form: string, sem: Sem, options: RowOptions = {}): Row =>
  row(opcode, form, { prefix: 0, simd: 'mmx', ...recorded, ...options }, sem);

export type Binary = (o: Ops, a: Vec, b: Vec) => Vec;

/** dst = f(dst, src), as one semantic function for each f. */
export const binary =
  (f: Binary): Sem =>
  (o, dst, src) => {
    const b = o.let(src.vget());
    const a = o.let(dst.vget());
    dst.vset(f(o, a, b));
  };
/** dst = f(src). */
export const unary =
  (f: (o: Ops, v: Vec) => Vec): Sem =>
  (o, dst, src) =>
    dst.vset(f(o, o.let(src.vget())));

export const lanewise =
  (op: SimdOp): Binary =>
  (o, a, b) =>
    o.simd(op, a, b);

/** dst = f(dst, src, imm8) */
export const controlled =
  (f: (o: Ops, a: Vec, b: Vec, imm: Val) => Vec): Sem =>
  (o, dst, src, imm) => {
    const b = o.let(src.vget());
    const a = o.let(dst.vget());
    dst.vset(f(o, a, b, o.let(imm.get())));
  };

/** Copies a vector. */
export const move: Sem = (_o, dst, src) => dst.vset(src.vget());

export const range = (count: number, f: (i: number) => number): number[] =>
  Array.from({ length: count }, (_, i) => f(i));
export const zero = (o: Ops): Vec => o.vconst(new Array<number>(16).fill(0));
export const bytesOf = (o: Ops, f: (i: number) => number): Vec => o.vconst(range(16, (i) => f(i) & 0xff));

/** The low half, zeros above. */
export const lowHalf = (o: Ops, v: Vec): Vec =>
  o.shuffle(
    range(16, (i) => (i < 8 ? i : 16)),
    v,
    zero(o),
  );

/** Lanes of `width` bytes of a pair of vectors, by number. */
export const pick = (o: Ops, width: number, lanes: readonly number[], a: Vec, b: Vec): Vec =>
  o.shuffle(
    lanes.flatMap((lane) => range(width, (i) => lane * width + i)),
    a,
    b,
  );

/** Byte indices, in a vector, that select 32-bit lanes by four two-bit fields of `imm`; `base` for each lane. */
function indices32(o: Ops, imm: Val, bases: readonly number[]): Vec {
  let v = zero(o);
  for (let i = 0; i < 4; i++) {
    const field = o.and(o.shr(imm, o.c(2 * i)), o.c(3));
    const lane = o.add(o.mul(field, o.c(0x04040404)), o.c(0x03020100 + (bases[i] ?? 0) * 0x04040404));
    v = o.lane('i32x4.replace_lane', i, v, lane);
  }
  return v;
}

/** PSHUFD: 32-bit lanes by two-bit fields. */
export function shuffle32(o: Ops, v: Vec, imm: Val): Vec {
  const { known } = imm;
  if (known === undefined) return o.simd('i8x16.swizzle', v, indices32(o, imm, []));
  return pick(
    o,
    4,
    range(4, (i) => (known >> (2 * i)) & 3),
    v,
    v,
  );
}

/** SHUFPS: two lanes of each operand. */
export function shufflePair32(o: Ops, a: Vec, b: Vec, imm: Val): Vec {
  const { known } = imm;
  const lanes = (n: number): number[] => range(4, (i) => ((n >> (2 * i)) & 3) + (i < 2 ? 0 : 4));
  if (known !== undefined) return pick(o, 4, lanes(known), a, b);
  const index = o.let(indices32(o, imm, []));
  const [low, high] = [o.simd('i8x16.swizzle', a, index), o.simd('i8x16.swizzle', b, index)];
  return pick(o, 4, [0, 1, 6, 7], low, high);
}

/** PSHUFW, PSHUFLW, PSHUFHW: four 16-bit lanes from `first` on, the others kept. */
export function shuffle16(o: Ops, v: Vec, imm: Val, first: 0 | 4): Vec {
  const { known } = imm;
  const kept = (i: number): boolean => i < first || i >= first + 4;
  if (known !== undefined) {
    const lane = (i: number): number => (kept(i) ? i : ((known >> (2 * (i - first))) & 3) + first);
    return pick(o, 2, range(8, lane), v, v);
  }
  let index = bytesOf(o, (i) => i);
  for (let i = 0; i < 4; i++) {
    const field = o.and(o.shr(imm, o.c(2 * i)), o.c(3));
    const bytes = o.add(o.mul(field, o.c(0x0202)), o.c(0x0100 + first * 0x0202));
    index = o.lane('i16x8.replace_lane', first + i, index, bytes);
  }
  return o.simd('i8x16.swizzle', v, index);
}

/** Bytes moved towards the low end by `count`, zeros behind; upwards when `up`. */
export function shiftBytes(o: Ops, v: Vec, count: Val, up: boolean): Vec {
  const iota = bytesOf(o, (i) => i);
  const limited = o.select(o.ltU(o.c(16), count), o.c(16), count);
  const index = o.simd(up ? 'i8x16.sub' : 'i8x16.add', iota, o.simd('i8x16.splat', limited));
  return o.simd('i8x16.swizzle', v, index);
}

/** One lane chosen at run time. */
export function laneMask(o: Ops, width: 1 | 2 | 4, lane: Val): Vec {
  const numbers = bytesOf(o, (i) => Math.floor(i / width));
  return o.simd('i8x16.eq', numbers, o.simd('i8x16.splat', lane));
}

/** Moves the bytes from `lane * width` on to the front. */
export const laneToFront = (o: Ops, v: Vec, lane: Val, width: number): Vec =>
  shiftBytes(o, v, o.mul(lane, o.c(width)), false);

/** A 32-bit value in the first lane, zeros above. */
export const fromValue = (o: Ops, v: Val): Vec => o.lane('i32x4.replace_lane', 0, zero(o), v);
export const firstLane = (o: Ops, v: Vec): Val => o.lane('i32x4.extract_lane', 0, v);

/** Low `low` 64-bit halves of two vectors side by side. */
export const lowHalves = (o: Ops, a: Vec, b: Vec): Vec => pick(o, 8, [0, 2], a, b);
