import type { Insn } from '../decode/index.ts';
import { partialOperand } from '../interp/generic-rows.ts';
import { Seg } from '../names.ts';
import type { Size } from '../ops.ts';
import type { AnyOperand } from '../row.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, op32 } from '../wasm/expr.ts';
import { FunctionBuilder } from '../wasm/function.ts';
import { type Block, eipOf, type Place, type RegionInsn } from './block.ts';
import type { FlagLocals, FlagState } from './flag-kinds.ts';
import { JitOps, type StackPage } from './jit-ops.ts';
import { resolveOperands } from './operands.ts';
import type { Exits, RegionEmitter } from './region.ts';
import { isX87, type X87Effect } from './x87-flow.ts';
import { X87State } from './x87-state.ts';

const NO_OPERAND: AnyOperand = partialOperand(32, {});

/** One instruction inside a region: what the algebra asks where it stands. */
export class InsnSite {
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
    if (!region.isCompilable(this.#item)) {
      const after = region.step(this.#item, this.#remaining, flags, this.#exits);
      if (flow === 'leave') this.#end(i32(next), after);
      return after;
    }
    const ops = emitSemantics(region.fn, this, insn.operandSize, this.#item, flags);
    const transfer = this.#transfer;
    if (!transfer) return ops.state;
    if (flow === 'call') return region.call(transfer.target, next, ops.state);
    this.transferred = true;
    this.#follow(transfer.target, transfer.cond, next, ops.state);
    return ops.state;
  }

  #follow(target: Expr, cond: Expr | null, next: number, flags: FlagState): void {
    const region = this.#region;
    const { places, flow } = this.#item;
    const first = places[0];
    if (cond) region.branch(this.#block, this.#item, cond, flags, this.#exits);
    else if (flow === 'jump' && first !== undefined) region.goTo(this.#block, first, flags, this.#exits);
    else if (flow === 'inline' && first !== undefined) this.#inline(target, first, next, flags);
    else region.choose(this.#block, places, target, flags, this.#exits);
  }

  /** A call that was taken in; one through a register or memory may go elsewhere after all. */
  #inline(target: Expr, callee: Place, next: number, flags: FlagState): void {
    const region = this.#region;
    if (target.known === undefined) {
      const other = op32('ne', target, i32(eipOf(callee)));
      region.fn.if(other, () => {
        const after = region.call(target, next, flags);
        region.goTo(this.#block, this.#item.places[1] ?? 0, after, this.#exits);
      });
    }
    region.goTo(this.#block, callee, flags, this.#exits);
  }

  #end(target: Expr, flags: FlagState): void {
    this.transferred = true;
    this.#region.choose(this.#block, [], target, flags, this.#exits);
  }

  attach(ops: JitOps): void {
    this.#ops = ops;
  }
  register(n: number, written: boolean): number {
    return this.#region.register(n, written);
  }
  vector(n: number, written: boolean): number {
    return this.#region.vector(n, written);
  }
  mustCheckSimd(): boolean {
    return this.#region.mustCheckSimd();
  }
  get x87(): X87State | null {
    return this.#region.x87;
  }
  get flags(): FlagLocals {
    return this.#region.flagLocals;
  }
  get storeFlags(): number {
    return this.#region.storeFlags;
  }
  get simdFloats(): number {
    return this.#region.simdFloats;
  }
  stackPage(): StackPage {
    return this.#region.stackPage();
  }
  get framed(): boolean {
    return this.#region.framed;
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

/** Which forms of instructions compiled code does itself: tried once each, on a scratch function. */
export class CompilableRows {
  readonly #known: Map<string, boolean> = new Map();
  readonly #effects: Map<string, X87Effect> = new Map();

  has(insn: Insn): boolean {
    if (insn.rep !== 0 && insn.row.rep) return false;
    const { rowIndex, operandSize, addressSize, memory, segmentOverride, modrm } = insn;
    const place = memory ? memory.segment : -1;
    const register = memory ? 0 : modrm & 7;
    const key = `${rowIndex}/${operandSize}/${addressSize}/${place}/${segmentOverride}/${register}`;
    const known = this.#known.get(key) ?? tryRow(insn, isX87(insn) ? scratchStack() : null);
    this.#known.set(key, known);
    return known;
  }

  /** What an x87 instruction does to the stack; null for those of the general interpreter. */
  x87Effect(insn: Insn): X87Effect | null {
    if (!this.has(insn)) return null;
    const key = `${insn.rowIndex}/${insn.memory ? 0 : insn.modrm & 7}`;
    const known = this.#effects.get(key);
    if (known) return known;
    const x87 = scratchStack();
    tryRow(insn, x87);
    const effect = { touched: x87.touched, turn: x87.depth };
    this.#effects.set(key, effect);
    return effect;
  }
}

const scratchStack = (): X87State => new X87State(new FunctionBuilder(0, [], []), 0);

function tryRow(insn: Insn, x87: X87State | null): boolean {
  const ops = new JitOps(new FunctionBuilder(0, [], []), insn.operandSize, { ...SCRATCH_SITE, x87 });
  const [a, b, c] = resolveOperands(ops, insn);
  insn.row.sem(ops, a ?? NO_OPERAND, b ?? NO_OPERAND, c ?? NO_OPERAND);
  return !ops.unsupported;
}

/** A site whose code is thrown away. */
const SCRATCH_SITE = {
  framed: false,
  stackPage: (): StackPage => ({ page: 0, delta: 0 }),
  register: (): number => 0,
  vector: (): number => 0,
  mustCheckSimd: (): boolean => true,
  flags: { fk: 0, fa: 0, fb: 0, fr: 0 },
  storeFlags: 0,
  simdFloats: 0,
  tlb: 0,
  eip: 0,
  nextEip: 0,
  segment: 3,
  bailIf: (): void => undefined,
  transfer: (): void => undefined,
};
