import { STORE } from '../interp/interp-ops.ts';
import type { Operand, Size, Val, Wide } from '../ops.ts';
import type { AnyOperand } from '../row.ts';
import type { Expr, LoadKind } from '../wasm/expr.ts';
import { i32, load, op32 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { HostPlace } from './stack-window.ts';
import type { WindowValues } from './window-values.ts';

const LOAD: Record<number, LoadKind> = { 8: 'u8', 16: 'u16', 32: 'i32' };
const SIGNED_LOAD: Record<number, LoadKind> = { 8: 's8', 16: 's16', 32: 'i32' };

function bug(): never {
  throw new Error('operand does not support this use');
}

/** An operand of compiled code; kinds override what they support. */
export class JitOperand implements AnyOperand {
  readonly size: Size;

  constructor(size: Size) {
    this.size = size;
  }
  get(): Val {
    return bug();
  }
  sget(): Val {
    return bug();
  }
  set(_v: Val): void {
    bug();
  }
  offset(): Val {
    return bug();
  }
  at(): Operand {
    return bug();
  }
  at64(): { get(): Wide; set(v: Wide): void } {
    return bug();
  }
  vget(): Expr {
    return bug();
  }
  vset(_v: Expr): void {
    bug();
  }
}

function signExtend(size: Size, v: Expr): Expr {
  if (size === 32) return v;
  if (v.known !== undefined) return i32((v.known << (32 - size)) >> (32 - size));
  return op32(size === 8 ? 'extend8_s' : 'extend16_s', v);
}

/** Where general registers live. */
export interface RegisterLocals {
  /** Local of a general register; `written` marks it as to be stored at exits. */
  register(n: number, written: boolean): number;
}

/** A 32-bit register. */
export class WideRegister extends JitOperand {
  readonly #fn: FunctionBuilder;
  readonly #locals: RegisterLocals;
  readonly #n: number;

  constructor(fn: FunctionBuilder, locals: RegisterLocals, n: number) {
    super(32);
    this.#fn = fn;
    this.#locals = locals;
    this.#n = n;
  }
  override get(): Val {
    return this.#fn.get(this.#locals.register(this.#n, false));
  }
  override sget(): Val {
    return this.get();
  }
  override set(v: Val): void {
    this.#fn.set(this.#locals.register(this.#n, true), v);
  }
}

/** Bits of a 32-bit register: 16 from bit 0, or 8 from bit 0 or 8. */
export class NarrowRegister extends JitOperand {
  readonly #fn: FunctionBuilder;
  readonly #locals: RegisterLocals;
  readonly #n: number;
  readonly #shift: number;

  constructor(fn: FunctionBuilder, locals: RegisterLocals, size: 8 | 16, n: number) {
    super(size);
    this.#fn = fn;
    this.#locals = locals;
    this.#n = size === 8 ? n & 3 : n;
    this.#shift = size === 8 ? (n >> 2) * 8 : 0;
  }
  #whole(): Expr {
    return this.#fn.get(this.#locals.register(this.#n, false));
  }
  override get(): Val {
    return op32('and', op32('shr_u', this.#whole(), i32(this.#shift)), i32(this.size === 8 ? 0xff : 0xffff));
  }
  override sget(): Val {
    return signExtend(this.size, op32('shr_u', this.#whole(), i32(this.#shift)));
  }
  override set(v: Val): void {
    const mask = this.size === 8 ? 0xff : 0xffff;
    const rest = op32('and', this.#whole(), i32(~(mask << this.#shift)));
    const bits = op32('shl', op32('and', v, i32(mask)), i32(this.#shift));
    this.#fn.set(this.#locals.register(this.#n, true), op32('or', rest, bits));
  }
}

/** Memory at a host address. */
export class HostMemory extends JitOperand {
  readonly #fn: FunctionBuilder;
  readonly #host: Expr;
  readonly #offset: number;

  constructor(fn: FunctionBuilder, size: Size, host: Expr, offset = 0) {
    super(size);
    this.#fn = fn;
    this.#host = host;
    this.#offset = offset;
  }
  override get(): Val {
    return load(LOAD[this.size] ?? 'i32', this.#host, this.#offset);
  }
  override sget(): Val {
    return load(SIGNED_LOAD[this.size] ?? 'i32', this.#host, this.#offset);
  }
  override set(v: Val): void {
    this.#fn.store(STORE[this.size], this.#host, v, this.#offset);
  }
}

/** A word in the stack window, whose value may be known. */
export class WindowWord extends HostMemory {
  readonly #fn: FunctionBuilder;
  readonly #values: WindowValues;
  readonly #at: number;

  constructor(fn: FunctionBuilder, values: WindowValues, { host, offset, at }: HostPlace) {
    super(fn, 32, host, offset);
    this.#fn = fn;
    this.#values = values;
    this.#at = at;
  }
  override get(): Val {
    return this.#fn.bind(this.#values.get(this.#at) ?? this.#values.put(this.#at, super.get()));
  }
  override sget(): Val {
    return this.get();
  }
  override set(v: Val): void {
    super.set(this.#values.put(this.#at, v));
  }
}

/** A value that is only read. */
export class KnownValue extends JitOperand {
  readonly #v: Expr;

  constructor(size: Size, v: Expr) {
    super(size);
    this.#v = v;
  }
  override get(): Val {
    return this.#v;
  }
  override sget(): Val {
    return signExtend(this.size, this.#v);
  }
}
