import type { Insn } from '../decode/index.ts';
import { Seg } from '../names.ts';
import type { AccessMode } from '../ops.ts';
import type { Expr } from '../wasm/expr.ts';
import { i32, op32 } from '../wasm/expr.ts';
import { FunctionBuilder, type Label } from '../wasm/function.ts';
import { type Block, eipOf, type RegionInsn } from './block.ts';
import type { ExtentLocals } from './extent.ts';
import type { FlagLocals, FlagState } from './flag-kinds.ts';
import { writtenVector } from './float-runs.ts';
import { FloatTrust } from './float-trust.ts';
import { calledFloats, type FloatWay, inlineFloats } from './float-ways.ts';
import { JitOperand } from './jit-operand.ts';
import { JitOps, type SiteRuntime } from './jit-ops.ts';
import { resolveOperands } from './operands.ts';
import type { RegionEmitter } from './region.ts';
import type { Exits } from './region-plan.ts';
import { type FrameState, NOWHERE } from './stack-frame.ts';
import { StackWindow } from './stack-window.ts';
import { WindowValues } from './window-values.ts';
import { isX87, type X87Effect } from './x87-flow.ts';
import { X87State } from './x87-state.ts';

const NO_OPERAND = new JitOperand(32);

/** Where control goes at the end of a block, and on what condition. */
interface Transfer {
  readonly target: Expr;
  readonly cond: Expr | null;
}

/** The instruction that is being compiled: what the algebra asks where it stands. One for each region. */
export class InsnSite {
  readonly #region: RegionEmitter;
  readonly #ops: JitOps;
  #item: RegionInsn | null = null;
  #remaining = 0;
  #exits: Exits | null = null;
  #transfer: Transfer | null = null;
  /** Where control goes instead of out of the region. */
  #refuge: Label | null = null;
  readonly #inlineFloats: FloatWay;
  floats: FloatWay;

  constructor(region: RegionEmitter) {
    this.#region = region;
    this.#ops = new JitOps(region.fn, 32, this);
    this.#inlineFloats = inlineFloats(region.fn, this.runtime.simdFloats);
    this.floats = this.#inlineFloats;
  }

  /**
   * Emits instructions that change nothing but XMM registers, twice: trusting that their floating point is plain, and as they
   * are, for when it was not, or when something else makes an instruction leave.
   * @param each emits one of them
   */
  runFloats(items: readonly RegionInsn[], each: (item: RegionInsn) => void): void {
    const { fn, locals, checks, values } = this.#region;
    const known = values.known();
    const restore = locals.keepVectors(items.map(({ insn }) => writtenVector(insn)));
    fn.block((done) => {
      fn.block((slow) => {
        const trust = new FloatTrust(fn, this.#inlineFloats);
        this.#refuge = slow;
        this.floats = trust.float;
        for (const item of items) trust.through(item.insn, () => each(item));
        fn.brIf(trust.isWrong(), slow);
        this.#refuge = null;
        fn.br(done);
      });
      restore();
      this.#region.checks = checks;
      values.resume(known);
      this.floats = calledFloats(fn, this.runtime.simdFloats);
      for (const item of items) each(item);
      this.floats = this.#inlineFloats;
    });
  }

  /**
   * Emits the instruction.
   * @param remaining instructions of its block from it on
   * @returns the flags after it; null when it has ended its block
   */
  run(item: RegionInsn, block: Block, remaining: number, flags: FlagState, exits: Exits): FlagState | null {
    const { insn, flow, eip } = item;
    const region = this.#region;
    const ops = this.#ops;
    const next = (eip + insn.length) >>> 0;
    this.#item = item;
    this.#remaining = remaining;
    this.#exits = exits;
    this.#transfer = null;
    if (!region.isCompilable(item)) {
      const after = region.step(item, remaining, flags, exits);
      if (flow !== 'leave') return after;
      region.choose(block, [], i32(next), after, exits);
      return null;
    }
    ops.begin(insn.operandSize, flags);
    const [a, b, c] = resolveOperands(ops, insn);
    insn.row.sem(ops, a ?? NO_OPERAND, b ?? NO_OPERAND, c ?? NO_OPERAND);
    const transfer = this.#transfer as Transfer | null;
    if (!transfer) return ops.state;
    if (flow === 'call') return region.call(transfer.target, next, ops.state);
    this.#follow(item, block, transfer, next, ops.state, exits);
    return null;
  }

  #follow(
    item: RegionInsn,
    block: Block,
    { target, cond }: Transfer,
    next: number,
    flags: FlagState,
    exits: Exits,
  ): void {
    const region = this.#region;
    const { places, flow } = item;
    const first = places[0];
    if (cond) region.branch(block, item, cond, flags, exits);
    else if (flow === 'jump' && first !== undefined) region.goTo(block, first, flags, exits);
    else if (flow === 'inline') this.#inline(item, block, target, next, flags, exits);
    else region.choose(block, places, target, flags, exits);
  }

  /** A call whose callees were taken in. One through a register or memory may go elsewhere after all. */
  #inline(item: RegionInsn, block: Block, target: Expr, next: number, flags: FlagState, exits: Exits): void {
    const region = this.#region;
    const back = item.places[item.places.length - 1] ?? 0;
    const callees = item.places.slice(0, -1).filter((place) => block.successors.includes(place));
    const [first, ...others] = callees;
    const callOther = (): void => region.goTo(block, back, region.call(target, next, flags), exits);
    if (first === undefined) {
      callOther();
      return;
    }
    for (const place of others) {
      region.fn.if(op32('eq', target, i32(eipOf(place))), () => region.goTo(block, place, flags, exits));
    }
    if (target.known === undefined) {
      const known = region.values.known();
      region.fn.if(op32('ne', target, i32(eipOf(first))), callOther);
      region.values.resume(known);
    }
    region.goTo(block, first, flags, exits);
  }

  register(n: number, written: boolean): number {
    return this.#region.locals.register(n, written);
  }
  vector(n: number, written: boolean): number {
    return this.#region.locals.vector(n, written);
  }
  mustCheckSimd(): boolean {
    return this.#region.mustCheckSimd();
  }
  mustCheckSegment(segment: number, mode: AccessMode): boolean {
    return this.#region.mustCheckSegment(segment, mode);
  }
  get x87(): X87State | null {
    return this.#region.x87;
  }
  get flags(): FlagLocals {
    return this.#region.locals.flags;
  }
  get runtime(): SiteRuntime {
    return this.#region.runtime;
  }
  get frame(): FrameState {
    return this.#region.frame;
  }
  get extent(): ExtentLocals | null {
    return this.#region.extent;
  }
  get window(): StackWindow {
    return this.#region.window;
  }
  get values(): WindowValues {
    return this.#region.values;
  }
  get framed(): boolean {
    return this.#region.framed;
  }
  get tlb(): number {
    return this.#region.tlb;
  }
  get eip(): number {
    return this.#current.eip;
  }
  get nextEip(): number {
    return (this.#current.eip + this.#current.insn.length) >>> 0;
  }
  get segment(): number {
    return segmentOf(this.#current.insn);
  }
  get #current(): RegionInsn {
    if (!this.#item) throw new Error('no instruction is being compiled');
    return this.#item;
  }
  bailIf(cond: Expr): void {
    if (this.#refuge) this.#region.fn.brIf(cond, this.#refuge);
    else if (this.#exits) this.#region.bail(cond, this.eip, this.#remaining, this.#ops.state, this.#exits);
  }
  transfer(target: Expr, cond: Expr | null): void {
    this.#transfer = { target: this.#region.fn.bind(target), cond };
  }
}

/** Which forms of instructions compiled code does itself: tried once each, on a scratch function. */
export class CompilableRows {
  readonly #known: Map<number, boolean> = new Map();
  readonly #effects: Map<number, X87Effect> = new Map();

  has(insn: Insn): boolean {
    if (insn.rep !== 0 && insn.row.rep) return false;
    const { rowIndex, operandSize, addressSize, memory, segmentOverride, modrm } = insn;
    const place = memory ? memory.segment + 1 : 0;
    // Only x87 rows tell registers apart.
    const register = memory || !isX87(insn) ? 0 : modrm & 7;
    const sizes = (operandSize >> 4) + (addressSize >> 4) * 4;
    const key = ((((rowIndex * 8 + place) * 8 + segmentOverride + 1) * 8 + register) * 16 + sizes) | 0;
    const before = this.#known.get(key);
    if (before !== undefined) return before;
    const known = tryRow(insn, scratchStack());
    this.#known.set(key, known);
    return known;
  }

  /** What an x87 instruction does to the stack; null for those of the general interpreter. */
  x87Effect(insn: Insn): X87Effect | null {
    if (!this.has(insn)) return null;
    const key = insn.rowIndex * 8 + (insn.memory ? 0 : insn.modrm & 7);
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

/** Segment of an instruction's memory operand, also of an implicit one. */
function segmentOf({ memory, segmentOverride }: Insn): number {
  return memory?.segment ?? (segmentOverride < 0 ? Seg.DS : segmentOverride);
}

function tryRow(insn: Insn, x87: X87State | null): boolean {
  const fn = new FunctionBuilder(0, [], []);
  const ops = new JitOps(fn, insn.operandSize, {
    ...SCRATCH_SITE,
    window: new StackWindow(fn, { frame: null, slot: 0, regionType: 0, depth: 0, tlb: 0 }),
    values: new WindowValues(fn),
    floats: calledFloats(fn, 0),
    x87,
    segment: segmentOf(insn),
  });
  const [a, b, c] = resolveOperands(ops, insn);
  insn.row.sem(ops, a ?? NO_OPERAND, b ?? NO_OPERAND, c ?? NO_OPERAND);
  return !ops.unsupported;
}

/** A site whose code is thrown away. */
const SCRATCH_SITE = {
  framed: false,
  register: (): number => 0,
  vector: (): number => 0,
  mustCheckSimd: (): boolean => true,
  mustCheckSegment: (): boolean => true,
  flags: { fk: 0, fa: 0, fb: 0, fr: 0, fo: 0, fx: 0 },
  runtime: { storeFlags: 0, settleFlags: 0, loadFlat: 0, simdFloats: 0 },
  frame: NOWHERE,
  extent: null,
  tlb: 0,
  eip: 0,
  nextEip: 0,
  segment: Seg.DS,
  bailIf: (): void => undefined,
  transfer: (): void => undefined,
};
