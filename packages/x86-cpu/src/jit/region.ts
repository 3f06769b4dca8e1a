import { STATUS_LEFT, STATUS_STEP } from '../interp/runtime.ts';
import { Reg } from '../names.ts';
import type { AccessMode } from '../ops.ts';
import { REGION_HASH, REGION_HASH_BYTES, REGION_HASH_ENTRIES, S, TLB_BASE, TLB_USER } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, callIndirect, I32, i32, load, op32 } from '../wasm/expr.ts';
import type { FunctionBuilder, Label } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { type Block, eipOf, type Place, type RegionInsn, type RegionShape } from './block.ts';
import { budgetChecks } from './budget-checks.ts';
import { ExtentLocals } from './extent.ts';
import { type FlagState, IN_MEMORY, storeState, UNKNOWN } from './flag-kinds.ts';
import { floatRun } from './float-runs.ts';
import { FlowGraph } from './flow-graph.ts';
import { InsnSite } from './insn-site.ts';
import { isFramed, vectorsOf } from './region-facts.ts';
import { RegionLocals } from './region-locals.ts';
import type { Exits, RegionPlan, RegionRuntime } from './region-plan.ts';
import { type FrameState, frameAfter, NOWHERE, StackFrame } from './stack-frame.ts';
import { StackWindow } from './stack-window.ts';
import { WindowValues } from './window-values.ts';
import { usesX87, type X87Flow, x87Flow } from './x87-flow.ts';
import { X87State } from './x87-state.ts';

/** Calls of compiled code inside each other; beyond it they return to the dispatcher. */
const MAX_DEPTH = 400;
const SIMD_CHECKED = 1 << 16;
/** The region's parameter. */
const DEPTH = 0;
const state = (offset: number): Expr => load('i32', i32(0), offset);

/** Emits one region as a function (depth of calls) -> status. */
export class RegionEmitter {
  readonly #fn: FunctionBuilder;
  readonly #shape: RegionShape;
  readonly #graph: FlowGraph;
  readonly #rt: RegionRuntime;
  readonly #user: boolean;
  readonly #locals: RegionLocals;
  /**
   * What the block has made sure of: that SSE can be used (bit 16), and segments to be readable (bit n) and writable
   * (bit n + 8) at any offset.
   */
  checks = 0;
  readonly #x87Flow: X87Flow | null;
  readonly #adjust: number;
  readonly #status: number;
  readonly #epoch: number;
  /** Whether the region goes on after the general interpreter, and must know whether the world has changed. */
  #resumes = false;
  readonly #window: StackWindow;
  readonly values: WindowValues;
  readonly extent: ExtentLocals | null;
  /** Where ESP and EBP stand. */
  #frameState: FrameState = NOWHERE;
  readonly #framed: boolean;
  readonly #budgetChecks: ReadonlyMap<Place, number>;
  readonly #targets: Map<Place, Label> = new Map();
  readonly #site: InsnSite;

  constructor(fn: FunctionBuilder, plan: RegionPlan, rt: RegionRuntime) {
    const { shape, user, slot, isPlain } = plan;
    const frame = isPlain ? null : new StackFrame(shape);
    this.#fn = fn;
    this.#shape = shape;
    this.#graph = new FlowGraph(shape);
    this.#rt = rt;
    this.#user = user;
    const x87 = usesX87(shape) ? new X87State(fn, rt.fcare) : null;
    this.#locals = new RegionLocals(fn, rt, { vectors: vectorsOf(shape), x87 });
    [this.#adjust, this.#status, this.#epoch] = [fn.local(), fn.local(), fn.local()];
    const { regionType } = rt;
    this.#window = new StackWindow(fn, { frame, slot, regionType, depth: DEPTH, tlb: this.tlb });
    this.values = new WindowValues(fn);
    this.extent = rt.hasExtent ? new ExtentLocals(fn, user) : null;
    this.#framed = isFramed(shape);
    this.#budgetChecks = budgetChecks(shape, this.#graph, (insn) => rt.compilable.has(insn));
    this.#x87Flow = x87 ? x87Flow(shape, (insn) => rt.compilable.x87Effect(insn)) : null;
    if (x87) x87.used = this.#x87Flow?.used ?? 0;
    this.#site = new InsnSite(this);
  }

  emit(): void {
    const fn = this.#fn;
    this.#window.find();
    this.extent?.find();
    this.#locals.load(0);
    const noteEpoch = fn.later();
    fn.block((leave) => {
      this.#tree(this.#shape.entry, IN_MEMORY, { leave });
    });
    const budget = op32('add', fn.get(this.#locals.budget), fn.get(this.#adjust));
    this.#locals.store(budget, this.x87 ? fn.get(this.x87.exitDepth) : undefined);
    fn.ret(fn.get(this.#status));
    fn.unreachable();
    noteEpoch(() => {
      if (this.#resumes) fn.set(this.#epoch, state(S.epoch));
    });
    this.#window.finish();
    this.extent?.finish();
    this.#locals.finish();
  }

  /** A block with everything that it dominates, loops and merge points nested as structured code wants them. */
  #tree(place: Place, flags: FlagState, exits: Exits): void {
    const merges = this.#graph.mergesBelow(place);
    const isHeader = this.#graph.isHeader(place);
    if (isHeader || this.#graph.isMerge(place)) this.values.clear();
    const entry: FlagState = isHeader ? UNKNOWN : flags;
    const body = (): void => this.#within(place, merges, entry, exits);
    if (!isHeader) {
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
    this.#tree(outer, UNKNOWN, exits);
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
    const { budget } = this.#locals;
    const need = this.#budgetChecks.get(place);
    if (need !== undefined) {
      const short = op32('lt_s', fn.get(budget), i32(need));
      fn.if(short, () => this.#leave(i32(eipOf(place)), flags, exits, STATUS_STEP));
    }
    fn.set(budget, op32('sub', fn.get(budget), i32(length)));
    this.checks = 0;
    this.#frameState = this.#window.at(place);
    let current: FlagState | null = flags;
    for (let i = 0; i < length && current; i++) {
      const before: FlagState = current;
      const item = block.insns[i]!;
      const frame = this.#frameState;
      const run = floatRun(block.insns, i, (each) => this.isCompilable(each));
      fn.scope(() => {
        if (run === 0) current = this.#site.run(item, block, length - i, before, exits);
        else this.#floatRun(block, i, run, before, exits);
      });
      if (run > 0) i += run - 1;
      else this.#frameState = frameAfter(item, frame);
    }
    const last = block.insns[length - 1];
    if (!last || !current) return;
    const next = (last.eip + last.insn.length) >>> 0;
    this.goTo(block, place - eipOf(place) + next, current, exits);
  }

  #floatRun(block: Block, start: number, count: number, flags: FlagState, exits: Exits): void {
    const { length } = block.insns;
    let i = 0;
    this.#site.runFloats(block.insns.slice(start, start + count), (item) => {
      const at = start + (i++ % count);
      this.#fn.scope(() => this.#site.run(item, block, length - at, flags, exits));
    });
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
    if (structured || graph.isHeader(target)) this.#locals.merge(flags);
    const label = this.#targets.get(target);
    if (structured && label) this.#fn.br(label);
    else {
      const { values } = this;
      const known = values.known();
      this.#tree(target, flags, exits);
      values.resume(known);
    }
    if (before) this.x87?.restore(before);
  }

  #leave(eip: Expr, flags: FlagState, exits: Exits, status: number, adjust = 0): void {
    const fn = this.#fn;
    fn.store('i32', i32(0), eip, S.eip);
    this.#locals.park(flags);
    fn.set(this.#adjust, i32(adjust));
    fn.set(this.#status, i32(status));
    if (this.x87) fn.set(this.x87.exitDepth, i32(this.x87.depth));
    fn.br(exits.leave);
  }

  /** Other code has run: what was made sure of must be made sure of again. */
  #forget(): void {
    this.checks = 0;
    this.values.clear();
  }

  // What one instruction asks of its region.

  get locals(): RegionLocals {
    return this.#locals;
  }
  get x87(): X87State | null {
    return this.#locals.x87;
  }
  /** True once in a block, and again after other code ran. */
  mustCheckSimd(): boolean {
    return this.#mustCheck(SIMD_CHECKED);
  }
  /** True once in a block, and again after other code ran. */
  mustCheckSegment(segment: number, mode: AccessMode): boolean {
    return this.#mustCheck(1 << (mode === 'r' ? segment : segment + 8));
  }
  #mustCheck(bit: number): boolean {
    const known = (this.checks & bit) !== 0;
    this.checks |= bit;
    return !known;
  }
  get window(): StackWindow {
    return this.#window;
  }
  get frame(): FrameState {
    return this.#frameState;
  }
  /** Whether EBP is used as a frame pointer. */
  get framed(): boolean {
    return this.#framed;
  }
  isCompilable(item: RegionInsn): boolean {
    return this.#rt.compilable.has(item.insn);
  }
  get fn(): FunctionBuilder {
    return this.#fn;
  }
  get runtime(): RegionRuntime {
    return this.#rt;
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
      if (matches.known) {
        this.goTo(block, place, flags, exits);
        return;
      }
      this.#fn.if(matches, () => this.goTo(block, place, flags, exits));
    }
    this.#leave(target, flags, exits, 0);
  }

  /** Before other code runs: all that the region has written is in memory then. */
  #spill(eip: Expr, budget: Expr): void {
    this.#fn.store('i32', i32(0), eip, S.eip);
    this.#locals.store(budget);
    this.#forget();
  }

  /** A call: runs the callee's regions from here, and goes on when it came back with the stack as it was. */
  call(target: Expr, returnEip: number, flags: FlagState): FlagState {
    const fn = this.#fn;
    this.#locals.park(flags);
    this.#spill(target, fn.get(this.#locals.budget));
    const depth = op32('add', fn.get(DEPTH), i32(1));
    fn.if(op32('lt_s', i32(MAX_DEPTH), fn.get(DEPTH)), () => fn.ret(i32(STATUS_LEFT)));
    const status = fn.local();
    this.#enter(target, depth, status);
    const back = op32('xor', state(S.eip), i32(returnEip));
    fn.if(op32('or', back, fn.get(status)), () => {
      const other = op32('and', fn.get(status), i32(~STATUS_STEP));
      fn.if(other, () => fn.ret(fn.get(status)));
      fn.set(status, call(this.#rt.callRegion, [i32(returnEip), depth, fn.get(status)]));
      fn.if(fn.get(status), () => fn.ret(fn.get(status)));
    });
    this.#checkFrame();
    this.#locals.load(this.x87?.depth ?? 0);
    return IN_MEMORY;
  }

  /** After a call ESP and EBP must be as before it, where the code relies on that. */
  #checkFrame(): void {
    const { esp, ebp } = this.#frameState;
    const moved = [
      ...(esp === null ? [] : [this.#locals.moved(Reg.ESP, 4)]),
      ...(ebp === null ? [] : [this.#locals.moved(Reg.EBP, 0)]),
    ];
    if (moved.length === 0) return;
    this.#fn.if(
      moved.reduce((a, b) => op32('or', a, b)),
      () => this.#fn.ret(i32(STATUS_LEFT)),
    );
  }

  /** Calls the region that begins at `target`, if it may run now. */
  #enter(target: Expr, depth: Expr, status: number): void {
    const fn = this.#fn;
    const { known } = target;
    if (known !== undefined && known >>> 0 === this.#shape.entry) {
      fn.set(status, call(fn.index, [depth]));
      return;
    }
    const index = op32('shl', op32('and', target, i32(REGION_HASH_ENTRIES - 1)), i32(3));
    const at = fn.bind(index);
    const hash = REGION_HASH + (this.#user ? REGION_HASH_BYTES : 0);
    fn.set(status, i32(0));
    fn.if(op32('eq', load('i32', at, hash), target), () => {
      fn.set(status, callIndirect(this.#rt.regionType, load('i32', at, hash + 4), [depth]));
    });
  }

  /** Runs one instruction by the general interpreter, and goes on unless it went elsewhere. */
  step(item: RegionInsn, remaining: number, flags: FlagState, exits: Exits): FlagState {
    const fn = this.#fn;
    const { budget } = this.#locals;
    const next = (item.eip + item.insn.length) >>> 0;
    storeState(fn, this.#rt, this.#locals.flags, flags);
    this.#spill(i32(item.eip), op32('add', fn.get(budget), i32(remaining)));
    const status = fn.bind(call(this.#rt.step, []));
    fn.if(status, () => fn.ret(status));
    this.#resumeAt(next);
    this.#locals.load(this.x87?.depth ?? 0);
    fn.set(budget, op32('sub', fn.get(budget), i32(remaining - 1)));
    const overdrawn = op32('lt_s', fn.get(budget), i32(0));
    fn.if(overdrawn, () => this.#leave(i32(next), IN_MEMORY, exits, 0, remaining - 1));
    return IN_MEMORY;
  }

  /** Unwinds unless the world is as this region was compiled for, and EIP is where it expects. */
  #resumeAt(eip: number): void {
    const fn = this.#fn;
    this.#resumes = true;
    const moved = op32('xor', state(S.eip), i32(eip));
    const changed = op32('xor', state(S.epoch), fn.get(this.#epoch));
    const privilege = op32('xor', state(S.tlb), i32(this.tlb));
    const reasons = [changed, privilege, state(S.mode)].reduce((a, b) => op32('or', a, b), moved);
    fn.if(reasons, () => fn.ret(i32(STATUS_LEFT)));
  }
}

/** Adds a region to a module. */
export function emitRegion(module: ModuleBuilder, plan: RegionPlan, rt: RegionRuntime, name: string): void {
  new RegionEmitter(module.function([I32], [I32], name), plan, rt).emit();
}
