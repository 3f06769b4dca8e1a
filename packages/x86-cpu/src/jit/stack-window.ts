import { STATUS_PLAIN, STATUS_STEP } from '../interp/runtime.ts';
import { Reg } from '../names.ts';
import { PLAIN_REGIONS, S, TLB_WRITE } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { callIndirect, i32, load, op32 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { Place } from './block.ts';
import { type FrameState, NOWHERE, type StackFrame } from './stack-frame.ts';

/** Locals that hold one writable page: its linear address, and host minus linear address. */
export interface StackPage {
  readonly page: number;
  readonly delta: number;
}

/** Bytes at a known distance from a host address. */
export interface HostPlace {
  readonly host: Expr;
  readonly offset: number;
  /** The same relative to ESP at the region's entry. */
  readonly at: number;
}

export interface StackWindowOptions {
  /** How ESP and EBP move; null: there is to be no window. */
  readonly frame: StackFrame | null;
  /** The region's index in the table of regions, and the type of what is in there: (depth) -> status. */
  readonly slot: number;
  readonly regionType: number;
  /** Local of the region's depth. */
  readonly depth: number;
  /** Byte offset of the read TLB in force. */
  readonly tlb: number;
}

const ESP = S.regs + 4 * Reg.ESP;

/**
 * How a region gets at its stack. What it uses at known distances from ESP at its entry lies in a window: both ends of it
 * are in pages that can be written and are neighbours in machine memory, which is seen to once, and an access then is one
 * load or store. For the rest one page is looked up, and an access near it is one comparison.
 *
 * That holds while the region runs: translations are only ever added meanwhile; whatever takes one away makes it leave.
 */
export class StackWindow {
  readonly #fn: FunctionBuilder;
  readonly #options: StackWindowOptions;
  readonly #start: number;
  readonly #page: StackPage;
  #usesPage = false;
  #findPage: ((body: () => void) => void) | null = null;

  constructor(fn: FunctionBuilder, options: StackWindowOptions) {
    this.#fn = fn;
    this.#options = options;
    this.#start = fn.local();
    this.#page = { page: fn.local(), delta: fn.local() };
  }

  /** The state at the start of a block. */
  at(place: Place): FrameState {
    return this.#options.frame?.at(place) ?? NOWHERE;
  }
  /** Bytes relative to ESP at the entry; null outside of the window. */
  place(offset: number, bytes: number): HostPlace | null {
    const extent = this.#options.frame?.extent;
    if (!extent || offset < extent.low || offset + bytes > extent.high) return null;
    return { host: this.#fn.get(this.#start), offset: offset - extent.low, at: offset };
  }
  /** The page that other stack accesses are likely to hit. */
  page(): StackPage {
    this.#usesPage = true;
    return this.#page;
  }

  /** Emits the search, before anything else of the region. */
  find(): void {
    this.#fn.scope(() => this.#findWindow());
    this.#findPage = this.#fn.later();
  }
  /** Everything else has been emitted. */
  finish(): void {
    if (this.#usesPage) this.#findPage?.(() => this.#findOwnPage());
  }

  /** Where the ends are no neighbours, the region runs in a version that does without. */
  #findWindow(): void {
    const { frame, slot, regionType, depth, tlb } = this.#options;
    if (!frame?.extent) return;
    const fn = this.#fn;
    const { low, high } = frame.extent;
    const at = (offset: number): Expr => fn.bind(op32('add', load('i32', i32(0), ESP), i32(offset)));
    const deltaOf = (linear: Expr): Expr =>
      fn.bind(load('i32', op32('shl', op32('shr_u', linear, i32(12)), i32(2)), tlb + TLB_WRITE));
    const [first, last] = [at(low), at(high - 1)];
    const delta = deltaOf(first);
    const apart = op32('and', op32('xor', first, last), i32(-4096));
    fn.if(op32('or', apart, op32('and', delta, i32(1))), () => {
      const other = deltaOf(last);
      fn.if(op32('and', op32('or', delta, other), i32(1)), () => fn.ret(i32(STATUS_STEP)));
      fn.if(op32('or', op32('xor', delta, other), op32('lt_u', last, first)), () => {
        const plain = fn.bind(load('i32', i32(PLAIN_REGIONS + 4 * slot)));
        fn.if(op32('eqz', plain), () => fn.ret(i32(STATUS_PLAIN)));
        fn.ret(callIndirect(regionType, plain, [fn.get(depth)]));
      });
    });
    fn.set(this.#start, op32('add', first, delta));
  }

  #findOwnPage(): void {
    const fn = this.#fn;
    const { page, delta } = this.#page;
    const entry = op32('shr_u', fn.get(page), i32(10));
    fn.set(page, op32('and', load('i32', i32(0), ESP), i32(-4096)));
    fn.set(delta, load('i32', entry, this.#options.tlb + TLB_WRITE));
    fn.if(op32('and', fn.get(delta), i32(1)), () => fn.ret(i32(STATUS_STEP)));
  }
}
