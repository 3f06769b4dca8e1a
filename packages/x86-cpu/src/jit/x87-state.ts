import { S, X87_BYTES } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { I32, I64, i32, i64, load, op32, op64 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';

export interface X87Knowledge {
  readonly depth: number;
  readonly full: number;
  readonly empty: number;
  readonly careKnown: boolean;
  readonly careLoose: boolean;
  readonly bounds: readonly (number | undefined)[];
}

const SIGN_EXPONENT = 8;
const C1 = 0x200;
const C1_SHIFT = 9;
const PE_SHIFT = 5;
const state = (offset: number): Expr => load('i32', i32(0), offset);

/**
 * The x87 stack of a region in locals. Registers are numbered by position: relative to a base that is TOP less `depth`,
 * where depth is known at every instruction; so compiled code does not depend on the value of TOP.
 */
export class X87State {
  readonly #fn: FunctionBuilder;
  readonly #mantissas: readonly number[];
  readonly #exponents: readonly number[];
  readonly #base: number;
  /** Tag bits by position. */
  readonly tags: number;
  /** Status word but for what roundings left: C1 when `up`, PE when any bit of `inexact` is set. */
  readonly fsw: number;
  readonly inexact: number;
  readonly up: number;
  readonly fip: number;
  /** Depth at the exit that is taken. */
  readonly exitDepth: number;
  /** Value of fcare that the code is made for. */
  readonly care: number;
  /** Positions that the region uses. */
  used = 0xff;
  depth = 0;
  /** Positions named so far. */
  touched = 0;
  /** What is known at this place: positions in use, empty positions, and fcare. */
  full = 0;
  empty = 0;
  careKnown = false;
  /** FLDCW ran: fcare may be anything from here to the end of the block. */
  careLoose = false;
  readonly bounds: (number | undefined)[] = [];

  constructor(fn: FunctionBuilder, care: number) {
    this.#fn = fn;
    this.care = care;
    this.#mantissas = Array.from({ length: 8 }, () => fn.local(I64));
    this.#exponents = Array.from({ length: 8 }, () => fn.local(I32));
    this.#base = fn.local();
    this.tags = fn.local();
    this.fsw = fn.local();
    this.inexact = fn.local(I64);
    this.up = fn.local();
    this.fip = fn.local();
    this.exitDepth = fn.local();
  }

  /** What is known here, for coming back to it after code elsewhere was emitted. */
  known(): X87Knowledge {
    const { depth, full, empty, careKnown, careLoose } = this;
    return { depth, full, empty, careKnown, careLoose, bounds: [...this.bounds] };
  }
  restore(known: X87Knowledge): void {
    const { bounds, ...rest } = known;
    Object.assign(this, rest);
    this.bounds.splice(0, Infinity, ...bounds);
  }

  /** Nothing is known at the start of a block. */
  forget(): void {
    this.full = 0;
    this.empty = 0;
    this.careKnown = false;
    this.careLoose = false;
    this.bounds.length = 0;
  }

  position(i: number): number {
    const p = (this.depth + i) & 7;
    this.touched |= 1 << p;
    return p;
  }
  mantissa(p: number): number {
    return this.#mantissas[p] ?? 0;
  }
  exponent(p: number): number {
    return this.#exponents[p] ?? 0;
  }

  /** The status word without TOP. */
  status(): Expr {
    const fn = this.#fn;
    const c1 = op32('shl', fn.get(this.up), i32(C1_SHIFT));
    const pe = op32('shl', op32('eqz', op64('eqz', fn.get(this.inexact, I64))), i32(PE_SHIFT));
    return op32('or', op32('or', fn.get(this.fsw), c1), pe);
  }
  setStatus(v: Expr): void {
    const fn = this.#fn;
    const bound = fn.bind(v);
    fn.set(this.fsw, op32('and', bound, i32(~C1)));
    fn.set(this.up, op32('and', op32('shr_u', bound, i32(C1_SHIFT)), i32(1)));
  }

  top(): Expr {
    return op32('and', op32('add', this.#fn.get(this.#base), i32(this.depth)), i32(7));
  }

  /** Host address of the register at a position. */
  #address(p: number): Expr {
    const physical = op32('and', op32('add', this.#fn.get(this.#base), i32(p)), i32(7));
    return op32('shl', physical, i32(Math.log2(X87_BYTES)));
  }

  /** Takes everything from memory, TOP being `depth` above the base. */
  load(depth: number = this.depth): void {
    const fn = this.#fn;
    fn.set(this.#base, op32('and', op32('sub', state(S.ftop), i32(depth)), i32(7)));
    const twice = op32('or', state(S.ftags), op32('shl', state(S.ftags), i32(8)));
    fn.set(this.tags, op32('and', op32('shr_u', twice, fn.get(this.#base)), i32(0xff)));
    fn.set(this.fsw, op32('and', state(S.fsw), i32(~C1)));
    fn.set(this.up, op32('and', op32('shr_u', state(S.fsw), i32(C1_SHIFT)), i32(1)));
    fn.set(this.inexact, i64(0n));
    fn.set(this.fip, state(S.fip));
    this.#each((p) => {
      fn.set(this.mantissa(p), load('i64', this.#address(p), S.x87));
      fn.set(this.exponent(p), load('i32', this.#address(p), S.x87 + SIGN_EXPONENT));
    });
    this.forget();
  }

  /** Stores everything; `depth` is that of the place. */
  store(depth: Expr = i32(this.depth)): void {
    const fn = this.#fn;
    const put = (offset: number, v: Expr): void => fn.store('i32', i32(0), v, offset);
    put(S.ftop, op32('and', op32('add', fn.get(this.#base), depth), i32(7)));
    const twice = op32('mul', fn.get(this.tags), i32(0x101));
    const turned = op32('shr_u', op32('shl', twice, fn.get(this.#base)), i32(8));
    put(S.ftags, op32('and', turned, i32(0xff)));
    put(S.fsw, this.status());
    put(S.fip, fn.get(this.fip));
    this.#each((p) => {
      fn.store('i64', this.#address(p), fn.get(this.mantissa(p), I64), S.x87);
      fn.store('i32', this.#address(p), fn.get(this.exponent(p)), S.x87 + SIGN_EXPONENT);
    });
  }

  #each(body: (p: number) => void): void {
    for (let p = 0; p < 8; p++) if (this.used & (1 << p)) body(p);
  }
}
