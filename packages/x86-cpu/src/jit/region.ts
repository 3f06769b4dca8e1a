import { partialOperand } from '../interp/generic-rows.ts';
import { STATUS_STEP } from '../interp/runtime.ts';
import { Seg } from '../names.ts';
import type { Size } from '../ops.ts';
import type { AnyOperand } from '../row.ts';
import { S, TLB_BASE, TLB_USER } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, I32, i32, load, op32 } from '../wasm/expr.ts';
import { FunctionBuilder, type Label } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import type { Block, RegionInsn, RegionShape } from './block.ts';
import { type FlagLocals, type FlagState, settleKind } from './flag-kinds.ts';
import { FlowGraph } from './flow-graph.ts';
import { JitOps } from './jit-ops.ts';
import { resolveOperands } from './operands.ts';

/** Functions that compiled code calls. */
export interface RegionRuntime {
  readonly step: number;
  readonly storeFlags: number;
  /** (return EIP) -> status: runs compiled code from EIP until it comes back there, if it can. */
  readonly callRegion: number;
}

interface Exits {
  readonly leave: Label;
}

const ALL = 0xff;
const NO_OPERAND: AnyOperand = partialOperand(32, {});
const state = (offset: number): Expr => load('i32', i32(0), offset);

/** Emits one region as a function () -> status. */
export class RegionEmitter {
  readonly #fn: FunctionBuilder;
  readonly #shape: RegionShape;
  readonly #graph: FlowGraph;
  readonly #rt: RegionRuntime;
  readonly #user: boolean;
  readonly #registers: number[];
  readonly #flags: FlagLocals;
  readonly #budget: number;
  readonly #eip: number;
  readonly #adjust: number;
  readonly #status: number;
  readonly #epoch: number;
  /** Registers that a former pass found used and written; all while it is not known. */
  readonly #used: number;
  readonly #stored: number;
  #uses = 0;
  #writes = 0;
  readonly #targets: Map<number, Label> = new Map();

  constructor(
    fn: FunctionBuilder,
    shape: RegionShape,
    user: boolean,
    rt: RegionRuntime,
    usage?: { used: number; written: number },
  ) {
    this.#fn = fn;
    this.#shape = shape;
    this.#graph = new FlowGraph(shape);
    this.#rt = rt;
    this.#user = user;
    this.#used = usage?.used ?? ALL;
    this.#stored = usage?.written ?? ALL;
    this.#registers = Array.from({ length: 8 }, () => fn.local());
    this.#flags = { fk: fn.local(), fa: fn.local(), fb: fn.local(), fr: fn.local() };
    [this.#budget, this.#eip, this.#adjust] = [fn.local(), fn.local(), fn.local()];
    [this.#status, this.#epoch] = [fn.local(), fn.local()];
  }

  /** Emits the function. @returns which registers it uses and writes */
  emit(): { used: number; written: number } {
    const fn = this.#fn;
    this.#reload();
    fn.set(this.#epoch, state(S.epoch));
    fn.block((leave) => this.#tree(this.#shape.entry, { kind: 'raw' }, { leave }));
    this.#spill(fn.get(this.#eip), op32('add', fn.get(this.#budget), fn.get(this.#adjust)), {
      kind: 'unknown',
    });
    fn.ret(fn.get(this.#status));
    fn.unreachable();
    return { used: this.#uses, written: this.#writes };
  }

  #reload(): void {
    const fn = this.#fn;
    for (let n = 0; n < 8; n++) if (this.#used & (1 << n)) fn.set(this.#registers[n]!, state(S.regs + 4 * n));
    fn.set(this.#flags.fr, state(S.result));
    fn.set(this.#flags.fb, state(S.aux));
    fn.set(this.#flags.fk, i32(0));
    fn.set(this.#budget, state(S.budget));
  }

  /** Stores what lives in locals. */
  #spill(eip: Expr, budget: Expr, flags: FlagState): void {
    const fn = this.#fn;
    const f = this.#flags;
    for (let n = 0; n < 8; n++) {
      if (this.#stored & (1 << n)) fn.store('i32', i32(0), fn.get(this.#registers[n]!), S.regs + 4 * n);
    }
    settleKind(fn, f, flags);
    fn.invoke(this.#rt.storeFlags, [fn.get(f.fk), fn.get(f.fa), fn.get(f.fb), fn.get(f.fr)]);
    fn.store('i32', i32(0), eip, S.eip);
    fn.store('i32', i32(0), budget, S.budget);
  }

  /** A block with everything that it dominates, loops and merge points nested as structured code wants them. */
  #tree(eip: number, flags: FlagState, exits: Exits): void {
    const merges = this.#graph.mergesBelow(eip);
    const entry: FlagState = this.#graph.isHeader(eip) ? { kind: 'unknown' } : flags;
    const body = (): void => this.#within(eip, merges, entry, exits);
    if (!this.#graph.isHeader(eip)) {
      body();
      return;
    }
    this.#fn.loop((again) => {
      this.#targets.set(eip, again);
      body();
    });
  }

  #within(eip: number, merges: readonly number[], flags: FlagState, exits: Exits): void {
    const [outer, ...rest] = merges;
    if (outer === undefined) {
      this.#block(eip, flags, exits);
      return;
    }
    this.#fn.block((label) => {
      this.#targets.set(outer, label);
      this.#within(eip, rest, flags, exits);
    });
    this.#tree(outer, { kind: 'unknown' }, exits);
  }

  #block(eip: number, flags: FlagState, exits: Exits): void {
    const block = this.#shape.blocks.get(eip);
    if (!block) return;
    const { length } = block.insns;
    const fn = this.#fn;
    fn.if(op32('lt_s', fn.get(this.#budget), i32(length)), () =>
      this.#leave(i32(eip), flags, exits, STATUS_STEP),
    );
    fn.set(this.#budget, op32('sub', fn.get(this.#budget), i32(length)));
    let current = flags;
    let transferred = false;
    block.insns.forEach((item, i) => {
      fn.scope(() => {
        const site = new InsnSite(this, item, block, length - i, exits);
        const ops = site.run(current);
        current = ops;
        transferred = site.transferred;
      });
    });
    const last = block.insns[length - 1];
    if (last && !transferred) this.#edge(block, (last.eip + last.insn.length) >>> 0, current, exits);
  }

  /** Goes to a static target: inside the region by a structured branch, else out. */
  #edge(block: Block, target: number, flags: FlagState, exits: Exits): void {
    const graph = this.#graph;
    const inside = block.successors.includes(target) && !graph.isIrreducible(block.eip, target);
    if (!inside) {
      this.#leave(i32(target), flags, exits, 0);
      return;
    }
    const structured = graph.isBackward(block.eip, target) || graph.isMerge(target);
    if (structured || graph.isHeader(target)) settleKind(this.#fn, this.#flags, flags);
    const label = this.#targets.get(target);
    if (structured && label) this.#fn.br(label);
    else this.#tree(target, flags, exits);
  }

  #leave(eip: Expr, flags: FlagState, exits: Exits, status: number, adjust = 0): void {
    const fn = this.#fn;
    fn.set(this.#eip, eip);
    fn.set(this.#adjust, i32(adjust));
    fn.set(this.#status, i32(status));
    settleKind(fn, this.#flags, flags);
    fn.br(exits.leave);
  }

  // What one instruction asks of its region.

  register(n: number, written: boolean): number {
    this.#uses |= 1 << n;
    if (written) this.#writes |= 1 << n;
    return this.#registers[n]!;
  }
  get flagLocals(): FlagLocals {
    return this.#flags;
  }
  get fn(): FunctionBuilder {
    return this.#fn;
  }
  get storeFlags(): number {
    return this.#rt.storeFlags;
  }
  get tlb(): number {
    return TLB_BASE + (this.#user ? TLB_USER : 0);
  }

  bail(cond: Expr, eip: number, remaining: number, flags: FlagState, exits: Exits): void {
    this.#fn.if(cond, () => this.#leave(i32(eip), flags, exits, STATUS_STEP, remaining));
  }

  branch(block: Block, item: RegionInsn, cond: Expr, flags: FlagState, exits: Exits): void {
    const next = (item.eip + item.insn.length) >>> 0;
    this.#fn.if(cond, () => this.#edge(block, item.target, flags, exits));
    this.#edge(block, next, flags, exits);
  }
  jump(block: Block, target: number, flags: FlagState, exits: Exits): void {
    this.#edge(block, target, flags, exits);
  }
  jumpOut(target: Expr, flags: FlagState, exits: Exits): void {
    this.#leave(target, flags, exits, 0);
  }

  /** A call: runs the callee's regions from here, and goes on when it came back. */
  call(target: Expr, returnEip: number, flags: FlagState): FlagState {
    const fn = this.#fn;
    this.#spill(target, fn.get(this.#budget), flags);
    const status = fn.bind(call(this.#rt.callRegion, [i32(returnEip)]));
    fn.if(status, () => fn.ret(status));
    this.#resumeAt(returnEip);
    this.#reload();
    return { kind: 'raw' };
  }

  /** Runs one instruction by the general interpreter, and goes on unless it went elsewhere. */
  step(item: RegionInsn, remaining: number, flags: FlagState, exits: Exits): FlagState {
    const fn = this.#fn;
    this.#spill(i32(item.eip), op32('add', fn.get(this.#budget), i32(remaining)), flags);
    const status = fn.bind(call(this.#rt.step, []));
    fn.if(status, () => fn.ret(status));
    this.#resumeAt((item.eip + item.insn.length) >>> 0);
    this.#reload();
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

/** One instruction inside a region: what the algebra asks where it stands. */
class InsnSite {
  readonly #region: RegionEmitter;
  readonly #item: RegionInsn;
  readonly #block: Block;
  readonly #remaining: number;
  readonly #exits: Exits;
  #ops: JitOps | null = null;
  #transfer: { target: Expr; cond: Expr | null } | null = null;
  transferred = false;

  constructor(region: RegionEmitter, item: RegionInsn, block: Block, remaining: number, exits: Exits) {
    this.#region = region;
    this.#item = item;
    this.#block = block;
    this.#remaining = remaining;
    this.#exits = exits;
  }

  /** Emits the instruction. @returns the flags after it */
  run(flags: FlagState): FlagState {
    const { insn, flow, eip } = this.#item;
    const region = this.#region;
    const next = (eip + insn.length) >>> 0;
    if (!isCompilable(this.#item)) {
      const after = region.step(this.#item, this.#remaining, flags, this.#exits);
      if (flow === 'leave') this.#end(i32(next), after);
      return after;
    }
    const ops = emitSemantics(region.fn, this, insn.operandSize, this.#item, flags);
    const transfer = this.#transfer;
    if (!transfer) return ops.state;
    if (flow === 'call') return region.call(transfer.target, next, ops.state);
    this.transferred = true;
    if (flow === 'jump') region.jump(this.#block, this.#item.target, ops.state, this.#exits);
    else if (transfer.cond) region.branch(this.#block, this.#item, transfer.cond, ops.state, this.#exits);
    else region.jumpOut(transfer.target, ops.state, this.#exits);
    return ops.state;
  }

  #end(target: Expr, flags: FlagState): void {
    this.transferred = true;
    this.#region.jumpOut(target, flags, this.#exits);
  }

  attach(ops: JitOps): void {
    this.#ops = ops;
  }
  register(n: number, written: boolean): number {
    return this.#region.register(n, written);
  }
  get flags(): FlagLocals {
    return this.#region.flagLocals;
  }
  get storeFlags(): number {
    return this.#region.storeFlags;
  }
  get tlb(): number {
    return this.#region.tlb;
  }
  get eip(): number {
    return this.#item.eip;
  }
  get nextEip(): number {
    return (this.#item.eip + this.#item.insn.length) >>> 0;
  }
  get segment(): number {
    const { memory, segmentOverride } = this.#item.insn;
    return memory?.segment ?? (segmentOverride < 0 ? Seg.DS : segmentOverride);
  }
  bailIf(cond: Expr): void {
    const flags = this.#ops?.state ?? { kind: 'unknown' };
    this.#region.bail(cond, this.#item.eip, this.#remaining, flags, this.#exits);
  }
  transfer(target: Expr, cond: Expr | null): void {
    this.#transfer = { target: this.#region.fn.bind(target), cond };
  }
}

function emitSemantics(
  fn: FunctionBuilder,
  site: InsnSite,
  size: Size,
  item: RegionInsn,
  flags: FlagState,
): JitOps {
  const ops = new JitOps(fn, size, site);
  site.attach(ops);
  ops.state = flags;
  const [a, b, c] = resolveOperands(ops, item.insn);
  item.insn.row.sem(ops, a ?? NO_OPERAND, b ?? NO_OPERAND, c ?? NO_OPERAND);
  return ops;
}

/** Whether compiled code does the instruction itself: tried on a scratch function. */
function isCompilable({ insn }: RegionInsn): boolean {
  if (insn.rep !== 0 && insn.row.rep) return false;
  const fn = new FunctionBuilder(0, [], []);
  const ops = new JitOps(fn, insn.operandSize, SCRATCH_SITE);
  const [a, b, c] = resolveOperands(ops, insn);
  insn.row.sem(ops, a ?? NO_OPERAND, b ?? NO_OPERAND, c ?? NO_OPERAND);
  return !ops.unsupported;
}

/** A site whose code is thrown away. */
const SCRATCH_SITE = {
  register: (): number => 0,
  flags: { fk: 0, fa: 0, fb: 0, fr: 0 },
  storeFlags: 0,
  tlb: 0,
  eip: 0,
  nextEip: 0,
  segment: 3,
  bailIf: (): void => undefined,
  transfer: (): void => undefined,
};

/** Adds a region to a module. */
export function emitRegion(
  module: ModuleBuilder,
  shape: RegionShape,
  user: boolean,
  rt: RegionRuntime,
  name: string,
): void {
  const trial = new RegionEmitter(new FunctionBuilder(0, [], [I32]), shape, user, rt).emit();
  new RegionEmitter(module.function([], [I32], name), shape, user, rt, trial).emit();
}
