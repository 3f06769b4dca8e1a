import type { Insn } from '../decode/index.ts';
import { bareFloat, type Operands } from '../interp/simd-fast-float.ts';
import { isZero, op as lanes, merge, or, type Shape, shapeOf, splat } from '../interp/simd-lanes.ts';
import { FLOAT_KINDS, type FloatKind, type FloatOp } from '../simd/float-ops.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { simd, v128 } from '../wasm/simd.ts';
import { writtenVector } from './float-runs.ts';
import { either, isNormal, PLAIN, type Span, spanOf } from './float-spans.ts';
import { type FloatResult, type FloatWay, isControlled } from './float-ways.ts';

/** 32-bit lanes that tell of the numbers that an operation looks at. */
const LANES: Record<FloatKind, number> = { ps: 0b1111, pd: 0b1010, ss: 0b0001, sd: 0b0010 };
/** Kinds of which a register holds numbers, when it holds some of the key. */
const IMPLIED: Record<FloatKind, readonly FloatKind[]> = {
  ps: ['ps', 'ss'],
  pd: ['pd', 'sd'],
  ss: ['ss'],
  sd: ['sd'],
};
/** The kind of all of a register's numbers, of which a scalar operation makes one anew. */
const WHOLE: Record<FloatKind, FloatKind> = { ps: 'ps', pd: 'pd', ss: 'ps', sd: 'pd' };
const COPY = /^MOV(AP[SD]|UP[SD]|DQ[AU])$/;
/** What a register holds, by kind of number, if the test succeeds. */
type Spans = Map<FloatKind, Span>;

/** A word in each of the lanes that tell of numbers of a kind. */
const words = (kind: FloatKind, value: number): Expr =>
  v128(
    Array.from({ length: 16 }, (_, i) =>
      (LANES[kind] >> (i >> 2)) & 1 ? (value >>> (8 * (i & 3))) & 0xff : 0,
    ),
  );

/**
 * Floating point on trust: results of a run of instructions are computed straight, and one test at the end tells whether
 * that was right. It looks at what the run begins with: numbers that are plain, that is zero or far from the ends of the
 * range, and MXCSR as it must be. What comes of them is known by `spanOf`; where that is too wide, the test looks at the
 * result as well. So nothing was too small, too large or no number, and no flag is to be set that is not set already.
 */
export class FloatTrust {
  readonly #fn: FunctionBuilder;
  readonly #otherwise: FloatWay;
  readonly #registers: Spans[] = Array.from({ length: 8 }, () => new Map());
  /** By kind: local with the bits of all that the test looks at. */
  readonly #seen: Readonly<Record<FloatKind, number>>;
  /** Those of them that are in use. */
  readonly #used: Set<FloatKind> = new Set();
  #insn: Insn | null = null;
  #after: Spans = new Map();

  /** @param otherwise for operations that are not straight arithmetic */
  constructor(fn: FunctionBuilder, otherwise: FloatWay) {
    this.#fn = fn;
    this.#otherwise = otherwise;
    this.#seen = { ps: fn.local(V128), pd: fn.local(V128), ss: fn.local(V128), sd: fn.local(V128) };
  }

  /** Emits one instruction by `run`. */
  through(insn: Insn, run: () => void): void {
    const written = writtenVector(insn);
    const isCopy = !insn.memory && COPY.test(insn.row.mnemonic);
    const source = written === (insn.modrm & 7) ? (insn.modrm >> 3) & 7 : insn.modrm & 7;
    this.#insn = insn;
    this.#after = new Map(isCopy ? this.#registers[source] : []);
    run();
    this.#registers[written] = this.#after;
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
    const right = this.#spanIn(kind, second, b);
    const left = base === 'sqrt' ? right : this.#spanIn(kind, first, a);
    if (base === 'div') this.#see(kind, isZero(shape, b));
    if (base === 'sqrt') this.#see(kind, simd(lanes(shape, 'lt'), b, splat(shape, 0)));
    const result = this.#fn.bind(bare);
    if (base !== 'cmp') {
      const span = spanOf(shape, base, left, right);
      const plain = isNormal(shape, span)
        ? span
        : this.#expect(kind, result, mayBeZero(shape, base, operands, result));
      this.#note(kind, plain, this.#registers[first]!);
    }
    return { result: merge(kind, a, result), vector: i32(0) };
  };

  /** The register that is written holds a result of this kind. */
  #note(kind: FloatKind, span: Span, before: Spans): void {
    const rest = before.get(WHOLE[kind]);
    if (kind !== WHOLE[kind] && rest) this.#after.set(WHOLE[kind], either(rest, span));
    for (const implied of IMPLIED[kind]) this.#after.set(implied, span);
  }

  /** What is known of an operand, which register `n` holds if it is not negative; the test looks at it when nothing is. */
  #spanIn(kind: FloatKind, n: number, value: Expr): Span {
    const known = this.#registers[n]?.get(kind);
    if (known) return known;
    const span = this.#expect(kind, value, isZero(shapeOf(kind), value));
    for (const implied of IMPLIED[kind]) this.#registers[n]?.set(implied, span);
    return span;
  }

  /** Has the test look whether a value is plain; where `isZero`, anything goes. */
  #expect(kind: FloatKind, value: Expr, isZero: Expr): Span {
    const { add, span } = PLAIN[shapeOf(kind)];
    this.#see(kind, simd('v128.andnot', simd('i32x4.add', value, words(kind, add)), isZero));
    return span;
  }

  #see(kind: FloatKind, bits: Expr): void {
    const seen = this.#seen[kind];
    this.#fn.set(seen, this.#used.has(kind) ? or(this.#fn.get(seen, V128), bits) : bits);
    this.#used.add(kind);
  }

  /** Not 0 when the results must not be trusted. */
  isWrong(): Expr {
    const reasons = [...this.#used].map((kind) => {
      const bits = simd(
        'v128.and',
        this.#fn.get(this.#seen[kind], V128),
        words(kind, PLAIN[shapeOf(kind)].mask),
      );
      return simd('v128.any_true', bits);
    });
    return [isControlled(this.#used.size > 0), ...reasons].reduce((a, b) => op32('or', a, b));
  }
}

/** Where a result may be zero: it is for sums, and of products and quotients too small for a number it must not be. */
function mayBeZero(shape: Shape, base: string, { a, b }: Operands, result: Expr): Expr {
  if (base === 'mul') return or(isZero(shape, a), isZero(shape, b));
  if (base === 'div') return isZero(shape, a);
  return isZero(shape, result);
}
