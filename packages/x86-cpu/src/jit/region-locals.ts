import { PARKED, S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, load, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { loadVector, storeVector } from '../wasm/simd.ts';
import {
  type FlagFunctions,
  type FlagLocals,
  type FlagState,
  hasParkedRotation,
  isCount,
  liesOverMemory,
  parkFlags,
  rawFlags,
  settleKind,
} from './flag-kinds.ts';
import type { X87State } from './x87-state.ts';

const state = (offset: number): Expr => load('i32', i32(0), offset);

/**
 * The CPU's state in locals while a region runs. What the region never writes is in memory all the time, and what it never
 * uses is never loaded: both are known when all of it has been emitted, so loads and stores go into gaps filled at the end.
 */
export class RegionLocals {
  readonly flags: FlagLocals;
  readonly budget: number;
  /** The x87 stack, where x87 is used. */
  readonly x87: X87State | null;
  readonly #fn: FunctionBuilder;
  readonly #flagFunctions: FlagFunctions;
  readonly #registers: readonly number[];
  readonly #vectors: readonly number[];
  /** Masks of registers that the code uses and writes; of XMM registers, too. */
  #uses = 0;
  #writes = 0;
  readonly #vectorUses: number;
  #vectorWrites = 0;
  /**
   * Whether flags lie over others that may be parked in memory: of INC and DEC where the region is left, which can be laid
   * over parked ones; anyhow, so that those must be settled first.
   */
  #overlaid: 'no' | 'counted' | 'anyhow' = 'no';
  readonly #gaps: (() => void)[] = [];

  constructor(
    fn: FunctionBuilder,
    flagFunctions: FlagFunctions,
    { vectors, x87 }: { readonly vectors: number; readonly x87: X87State | null },
  ) {
    this.#fn = fn;
    this.#flagFunctions = flagFunctions;
    this.#registers = Array.from({ length: 8 }, () => fn.local());
    this.#vectors = Array.from({ length: 8 }, () => fn.local(V128));
    this.#vectorUses = vectors;
    const [fk, fa, fb] = [fn.local(), fn.local(), fn.local()];
    const [fr, fo, fx] = [fn.local(), fn.local(), fn.local()];
    this.flags = { fk, fa, fb, fr, fo, fx };
    this.budget = fn.local();
    this.x87 = x87;
  }

  /** Local of a general register. */
  register(n: number, written: boolean): number {
    this.#uses |= 1 << n;
    if (written) this.#writes |= 1 << n;
    return this.#registers[n]!;
  }
  /** Local of an XMM register. */
  vector(n: number, written: boolean): number {
    if (written) this.#vectorWrites |= 1 << n;
    return this.#vectors[n]!;
  }

  /** Loads what is used, here. The x87 stack is `depth` above its base. */
  load(depth: number): void {
    const fn = this.#fn;
    this.x87?.load(depth);
    this.#later(() => {
      if (this.#overlaid !== 'no') {
        const mustSettle = this.#overlaid === 'anyhow' ? state(PARKED.kind) : hasParkedRotation();
        fn.if(mustSettle, () => fn.invoke(this.#flagFunctions.settleFlags, []));
      }
      for (let n = 0; n < 8; n++) {
        if (this.#uses & (1 << n)) fn.set(this.#registers[n]!, state(S.regs + 4 * n));
      }
    });
    for (let n = 0; n < 8; n++) {
      if (this.#vectorUses & (1 << n)) fn.set(this.#vectors[n]!, loadVector(128, i32(0), S.xmm + 16 * n));
    }
    fn.set(this.budget, state(S.budget));
  }

  /** Stores what is written somewhere in the region, but for EIP and flags, here. */
  store(budget: Expr, depth?: Expr): void {
    const fn = this.#fn;
    this.#later(() => {
      for (let n = 0; n < 8; n++) {
        if (this.#writes & (1 << n)) fn.store('i32', i32(0), fn.get(this.#registers[n]!), S.regs + 4 * n);
      }
      for (let n = 0; n < 8; n++) {
        if (this.#vectorWrites & (1 << n)) {
          storeVector(fn, 128, i32(0), fn.get(this.#vectors[n]!, V128), S.xmm + 16 * n);
        }
      }
    });
    fn.store('i32', i32(0), budget, S.budget);
    this.x87?.store(depth);
  }

  /** Copies XMM registers. @returns emits what undoes all that has happened to them since */
  keepVectors(registers: readonly number[]): () => void {
    const fn = this.#fn;
    const kept = [...new Set(registers)].map((n) => {
      const copy = fn.local(V128);
      fn.set(copy, fn.get(this.vector(n, true), V128));
      return { n, copy };
    });
    return () => {
      for (const { n, copy } of kept) fn.set(this.vector(n, true), fn.get(copy, V128));
    };
  }

  /** Leaves the flags in memory. */
  park(flags: FlagState): void {
    this.#noteOverlay(flags);
    parkFlags(this.#fn, this.#flagFunctions, this.flags, flags);
  }
  #noteOverlay(flags: FlagState): void {
    if (!flags.over || !liesOverMemory(flags)) return;
    if (!isCount(flags.over)) this.#overlaid = 'anyhow';
    else if (this.#overlaid === 'no') this.#overlaid = 'counted';
  }
  /** Makes the flags `unknown`, where ways meet. */
  merge(flags: FlagState): void {
    const { over } = flags;
    const isMixed = over !== null && !isCount(over);
    const last = isMixed ? rawFlags(this.#fn, this.#flagFunctions, this.flags, flags) : flags;
    this.#noteOverlay(last);
    settleKind(this.#fn, this.flags, last);
  }

  /** Not 0 when a register in memory differs from its local plus `bias`. */
  moved(n: number, bias: number): Expr {
    const expected = op32('add', this.#fn.get(this.register(n, false)), i32(bias));
    return op32('xor', state(S.regs + 4 * n), expected);
  }

  /** Fills the gaps: everything else has been emitted. */
  finish(): void {
    for (const fill of this.#gaps) fill();
  }

  #later(body: () => void): void {
    const fill = this.#fn.later();
    this.#gaps.push(() => fill(body));
  }
}
