import { LazyFlags } from '../interp/lazy-flags.ts';
import type { Size } from '../ops.ts';
import { PARKED, S } from '../state.ts';
import type { Callee, Expr } from '../wasm/expr.ts';
import { I32, i32, load, op32 } from '../wasm/expr.ts';
import type { FunctionBuilder, Label } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';

/**
 * How the flag locals of compiled code are to be read. `raw` holds the lazy words of flags.ts: fr result, fb aux. The others
 * hold operands and result of the last operation that set all flags: fa, fb, fr. One that keeps some (INC and DEC the carry,
 * rotations all but CF and OF) lies over it with a result of its own, fo or fx. Where control merges or leaves, add does without fa
 * and sub without fr: they follow from the other two, and need not stay alive.
 */
export const FLAG_OPERATIONS = ['add', 'sub', 'adc', 'sbb', 'logic'] as const;
export type FlagOperation = (typeof FLAG_OPERATIONS)[number];
const SIZES: readonly Size[] = [8, 16, 32];

/** Rotations last: their numbers are the greatest. */
const OVERLAYS = ['inc', 'dec', 'rol', 'ror'] as const;

/** The last operation, where it has set some of the flags only. */
export interface FlagOverlay {
  readonly kind: (typeof OVERLAYS)[number];
  readonly size: Size;
}

/**
 * What compiled code knows about its flags at one point. `memory`: nobody has touched them since they were in memory, where
 * they may be parked. `unknown`: the kind is in the local fk.
 */
export interface FlagState {
  readonly kind: 'memory' | 'raw' | 'unknown' | FlagOperation;
  /** Operand size of an operation. */
  readonly size: Size;
  /** Null under `unknown`: what fk says. */
  readonly over: FlagOverlay | null;
}

export const IN_MEMORY: FlagState = { kind: 'memory', size: 32, over: null };
export const RAW: FlagState = { kind: 'raw', size: 32, over: null };
export const UNKNOWN: FlagState = { kind: 'unknown', size: 32, over: null };

/**
 * Numbers of kinds: 0 in memory, 1 raw, then operations; the overlay's is in the bits from OVER_SHIFT on. Parked flags of
 * kind 0 with an overlay lie over `result` and `aux`.
 */
const RAW_NUMBER = 1;
const FIRST_OPERATION = 2;
const BASE_MASK = 31;
const OVER_SHIFT = 5;

const overNumber = (over: FlagOverlay | null): number =>
  over ? (1 + OVERLAYS.indexOf(over.kind) * SIZES.length + SIZES.indexOf(over.size)) << OVER_SHIFT : 0;

/** Number of a state whose kind is known. */
function kindNumber({ kind, size, over }: FlagState): number {
  if (kind === 'memory' || kind === 'unknown') return overNumber(over);
  const base =
    kind === 'raw'
      ? RAW_NUMBER
      : FIRST_OPERATION + FLAG_OPERATIONS.indexOf(kind) * SIZES.length + SIZES.indexOf(size);
  return base | overNumber(over);
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
    }
    return this.#out;
  }

  /** The words after an operation with result `r` that lies over others. */
  over({ kind, size }: FlagOverlay, result: Expr, aux: Expr, r: Expr): { result: Expr; aux: Expr } {
    if (kind === 'rol' || kind === 'ror') {
      this.#out.result = result;
      this.#out.aux = aux;
      this.flagsRotate(size, r, kind);
      return this.#out;
    }
    const isInc = kind === 'inc';
    const signed = this.let(this.sext(size, r));
    const overflowed = i32(isInc ? -1 << (size - 1) : 0x7fffffff >> (32 - size));
    const low = this.and(r, i32(15));
    const adjust = isInc ? this.eqz(low) : this.eq(low, i32(15));
    const carry = this.let(this.shr(aux, i32(31)));
    const of = this.eq(signed, overflowed);
    const carries = this.or(this.shl(carry, i32(31)), this.shl(this.xor(carry, of), i32(30)));
    this.#out.result = signed;
    this.#out.aux = this.or(carries, this.shl(adjust, i32(3)));
    return this.#out;
  }
}

function storeWords(fn: FunctionBuilder, { result, aux }: { result: Expr; aux: Expr }): void {
  const bound = fn.bind(aux);
  fn.store('i32', i32(0), result, S.result);
  fn.store('i32', i32(0), bound, S.aux);
}

/** A dispatch on `index`; past the last body, nothing happens. */
function choose(fn: FunctionBuilder, index: Expr, bodies: readonly (() => void)[]): void {
  fn.block((done) => {
    const labels: Label[] = bodies.map(() => fn.open()).reverse();
    fn.brTable(index, labels, done);
    for (const body of bodies) {
      fn.close();
      body();
      fn.br(done);
    }
  });
}

/** Flag routines of the interpreter that compiled code calls. */
export interface FlagFunctions {
  /** (kind, a, b, r, over) -> (): stores the lazy words of flags that are in locals. */
  readonly storeFlags: Callee;
  /** () -> (): the same for parked flags. */
  readonly settleFlags: Callee;
}

/** Defines and exports the flag routines. */
export function defineFlagFunctions(module: ModuleBuilder): Record<keyof FlagFunctions, number> {
  const fn = module.function([I32, I32, I32, I32, I32], [], 'storeFlags');
  const settle = module.function([], [], 'settleFlags');
  const parked = (name: keyof typeof PARKED): Expr => load('i32', i32(0), PARKED[name]);
  settle.if(parked('kind'), () => {
    const kind = settle.bind(parked('kind'));
    settle.store('i32', i32(0), i32(0), PARKED.kind);
    settle.invoke(fn.index, [kind, parked('a'), parked('b'), parked('r'), parked('over')]);
  });
  const [a, b, r] = [fn.get(1), fn.get(2), fn.get(3)];
  const operations = FLAG_OPERATIONS.flatMap((operation) =>
    SIZES.map((size) => (): void => storeWords(fn, new FlagWords(fn, size).words(operation, size, a, b, r))),
  );
  choose(fn, op32('and', fn.get(0), i32(BASE_MASK)), [
    () => fn.invoke(settle.index, []),
    () => storeWords(fn, { result: r, aux: b }),
    ...operations,
  ]);
  const overlays = OVERLAYS.flatMap((kind) => SIZES.map((size) => ({ kind, size })));
  const over = op32('sub', op32('shr_u', fn.get(0), i32(OVER_SHIFT)), i32(1));
  choose(
    fn,
    over,
    overlays.map((overlay) => (): void => {
      const [result, aux] = [load('i32', i32(0), S.result), load('i32', i32(0), S.aux)];
      storeWords(fn, new FlagWords(fn, overlay.size).over(overlay, result, aux, fn.get(4)));
    }),
  );
  fn.store('i32', i32(0), i32(0), PARKED.kind);
  return { storeFlags: fn.index, settleFlags: settle.index };
}

/** Locals that hold the flags. */
export interface FlagLocals {
  readonly fk: number;
  readonly fa: number;
  readonly fb: number;
  readonly fr: number;
  /** Result of INC or DEC over other flags, of a rotation over other flags. */
  readonly fo: number;
  readonly fx: number;
}

/** The result of what lies over other flags. */
export function overResult(fn: FunctionBuilder, { fo, fx }: FlagLocals, over: FlagOverlay | null): Expr {
  return fn.get(over && !isCount(over) ? fx : fo);
}

/** A rotation over flags of unknown kind, over which something may lie already. */
const isTwofold = ({ kind, over }: FlagState): boolean =>
  kind === 'unknown' && over !== null && !isCount(over);

/** The run-time kind of a state. */
export function kindOf(fn: FunctionBuilder, { fk }: FlagLocals, state: FlagState): Expr {
  if (state.kind !== 'unknown') return i32(kindNumber(state));
  if (!state.over) return fn.get(fk);
  return op32('or', op32('and', fn.get(fk), i32(BASE_MASK)), i32(overNumber(state.over)));
}

/** Emits what stores the lazy words of a state. */
export function storeState(
  fn: FunctionBuilder,
  functions: FlagFunctions,
  locals: FlagLocals,
  state: FlagState,
): void {
  const { fa, fb, fr } = locals;
  const store = (kind: Expr, over: FlagOverlay | null): void =>
    fn.invoke(functions.storeFlags, [
      ...[kind, fn.get(fa), fn.get(fb), fn.get(fr)],
      overResult(fn, locals, over),
    ]);
  if (!isTwofold(state)) {
    store(kindOf(fn, locals, state), state.over);
    return;
  }
  store(fn.get(locals.fk), null);
  store(i32(overNumber(state.over)), state.over);
}

/** Which of fa, fb and fr a state needs. */
function needs(kind: FlagState['kind']): { readonly a: boolean; readonly b: boolean; readonly r: boolean } {
  switch (kind) {
    case 'memory':
      return { a: false, b: false, r: false };
    case 'logic':
      return { a: false, b: false, r: true };
    case 'raw':
    case 'add':
      return { a: false, b: true, r: true };
    case 'sub':
      return { a: true, b: true, r: false };
    default:
      return { a: true, b: true, r: true };
  }
}

/** INC and DEC set the same flags; where ways meet, nothing else may lie over others. */
export const isCount = ({ kind }: FlagOverlay): boolean => kind === 'inc' || kind === 'dec';

/** Emits what brings the flags into raw form, in the locals. @returns that state */
export function rawFlags(
  fn: FunctionBuilder,
  functions: FlagFunctions,
  locals: FlagLocals,
  state: FlagState,
): FlagState {
  const { kind, size, over } = state;
  const { fa, fb, fr } = locals;
  const set = ({ result, aux }: { readonly result: Expr; readonly aux: Expr }): void => {
    const bound = fn.bind(aux);
    fn.set(fr, result);
    fn.set(fb, bound);
  };
  if (kind === 'memory' || kind === 'unknown') {
    if (kind === 'memory')
      fn.if(load('i32', i32(0), PARKED.kind), () => fn.invoke(functions.settleFlags, []));
    else storeState(fn, functions, locals, { ...state, over: null });
    set({ result: load('i32', i32(0), S.result), aux: load('i32', i32(0), S.aux) });
  } else if (kind !== 'raw') {
    set(new FlagWords(fn, 32).words(kind, size, fn.get(fa), fn.get(fb), fn.get(fr)));
  }
  if (over) set(new FlagWords(fn, 32).over(over, fn.get(fr), fn.get(fb), overResult(fn, locals, over)));
  return RAW;
}

/** Emits what lays an operation over flags that are in memory, parked ones too. */
function layInMemory(fn: FunctionBuilder, locals: FlagLocals, over: FlagOverlay): void {
  const base = op32('and', load('i32', i32(0), PARKED.kind), i32(BASE_MASK));
  fn.store('i32', i32(0), op32('or', base, i32(overNumber(over))), PARKED.kind);
  fn.store('i32', i32(0), overResult(fn, locals, over), PARKED.over);
}

/** Emits one or the other, by whether the flags of unknown kind are in locals. */
function ifInLocals(fn: FunctionBuilder, { fk }: FlagLocals, then: () => void, otherwise: () => void): void {
  fn.if(op32('and', fn.get(fk), i32(BASE_MASK)), then, otherwise);
}

/** Emits what makes a state `unknown`, before control merges: the locals that it does not need are not kept alive. */
export function settleKind(fn: FunctionBuilder, locals: FlagLocals, state: FlagState): void {
  const { kind, over } = state;
  const note = (): void => fn.set(locals.fk, kindOf(fn, locals, state));
  const lay = (): void => {
    if (over) layInMemory(fn, locals, over);
    fn.set(locals.fk, i32(0));
  };
  if (kind === 'unknown') {
    if (over) ifInLocals(fn, locals, note, lay);
    return;
  }
  if (kind === 'memory') lay();
  else note();
  const { a, b, r } = needs(kind);
  if (!a) fn.set(locals.fa, i32(0));
  if (!b) fn.set(locals.fb, i32(0));
  if (!r) fn.set(locals.fr, i32(0));
  if (!over || kind === 'memory') fn.set(locals.fo, i32(0));
}

/** Whether something lies over flags that may be in memory. */
export function liesOverMemory({ kind, over }: FlagState): boolean {
  return over !== null && (kind === 'memory' || kind === 'unknown');
}

/** Whether the flags that are parked have a rotation over them, on which INC and DEC must not be laid. */
export const hasParkedRotation = (): Expr =>
  op32('le_u', i32(overNumber({ kind: 'rol', size: 8 })), load('i32', i32(0), PARKED.kind));

/** Emits stores that park the flags in memory, for whoever asks for them first. */
export function parkFlags(
  fn: FunctionBuilder,
  functions: FlagFunctions,
  locals: FlagLocals,
  state: FlagState,
): void {
  const { fa, fb, fr } = locals;
  const { kind, over } = state;
  const put = (offset: number, v: Expr): void => fn.store('i32', i32(0), v, offset);
  if (isTwofold(state)) {
    storeState(fn, functions, locals, UNKNOWN);
    parkFlags(fn, functions, locals, { ...IN_MEMORY, over });
    return;
  }
  if (kind === 'raw' && !over) {
    put(S.result, fn.get(fr));
    put(S.aux, fn.get(fb));
    put(PARKED.kind, i32(0));
    return;
  }
  const store = (): void => {
    const { a, b, r } = needs(kind);
    put(PARKED.kind, kindOf(fn, locals, state));
    if (a) put(PARKED.a, fn.get(fa));
    if (b) put(PARKED.b, fn.get(fb));
    if (r) put(PARKED.r, fn.get(fr));
    if (over || kind === 'unknown') put(PARKED.over, overResult(fn, locals, over));
  };
  if (kind === 'memory') {
    if (over) layInMemory(fn, locals, over);
  } else if (kind !== 'unknown') store();
  else if (over) ifInLocals(fn, locals, store, () => layInMemory(fn, locals, over));
  else fn.if(fn.get(locals.fk), store);
}
