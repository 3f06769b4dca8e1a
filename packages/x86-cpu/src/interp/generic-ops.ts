import { Exit, Seg, Vector } from '../names.ts';
import type { ParsedSpec } from '../operand-spec.ts';
import type { AccessMode, Cell, Operand, Ops, Size, Val, Wide } from '../ops.ts';
import type { FloatOperation, FloatResult, FloatVal, Unless } from '../ops-x87.ts';
import type { Row } from '../row.ts';
import type { FloatOp } from '../simd/float-ops.ts';
import { S, SEG, SEG_BYTES, X87_ABSENT, X87_PENDING } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, i32, load, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import { InterpOps } from './interp-ops.ts';
import type { Runtime } from './runtime.ts';
import { STATUS_FAULT, STATUS_TRAP } from './runtime.ts';
import { segField } from './segment-fields.ts';

const NO_ERROR_CODE = -1;
const CR0_EM = 4;
const CR0_TS = 8;
const CR4_OSFXSR = 0x200;

/** The algebra for one instruction in full generality: decoded fields and all state are in memory. */
export class GenericOps extends InterpOps implements Ops {
  readonly #rt: Runtime;
  readonly #helpers: (name: string) => number;

  constructor(fn: FunctionBuilder, size: Size, rt: Runtime, helpers: (name: string) => number) {
    super(fn, size);
    this.#rt = rt;
    this.#helpers = helpers;
  }

  protected flagResult(): Expr {
    return this.state(S.result);
  }
  protected flagAux(): Expr {
    return this.state(S.aux);
  }
  protected setFlagResult(v: Expr): void {
    this.setState(S.result, v);
  }
  protected setFlagAux(v: Expr): void {
    this.setState(S.aux, v);
  }

  /** Raises what keeps MMX or SSE from being used now, before any operand is looked at. */
  simdReady(file: NonNullable<Row['simd']>): void {
    const emulated = this.and(this.state(S.cr0), i32(CR0_EM));
    const withoutSse = this.eqz(this.and(this.state(S.cr4), i32(CR4_OSFXSR)));
    this.faultIf(file === 'mmx' ? emulated : this.or(emulated, withoutSse), Vector.UD);
    this.faultIf(this.and(this.state(S.cr0), i32(CR0_TS)), Vector.NM);
    if (file === 'sse') return;
    this.faultIf(this.and(this.state(S.fcare), i32(X87_PENDING)), Vector.MF);
  }
  /** The x87 stack becomes MMX registers: TOP 0, none empty. */
  enterMmx(): void {
    this.setState(S.ftop, i32(0));
    this.setState(S.ftags, i32(0xff));
  }
  override emptyMmx(): void {
    this.setState(S.ftags, i32(0));
  }
  override mxcsr(): Cell {
    return { get: () => this.state(S.mxcsr), set: (v) => this.setState(S.mxcsr, v) };
  }
  override float(op: FloatOp, a: Expr, b: Expr, imm: Expr = i32(0)): Expr {
    const result = this.fn.local(V128);
    const vector = this.fn.local();
    this.fn.setMany([result, vector], call(this.#rt.simdFloat(op), [a, b, imm]));
    this.fn.if(this.fn.get(vector), () => {
      this.setState(S.errorCode, i32(NO_ERROR_CODE));
      this.setState(S.vector, this.fn.get(vector));
      this.fn.ret(i32(STATUS_FAULT));
    });
    return this.fn.get(result, V128);
  }
  /** Host address of a vector operand at an offset of the instruction's segment. */
  resolvedVector({ bits, aligned, mode }: ParsedSpec): Expr {
    const [seg, offset] = [this.let(this.state(S.dataSeg)), this.let(this.state(S.ea))];
    if (aligned) {
      const base = load('i32', op32('mul', seg, i32(SEG_BYTES)), S.segs + SEG.base);
      this.faultIf(this.and(this.add(base, offset), i32(15)), Vector.GP, i32(0));
    }
    return this.resolved(bits, seg, offset, mode);
  }

  override fenter(waiting: boolean): void {
    const care = this.let(
      this.and(this.state(S.fcare), i32(waiting ? X87_ABSENT | X87_PENDING : X87_ABSENT)),
    );
    this.fn.if(care, () => {
      this.faultIf(this.and(care, i32(X87_ABSENT)), Vector.NM);
      this.fault(Vector.MF);
    });
    this.takeTop();
  }
  override farith(
    op: FloatOperation,
    precision: 53 | 64,
    a: FloatVal,
    b: FloatVal,
    unless: Unless,
  ): FloatResult {
    return this.#rt.x87.call(this, this.fn, op, precision, { a, b }, unless);
  }

  eflags(): Val {
    return call(this.#rt.eflags, []);
  }
  setEflags(mask: Val, value: Val): void {
    this.fn.invoke(this.#rt.setEflags, [mask, value]);
  }
  /** Host address of a memory operand, checked; leaves the row when it faults. */
  resolved(size: number, seg: Expr, offset: Expr, mode: AccessMode): Expr {
    const routine = mode === 'r' ? this.#rt.resolveRead : this.#rt.resolveWrite;
    const address = this.fn.bind(call(routine, [offset, seg, i32(size >> 3)]));
    this.fn.if(this.eqz(address), () => this.fn.ret(i32(STATUS_FAULT)));
    return address;
  }

  /** Writes a store back when its operand crosses pages. */
  stored(address: Expr, bytes: number): () => void {
    return () =>
      this.fn.if(this.eq(address, i32(S.scratch)), () => this.fn.invoke(this.#rt.writeBack, [i32(bytes)]));
  }

  access(size: Size, seg: Expr, offset: Expr, mode: AccessMode): Operand {
    const address = this.resolved(size, seg, offset, mode);
    if (mode !== 'r') return this.pointer(size, address, 0, this.stored(address, size >> 3));
    return this.value(size, this.fn.bind(this.pointer(size, address).get()));
  }

  access64(seg: Expr, offset: Expr, mode: AccessMode): { get(): Wide; set(v: Wide): void } {
    const address = this.resolved(64, seg, offset, mode);
    const stored = this.stored(address, 8);
    return {
      get: () => load('i64', address),
      set: (v) => {
        this.fn.store('i64', address, v);
        stored();
      },
    };
  }

  mem(size: Size, seg: number | null, offset: Val, mode: AccessMode): Operand {
    return this.access(size, seg === null ? this.state(S.dataSeg) : i32(seg), offset, mode);
  }
  addrTrunc(v: Val): Val {
    return this.and(v, this.state(S.addrMask));
  }
  addrReg(n: number): Cell {
    return this.#masked(n, S.addrMask);
  }

  /** A register of which only the bits of a mask word in the state block take part. */
  #masked(n: number, maskField: number): Cell {
    const mask = this.state(maskField);
    const reg = this.reg(32, n);
    return {
      get: () => this.and(reg.get(), mask),
      set: (v) => reg.set(this.or(this.and(reg.get(), this.not(mask)), this.and(v, mask))),
    };
  }

  sp(): Val {
    return this.#masked(4, S.spMask).get();
  }
  setSp(v: Val): void {
    this.#masked(4, S.spMask).set(v);
  }
  addSp(delta: Val): void {
    this.setSp(this.add(this.sp(), delta));
  }
  stackLoad(size: Size, disp: number): Val {
    return this.stackLoadAt(size, this.add(this.sp(), i32(disp)));
  }
  stackLoadAt(size: Size, base: Val): Val {
    return this.access(size, i32(Seg.SS), this.and(base, this.state(S.spMask)), 'r').get();
  }
  stackStore(size: Size, disp: number, v: Val): void {
    const value = this.fn.bind(v);
    this.stackSlot(size, disp).set(value);
  }
  stackSlot(size: Size, disp: number): Operand {
    const offset = this.and(this.add(this.sp(), i32(disp)), this.state(S.spMask));
    return this.access(size, i32(Seg.SS), offset, 'w');
  }

  nextEip(): Val {
    return this.state(S.next);
  }
  thisEip(): Val {
    return this.state(S.eip);
  }
  jump(target: Val): void {
    const to = this.fn.bind(this.zext(this.size === 16 ? 16 : 32, target));
    this.faultIf(this.ltU(this.state(segField(Seg.CS, 'high')), to), 13, i32(0));
    this.setState(S.next, to);
  }
  jumpIf(cond: Val, target: Val): void {
    this.fn.if(cond, () => this.jump(target));
  }

  fault(vector: number, errorCode?: Val): void {
    this.setState(S.errorCode, errorCode ?? i32(NO_ERROR_CODE));
    this.setState(S.vector, i32(vector));
    this.fn.ret(i32(STATUS_FAULT));
  }
  faultIf(cond: Val, vector: number, errorCode?: Val): void {
    this.fn.if(cond, () => this.fault(vector, errorCode));
  }
  exit(kind: number, vector: Val): void {
    const { segments } = this.#rt;
    if (kind === Exit.Interrupt && segments)
      this.fn.if(call(segments.interrupt, [vector]), () => this.fn.ret(i32(0)));
    this.setState(S.vector, vector);
    this.setState(S.errorCode, i32(NO_ERROR_CODE));
    this.setState(S.exitLength, this.sub(this.state(S.next), this.state(S.eip)));
    if (kind === Exit.Privileged) this.#undo();
    this.fn.ret(i32(kind === Exit.Fault ? STATUS_TRAP : 1 + kind));
  }
  /** The instruction will not have happened: what `step` commits is taken back beforehand. */
  #undo(): void {
    this.setState(S.next, this.state(S.eip));
    this.setState(S.budget, this.add(this.state(S.budget), i32(1)));
  }
  helper(name: string, ...args: Val[]): void {
    const [a, b, c] = [args[0] ?? i32(0), args[1] ?? i32(0), args[2] ?? i32(0)];
    const { segments } = this.#rt;
    const status = this.fn.bind(
      segments && name === 'iret'
        ? call(segments.iret, [])
        : segments && name === 'loadSegment'
          ? call(segments.loadSegment, [a, b])
          : call(this.#rt.helper, [i32(this.#helpers(name)), a, b, c]),
    );
    this.fn.if(status, () => this.fn.ret(status));
  }
}
