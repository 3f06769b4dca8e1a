import { STATUS_STEP } from '../interp/runtime.ts';
import { Reg } from '../names.ts';
import type { AccessMode } from '../ops.ts';
import { S, TLB_BASE, TLB_USER, TLB_WRITE } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, I32, i32, load, op32, V128 } from '../wasm/expr.ts';
import type { FunctionBuilder, Label } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { loadVector, storeVector } from '../wasm/simd.ts';
import { type Block, eipOf, type Place, type RegionInsn, type RegionShape } from './block.ts';
import { type FlagLocals, type FlagState, settleKind } from './flag-kinds.ts';
import { FlowGraph } from './flow-graph.ts';
import { type CompilableRows, InsnSite } from './insn-site.ts';
import type { StackPage } from './jit-ops.ts';
import { isFramed, usesStack, vectorsOf } from './region-facts.ts';
import { usesX87, type X87Flow, x87Flow } from './x87-flow.ts';
import { X87State } from './x87-state.ts';

/** Functions that compiled code calls. */
export interface RegionRuntime {
  readonly step: number;
  readonly storeFlags: number;
  /** (ES or DS, selector) -> 1, or 0 when the general interpreter is to load it. */
  readonly loadFlat: number;
  readonly simdFloats: number;
  /** (return EIP) -> status: runs compiled code from EIP until it comes back there, if it can. */
  readonly callRegion: number;
  readonly compilable: CompilableRows;
  /** Value of fcare that x87 code is made for. */
  readonly fcare: number;
}

/** Where the blocks of a region leave it. */
export interface Exits {
  readonly leave: Label;
}

const ALL = 0xff;
const state = (offset: number): Expr => load('i32', i32(0), offset);

/** Emits one region as a function () -> status. */
export class RegionEmitter {
  readonly #fn: FunctionBuilder;
  readonly #shape: RegionShape;
  readonly #graph: FlowGraph;
  readonly #rt: RegionRuntime;
  readonly #user: boolean;
  readonly #registers: number[];
  /** Locals of XMM registers; those of the mask are used somewhere, and live in their locals while the region runs. */
  readonly #vectors: number[];
  readonly #usedVectors: number;
  #vectorWrites = 0;
  /** Whether the block has made sure that SSE can be used. */
  #simdChecked = false;
  /** Segments that the block has made sure to be readable (bit n) and writable (bit n + 8) at any offset. */
  #segmentsChecked = 0;
  /** The x87 stack in locals, where x87 is used. */
  readonly x87: X87State | null;
  readonly #x87Flow: X87Flow | null;
  readonly #flags: FlagLocals;
  readonly #budget: number;
  readonly #eip: number;
  readonly #adjust: number;
  readonly #status: number;
  readonly #epoch: number;
  readonly #stackPage: StackPage;
  readonly #framed: boolean;
  /** Masks of the registers that the code reads or writes, and that it writes. */
  #uses = 0;
  #writes = 0;
  readonly #compilable: CompilableRows;
  readonly #targets: Map<Place, Label> = new Map();
  readonly #site: InsnSite;

  constructor(fn: FunctionBuilder, shape: RegionShape, user: boolean, rt: RegionRuntime) {
    this.#fn = fn;
    this.#shape = shape;
    this.#graph = new FlowGraph(shape);
    this.#rt = rt;
    this.#user = user;
    this.#compilable = rt.compilable;
    this.#registers = Array.from({ length: 8 }, () => fn.local());
    this.#vectors = Array.from({ length: 8 }, () => fn.local(V128));
    this.#usedVectors = vectorsOf(shape);
    this.#flags = { fk: fn.local(), fa: fn.local(), fb: fn.local(), fr: fn.local() };
    [this.#budget, this.#eip, this.#adjust] = [fn.local(), fn.local(), fn.local()];
    [this.#status, this.#epoch] = [fn.local(), fn.local()];
    this.#stackPage = { page: fn.local(), delta: fn.local() };
    this.#framed = isFramed(shape);
    this.x87 = usesX87(shape) ? new X87State(fn, rt.fcare) : null;
    this.#x87Flow = this.x87 ? x87Flow(shape, (insn) => rt.compilable.x87Effect(insn)) : null;
    if (this.x87) this.x87.used = this.#x87Flow?.used ?? 0;
    this.#site = new InsnSite(this);
  }

  emit(): void {
    const fn = this.#fn;
    fn.block((leave) => {
      if (usesStack(this.#shape)) this.#findStack({ leave });
      this.#tree(this.#shape.entry, { kind: 'raw' }, { leave });
    });
    const budget = op32('add', fn.get(this.#budget), fn.get(this.#adjust));
    this.#spill(fn.get(this.#eip), budget, { kind: 'unknown' }, this.#writes);
    this.#storeVectors(this.#vectorWrites);
    this.x87?.store(fn.get(this.x87.exitDepth));
    fn.ret(fn.get(this.#status));
    fn.unreachable();
    fn.first(() => {
      this.#reload(this.#uses, 0);
      fn.set(this.#epoch, state(S.epoch));
    });
  }

  /** Loads the registers of a mask, flags and budget. */
  #reload(registers: number, depth = this.x87?.depth ?? 0): void {
    const fn = this.#fn;
    this.x87?.load(depth);
    for (let n = 0; n < 8; n++) if (registers & (1 << n)) fn.set(this.#registers[n]!, state(S.regs + 4 * n));
    for (let n = 0; n < 8; n++) {
      if (this.#usedVectors & (1 << n)) fn.set(this.#vectors[n]!, loadVector(128, i32(0), S.xmm + 16 * n));
    }
    fn.set(this.#flags.fr, state(S.result));
    fn.set(this.#flags.fb, state(S.aux));
    fn.set(this.#flags.fk, i32(0));
    fn.set(this.#budget, state(S.budget));
  }

  /** Stores what lives in locals, of the registers those of a mask. */
  #spill(eip: Expr, budget: Expr, flags: FlagState, registers: number): void {
    const fn = this.#fn;
    const f = this.#flags;
    for (let n = 0; n < 8; n++) {
      if (registers & (1 << n)) fn.store('i32', i32(0), fn.get(this.#registers[n]!), S.regs + 4 * n);
    }
    settleKind(fn, f, flags);
    fn.invoke(this.#rt.storeFlags, [fn.get(f.fk), fn.get(f.fa), fn.get(f.fb), fn.get(f.fr)]);
    fn.store('i32', i32(0), eip, S.eip);
    fn.store('i32', i32(0), budget, S.budget);
  }

  #storeVectors(mask: number): void {
    const fn = this.#fn;
    for (let n = 0; n < 8; n++) {
      if (mask & (1 << n)) storeVector(fn, 128, i32(0), fn.get(this.#vectors[n]!, V128), S.xmm + 16 * n);
    }
  }

  /** Before other code runs: every register is in memory then, whatever this region does later. */
  #spillAll(eip: Expr, budget: Expr, flags: FlagState): void {
    this.#uses = ALL;
    this.#spill(eip, budget, flags, ALL);
    this.#storeVectors(this.#usedVectors);
    this.x87?.store();
    this.#simdChecked = false;
    this.#segmentsChecked = 0;
  }

  /** The page of ESP must be writable through the TLB: one comparison per access then does. */
  #findStack(exits: Exits): void {
    const fn = this.#fn;
    const { page, delta } = this.#stackPage;
    fn.set(page, op32('and', state(S.regs + 4 * Reg.ESP), i32(-4096)));
    fn.set(delta, load('i32', op32('shr_u', fn.get(page), i32(10)), this.tlb + TLB_WRITE));
    const missing = op32('and', fn.get(delta), i32(1));
    fn.if(missing, () => this.#leave(i32(eipOf(this.#shape.entry)), { kind: 'raw' }, exits, STATUS_STEP));
  }

  /** A block with everything that it dominates, loops and merge points nested as structured code wants them. */
  #tree(place: Place, flags: FlagState, exits: Exits): void {
    const merges = this.#graph.mergesBelow(place);
    const entry: FlagState = this.#graph.isHeader(place) ? { kind: 'unknown' } : flags;
    const body = (): void => this.#within(place, merges, entry, exits);
    if (!this.#graph.isHeader(place)) {
      body();
      return;
    }
    this.#fn.loop((again) => {
      this.#targets.set(place, again);
      body();
    });
  }

  #within(place: Place, merges: readonly Place[], flags: FlagState, exits: Exits): void {
    const [outer, ...rest] = merges;
    if (outer === undefined) {
      this.#block(place, flags, exits);
      return;
    }
    this.#fn.block((label) => {
      this.#targets.set(outer, label);
      this.#within(place, rest, flags, exits);
    });
    this.#tree(outer, { kind: 'unknown' }, exits);
  }

  #block(place: Place, flags: FlagState, exits: Exits): void {
    const block = this.#shape.blocks.get(place);
    if (!block) return;
    const { length } = block.insns;
    const fn = this.#fn;
    if (this.x87) {
      this.x87.depth = this.#depthAt(place);
      this.x87.forget();
    }
    const short = op32('lt_s', fn.get(this.#budget), i32(length));
    fn.if(short, () => this.#leave(i32(eipOf(place)), flags, exits, STATUS_STEP));
    fn.set(this.#budget, op32('sub', fn.get(this.#budget), i32(length)));
    this.#simdChecked = false;
    this.#segmentsChecked = 0;
    let current: FlagState | null = flags;
    for (let i = 0; i < length && current; i++) {
      const before: FlagState = current;
      fn.scope(() => {
        current = this.#site.run(block.insns[i]!, block, length - i, before, exits);
      });
    }
    const last = block.insns[length - 1];
    if (!last || !current) return;
    const next = (last.eip + last.insn.length) >>> 0;
    this.goTo(block, place - eipOf(place) + next, current, exits);
  }

  #depthAt(place: Place): number {
    return this.#x87Flow?.depths.get(place) ?? 0;
  }
  /** Where ways meet that have pushed differently, the stack goes through memory. */
  #settleDepth(target: Place): void {
    const { x87 } = this;
    const depth = this.#depthAt(target);
    if (!x87 || x87.depth === depth) return;
    x87.store();
    x87.load(depth);
  }

  /** Goes to a static place: inside the region by a structured branch, else out. */
  goTo(block: Block, target: Place, flags: FlagState, exits: Exits): void {
    const graph = this.#graph;
    const inside = block.successors.includes(target) && !graph.isIrreducible(block.place, target);
    if (!inside) {
      this.#leave(i32(eipOf(target)), flags, exits, 0);
      return;
    }
    const before = this.x87?.known();
    this.#settleDepth(target);
    const structured = graph.isBackward(block.place, target) || graph.isMerge(target);
    if (structured || graph.isHeader(target)) settleKind(this.#fn, this.#flags, flags);
    const label = this.#targets.get(target);
    if (structured && label) this.#fn.br(label);
    else this.#tree(target, flags, exits);
    if (before) this.x87?.restore(before);
  }

  #leave(eip: Expr, flags: FlagState, exits: Exits, status: number, adjust = 0): void {
    const fn = this.#fn;
    fn.set(this.#eip, eip);
    fn.set(this.#adjust, i32(adjust));
    fn.set(this.#status, i32(status));
    if (this.x87) fn.set(this.x87.exitDepth, i32(this.x87.depth));
    settleKind(fn, this.#flags, flags);
    fn.br(exits.leave);
  }

  // What one instruction asks of its region.

  register(n: number, written: boolean): number {
    this.#uses |= 1 << n;
    if (written) this.#writes |= 1 << n;
    return this.#registers[n]!;
  }
  /** Local of an XMM register. */
  vector(n: number, written: boolean): number {
    if (written) this.#vectorWrites |= 1 << n;
    return this.#vectors[n]!;
  }
  /** True once in a block, and again after other code ran. */
  mustCheckSimd(): boolean {
    const known = this.#simdChecked;
    this.#simdChecked = true;
    return !known;
  }
  /** True once in a block, and again after other code ran. */
  mustCheckSegment(segment: number, mode: AccessMode): boolean {
    const bit = 1 << (mode === 'r' ? segment : segment + 8);
    const known = (this.#segmentsChecked & bit) !== 0;
    this.#segmentsChecked |= bit;
    return !known;
  }
  get flagLocals(): FlagLocals {
    return this.#flags;
  }
  /** Locals of the page that stack accesses are likely to hit. */
  stackPage(): StackPage {
    return this.#stackPage;
  }
  /** Whether EBP is used as a frame pointer. */
  get framed(): boolean {
    return this.#framed;
  }
  isCompilable(item: RegionInsn): boolean {
    return this.#compilable.has(item.insn);
  }
  get fn(): FunctionBuilder {
    return this.#fn;
  }
  get storeFlags(): number {
    return this.#rt.storeFlags;
  }
  get loadFlat(): number {
    return this.#rt.loadFlat;
  }
  get simdFloats(): number {
    return this.#rt.simdFloats;
  }
  get tlb(): number {
    return TLB_BASE + (this.#user ? TLB_USER : 0);
  }

  bail(cond: Expr, eip: number, remaining: number, flags: FlagState, exits: Exits): void {
    this.#fn.if(cond, () => this.#leave(i32(eip), flags, exits, STATUS_STEP, remaining));
  }

  branch(block: Block, item: RegionInsn, cond: Expr, flags: FlagState, exits: Exits): void {
    const [taken, next] = item.places;
    this.#fn.if(cond, () => this.goTo(block, taken ?? 0, flags, exits));
    this.goTo(block, next ?? 0, flags, exits);
  }

  /** Goes to the first of the instruction's places that has the EIP `target`, or out. */
  choose(block: Block, places: readonly Place[], target: Expr, flags: FlagState, exits: Exits): void {
    for (const place of places) {
      if (!block.successors.includes(place)) continue;
      const matches = op32('eq', target, i32(eipOf(place)));
      this.#fn.if(matches, () => this.goTo(block, place, flags, exits));
    }
    this.#leave(target, flags, exits, 0);
  }

  /** A call: runs the callee's regions from here, and goes on when it came back. */
  call(target: Expr, returnEip: number, flags: FlagState): FlagState {
    const fn = this.#fn;
    this.#spillAll(target, fn.get(this.#budget), flags);
    const status = fn.bind(call(this.#rt.callRegion, [i32(returnEip)]));
    fn.if(status, () => fn.ret(status));
    this.#resumeAt(returnEip);
    this.#reload(ALL);
    return { kind: 'raw' };
  }

  /** Runs one instruction by the general interpreter, and goes on unless it went elsewhere. */
  step(item: RegionInsn, remaining: number, flags: FlagState, exits: Exits): FlagState {
    const fn = this.#fn;
    this.#spillAll(i32(item.eip), op32('add', fn.get(this.#budget), i32(remaining)), flags);
    const status = fn.bind(call(this.#rt.step, []));
    fn.if(status, () => fn.ret(status));
    this.#resumeAt((item.eip + item.insn.length) >>> 0);
    this.#reload(ALL);
    fn.set(this.#budget, op32('sub', fn.get(this.#budget), i32(remaining - 1)));
    const next = (item.eip + item.insn.length) >>> 0;
    const overdrawn = op32('lt_s', fn.get(this.#budget), i32(0));
    fn.if(overdrawn, () => this.#leave(i32(next), { kind: 'raw' }, exits, 0, remaining - 1));
    return { kind: 'raw' };
  }

  /** Returns to the dispatcher unless the world is as this region was compiled for, and EIP is where it expects. */
  #resumeAt(eip: number): void {
    const fn = this.#fn;
    const moved = op32('xor', state(S.eip), i32(eip));
    const changed = op32('xor', state(S.epoch), fn.get(this.#epoch));
    const privilege = op32('xor', state(S.tlb), i32(this.tlb));
    const reasons = [changed, privilege, state(S.mode)].reduce((a, b) => op32('or', a, b), moved);
    fn.if(reasons, () => fn.ret(i32(0)));
  }
}

/** Adds a region to a module. */
export function emitRegion(
  module: ModuleBuilder,
  shape: RegionShape,
  user: boolean,
  rt: RegionRuntime,
  name: string,
): void {
  new RegionEmitter(module.function([], [I32], name), shape, user, rt).emit();
}
