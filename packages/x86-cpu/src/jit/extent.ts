import { EXTENT, EXTENT_USER } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, load, op32, select } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';

/** No access of compiled code is longer. */
const LONGEST_ACCESS = 16;
/** An extent shorter than this is not worth a comparison. */
const LEAST_BYTES = 1 << 16;

/** Whether code that is compiled now should try the extent first. */
export function hasExtent(words: Int32Array, user: boolean): boolean {
  return (words[(EXTENT.bytes + (user ? EXTENT_USER : 0)) >> 2] ?? 0) >>> 0 >= LEAST_BYTES;
}

/**
 * The extent in locals of a region: what lies in it needs one comparison and no look into the TLB. It holds while the
 * region runs, as the stack window does.
 */
export class ExtentLocals {
  readonly #fn: FunctionBuilder;
  readonly #user: boolean;
  readonly #low: number;
  /** Bytes from `low` on at which an access may begin. */
  readonly #room: number;
  readonly #delta: number;
  #isUsed = false;
  #find: ((body: () => void) => void) | null = null;

  constructor(fn: FunctionBuilder, user: boolean) {
    this.#fn = fn;
    this.#user = user;
    [this.#low, this.#room, this.#delta] = [fn.local(), fn.local(), fn.local()];
  }

  /** Emits the loads, before anything else of the region. */
  find(): void {
    this.#find = this.#fn.later();
  }
  /** Everything else has been emitted. */
  finish(): void {
    if (this.#isUsed) this.#find?.(() => this.#load());
  }

  #load(): void {
    const fn = this.#fn;
    const word = (offset: number): Expr => load('i32', i32(0), offset + (this.#user ? EXTENT_USER : 0));
    const bytes = fn.bind(word(EXTENT.bytes));
    const room = op32('sub', bytes, i32(LONGEST_ACCESS));
    fn.set(this.#low, word(EXTENT.low));
    fn.set(this.#room, select(bytes, room, i32(0)));
    fn.set(this.#delta, word(EXTENT.delta));
  }

  /** Whether an access at a linear address lies in the extent. */
  holds(address: Expr): Expr {
    this.#isUsed = true;
    return op32('lt_u', op32('sub', address, this.#fn.get(this.#low)), this.#fn.get(this.#room));
  }
  /** Its host address then. */
  host(address: Expr): Expr {
    return op32('add', address, this.#fn.get(this.#delta));
  }
}
