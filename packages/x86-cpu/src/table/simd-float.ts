import type { Ops } from '../ops.ts';
import type { Vec } from '../ops-simd.ts';
import type { Row } from '../row.ts';
import type { FloatKind } from '../simd/float-ops.ts';
import type { Sem } from './common.ts';
import {
  binary,
  controlled,
  firstLane,
  fromValue,
  lanewise,
  pick,
  shufflePair32,
  sse,
  unary,
  zero,
} from './simd-common.ts';

const KINDS: readonly { readonly kind: FloatKind; readonly prefix: number; readonly source: string }[] = [
  { kind: 'ps', prefix: 0, source: 'Wx' },
  { kind: 'pd', prefix: 0x66, source: 'Wx' },
  { kind: 'ss', prefix: 0xf3, source: 'Wd' },
  { kind: 'sd', prefix: 0xf2, source: 'Wq' },
];
const PACKED = KINDS.slice(0, 2);

const float = (op: string): Sem => binary((o, a, b) => o.float(op, a, b));

const arithmetic = ([opcode, name]: readonly [number, string]): Row[] =>
  KINDS.map(({ kind, prefix, source }) =>
    sse(opcode, prefix, `${name}${kind.toUpperCase()} +Vx,${source}`, float(name.toLowerCase() + kind)),
  );

/** COMISS and the like: ZF PF CF from the comparison, the others 0. */
const compareFlags =
  (op: string): Sem =>
  (o, a, b) => {
    const found = o.let(firstLane(o, o.float(op, o.let(a.vget()), o.let(b.vget()))));
    const bit = (n: number): ReturnType<Ops['c']> => o.and(o.shr(found, o.c(n)), o.c(1));
    o.setFlags({ cf: bit(0), pf: bit(2), af: o.c(0), zf: bit(6), sf: o.c(0), of: o.c(0) });
  };

/** A conversion into a general register. */
const toGeneral =
  (op: string): Sem =>
  (o, dst, src) => {
    const v = o.let(src.vget());
    dst.set(firstLane(o, o.float(op, v, v)));
  };
/** A conversion of the whole source. */
const convert = (op: string): Sem => unary((o, v) => o.float(op, v, v));

const intToSingle: Sem = (o, dst, src) => {
  const b = o.let(fromValue(o, src.get()));
  dst.vset(o.float('cvtsi2ss', o.let(dst.vget()), b));
};
const intToDouble: Sem = (o, dst, src) => {
  const wide = o.simd('f64x2.convert_low_i32x4_s', fromValue(o, src.get()));
  const lane = o.lane('f64x2.extract_lane', 0, wide);
  dst.vset(o.lane('f64x2.replace_lane', 0, dst.vget(), lane));
};
const intsToDoubles: Sem = unary((o, v) => o.simd('f64x2.convert_low_i32x4_s', v));

const splat32 = (o: Ops, word: number): Vec =>
  o.vconst([0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3, 0, 1, 2, 3].map((i) => (word >>> (8 * i)) & 0xff));
const SIGN = 0x80000000;

/**
 * RCPPS and RSQRTPS are approximations, and processors differ: ours are exact to single precision, which is within the
 * documented relative error of 1.5 * 2^-12. Denormal sources are zeros, denormal results too; MXCSR plays no part.
 */
function approximate(o: Ops, v: Vec, root: boolean): Vec {
  const magnitude = o.let(o.simd('f32x4.abs', v));
  const sign = o.simd('v128.and', v, splat32(o, SIGN));
  const normal = o.simd('f32x4.ge', magnitude, splat32(o, 0x00800000));
  const nan = o.let(o.simd('f32x4.ne', v, v));
  const kept = o.simd('v128.or', o.simd('v128.and', v, o.simd('v128.or', normal, nan)), sign);
  const source = o.let(kept);
  const one = splat32(o, 0x3f800000);
  const r = o.let(o.simd('f32x4.div', one, root ? o.simd('f32x4.sqrt', source) : source));
  const tiny = o.simd('f32x4.lt', o.simd('f32x4.abs', r), splat32(o, 0x00800000));
  const flushed = o.let(o.simd('v128.bitselect', o.simd('v128.and', r, splat32(o, SIGN)), r, tiny));
  const quiet = o.simd('v128.or', v, splat32(o, 0x00400000));
  const numbers = o.simd('v128.bitselect', quiet, flushed, nan);
  if (!root) return numbers;
  const negative = o.simd('f32x4.lt', source, zero(o));
  return o.simd('v128.bitselect', splat32(o, 0xffc00000), numbers, negative);
}
const approximations = (opcode: number, name: string, root: boolean): Row[] => {
  const approximation = { unrecorded: 'processors approximate differently' };
  return [
    sse(
      opcode,
      0,
      `${name}PS =Vx,Wx`,
      unary((o, v) => approximate(o, v, root)),
      approximation,
    ),
    sse(
      opcode,
      0xf3,
      `${name}SS +Vx,Wd`,
      binary((o, a, b) => pick(o, 4, [4, 1, 2, 3], a, approximate(o, b, root))),
      approximation,
    ),
  ];
};

const LOGIC: readonly (readonly [number, string, Sem])[] = [
  [0x0f54, 'AND', binary(lanewise('v128.and'))],
  [0x0f55, 'ANDN', binary((o, a, b) => o.simd('v128.andnot', b, a))],
  [0x0f56, 'OR', binary(lanewise('v128.or'))],
  [0x0f57, 'XOR', binary(lanewise('v128.xor'))],
];

/** Lanes of neighbours: HADDPS and the like add or subtract the odd lanes to or from the even ones. */
const horizontal = (op: string, width: 4 | 8): Sem =>
  binary((o, a, b) => {
    const even = o.let(pick(o, width, width === 4 ? [0, 2, 4, 6] : [0, 2], a, b));
    const odd = o.let(pick(o, width, width === 4 ? [1, 3, 5, 7] : [1, 3], a, b));
    return o.float(op, even, odd);
  });

const shuffleDoubles = controlled((o, a, b, imm) => {
  const bit = (n: number): ReturnType<Ops['c']> => o.and(o.shr(imm, o.c(n)), o.c(1));
  const low = o.select(bit(0), pick(o, 8, [1, 1], a, a), a);
  const high = o.select(bit(1), pick(o, 8, [1, 1], b, b), b);
  return pick(o, 8, [0, 2], low, high);
});

const mixed = { simd: 'mixed' } as const;
const mixedReg = { simd: 'mixed', mod: 'reg' } as const;

/** Floating point of SSE, SSE2 and SSE3. */
export const SIMD_FLOAT_ROWS: readonly Row[] = [
  ...(
    [
      [0x0f58, 'ADD'],
      [0x0f59, 'MUL'],
      [0x0f5c, 'SUB'],
      [0x0f5d, 'MIN'],
      [0x0f5e, 'DIV'],
      [0x0f5f, 'MAX'],
      [0x0f51, 'SQRT'],
    ] as const
  ).flatMap(arithmetic),
  ...KINDS.map(({ kind, prefix, source }) =>
    sse(
      0x0fc2,
      prefix,
      `CMP${kind.toUpperCase()} +Vx,${source},Ib`,
      controlled((o, a, b, imm) => o.float(`cmp${kind}`, a, b, imm)),
    ),
  ),
  sse(0x0f2e, 0, 'UCOMISS Vx,Wd', compareFlags('ucomiss')),
  sse(0x0f2e, 0x66, 'UCOMISD Vx,Wq', compareFlags('ucomisd')),
  sse(0x0f2f, 0, 'COMISS Vx,Wd', compareFlags('comiss')),
  sse(0x0f2f, 0x66, 'COMISD Vx,Wq', compareFlags('comisd')),
  ...LOGIC.flatMap(([opcode, name, sem]) =>
    PACKED.map(({ kind, prefix }) => sse(opcode, prefix, `${name}${kind.toUpperCase()} +Vx,Wx`, sem)),
  ),
  ...approximations(0x0f52, 'RSQRT', true),
  ...approximations(0x0f53, 'RCP', false),
  sse(
    0x0f14,
    0,
    'UNPCKLPS +Vx,Wx',
    binary((o, a, b) => pick(o, 4, [0, 4, 1, 5], a, b)),
  ),
  sse(
    0x0f14,
    0x66,
    'UNPCKLPD +Vx,Wx',
    binary((o, a, b) => pick(o, 8, [0, 2], a, b)),
  ),
  sse(
    0x0f15,
    0,
    'UNPCKHPS +Vx,Wx',
    binary((o, a, b) => pick(o, 4, [2, 6, 3, 7], a, b)),
  ),
  sse(
    0x0f15,
    0x66,
    'UNPCKHPD +Vx,Wx',
    binary((o, a, b) => pick(o, 8, [1, 3], a, b)),
  ),
  sse(0x0fc6, 0, 'SHUFPS +Vx,Wx,Ib', controlled(shufflePair32)),
  sse(0x0fc6, 0x66, 'SHUFPD +Vx,Wx,Ib', shuffleDoubles),

  sse(0x0f5a, 0, 'CVTPS2PD =Vx,Wq', convert('cvtps2pd')),
  sse(0x0f5a, 0x66, 'CVTPD2PS =Vx,Wx', convert('cvtpd2ps')),
  sse(0x0f5a, 0xf3, 'CVTSS2SD +Vx,Wd', float('cvtss2sd')),
  sse(0x0f5a, 0xf2, 'CVTSD2SS +Vx,Wq', float('cvtsd2ss')),
  sse(0x0f5b, 0, 'CVTDQ2PS =Vx,Wx', convert('cvtdq2ps')),
  sse(0x0f5b, 0x66, 'CVTPS2DQ =Vx,Wx', convert('cvtps2dq')),
  sse(0x0f5b, 0xf3, 'CVTTPS2DQ =Vx,Wx', convert('cvttps2dq')),
  sse(0x0fe6, 0x66, 'CVTTPD2DQ =Vx,Wx', convert('cvttpd2dq')),
  sse(0x0fe6, 0xf2, 'CVTPD2DQ =Vx,Wx', convert('cvtpd2dq')),
  sse(0x0fe6, 0xf3, 'CVTDQ2PD =Vx,Wq', intsToDoubles),
  sse(0x0f2a, 0xf3, 'CVTSI2SS +Vx,Ed', intToSingle),
  sse(0x0f2a, 0xf2, 'CVTSI2SD +Vx,Ed', intToDouble),
  sse(0x0f2c, 0xf3, 'CVTTSS2SI =Gd,Wd', toGeneral('cvttss2si')),
  sse(0x0f2c, 0xf2, 'CVTTSD2SI =Gd,Wq', toGeneral('cvttsd2si')),
  sse(0x0f2d, 0xf3, 'CVTSS2SI =Gd,Wd', toGeneral('cvtss2si')),
  sse(0x0f2d, 0xf2, 'CVTSD2SI =Gd,Wq', toGeneral('cvtsd2si')),
  sse(0x0f2a, 0, 'CVTPI2PS +Vx,Nq', float('cvtpi2ps'), mixedReg),
  sse(0x0f2a, 0, 'CVTPI2PS +Vx,Qq', float('cvtpi2ps'), { mod: 'mem' }),
  sse(0x0f2a, 0x66, 'CVTPI2PD =Vx,Nq', intsToDoubles, mixedReg),
  sse(0x0f2a, 0x66, 'CVTPI2PD =Vx,Qq', intsToDoubles, { mod: 'mem' }),
  sse(0x0f2c, 0, 'CVTTPS2PI =Pq,Wq', convert('cvttps2pi'), mixed),
  sse(0x0f2d, 0, 'CVTPS2PI =Pq,Wq', convert('cvtps2pi'), mixed),
  sse(0x0f2c, 0x66, 'CVTTPD2PI =Pq,Wx', convert('cvttpd2dq'), mixed),
  sse(0x0f2d, 0x66, 'CVTPD2PI =Pq,Wx', convert('cvtpd2dq'), mixed),

  sse(0x0fd0, 0x66, 'ADDSUBPD +Vx,Wx', float('addsubpd')),
  sse(0x0fd0, 0xf2, 'ADDSUBPS +Vx,Wx', float('addsubps')),
  sse(0x0f7c, 0x66, 'HADDPD +Vx,Wx', horizontal('addpd', 8)),
  sse(0x0f7c, 0xf2, 'HADDPS +Vx,Wx', horizontal('addps', 4)),
  sse(0x0f7d, 0x66, 'HSUBPD +Vx,Wx', horizontal('subpd', 8)),
  sse(0x0f7d, 0xf2, 'HSUBPS +Vx,Wx', horizontal('subps', 4)),
];
