import { Reg, Vector } from '../names.ts';
import type { Ops, Val } from '../ops.ts';
import type { Row } from '../row.ts';
import { MXCSR_VALID } from '../simd/float-ops.ts';
import type { Sem } from './common.ts';
import {
  binary,
  firstLane,
  fromValue,
  laneMask,
  laneToFront,
  lowHalf,
  mmx,
  move,
  pick,
  sse,
  unary,
} from './simd-common.ts';

const mem = { mod: 'mem' } as const;
const reg = { mod: 'reg' } as const;

const fromGeneral: Sem = (o, dst, src) => dst.vset(fromValue(o, src.get()));
const toGeneral: Sem = (o, dst, src) => dst.set(firstLane(o, src.vget()));
const low: Sem = unary(lowHalf);

/** Lanes of (dst, src) that make the new dst: 32-bit lanes 0-3 and 4-7. */
const lanes32 = (...lanes: number[]): Sem => binary((o, a, b) => pick(o, 4, lanes, a, b));
const fromHigh: Sem = unary((o, v) => pick(o, 8, [1, 1], v, v));

const insertWord: Sem = (o, dst, src, imm) => {
  const value = o.simd('i16x8.splat', src.get());
  const lanes = dst.vget();
  const mask = laneMask(o, 2, o.and(imm.get(), o.c(7)));
  dst.vset(o.simd('v128.bitselect', value, lanes, mask));
};
const insertMmxWord: Sem = (o, dst, src, imm) => {
  const mask = laneMask(o, 2, o.and(imm.get(), o.c(3)));
  dst.vset(o.simd('v128.bitselect', o.simd('i16x8.splat', src.get()), dst.vget(), mask));
};
const extractWord =
  (lanes: number): Sem =>
  (o, dst, src, imm) => {
    const front = laneToFront(o, src.vget(), o.let(o.and(imm.get(), o.c(lanes - 1))), 2);
    dst.set(o.lane('i16x8.extract_lane_u', 0, front));
  };

/** Sign bits of the lanes. */
const signs =
  (op: 'i8x16.bitmask' | 'i32x4.bitmask' | 'i64x2.bitmask', mask = -1): Sem =>
  (o, dst, src) =>
    dst.set(o.and(o.simd(op, src.vget()), o.c(mask)));

/**
 * Stores the bytes whose mask byte has its sign set at DS:EDI. Pages that no byte goes to must be writable, too:
 * the manuals leave it open, and the host's CPU has it so.
 */
const maskedStore =
  (count: 8 | 16): Sem =>
  (o, data, mask) => {
    const bits = o.let(o.simd('i8x16.bitmask', mask.vget()));
    const chosen = (i: number): Val => o.and(o.shr(bits, o.c(i)), o.c(1));
    const base = o.let(o.addrReg(Reg.EDI).get());
    const address = (i: number): Val => o.addrTrunc(o.add(base, o.c(i)));
    const last = o.let(address(count - 1));
    const crosses = o.ltU(o.and(last, o.c(0xfff)), o.c(count - 1));
    o.mem(8, null, base, 'w');
    o.mem(8, null, o.select(crosses, o.and(last, o.c(-0x1000)), base), 'w');
    for (let i = 0; i < count; i++) {
      o.if(chosen(i), () =>
        o.mem(8, null, address(i), 'w').set(o.lane('i8x16.extract_lane_u', i, data.vget())),
      );
    }
  };

const loadMxcsr: Sem = (o, m) => {
  const v = o.let(m.at(32, o.c(0), 'r').get());
  o.faultIf(o.and(v, o.c(~MXCSR_VALID)), Vector.GP, o.c(0));
  o.mxcsr().set(v);
};
const storeMxcsr: Sem = (o, m) => m.at(32, o.c(0), 'w').set(o.mxcsr().get());

const duplicate = (...lanes: number[]): Sem => unary((o: Ops, v) => pick(o, 4, lanes, v, v));

/** Moves between registers and memory, and single lanes (MMX, SSE, SSE2, SSE3). */
export const SIMD_MOVE_ROWS: readonly Row[] = [
  mmx(0x0f6e, 'MOVD =Pq,Ed', fromGeneral),
  mmx(0x0f7e, 'MOVD =Ed,Pq', toGeneral),
  mmx(0x0f6f, 'MOVQ =Pq,Qq', move),
  mmx(0x0f7f, 'MOVQ =Qq,Pq', move),
  mmx(0x0fe7, 'MOVNTQ =Qq,Pq', move, mem),
  mmx(0x0fd7, 'PMOVMSKB =Gd,Nq', signs('i8x16.bitmask', 0xff), reg),
  mmx(0x0fc4, 'PINSRW +Pq,Ed,Ib', insertMmxWord, reg),
  mmx(0x0fc4, 'PINSRW +Pq,Ew,Ib', insertMmxWord, mem),
  mmx(0x0fc5, 'PEXTRW =Gd,Nq,Ib', extractWord(4), reg),
  mmx(0x0ff7, 'MASKMOVQ Pq,Nq', maskedStore(8), reg),
  mmx(0x0f77, 'EMMS', (o) => o.emptyMmx()),

  sse(0x0f6e, 0x66, 'MOVD =Vx,Ed', fromGeneral),
  sse(0x0f7e, 0x66, 'MOVD =Ed,Vx', toGeneral),
  sse(0x0f7e, 0xf3, 'MOVQ =Vx,Wq', low),
  sse(0x0fd6, 0x66, 'MOVQ =Wq,Vx', low),
  sse(0x0f6f, 0x66, 'MOVDQA =Vx,Wx', move),
  sse(0x0f7f, 0x66, 'MOVDQA =Wx,Vx', move),
  sse(0x0f6f, 0xf3, 'MOVDQU =Vx,Wu', move),
  sse(0x0f7f, 0xf3, 'MOVDQU =Wu,Vx', move),
  sse(0x0ff0, 0xf2, 'LDDQU =Vx,Wu', move, mem),
  sse(0x0fe7, 0x66, 'MOVNTDQ =Wx,Vx', move, mem),
  sse(0x0fd7, 0x66, 'PMOVMSKB =Gd,Ux', signs('i8x16.bitmask'), reg),
  sse(0x0fc4, 0x66, 'PINSRW +Vx,Ed,Ib', insertWord, reg),
  sse(0x0fc4, 0x66, 'PINSRW +Vx,Ew,Ib', insertWord, mem),
  sse(0x0fc5, 0x66, 'PEXTRW =Gd,Ux,Ib', extractWord(8), reg),
  sse(0x0ff7, 0x66, 'MASKMOVDQU Vx,Ux', maskedStore(16), reg),
  sse(0x0fd6, 0xf3, 'MOVQ2DQ =Vx,Nq', low, { ...reg, simd: 'mixed' }),
  sse(0x0fd6, 0xf2, 'MOVDQ2Q =Pq,Ux', move, { ...reg, simd: 'mixed' }),

  ...[
    { prefix: 0, name: 'PS' },
    { prefix: 0x66, name: 'PD' },
  ].flatMap(({ prefix, name }): Row[] => [
    sse(0x0f10, prefix, `MOVU${name} =Vx,Wu`, move),
    sse(0x0f11, prefix, `MOVU${name} =Wu,Vx`, move),
    sse(0x0f28, prefix, `MOVA${name} =Vx,Wx`, move),
    sse(0x0f29, prefix, `MOVA${name} =Wx,Vx`, move),
    sse(0x0f2b, prefix, `MOVNT${name} =Wx,Vx`, move, mem),
    sse(0x0f12, prefix, `MOVL${name} +Vx,Wq`, lanes32(4, 5, 2, 3), mem),
    sse(0x0f13, prefix, `MOVL${name} =Wq,Vx`, move, mem),
    sse(0x0f16, prefix, `MOVH${name} +Vx,Wq`, lanes32(0, 1, 4, 5), mem),
    sse(0x0f17, prefix, `MOVH${name} =Wq,Vx`, fromHigh, mem),
  ]),
  sse(0x0f12, 0, 'MOVHLPS +Vx,Ux', lanes32(6, 7, 2, 3), reg),
  sse(0x0f16, 0, 'MOVLHPS +Vx,Ux', lanes32(0, 1, 4, 5), reg),
  sse(0x0f10, 0xf3, 'MOVSS =Vx,Wd', move, mem),
  sse(0x0f10, 0xf3, 'MOVSS +Vx,Ux', lanes32(4, 1, 2, 3), reg),
  sse(0x0f11, 0xf3, 'MOVSS =Wd,Vx', move, mem),
  sse(0x0f11, 0xf3, 'MOVSS +Ux,Vx', lanes32(4, 1, 2, 3), reg),
  sse(0x0f10, 0xf2, 'MOVSD =Vx,Wq', move, mem),
  sse(0x0f10, 0xf2, 'MOVSD +Vx,Ux', lanes32(4, 5, 2, 3), reg),
  sse(0x0f11, 0xf2, 'MOVSD =Wq,Vx', move, mem),
  sse(0x0f11, 0xf2, 'MOVSD +Ux,Vx', lanes32(4, 5, 2, 3), reg),
  sse(0x0f12, 0xf3, 'MOVSLDUP =Vx,Wx', duplicate(0, 0, 2, 2)),
  sse(0x0f16, 0xf3, 'MOVSHDUP =Vx,Wx', duplicate(1, 1, 3, 3)),
  sse(0x0f12, 0xf2, 'MOVDDUP =Vx,Wq', duplicate(0, 1, 0, 1)),
  sse(0x0f50, 0, 'MOVMSKPS =Gd,Ux', signs('i32x4.bitmask'), reg),
  sse(0x0f50, 0x66, 'MOVMSKPD =Gd,Ux', signs('i64x2.bitmask'), reg),
  sse(0x0fae, 0, 'LDMXCSR M', loadMxcsr, { ext: 2, ...mem }),
  sse(0x0fae, 0, 'STMXCSR M', storeMxcsr, { ext: 3, ...mem }),
];
