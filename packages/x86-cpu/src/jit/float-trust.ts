import type { Insn } from '../decode/index.ts';
import { bareFloat, type Operands } from '../interp/simd-fast-float.ts';
import { isZero, merge, or, type Shape, shapeOf } from '../interp/simd-lanes.ts';
import { FLOAT_KINDS, type FloatKind, type FloatOp } from '../simd/float-ops.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { simd, v128 } from '../wasm/simd.ts';
import { writtenVector } from './float-runs.ts';
import { type FloatResult, type FloatWay, isControlled } from './float-ways.ts';

/** Added to a number's bits and masked, this leaves 0 for zero, for the smallest numbers, infinities and NaNs. */
const ROOM: Record<Shape, readonly [add: number, mask: number]> = {
  f64x2: [0x00100000, 0x7fc00000],
  f32x4: [0x00800000, 0x7e000000],
};
/** 32-bit lanes that tell of the numbers that an operation looks at. */
const LANES: Record<FloatKind, number> = { ps: 0b1111, pd: 0b1010, ss: 0b0001, sd: 0b0010 };
/** Kinds for which a register is plain when it is plain for the key. */
const IMPLIED: Record<FloatKind, readonly FloatKind[]> = {
  ps: ['ps', 'ss'],
  pd: ['pd', 'sd'],
  ss: ['ss'],
  sd: ['sd'],
};
const COPY = /^MOV(AP[SD]|UP[SD]|DQ[AU])$/;
/** Operations whose result is one of the operands, or no number. */
const PICKS = new Set(['min', 'max', 'cmp']);

const words = (shape: Shape, value: number): Expr =>
  v128(
    Array.from({ length: 16 }, (_, i) =>
      shape === 'f64x2' && !(i & 4) ? 0 : (value >>> (8 * (i & 3))) & 0xff,
    ),
  );

/**
 * Floating point on trust: results of a run of instructions are computed straight, and one test at the end tells whether
 * that was right: every operand and every result is plain, that is zero or far from the ends of the range, no zero has come of
 * other numbers' product or quotient, and MXCSR hides what may come of that.
 */
export class FloatTrust {
  readonly #fn: FunctionBuilder;
  readonly #otherwise: FloatWay;
  /** By register: the kinds of numbers in it that are known to be plain, if the test succeeds. */
  readonly #plain: Set<FloatKind>[] = Array.from({ length: 8 }, () => new Set());
  /** By kind: local with the least of what `ROOM` leaves. */
  readonly #least: Readonly<Record<FloatKind, number>>;
  /** Those of them that are in use. */
  readonly #expected: Set<FloatKind> = new Set();
  #insn: Insn | null = null;
  #after: Set<FloatKind> = new Set();

  /** @param otherwise for operations that are not straight arithmetic */
  constructor(fn: FunctionBuilder, otherwise: FloatWay) {
    this.#fn = fn;
    this.#otherwise = otherwise;
    this.#least = { ps: fn.local(V128), pd: fn.local(V128), ss: fn.local(V128), sd: fn.local(V128) };
  }

  /** Emits one instruction by `run`. */
  through(insn: Insn, run: () => void): void {
    const written = writtenVector(insn);
    const isCopy = !insn.memory && COPY.test(insn.row.mnemonic);
    const source = written === (insn.modrm & 7) ? (insn.modrm >> 3) & 7 : insn.modrm & 7;
    this.#insn = insn;
    this.#after = isCopy ? new Set(this.#plain[source]) : new Set();
    run();
    this.#plain[written] = this.#after;
  }

  readonly float: FloatWay = (op: FloatOp, operands: Operands): FloatResult => {
    const kind = FLOAT_KINDS.find((k) => op.endsWith(k));
    const base = op.slice(0, -2);
    const bare = kind && bareFloat(this.#fn, base, kind, operands);
    if (!bare || !this.#insn) return this.#otherwise(op, operands);
    const { modrm, memory } = this.#insn;
    const [first, second] = [(modrm >> 3) & 7, memory ? -1 : modrm & 7];
    const { a, b } = operands;
    const shape = shapeOf(kind);
    if (base !== 'sqrt') this.#expect(kind, a, first, isZero(shape, a));
    this.#expect(kind, b, second, isZero(shape, b));
    const result = this.#fn.bind(bare);
    if (base === 'mul') this.#expect(kind, result, -1, or(isZero(shape, a), isZero(shape, b)));
    else if (base === 'div') {
      this.#expect(kind, result, -1, simd('v128.andnot', isZero(shape, a), isZero(shape, b)));
    } else if (!PICKS.has(base)) this.#expect(kind, result, -1, isZero(shape, result));
    if (base !== 'cmp') this.#after = this.#plainAfter(kind, this.#plain[first]!);
    return { result: merge(kind, a, result), vector: i32(0) };
  };

  #plainAfter(kind: FloatKind, before: ReadonlySet<FloatKind>): Set<FloatKind> {
    const after = new Set(IMPLIED[kind]);
    if (kind === 'sd' && before.has('pd')) after.add('pd');
    if (kind === 'ss' && before.has('ps')) after.add('ps');
    return after;
  }

  /** Has the test look at a value, which register `n` holds if it is not negative; where `isZero`, anything goes. */
  #expect(kind: FloatKind, value: Expr, n: number, isZero: Expr): void {
    if (this.#plain[n]?.has(kind)) return;
    for (const implied of IMPLIED[kind]) this.#plain[n]?.add(implied);
    const fn = this.#fn;
    const shape = shapeOf(kind);
    const [add, mask] = ROOM[shape];
    const room = or(
      simd('v128.and', simd('i32x4.add', value, words(shape, add)), words(shape, mask)),
      isZero,
    );
    const least = this.#least[kind];
    const others = this.#expected.has(kind);
    this.#expected.add(kind);
    fn.set(least, others ? simd('i32x4.min_u', fn.get(least, V128), room) : room);
  }

  /** Not 0 when the results must not be trusted. */
  isWrong(): Expr {
    const zero = words('f32x4', 0);
    const reasons = [...this.#expected].map((kind) => {
      const none = simd('i32x4.bitmask', simd('i32x4.eq', this.#fn.get(this.#least[kind], V128), zero));
      return op32('and', none, i32(LANES[kind]));
    });
    return [isControlled(this.#expected.size > 0), ...reasons].reduce((a, b) => op32('or', a, b));
  }
}
