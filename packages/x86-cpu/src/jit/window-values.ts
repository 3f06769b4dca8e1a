import type { Expr } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';

const WORD_BYTES = 4;

/** Words in memory that are known at a point of a region: by their offset in the stack window, in a local or constant. */
export type Words = ReadonlyMap<number, Expr>;

/**
 * What the region has stored to its stack window or loaded from it, word by word: loads of it need no memory. Nothing but
 * the region's own stores changes memory while it runs; one to an unknown address may hit the window, too.
 */
export class WindowValues {
  readonly #fn: FunctionBuilder;
  /** Each word has a local of its own, wherever it is known. */
  readonly #locals: Map<number, { readonly index: number; readonly word: Expr }> = new Map();
  #known: Map<number, Expr> = new Map();

  constructor(fn: FunctionBuilder) {
    this.#fn = fn;
  }

  /** The word at an offset; null when it has to be loaded. */
  get(offset: number): Expr | null {
    return this.#known.get(offset) ?? null;
  }

  /** Notes the value of a word. @returns it */
  put(offset: number, value: Expr): Expr {
    this.forget(offset, WORD_BYTES);
    const word = value.known === undefined ? this.#inLocal(offset, value) : value;
    this.#known.set(offset, word);
    return word;
  }

  #inLocal(offset: number, value: Expr): Expr {
    let local = this.#locals.get(offset);
    if (!local) {
      const index = this.#fn.lasting();
      local = { index, word: this.#fn.get(index) };
      this.#locals.set(offset, local);
    }
    this.#fn.set(local.index, value);
    return local.word;
  }

  /** Bytes change to something unknown. */
  forget(offset: number, bytes: number): void {
    for (const at of this.#known.keys()) {
      if (at < offset + bytes && offset < at + WORD_BYTES) this.#known.delete(at);
    }
  }
  clear(): void {
    this.#known.clear();
  }

  /** What is known here. */
  known(): Words {
    return new Map(this.#known);
  }
  /** Goes on from a point where that was known. */
  resume(words: Words): void {
    this.#known = new Map(words);
  }
  /** Control comes here from a point where `words` were known, too. */
  meet(words: Words): void {
    for (const [at, word] of this.#known) if (words.get(at) !== word) this.#known.delete(at);
  }
}
