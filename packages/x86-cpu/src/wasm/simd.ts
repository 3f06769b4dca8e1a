import type { Bytes } from './bytes.ts';
import { type Expr, F32, F64, I32, I64, V128, type ValType } from './expr.ts';

/** Lane-wise operations on one to three values. Source: WebAssembly core specification 2.0, section 5.4.8. */
const PLAIN = {
  'v128.not': 77,
  'v128.and': 78,
  'v128.andnot': 79,
  'v128.or': 80,
  'v128.xor': 81,
  'v128.bitselect': 82,
  'v128.any_true': 83,
  'i8x16.swizzle': 14,
  'i8x16.splat': 15,
  'i16x8.splat': 16,
  'i32x4.splat': 17,
  'i64x2.splat': 18,
  'i8x16.eq': 35,
  'i8x16.gt_s': 39,
  'i16x8.eq': 45,
  'i16x8.gt_s': 49,
  'i32x4.eq': 55,
  'i32x4.gt_s': 59,
  'i32x4.gt_u': 60,
  'i64x2.eq': 214,
  'i64x2.gt_s': 217,
  'f32x4.eq': 65,
  'f32x4.ne': 66,
  'f32x4.lt': 67,
  'f32x4.le': 69,
  'f32x4.ge': 70,
  'f64x2.eq': 71,
  'f64x2.ne': 72,
  'f64x2.lt': 73,
  'f64x2.le': 75,
  'f64x2.ge': 76,
  'f32x4.demote_f64x2_zero': 94,
  'f64x2.promote_low_f32x4': 95,
  'i8x16.abs': 96,
  'i8x16.neg': 97,
  'i8x16.bitmask': 100,
  'i8x16.narrow_i16x8_s': 101,
  'i8x16.narrow_i16x8_u': 102,
  'f32x4.nearest': 106,
  'i8x16.add': 110,
  'i8x16.add_sat_s': 111,
  'i8x16.add_sat_u': 112,
  'i8x16.sub': 113,
  'i8x16.sub_sat_s': 114,
  'i8x16.sub_sat_u': 115,
  'i8x16.min_s': 118,
  'i8x16.min_u': 119,
  'i8x16.max_s': 120,
  'i8x16.max_u': 121,
  'i8x16.avgr_u': 123,
  'i16x8.extadd_pairwise_i8x16_u': 125,
  'i32x4.extadd_pairwise_i16x8_u': 127,
  'f32x4.trunc': 105,
  'f64x2.trunc': 122,
  'i16x8.abs': 128,
  'i16x8.neg': 129,
  'i16x8.narrow_i32x4_s': 133,
  'i16x8.narrow_i32x4_u': 134,
  'i16x8.extend_low_i8x16_s': 135,
  'i16x8.extend_low_i8x16_u': 137,
  'i16x8.shl': 139,
  'i16x8.shr_s': 140,
  'i16x8.shr_u': 141,
  'i16x8.add': 142,
  'i16x8.add_sat_s': 143,
  'i16x8.add_sat_u': 144,
  'i16x8.sub': 145,
  'i16x8.sub_sat_s': 146,
  'i16x8.sub_sat_u': 147,
  'f64x2.nearest': 148,
  'i16x8.mul': 149,
  'i16x8.min_s': 150,
  'i16x8.min_u': 151,
  'i16x8.max_s': 152,
  'i16x8.max_u': 153,
  'i16x8.avgr_u': 155,
  'i32x4.abs': 160,
  'i32x4.neg': 161,
  'i32x4.all_true': 163,
  'i32x4.bitmask': 164,
  'i32x4.extend_low_i16x8_s': 167,
  'i32x4.extend_low_i16x8_u': 169,
  'i32x4.shl': 171,
  'i32x4.shr_s': 172,
  'i32x4.shr_u': 173,
  'i32x4.add': 174,
  'i32x4.sub': 177,
  'i32x4.mul': 181,
  'i32x4.min_s': 182,
  'i32x4.min_u': 183,
  'i32x4.max_s': 184,
  'i32x4.max_u': 185,
  'i32x4.dot_i16x8_s': 186,
  'i32x4.extmul_low_i16x8_s': 188,
  'i32x4.extmul_high_i16x8_s': 189,
  'i32x4.extmul_low_i16x8_u': 190,
  'i32x4.extmul_high_i16x8_u': 191,
  'i64x2.all_true': 195,
  'i64x2.bitmask': 196,
  'i64x2.extend_low_i32x4_s': 199,
  'i64x2.extend_low_i32x4_u': 201,
  'i64x2.shl': 203,
  'i64x2.shr_u': 205,
  'i64x2.add': 206,
  'i64x2.sub': 209,
  'i64x2.extmul_low_i32x4_s': 220,
  'i64x2.extmul_low_i32x4_u': 222,
  'f32x4.abs': 224,
  'f32x4.neg': 225,
  'f32x4.sqrt': 227,
  'f32x4.add': 228,
  'f32x4.sub': 229,
  'f32x4.mul': 230,
  'f32x4.div': 231,
  'f32x4.pmin': 234,
  'f32x4.pmax': 235,
  'f64x2.abs': 236,
  'f64x2.neg': 237,
  'f64x2.sqrt': 239,
  'f64x2.add': 240,
  'f64x2.sub': 241,
  'f64x2.mul': 242,
  'f64x2.div': 243,
  'f64x2.pmin': 246,
  'f64x2.pmax': 247,
  'i32x4.trunc_sat_f32x4_s': 248,
  'f32x4.convert_i32x4_s': 250,
  'i32x4.trunc_sat_f64x2_s_zero': 252,
  'f64x2.convert_low_i32x4_s': 254,
} as const;

/** Operations that name a lane. */
const LANED = {
  'i8x16.extract_lane_u': 22,
  'i8x16.replace_lane': 23,
  'i16x8.extract_lane_u': 25,
  'i16x8.replace_lane': 26,
  'i32x4.extract_lane': 27,
  'i32x4.replace_lane': 28,
  'i64x2.extract_lane': 29,
  'i64x2.replace_lane': 30,
  'f32x4.extract_lane': 31,
  'f32x4.replace_lane': 32,
  'f64x2.extract_lane': 33,
  'f64x2.replace_lane': 34,
} as const;

export type SimdOp = keyof typeof PLAIN;
export type LaneOp = keyof typeof LANED;

const SCALAR_RESULT = /any_true|all_true|bitmask/;
const EXTRACTED: Readonly<Partial<Record<LaneOp, ValType>>> = {
  'i8x16.extract_lane_u': I32,
  'i16x8.extract_lane_u': I32,
  'i32x4.extract_lane': I32,
  'i64x2.extract_lane': I64,
  'f32x4.extract_lane': F32,
  'f64x2.extract_lane': F64,
};
const PREFIX = 0xfd;

function emitAll(args: readonly Expr[], type: ValType, tail: readonly number[], opcode: number): Expr {
  return {
    type,
    emit(code) {
      for (const a of args) a.emit(code);
      code.u8(PREFIX);
      code.leb(opcode);
      code.raw(tail);
    },
  };
}

export function simd(op: SimdOp, ...args: readonly Expr[]): Expr {
  return emitAll(args, SCALAR_RESULT.test(op) ? I32 : V128, [], PLAIN[op]);
}

export function simdLane(op: LaneOp, lane: number, ...args: readonly Expr[]): Expr {
  return emitAll(args, EXTRACTED[op] ?? V128, [lane], LANED[op]);
}

/** Bytes by number: 0-15 of `a`, 16-31 of `b`. */
export function shuffle(lanes: readonly number[], a: Expr, b: Expr): Expr {
  return emitAll([a, b], V128, lanes, 13);
}

export function v128(bytes: readonly number[]): Expr {
  return emitAll([], V128, bytes, 12);
}

const LOADS = { 128: 0, 64: 93, 32: 92 } as const;
export type VectorBits = keyof typeof LOADS;

/** Loads 128, 64 or 32 bits; the rest is zero. */
export function loadVector(bits: VectorBits, address: Expr, offset = 0): Expr {
  return {
    type: V128,
    emit(code) {
      address.emit(code);
      code.raw([PREFIX, LOADS[bits], 0]);
      code.leb(offset);
    },
  };
}

const STORES = { 64: 91, 32: 90 } as const;

/** Emits a store of the low 128, 64 or 32 bits. */
export function storeVector(
  { code }: { readonly code: Bytes },
  bits: VectorBits,
  address: Expr,
  value: Expr,
  offset = 0,
): void {
  address.emit(code);
  value.emit(code);
  code.raw([PREFIX, bits === 128 ? 11 : STORES[bits], 0]);
  code.leb(offset);
  if (bits !== 128) code.u8(0);
}
