import type { Cell, Operand, Size, Val } from '../ops.ts';
import { S } from '../state.ts';
import type { Expr, LoadKind, StoreKind } from '../wasm/expr.ts';
import { i32, load } from '../wasm/expr.ts';
import { LazyFlags } from './lazy-flags.ts';

const LOAD: Record<Size, LoadKind> = { 8: 'u8', 16: 'u16', 32: 'i32' };
const SIGNED_LOAD: Record<Size, LoadKind> = { 8: 's8', 16: 's16', 32: 'i32' };
export const STORE: Record<Size, StoreKind> = { 8: 'i8', 16: 'i16', 32: 'i32' };

/** What both halves of the interpreter share: registers and state in memory. */
export abstract class InterpOps extends LazyFlags {
  /** An operand at a host address; `stored` runs after each store. */
  pointer(size: Size, address: Expr, offset = 0, stored?: () => void): Operand {
    return {
      size,
      get: () => load(LOAD[size], address, offset),
      sget: () => load(SIGNED_LOAD[size], address, offset),
      set: (v) => {
        this.fn.store(STORE[size], address, v, offset);
        stored?.();
      },
    };
  }

  /** An operand that is only read, with its value already taken. */
  value(size: Size, v: Expr): Operand {
    return { size, get: () => v, sget: () => this.sext(size, v), set: () => this.#readOnly() };
  }

  #readOnly(): never {
    throw new Error('store to an operand that its row declares as read only');
  }

  reg(size: Size, n: number): Operand {
    const offset = size === 8 ? (n & 3) * 4 + (n >> 2) : n * 4;
    return this.pointer(size, i32(0), S.regs + offset);
  }

  state(offset: number): Expr {
    return load('i32', i32(0), offset);
  }
  setState(offset: number, v: Expr): void {
    this.fn.store('i32', i32(0), v, offset);
  }

  df(): Val {
    return this.and(this.shr(this.state(S.sysFlags), i32(10)), i32(1));
  }
  cpl(): Val {
    return this.state(S.cpl);
  }
  iopl(): Val {
    return this.and(this.shr(this.state(S.sysFlags), i32(12)), i32(3));
  }
  field(name: 'cr0' | 'cr2' | 'cr4'): Cell {
    return { get: () => this.state(S[name]), set: (v) => this.setState(S[name], v) };
  }
  result(i: number): Val {
    return this.state(S.results + 4 * i);
  }
}
