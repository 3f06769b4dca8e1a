import type { Bytes } from './bytes.ts';

export const I32 = 0x7f;
export const I64 = 0x7e;
export const F32 = 0x7d;
export const F64 = 0x7c;
export const V128 = 0x7b;
export type ValType = typeof I32 | typeof I64 | typeof F32 | typeof F64 | typeof V128;

/** An expression of the generated code; emitted wherever it is used, so it must be bound to a local to be shared. */
export interface Expr {
  readonly type: ValType;
  /** Its value when it is a 32-bit constant. */
  readonly known?: number;
  emit(code: Bytes): void;
}

/** Opcodes of the WebAssembly core specification, section 5.4. */
export const OP = {
  i32: {
    eqz: 0x45,
    eq: 0x46,
    ne: 0x47,
    lt_s: 0x48,
    lt_u: 0x49,
    gt_s: 0x4a,
    gt_u: 0x4b,
    le_s: 0x4c,
    le_u: 0x4d,
    ge_s: 0x4e,
    ge_u: 0x4f,
    clz: 0x67,
    ctz: 0x68,
    popcnt: 0x69,
    add: 0x6a,
    sub: 0x6b,
    mul: 0x6c,
    div_s: 0x6d,
    div_u: 0x6e,
    rem_s: 0x6f,
    rem_u: 0x70,
    and: 0x71,
    or: 0x72,
    xor: 0x73,
    shl: 0x74,
    shr_s: 0x75,
    shr_u: 0x76,
    rotl: 0x77,
    rotr: 0x78,
    extend8_s: 0xc0,
    extend16_s: 0xc1,
    wrap: 0xa7,
  },
  i64: {
    eqz: 0x50,
    eq: 0x51,
    lt_s: 0x53,
    lt_u: 0x54,
    clz: 0x79,
    add: 0x7c,
    sub: 0x7d,
    mul: 0x7e,
    div_s: 0x7f,
    div_u: 0x80,
    rem_s: 0x81,
    rem_u: 0x82,
    and: 0x83,
    or: 0x84,
    xor: 0x85,
    shl: 0x86,
    shr_s: 0x87,
    shr_u: 0x88,
    extend_s: 0xac,
    extend_u: 0xad,
  },
  load: { i32: 0x28, i64: 0x29, u8: 0x2d, s8: 0x2c, u16: 0x2f, s16: 0x2e },
  store: { i32: 0x36, i64: 0x37, i8: 0x3a, i16: 0x3b },
} as const;

type I32Op = keyof typeof OP.i32;
type I64Op = keyof typeof OP.i64;

export function i32(value: number): Expr {
  const known = value | 0;
  return {
    type: I32,
    known,
    emit(code) {
      code.u8(0x41);
      code.sleb(known);
    },
  };
}

export function i64(value: bigint): Expr {
  return {
    type: I64,
    emit(code) {
      code.u8(0x42);
      code.sleb64(value);
    },
  };
}

export function local(index: number, type: ValType = I32): Expr {
  return {
    type,
    emit(code) {
      code.u8(0x20);
      code.leb(index);
    },
  };
}

const FOLD: Partial<Record<I32Op, (a: number, b: number) => number>> = {
  add: (a, b) => (a + b) | 0,
  sub: (a, b) => (a - b) | 0,
  mul: (a, b) => Math.imul(a, b),
  and: (a, b) => a & b,
  or: (a, b) => a | b,
  xor: (a, b) => a ^ b,
  shl: (a, b) => a << b,
  shr_u: (a, b) => (a >>> b) | 0,
  shr_s: (a, b) => a >> b,
};
/** Operations whose right operand zero changes nothing. */
const ZERO_IS_NEUTRAL: ReadonlySet<I32Op> = new Set([
  'add',
  'sub',
  'or',
  'xor',
  'shl',
  'shr_u',
  'shr_s',
  'rotl',
  'rotr',
]);

/** A 32-bit operation on one or two values; constants are folded. */
export function op32(op: I32Op, a: Expr, b?: Expr): Expr {
  if (b?.known !== undefined) {
    const fold = FOLD[op];
    if (a.known !== undefined && fold) return i32(fold(a.known, b.known));
    if (b.known === 0 && ZERO_IS_NEUTRAL.has(op)) return a;
  }
  if (b && a.known === 0 && (op === 'add' || op === 'or')) return b;
  if (!b && op === 'eqz' && a.known !== undefined) return i32(a.known === 0 ? 1 : 0);
  return {
    type: I32,
    emit(code) {
      a.emit(code);
      b?.emit(code);
      code.u8(OP.i32[op]);
    },
  };
}

const I64_TO_BOOL: ReadonlySet<I64Op> = new Set(['eqz', 'eq', 'lt_s', 'lt_u']);

export function op64(op: I64Op, a: Expr, b?: Expr): Expr {
  return {
    type: I64_TO_BOOL.has(op) ? I32 : I64,
    emit(code) {
      a.emit(code);
      b?.emit(code);
      code.u8(OP.i64[op]);
    },
  };
}

export type LoadKind = keyof typeof OP.load;
export type StoreKind = keyof typeof OP.store;

export function load(kind: LoadKind, address: Expr, offset = 0): Expr {
  return {
    type: kind === 'i64' ? I64 : I32,
    emit(code) {
      address.emit(code);
      code.u8(OP.load[kind]);
      code.u8(0);
      code.leb(offset);
    },
  };
}

export function select(cond: Expr, a: Expr, b: Expr): Expr {
  return {
    type: a.type,
    emit(code) {
      a.emit(code);
      b.emit(code);
      cond.emit(code);
      code.u8(0x1b);
    },
  };
}

export function call(functionIndex: number, args: readonly Expr[], type: ValType = I32): Expr {
  return {
    type,
    emit(code) {
      for (const a of args) a.emit(code);
      code.u8(0x10);
      code.leb(functionIndex);
    },
  };
}

export function callIndirect(typeIndex: number, index: Expr, args: readonly Expr[], table = 0): Expr {
  return {
    type: I32,
    emit(code) {
      for (const a of args) a.emit(code);
      index.emit(code);
      code.u8(0x11);
      code.leb(typeIndex);
      code.leb(table);
    },
  };
}
