import { Imm, type ParsedSpec, sizeOf } from '../operand-spec.ts';
import type { Operand, Size, Val } from '../ops.ts';
import type { VectorOperand } from '../ops-simd.ts';
import type { AnyOperand, Row } from '../row.ts';
import { S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { I32, i32, op32 } from '../wasm/expr.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { emitBulk } from './bulk-string.ts';
import { immediateForm } from './decode-table.ts';
import { GenericOps } from './generic-ops.ts';
import type { Runtime } from './runtime.ts';
import { segField } from './segment-fields.ts';
import { mmxRegister, vectorRm, xmmRegister } from './simd-operands.ts';

/** An operand of which only some members mean something; touching another one is a bug in its row. */
export function partialOperand(size: Size, parts: Partial<AnyOperand>): AnyOperand {
  const bug = (): never => {
    throw new Error('operand does not support this use');
  };
  return {
    size,
    get: bug,
    set: bug,
    sget: bug,
    offset: bug,
    at: bug,
    at64: bug,
    vget: bug,
    vset: bug,
    ...parts,
  };
}

/** Host address of register number `n` in the state block; high byte registers are numbers 4..7. */
export function registerAddress(size: Size, n: Expr): Expr {
  if (size !== 8) return op32('shl', n, i32(2));
  return op32('or', op32('shl', op32('and', n, i32(3)), i32(2)), op32('shr_u', n, i32(2)));
}

class RowEmitter {
  readonly #o: GenericOps;
  readonly #secondImmediate: boolean;
  readonly #mod: Row['mod'];

  constructor(o: GenericOps, row: Row) {
    this.#o = o;
    this.#mod = row.mod;
    const form = immediateForm(row);
    this.#secondImmediate = form === Imm.wordByte || form === Imm.far;
  }

  operand(spec: ParsedSpec, position: number): AnyOperand {
    const size = sizeOf(spec, this.#o);
    switch (spec.kind) {
      case 'rm':
        return partialOperand(size, this.#rm(spec, size));
      case 'mem':
        return this.#memory();
      case 'reg':
        return partialOperand(size, this.#registerField(size, this.#modrmReg()));
      case 'fpreg':
        return partialOperand(32, this.#o.value(32, op32('and', this.#o.state(S.modrm), i32(7))));
      case 'sreg':
      case 'control':
      case 'debug':
        return partialOperand(32, this.#o.value(32, this.#modrmReg()));
      case 'opreg':
        return partialOperand(size, this.#registerField(size, this.#opcodeReg()));
      case 'imm':
      case 'rel':
      case 'far':
        return partialOperand(size, this.#immediate(spec, size, position));
      case 'moffs':
        return partialOperand(
          size,
          this.#o.access(size, this.#o.state(S.dataSeg), this.#o.state(S.imm), spec.mode),
        );
      case 'fixed':
        return partialOperand(size, this.#o.reg(size, spec.fixed));
      case 'segment':
        return partialOperand(16, this.#o.value(16, this.#o.state(segField(spec.fixed, 'selector'))));
      case 'creg':
        return partialOperand(32, this.#registerField(32, op32('and', this.#o.state(S.modrm), i32(7))));
      case 'one':
        return partialOperand(8, this.#o.value(8, i32(1)));
      case 'implicit':
        return partialOperand(size, {});
      case 'xmm':
        return partialOperand(32, xmmRegister(this.#o.fn, this.#modrmReg()));
      case 'mmx':
        return partialOperand(32, mmxRegister(this.#o.fn, this.#modrmReg()));
      case 'xmmrm':
      case 'xmmreg':
      case 'mmxrm':
      case 'mmxreg':
        return partialOperand(32, this.#vector(spec));
    }
  }

  #modrmReg(): Expr {
    return op32('and', op32('shr_u', this.#o.state(S.modrm), i32(3)), i32(7));
  }
  #opcodeReg(): Expr {
    return op32('and', this.#o.state(S.opcode), i32(7));
  }
  #registerField(size: Size, n: Expr): Operand {
    return this.#o.pointer(size, this.#o.let(registerAddress(size, n)), S.regs);
  }

  /** Register or memory: a host address either way, since the registers lie in the same memory. */
  #rm(spec: ParsedSpec, size: Size): Operand {
    const o = this.#o;
    const address = o.fn.local();
    const modrm = o.let(o.state(S.modrm));
    const split = o.fn.get(address);
    o.fn.if(
      op32('lt_u', modrm, i32(0xc0)),
      () => o.fn.set(address, o.resolved(size, o.state(S.dataSeg), o.state(S.ea), spec.mode)),
      () => o.fn.set(address, op32('add', registerAddress(size, op32('and', modrm, i32(7))), i32(S.regs))),
    );
    if (spec.mode !== 'r') return o.pointer(size, split, 0, o.stored(split, size >> 3));
    return o.value(size, o.let(o.pointer(size, split).get()));
  }

  #vector(spec: ParsedSpec): VectorOperand {
    const o = this.#o;
    const modrm = o.let(o.state(S.modrm));
    return vectorRm(o.fn, spec, modrm, this.#mod, {
      resolve: (s) => o.resolvedVector(s),
      stored: (host, bytes) => o.stored(host, bytes),
    });
  }

  #memory(): AnyOperand {
    const o = this.#o;
    const ea = o.let(o.state(S.ea));
    const place = (disp: Val): Expr => o.addrTrunc(o.add(ea, disp));
    return partialOperand(32, {
      offset: () => ea,
      at: (size, disp, mode) => o.access(size, o.state(S.dataSeg), place(disp), mode),
      at64: (disp, mode) => o.access64(o.state(S.dataSeg), place(disp), mode),
    });
  }

  #immediate(spec: ParsedSpec, size: Size, position: number): Operand {
    const raw = this.#o.state(position > 0 && this.#secondImmediate ? S.imm2 : S.imm);
    if (spec.kind === 'rel' || spec.imm === Imm.signedByte) return this.#o.value(32, raw);
    return this.#o.value(size, this.#o.zext(size, raw));
  }
}

/** A row as a function () -> status, for 32 and for 16-bit operands. */
export interface RowFunctions {
  readonly bits32: number;
  readonly bits16: number;
}

/** Emits rows; those with the same semantics and operands share their functions. */
export class GenericRows {
  readonly #module: ModuleBuilder;
  readonly #rt: Runtime;
  readonly #helpers: (name: string) => number;
  readonly #emitted: Map<Row['sem'], Map<string, RowFunctions>> = new Map();

  constructor(module: ModuleBuilder, rt: Runtime, helpers: (name: string) => number) {
    this.#module = module;
    this.#rt = rt;
    this.#helpers = helpers;
  }

  emit(row: Row): RowFunctions {
    const sameSem = this.#emitted.get(row.sem) ?? new Map<string, RowFunctions>();
    this.#emitted.set(row.sem, sameSem);
    const key = `${row.operands.join()} ${row.rep ?? ''} ${row.simd ? `${row.simd} ${row.mod}` : ''}`;
    const found = sameSem.get(key);
    if (found) return found;
    const wide = this.#row(row, 32);
    const functions = {
      bits32: wide.index,
      bits16: wide.sizeMatters ? this.#row(row, 16).index : wide.index,
    };
    sameSem.set(key, functions);
    return functions;
  }

  #row(row: Row, size: Size): { index: number; sizeMatters: boolean } {
    return emitRow(this.#module, row, size, this.#rt, this.#helpers);
  }
}

function emitRow(
  module: ModuleBuilder,
  row: Row,
  size: Size,
  rt: Runtime,
  helpers: (name: string) => number,
): { index: number; sizeMatters: boolean } {
  const fn = module.function([], [I32]);
  const o = new GenericOps(fn, size, rt, helpers);
  const emitter = new RowEmitter(o, row);
  if (row.simd) o.simdReady(row.simd);
  const [a, b, c] = row.specs.map((spec, i) => emitter.operand(spec, i));
  if (row.simd && row.simd !== 'sse') o.enterMmx();
  const none = partialOperand(32, {});
  const sem = (): void => row.sem(o, a ?? none, b ?? none, c ?? none);
  if (row.rep) emitRepeat(o, row, sem);
  else sem();
  fn.ret(i32(0));
  fn.unreachable();
  return { index: fn.index, sizeMatters: o.sizeMatters };
}

/**
 * Repeats a string instruction while ECX lasts. Each iteration is one retired instruction: when the budget is down to the
 * last one the instruction ends with EIP on itself, and goes on in the next run.
 */
function emitRepeat(o: GenericOps, row: Row, sem: () => void): void {
  const { fn } = o;
  fn.if(o.eqz(o.state(S.rep)), () => {
    fn.scope(sem);
    fn.ret(i32(0));
  });
  const { bulk, repe } = row;
  const isRepe = o.eq(o.state(S.rep), i32(0xf3));
  const count = o.addrReg(1);
  fn.if(o.eqz(count.get()), () => fn.ret(i32(0)));
  fn.loop((again) => {
    const proceed = (): void => {
      fn.if(o.eqz(count.get()), () => fn.ret(i32(0)));
      fn.if(o.leS(o.state(S.budget), i32(1)), () => {
        o.setState(S.next, o.state(S.eip));
        fn.ret(i32(0));
      });
      o.setState(S.budget, o.sub(o.state(S.budget), i32(1)));
      fn.br(again);
    };
    if (bulk) fn.scope(() => emitBulk(o, bulk, row.opcode & 1 ? o.size : 8, proceed));
    if (repe) fn.if(isRepe, () => repe(o), sem);
    else fn.scope(sem);
    count.set(o.sub(count.get(), i32(1)));
    if (row.rep === 'repz') {
      fn.if(o.eqz(count.get()), () => fn.ret(i32(0)));
      fn.if(o.ne(o.flag('zf'), isRepe), () => fn.ret(i32(0)));
    }
    proceed();
  });
}
