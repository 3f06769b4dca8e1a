import { LazyFlags } from '../interp/lazy-flags.ts';
import type { Size } from '../ops.ts';
import { S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { I32, i32 } from '../wasm/expr.ts';
import type { FunctionBuilder, Label } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';

/**
 * How the three flag locals of compiled code are to be read. `raw` holds the lazy words of flags.ts: fr result, fb aux.
 * The others hold operands and result of the last operation: fa, fb, fr; inc and dec hold the carry they keep in fb. Where
 * control merges or leaves, add does without fa and sub without fr: they follow from the other two, and need not stay alive.
 */
export const FLAG_OPERATIONS = ['add', 'sub', 'adc', 'sbb', 'logic', 'inc', 'dec'] as const;
export type FlagOperation = (typeof FLAG_OPERATIONS)[number];
export const RAW = 0;
const SIZES: readonly Size[] = [8, 16, 32];

/** What compiled code knows about its flags at one point. */
export type FlagState =
  | { readonly kind: 'raw' }
  | { readonly kind: 'unknown' }
  | { readonly kind: FlagOperation; readonly size: Size };

/** Number of a state for the run-time kind local; `unknown` has none. */
export function kindNumber(state: FlagState): number {
  if (state.kind === 'raw' || state.kind === 'unknown') return RAW;
  return 1 + FLAG_OPERATIONS.indexOf(state.kind) * SIZES.length + SIZES.indexOf(state.size);
}

/** The lazy words for operands and result of an operation: pure arithmetic. */
export class FlagWords extends LazyFlags {
  readonly #out: { result: Expr; aux: Expr } = { result: i32(0), aux: i32(0) };

  protected flagResult(): Expr {
    return this.#out.result;
  }
  protected flagAux(): Expr {
    return this.#out.aux;
  }
  protected setFlagResult(v: Expr): void {
    this.#out.result = v;
  }
  protected setFlagAux(v: Expr): void {
    this.#out.aux = v;
  }

  /** Expressions of the two words. */
  words(operation: FlagOperation, size: Size, a: Expr, b: Expr, r: Expr): { result: Expr; aux: Expr } {
    switch (operation) {
      case 'add':
        this.flagsAdd(size, this.sub(r, b), b, r);
        break;
      case 'adc':
        this.flagsAdd(size, a, b, r);
        break;
      case 'sub':
        this.flagsSub(size, a, b, this.sub(a, b));
        break;
      case 'sbb':
        this.flagsSub(size, a, b, r);
        break;
      case 'logic':
        this.flagsLogic(size, r);
        break;
      case 'inc':
        this.#keepCarry(size, b, r, i32(-1 << (size - 1)), this.eqz(this.and(r, i32(15))));
        break;
      case 'dec':
        this.#keepCarry(size, b, r, i32((1 << (size - 1)) - 1), this.eq(this.and(r, i32(15)), i32(15)));
        break;
    }
    return this.#out;
  }

  /** @param overflowed the one result that means overflow */
  #keepCarry(size: Size, carry: Expr, r: Expr, overflowed: Expr, adjust: Expr): void {
    const signed = this.sext(size, r);
    const of = this.eq(signed, overflowed);
    const carries = this.or(this.shl(carry, i32(31)), this.shl(this.xor(carry, of), i32(30)));
    this.#out.result = signed;
    this.#out.aux = this.or(carries, this.shl(adjust, i32(3)));
  }
}

/** Defines (kind, fa, fb, fr) -> (): stores the lazy words of a flag state in the state block. */
export function defineStoreFlags(module: ModuleBuilder): number {
  const fn = module.function([I32, I32, I32, I32], [], 'storeFlags');
  const [a, b, r] = [fn.get(1), fn.get(2), fn.get(3)];
  const store = (result: Expr, aux: Expr): void => {
    fn.store('i32', i32(0), result, S.result);
    fn.store('i32', i32(0), aux, S.aux);
  };
  const cases = FLAG_OPERATIONS.flatMap((operation) => SIZES.map((size) => ({ operation, size })));
  fn.block((done) => {
    const labels: Label[] = [];
    const raw = fn.open();
    for (let i = 0; i < cases.length; i++) labels.unshift(fn.open());
    fn.brTable(fn.get(0), [raw, ...labels], raw);
    for (const { operation, size } of cases) {
      fn.close();
      const words = new FlagWords(fn, size).words(operation, size, a, b, r);
      store(words.result, words.aux);
      fn.br(done);
    }
    fn.close();
    store(r, b);
  });
  return fn.index;
}

/** Locals that hold the flags. */
export interface FlagLocals {
  readonly fk: number;
  readonly fa: number;
  readonly fb: number;
  readonly fr: number;
}

/** Emits the copy of a state's number into the kind local, before control merges. */
export function settleKind(fn: FunctionBuilder, locals: FlagLocals, state: FlagState): void {
  if (state.kind === 'unknown') return;
  fn.set(locals.fk, i32(kindNumber(state)));
  if (state.kind === 'sub') fn.set(locals.fr, i32(0));
  else if (state.kind === 'add') fn.set(locals.fa, i32(0));
  else if (state.kind === 'logic') {
    fn.set(locals.fa, i32(0));
    fn.set(locals.fb, i32(0));
  } else if (state.kind !== 'adc' && state.kind !== 'sbb') fn.set(locals.fa, i32(0));
}
