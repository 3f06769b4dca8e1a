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

class Constant implements Expr {
  readonly type = I32;
  readonly known: number;

  constructor(known: number) {
    this.known = known;
  }
  emit(code: Bytes): void {
    code.u8(0x41);
    code.sleb(this.known);
  }
}

export function i32(value: number): Expr {
  return new Constant(value | 0);
}

class WideConstant implements Expr {
  readonly type = I64;
  readonly #value: bigint;

  constructor(value: bigint) {
    this.#value = value;
  }
  emit(code: Bytes): void {
    code.u8(0x42);
    code.sleb64(this.#value);
  }
}

export function i64(value: bigint): Expr {
  return new WideConstant(value);
}

class Local implements Expr {
  readonly type: ValType;
  readonly known: number | undefined = undefined;
  readonly index: number;

  constructor(index: number, type: ValType) {
    this.index = index;
    this.type = type;
  }
  emit(code: Bytes): void {
    code.u8(0x20);
    code.leb(this.index);
  }
}

export function local(index: number, type: ValType = I32): Expr {
  return new Local(index, type);
}

/** An operation on one or two values. */
class Operation implements Expr {
  readonly type: ValType;
  readonly known: number | undefined = undefined;
  readonly opcode: number;
  readonly a: Expr;
  readonly b: Expr | null;

  constructor(type: ValType, opcode: number, a: Expr, b: Expr | null) {
    this.type = type;
    this.opcode = opcode;
    this.a = a;
    this.b = b;
  }
  emit(code: Bytes): void {
    this.a.emit(code);
    if (this.b) this.b.emit(code);
    code.u8(this.opcode);
  }
}

/** The value of an operation on constants; undefined for those that are not folded. */
function fold(op: I32Op, a: number, b: number): number | undefined {
  switch (op) {
    case 'add':
      return (a + b) | 0;
    case 'sub':
      return (a - b) | 0;
    case 'mul':
      return Math.imul(a, b);
    case 'and':
      return a & b;
    case 'or':
      return a | b;
    case 'xor':
      return a ^ b;
    case 'shl':
      return a << b;
    case 'shr_u':
      return (a >>> b) | 0;
    case 'shr_s':
      return a >> b;
    default:
      return undefined;
  }
}

/** Whether a right operand of zero changes nothing. */
function isZeroNeutral(op: I32Op): boolean {
  switch (op) {
    case 'add':
    case 'sub':
    case 'or':
    case 'xor':
    case 'shl':
    case 'shr_u':
    case 'shr_s':
    case 'rotl':
    case 'rotr':
      return true;
    default:
      return false;
  }
}

/** A 32-bit operation on one or two values; constants are folded. */
export function op32(op: I32Op, a: Expr, b?: Expr): Expr {
  const known = a.known;
  if (b === undefined) {
    if (known !== undefined && op === 'eqz') return i32(known === 0 ? 1 : 0);
    return new Operation(I32, OP.i32[op], a, null);
  }
  if (b.known !== undefined) {
    const value = known === undefined ? undefined : fold(op, known, b.known);
    if (value !== undefined) return i32(value);
    if (b.known === 0 && isZeroNeutral(op)) return a;
  }
  if (known === 0 && (op === 'add' || op === 'or')) return b;
  return new Operation(I32, OP.i32[op], a, b);
}

export function op64(op: I64Op, a: Expr, b?: Expr): Expr {
  const isCondition = op === 'eqz' || op === 'eq' || op === 'lt_s' || op === 'lt_u';
  return new Operation(isCondition ? I32 : I64, OP.i64[op], a, b ?? null);
}

export type LoadKind = keyof typeof OP.load;
export type StoreKind = keyof typeof OP.store;

class Load implements Expr {
  readonly type: ValType;
  readonly known: number | undefined = undefined;
  readonly opcode: number;
  readonly address: Expr;
  readonly offset: number;

  constructor(type: ValType, opcode: number, address: Expr, offset: number) {
    this.type = type;
    this.opcode = opcode;
    this.address = address;
    this.offset = offset;
  }
  emit(code: Bytes): void {
    this.address.emit(code);
    code.u8(this.opcode);
    code.u8(0);
    code.leb(this.offset);
  }
}

export function load(kind: LoadKind, address: Expr, offset = 0): Expr {
  return new Load(kind === 'i64' ? I64 : I32, OP.load[kind], address, offset);
}

class Select implements Expr {
  readonly type: ValType;
  readonly known: number | undefined = undefined;
  readonly cond: Expr;
  readonly a: Expr;
  readonly b: Expr;

  constructor(cond: Expr, a: Expr, b: Expr) {
    this.type = a.type;
    this.cond = cond;
    this.a = a;
    this.b = b;
  }
  emit(code: Bytes): void {
    this.a.emit(code);
    this.b.emit(code);
    this.cond.emit(code);
    code.u8(0x1b);
  }
}

export function select(cond: Expr, a: Expr, b: Expr): Expr {
  return new Select(cond, a, b);
}

/** A function at a place in table 0, and its type. */
export interface TableFunction {
  readonly type: number;
  readonly at: number;
}

/** A function of the module by its index, or one in a table. */
export type Callee = number | TableFunction;

/** Emits the call of a function whose arguments have been emitted. */
export function emitCall(code: Bytes, callee: Callee): void {
  if (typeof callee === 'number') {
    code.u8(0x10);
    code.leb(callee);
    return;
  }
  code.u8(0x41);
  code.sleb(callee.at);
  code.u8(0x11);
  code.leb(callee.type);
  code.leb(0);
}

export function call(callee: Callee, args: readonly Expr[], type: ValType = I32): Expr {
  return {
    type,
    emit(code) {
      for (const a of args) a.emit(code);
      emitCall(code, callee);
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
