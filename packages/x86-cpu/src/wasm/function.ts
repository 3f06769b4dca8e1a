import { ByteArena, Bytes } from './bytes.ts';
import type { Callee, Expr, StoreKind, ValType } from './expr.ts';
import { emitCall, F32, F64, I32, I64, local, OP, V128 } from './expr.ts';

/** A branch target; valid inside the block that it names. */
export interface Label {
  readonly depth: number;
}

const VOID = 0x40;
const TYPES: readonly ValType[] = [V128, F64, F32, I64, I32];

/** Statements that belong at an offset of others. */
interface Gap {
  readonly at: number;
  readonly code: Bytes;
}
const GAP_BYTES = 64;

/** Locals of one type that scopes hand out again: those before `used` are taken. */
interface Pool {
  readonly indices: number[];
  used: number;
}

/** Body of one function under construction: statements are emitted in order, expressions where they are used. */
export class FunctionBuilder {
  /** Where statements go now. */
  code: Bytes;
  /** Statements that come before the rest, see `first`. */
  prologue: Bytes | null = null;
  /** Statements to be put into `code`, in its order, see `later`. */
  readonly gaps: Gap[] = [];
  readonly #arena: ByteArena;
  readonly index: number;
  readonly params: readonly ValType[];
  readonly results: readonly ValType[];
  readonly #locals: ValType[] = [];
  /** Pools by type, V128 first. */
  readonly #pools: readonly Pool[] = TYPES.map(() => ({ indices: [], used: 0 }));
  #depth = 0;

  constructor(
    index: number,
    params: readonly ValType[],
    results: readonly ValType[],
    arena: ByteArena = new ByteArena(),
  ) {
    this.#arena = arena;
    this.code = new Bytes(arena);
    this.index = index;
    this.params = params;
    this.results = results;
  }

  get locals(): readonly ValType[] {
    return this.#locals;
  }

  /** A fresh or recycled local. */
  local(type: ValType = I32): number {
    const pool = this.#pools[type - V128]!;
    const recycled = pool.indices[pool.used++];
    if (recycled !== undefined) return recycled;
    const index = this.params.length + this.#locals.push(type) - 1;
    pool.indices.push(index);
    return index;
  }

  /** A local that no scope hands out again. */
  lasting(type: ValType = I32): number {
    return this.params.length + this.#locals.push(type) - 1;
  }

  /** Runs `body` and makes the locals that it allocated available again. */
  scope(body: () => void): void {
    const [p0, p1, p2, p3, p4] = this.#pools as [Pool, Pool, Pool, Pool, Pool];
    const [u0, u1, u2, u3, u4] = [p0.used, p1.used, p2.used, p3.used, p4.used];
    body();
    p0.used = u0;
    p1.used = u1;
    p2.used = u2;
    p3.used = u3;
    p4.used = u4;
  }

  /** Emits statements at the start of the function; they may not branch. */
  first(body: () => void): void {
    const rest = this.code;
    this.prologue ??= new Bytes(this.#arena);
    this.code = this.prologue;
    body();
    this.code = rest;
  }

  /**
   * Leaves a gap for statements that are known only later; they may not branch.
   * @returns fills the gap, once
   */
  later(): (body: () => void) => void {
    const gap: Gap = { at: this.code.length, code: new Bytes(this.#arena, GAP_BYTES) };
    this.gaps.push(gap);
    return (body) => {
      const rest = this.code;
      this.code = gap.code;
      body();
      this.code = rest;
    };
  }

  get(index: number, type: ValType = I32): Expr {
    return local(index, type);
  }

  set(index: number, value: Expr): void {
    value.emit(this.code);
    this.code.u8(0x21);
    this.code.leb(index);
  }

  /** Binds a value to a local. */
  bind(value: Expr): Expr {
    if (value.known !== undefined) return value;
    const index = this.local(value.type);
    this.set(index, value);
    return local(index, value.type);
  }

  /** Sets locals from the results of a multi-value expression; the last result is on top of the stack. */
  setMany(indices: readonly number[], value: Expr): void {
    value.emit(this.code);
    for (let i = indices.length - 1; i >= 0; i--) {
      this.code.u8(0x21);
      this.code.leb(indices[i] ?? 0);
    }
  }

  drop(value: Expr): void {
    value.emit(this.code);
    this.code.u8(0x1a);
  }

  /** Calls a function without results. */
  invoke(callee: Callee, args: readonly Expr[]): void {
    for (const a of args) a.emit(this.code);
    emitCall(this.code, callee);
  }

  store(kind: StoreKind, address: Expr, value: Expr, offset = 0): void {
    address.emit(this.code);
    value.emit(this.code);
    this.code.u8(OP.store[kind]);
    this.code.u8(0);
    this.code.leb(offset);
  }

  block(body: (label: Label) => void): void {
    this.#nest(0x02, body);
  }

  loop(body: (label: Label) => void): void {
    this.#nest(0x03, body);
  }

  #nest(opcode: number, body: (label: Label) => void): void {
    this.open(opcode);
    body({ depth: this.#depth });
    this.close();
  }

  /** Opens a block without a callback, for dispatch tables; `close` ends the innermost one. */
  open(opcode = 0x02): Label {
    this.code.u8(opcode);
    this.code.u8(VOID);
    this.#depth++;
    return { depth: this.#depth };
  }

  close(): void {
    this.code.u8(0x0b);
    this.#depth--;
  }

  if(cond: Expr, then: () => void, otherwise?: () => void): void {
    cond.emit(this.code);
    this.open(0x04);
    then();
    if (otherwise) {
      this.code.u8(0x05);
      otherwise();
    }
    this.close();
  }

  br(label: Label): void {
    this.code.u8(0x0c);
    this.code.leb(this.#depth - label.depth);
  }

  brIf(cond: Expr, label: Label): void {
    cond.emit(this.code);
    this.code.u8(0x0d);
    this.code.leb(this.#depth - label.depth);
  }

  brTable(index: Expr, labels: readonly Label[], fallback: Label): void {
    index.emit(this.code);
    this.code.u8(0x0e);
    this.code.leb(labels.length);
    for (const label of labels) this.code.leb(this.#depth - label.depth);
    this.code.leb(this.#depth - fallback.depth);
  }

  ret(...values: readonly Expr[]): void {
    for (const v of values) v.emit(this.code);
    this.code.u8(0x0f);
  }

  /** memory.copy(destination, source, length). */
  copy(destination: Expr, source: Expr, length: Expr): void {
    for (const e of [destination, source, length]) e.emit(this.code);
    this.code.raw([0xfc, 0x0a, 0x00, 0x00]);
  }

  /** memory.fill(destination, byte, length). */
  fill(destination: Expr, byte: Expr, length: Expr): void {
    for (const e of [destination, byte, length]) e.emit(this.code);
    this.code.raw([0xfc, 0x0b, 0x00]);
  }

  unreachable(): void {
    this.code.u8(0x00);
  }
}
