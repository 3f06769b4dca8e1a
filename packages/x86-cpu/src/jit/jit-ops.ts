import type { Insn } from '../decode/index.ts';
import { isOutOfPage } from '../interp/resolve.ts';
import { Seg } from '../names.ts';
import type { AccessMode, Cell, Ops, Size, Val, Wide } from '../ops.ts';
import type { VectorOperand } from '../ops-simd.ts';
import type { Row } from '../row.ts';
import type { FloatOp } from '../simd/float-ops.ts';
import { S, SEG, SEG_BYTES, SEG_READ, SEG_WHOLE, SEG_WRITE, TLB_WRITE } from '../state.ts';
import type { Callee, Expr } from '../wasm/expr.ts';
import { call, i32, load, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { ExtentLocals } from './extent.ts';
import type { FlagFunctions, FlagLocals, FlagState } from './flag-kinds.ts';
import type { FloatWay } from './float-ways.ts';
import {
  HostMemory,
  type JitOperand,
  KnownValue,
  NarrowRegister,
  type RegisterLocals,
  WideRegister,
  WindowWord,
} from './jit-operand.ts';
import { JitX87 } from './jit-x87.ts';
import { type FrameState, frameOffset } from './stack-frame.ts';
import type { HostPlace, StackWindow } from './stack-window.ts';
import type { WindowValues } from './window-values.ts';
import type { X87State } from './x87-state.ts';

const CR0_EM = 4;
const CR0_TS = 8;
const CR4_OSFXSR = 0x200;

/** Segments that flat mode vouches for, for reading and writing. */
export function isFlat(segment: number): boolean {
  return segment === Seg.DS || segment === Seg.SS || segment === Seg.ES;
}

/** Indices of functions that instructions call. */
export interface SiteRuntime extends FlagFunctions {
  /** (ES or DS, selector) -> 1, or 0 with nothing done. */
  readonly loadFlat: Callee;
  /** (operation, a, b, imm) -> (result, vector): SSE arithmetic. */
  readonly simdFloats: Callee;
}

/** What the algebra of compiled code needs from the region around it. */
export interface RegionSite extends RegisterLocals {
  /** Local of an XMM register. */
  vector(n: number, written: boolean): number;
  /** Whether SSE may be out of use here, for all that is known. */
  mustCheckSimd(): boolean;
  /** Whether a segment may refuse such an access here, for all that is known. */
  mustCheckSegment(segment: number, mode: AccessMode): boolean;
  /** The x87 stack, in regions that use it. */
  readonly x87: X87State | null;
  readonly flags: FlagLocals;
  readonly runtime: SiteRuntime;
  /** Byte offset of the read TLB in force. */
  readonly tlb: number;
  /** Leaves for the general interpreter when `cond` holds: nothing of this instruction has happened. */
  bailIf(cond: Expr): void;
  /** Linear addresses of this instruction and of the next. */
  readonly eip: number;
  readonly nextEip: number;
  /** Segment of the instruction's memory operand. */
  readonly segment: number;
  /** The stack, and where ESP and EBP stand in it before the instruction, as far as is known. */
  readonly window: StackWindow;
  readonly values: WindowValues;
  readonly frame: FrameState;
  /** Where most of memory is likely to lie; null when there is no such place. */
  readonly extent: ExtentLocals | null;
  /** Whether EBP is used as a frame pointer. */
  readonly framed: boolean;
  /** How floating-point operations of SSE are done. */
  readonly floats: FloatWay;
  /** Control goes to `target`, when `cond` holds if one is given. Ends the block. */
  transfer(target: Expr, cond: Expr | null): void;
}

/** The algebra with everything known that the bytes of an instruction tell: registers in locals, constants folded. */
export class JitOps extends JitX87 implements Ops {
  readonly #site: RegionSite;
  /** Set when a row asks for something that only the general interpreter does. */
  unsupported = false;
  /** Whether the instruction stores to an address that may lie in the stack window. */
  #storesAnywhere = false;

  constructor(fn: FunctionBuilder, size: Size, site: RegionSite) {
    super(fn, size, site.flags, site.runtime, site.x87);
    this.#site = site;
  }

  /** Begins an instruction: its operand size, and the flags before it. */
  begin(size: Size, flags: FlagState): void {
    this.size = size;
    this.state = flags;
    if (this.#storesAnywhere) this.#site.values.clear();
    this.#storesAnywhere = false;
  }

  reg(size: Size, n: number): JitOperand {
    return size === 32
      ? new WideRegister(this.fn, this.#site, n)
      : new NarrowRegister(this.fn, this.#site, size, n);
  }

  /**
   * Linear address of an operand at an offset of a segment; the region bails out where the segment might refuse it.
   * @param isCertain it is asked for whenever the instruction runs
   */
  linear(segment: number, offset: Expr, size: number, mode: AccessMode, isCertain = false): Expr {
    if (isFlat(segment)) return offset;
    if (segment === Seg.CS) return this.#no();
    const field = (name: keyof typeof SEG): Expr =>
      load('i32', i32(0), S.segs + segment * SEG_BYTES + SEG[name]);
    const needed = i32(SEG_WHOLE | (mode === 'r' ? SEG_READ : SEG_WRITE));
    if (!isCertain || this.#site.mustCheckSegment(segment, mode)) {
      this.#site.bailIf(this.ne(this.and(field('access'), needed), needed));
    }
    const bound = this.let(offset);
    const last = i32(-(size >> 3));
    const wraps =
      bound.known === undefined ? this.ltU(last, bound) : i32(bound.known >>> 0 > last.known! >>> 0 ? 1 : 0);
    if (size > 8 && wraps.known !== 0) this.#site.bailIf(wraps);
    return this.add(field('base'), bound);
  }

  /** As `access`, to read a word at an address that was itself just read: the TLB would make the chain longer. */
  chase(linear: Expr): Expr {
    const { extent } = this.#site;
    if (!extent) return this.access(32, linear, 'r');
    const { fn } = this;
    const address = this.let(linear);
    const host = fn.local();
    fn.if(
      extent.holds(address),
      () => fn.set(host, extent.host(address)),
      () => fn.set(host, this.access(32, address, 'r')),
    );
    return fn.get(host);
  }

  /** An operand at a linear address that the TLB knows and that lies within a page; otherwise the region bails out. */
  access(size: number, linear: Expr, mode: AccessMode): Expr {
    if (mode !== 'r') this.#storeAnywhere();
    const address = this.let(linear);
    const table = this.#site.tlb + (mode === 'r' ? 0 : TLB_WRITE);
    const entry = this.let(load('i32', op32('shl', op32('shr_u', address, i32(12)), i32(2)), table));
    const bail = (): void => this.#site.bailIf(isOutOfPage(entry, address, size));
    if (size === 8) bail();
    else {
      // What is aligned to its size lies within a page: one test for most accesses. 80 bits fit into 16 bytes.
      const bits = size === 80 ? 15 : (size >> 3) - 1;
      this.fn.if(op32('and', op32('or', entry, address), i32(bits)), bail);
    }
    return this.let(this.add(address, entry));
  }

  #storeAnywhere(): void {
    this.#site.values.clear();
    this.#storesAnywhere = true;
  }

  /** As `access`, for an address that is likely to lie in the page where the stack was when the region was entered. */
  stackAccess(size: number, linear: Expr, mode: AccessMode): Expr {
    const { fn } = this;
    if (mode !== 'r') this.#storeAnywhere();
    const { page, delta } = this.#site.window.page();
    const address = this.let(linear);
    const host = fn.local();
    const near = op32('le_u', this.sub(address, fn.get(page)), i32(4096 - (size >> 3)));
    fn.if(
      near,
      () => fn.set(host, this.add(address, fn.get(delta))),
      () => fn.set(host, this.access(size, address, mode)),
    );
    return fn.get(host);
  }

  pointer(size: Size, host: Expr): JitOperand {
    return new HostMemory(this.fn, size, host);
  }

  /** The memory operand of an instruction, `disp` bytes on, where it lies in the stack window. */
  framePlace(insn: Insn, bytes: number, disp: number): HostPlace | null {
    const offset = frameOffset(insn, this.#site.frame);
    return offset === null ? null : this.#site.window.place(offset + disp, bytes);
  }
  /** An operand in the stack window. */
  inWindow(size: Size, place: HostPlace, mode: AccessMode): JitOperand {
    const { values } = this.#site;
    if (size === 32) {
      const word = new WindowWord(this.fn, values, place);
      return mode === 'r' ? this.value(size, word.get()) : word;
    }
    const memory = new HostMemory(this.fn, size, place.host, place.offset);
    if (mode === 'r') return this.value(size, this.let(memory.get()));
    values.forget(place.at, size / 8);
    return memory;
  }

  /** Whether EBP addresses the frame. */
  get framed(): boolean {
    return this.#site.framed;
  }

  value(size: Size, v: Expr): JitOperand {
    return new KnownValue(size, v);
  }

  #no(): Expr {
    this.unsupported = true;
    return i32(0);
  }

  mem(size: Size, seg: number | null, offset: Val, mode: AccessMode): JitOperand {
    const segment = seg ?? this.#site.segment;
    const host = this.access(size, this.linear(segment, offset, size, mode), mode);
    if (mode !== 'r') return this.pointer(size, host);
    return this.value(size, this.let(this.pointer(size, host).get()));
  }
  wideInWindow({ host, offset, at }: HostPlace): { get(): Wide; set(v: Wide): void } {
    return {
      get: () => load('i64', host, offset),
      set: (v) => {
        this.#site.values.forget(at, 8);
        this.fn.store('i64', host, v, offset);
      },
    };
  }
  access64(offset: Expr, mode: AccessMode): { get(): Wide; set(v: Wide): void } {
    const host = this.access(64, this.linear(this.#site.segment, offset, 64, mode), mode);
    return { get: () => load('i64', host), set: (v) => this.fn.store('i64', host, v) };
  }
  addrTrunc(v: Val): Val {
    return v;
  }
  addrReg(n: number): Cell {
    return this.reg(32, n);
  }

  eflags(): Val {
    return this.#no();
  }
  setEflags(): void {
    this.#no();
  }
  df(): Val {
    return this.and(this.shr(load('i32', i32(0), S.sysFlags), i32(10)), i32(1));
  }
  cpl(): Val {
    return this.#no();
  }
  iopl(): Val {
    return this.#no();
  }
  field(): Cell {
    return { get: () => this.#no(), set: () => this.#no() };
  }
  result(): Val {
    return this.#no();
  }
  exit(): void {
    this.#no();
  }
  helper(name: string, ...args: Val[]): void {
    const [segment, selector] = args;
    const loads = name === 'loadSegment' && (segment?.known === Seg.ES || segment?.known === Seg.DS);
    if (!loads || !selector) this.#no();
    else this.#site.bailIf(this.eqz(call(this.#site.runtime.loadFlat, [segment, selector])));
  }
  override if(cond: Expr, then: () => void, otherwise?: () => void): void {
    const { values } = this.#site;
    const before = values.known();
    let after = before;
    const side = (): void => {
      then();
      if (cond.known !== undefined) return;
      after = values.known();
      values.resume(before);
    };
    super.if(cond, side, otherwise);
    if (cond.known === undefined) values.meet(after);
  }
  protected override bail(cond: Expr): void {
    this.#site.bailIf(cond);
  }
  protected override giveUp(): Expr {
    return this.#no();
  }

  /** Leaves where MMX or SSE must not be used; MMX is left to the general interpreter. */
  simdReady(file: NonNullable<Row['simd']>): void {
    if (file !== 'sse') this.#no();
    if (!this.#site.mustCheckSimd()) return;
    const absent = this.and(load('i32', i32(0), S.cr0), i32(CR0_EM | CR0_TS));
    const refused = this.eqz(this.and(load('i32', i32(0), S.cr4), i32(CR4_OSFXSR)));
    this.#site.bailIf(this.or(absent, refused));
  }
  /** XMM register `n`. */
  xmm(n: number): VectorOperand {
    return {
      vget: () => this.fn.get(this.#site.vector(n, false), V128),
      vset: (v) => this.fn.set(this.#site.vector(n, true), v),
    };
  }
  override xmm0(): Expr {
    return this.xmm(0).vget();
  }
  override setXmm0(v: Expr): void {
    this.xmm(0).vset(v);
  }
  override emptyMmx(): void {
    this.#no();
  }
  override mxcsr(): Cell {
    return {
      get: () => load('i32', i32(0), S.mxcsr),
      set: (v) => this.fn.store('i32', i32(0), v, S.mxcsr),
    };
  }
  override float(op: FloatOp, a: Expr, b: Expr, imm: Expr = i32(0)): Expr {
    const { result, vector } = this.#site.floats(op, { a, b, imm });
    if (vector.known !== 0) this.#site.bailIf(vector);
    return result;
  }

  sp(): Val {
    return this.reg(32, 4).get();
  }
  setSp(v: Val): void {
    this.reg(32, 4).set(v);
  }
  addSp(delta: Val): void {
    this.setSp(this.add(this.sp(), delta));
  }
  /** Bytes `disp` from ESP (or EBP), where they lie in the stack window. */
  #windowAt(size: Size, register: number | null, disp: number): HostPlace | null {
    return register === null ? null : this.#site.window.place(register + disp, size / 8);
  }
  stackLoad(size: Size, disp: number): Val {
    const place = this.#windowAt(size, this.#site.frame.esp, disp);
    if (place) return this.inWindow(size, place, 'r').get();
    return this.#loadNear(size, this.add(this.sp(), i32(disp)));
  }
  /** LEAVE, the only one that asks, finds its frame by EBP. */
  stackLoadAt(size: Size, base: Val): Val {
    const place = this.#windowAt(size, this.#site.frame.ebp, 0);
    return place ? this.inWindow(size, place, 'r').get() : this.#loadNear(size, base);
  }
  #loadNear(size: Size, address: Expr): Val {
    return this.let(this.pointer(size, this.stackAccess(size, address, 'r')).get());
  }
  stackStore(size: Size, disp: number, v: Val): void {
    const value = this.let(v);
    this.stackSlot(size, disp).set(value);
  }
  stackSlot(size: Size, disp: number): JitOperand {
    const place = this.#windowAt(size, this.#site.frame.esp, disp);
    if (place) return this.inWindow(size, place, 'w');
    return this.pointer(size, this.stackAccess(size, this.add(this.sp(), i32(disp)), 'w'));
  }

  nextEip(): Val {
    return i32(this.#site.nextEip);
  }
  thisEip(): Val {
    return i32(this.#site.eip);
  }
  jump(target: Val): void {
    if (this.size === 16) this.#no();
    this.#site.transfer(target, null);
  }
  jumpIf(cond: Val, target: Val): void {
    if (this.size === 16) this.#no();
    this.#site.transfer(target, this.let(cond));
  }

  fault(): void {
    this.#site.bailIf(i32(1));
  }
  faultIf(cond: Val): void {
    this.#site.bailIf(cond);
  }
}
