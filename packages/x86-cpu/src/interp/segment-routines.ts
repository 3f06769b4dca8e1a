import { Reg, Seg } from '../names.ts';
import { AC, DF, ID, IF, IOPL, NT, OSZAPC, RF, TF, VM } from '../row.ts';
import { FLAT_ALL } from '../segments.ts';
import {
  DESCRIPTOR,
  DESCRIPTOR_BYTES,
  DESCRIPTOR_ENTRIES,
  DESCRIPTORS,
  GATE,
  MODE_SEGMENTS,
  REGION_HASH,
  REGION_HASH_BYTES,
  S,
  SEG,
  SEG_BYTES,
  TLB_BASE,
  TLB_USER,
  TLB_WRITE,
} from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, I32, i32, load, op32, select } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { tlbSlot } from './resolve.ts';
import type { SegmentRoutines } from './runtime.ts';
import { segField } from './segment-fields.ts';

/** EFLAGS that take IRET or an entry off the straight path, be they set now or by it. */
const ODD_FLAGS: number = TF | NT | RF | VM | AC;
const PAGE_BYTES = 4096;
/** Frame of a change of level: EIP, CS, EFLAGS, ESP, SS. */
const FRAME_BYTES = 20;
const IRET_SAME_BYTES = 12;
const DPL_MASK = 0x60;
const KERNEL = 1;
const USER = 3;

const at = (offset: number): Expr => load('i32', i32(0), offset);
const and = (a: Expr, b: Expr): Expr => op32('and', a, b);
const or = (...all: readonly Expr[]): Expr => all.reduce((a, b) => op32('or', a, b));
const add = (a: Expr, b: Expr): Expr => op32('add', a, b);
const ne = (a: Expr, b: Expr): Expr => op32('ne', a, b);
const not = (a: Expr): Expr => op32('eqz', a);
const put = (fn: FunctionBuilder, offset: number, v: Expr): void => fn.store('i32', i32(0), v, offset);

interface Parts {
  /** (helper, a, b, c) -> status */
  readonly helper: number;
  readonly eflags: number;
  readonly setEflags: number;
  readonly idOf: (helper: string) => number;
}

/** Defines the common cases of segment loads, IRET and INT n, and exports `loadFlat` for compiled code; whatever is odd about them goes the general way. */
export function defineSegmentRoutines(module: ModuleBuilder, parts: Parts): SegmentRoutines {
  const find = defineFind(module);
  defineLoadFlat(module, find);
  return {
    loadSegment: defineLoad(module, find, parts),
    iret: defineIret(module, find, parts),
    interrupt: defineInterrupt(module, find, parts),
  };
}

/** (selector) -> address of its entry in the descriptor cache; 0 when there is none, or its table has changed. */
function defineFind(module: ModuleBuilder): number {
  const fn = module.function([I32], [I32]);
  const index = and(op32('shr_u', fn.get(0), i32(3)), i32(DESCRIPTOR_ENTRIES - 1));
  const entry = fn.bind(add(op32('mul', index, i32(DESCRIPTOR_BYTES)), i32(DESCRIPTORS)));
  fn.if(ne(load('i32', entry), fn.get(0)), () => fn.ret(i32(0)));
  const host = fn.bind(load('i32', entry, DESCRIPTOR.host));
  const changed = or(
    op32('xor', load('i32', host), load('i32', entry, DESCRIPTOR.lowWord)),
    op32('xor', load('i32', host, 4), load('i32', entry, DESCRIPTOR.highWord)),
  );
  fn.ret(select(changed, i32(0), entry));
  fn.unreachable();
  return fn.index;
}

/** Copies an entry into the segment register whose number is in `i`. */
function install(fn: FunctionBuilder, i: Expr, entry: Expr): void {
  const segment = fn.bind(op32('mul', i, i32(SEG_BYTES)));
  for (const offset of [SEG.selector, SEG.limit, SEG.low]) {
    fn.store('i64', segment, load('i64', entry, offset), S.segs + offset);
  }
  fn.store('i32', segment, load('i32', entry, SEG.access), S.segs + SEG.access);
  const bit = fn.bind(op32('shl', i32(1), i));
  const others = and(at(S.flat), op32('xor', bit, i32(-1)));
  put(fn, S.flat, or(others, and(load('i32', entry, DESCRIPTOR.flat), bit)));
}

/** MODE_SEGMENTS by the segments that are loaded now. */
function refreshMode(fn: FunctionBuilder): void {
  const hindered = ne(and(at(S.flat), i32(FLAT_ALL)), i32(FLAT_ALL));
  const others = and(at(S.mode), i32(~MODE_SEGMENTS));
  put(fn, S.mode, or(others, select(hindered, i32(MODE_SEGMENTS), i32(0))));
}

/** What follows from the privilege level, on a flat stack. */
function setLevel(fn: FunctionBuilder, level: Expr): void {
  const user = fn.bind(op32('eq', level, i32(USER)));
  put(fn, S.cpl, level);
  put(fn, S.tlb, select(user, i32(TLB_BASE + TLB_USER), i32(TLB_BASE)));
  put(fn, S.regionHash, select(user, i32(REGION_HASH + REGION_HASH_BYTES), i32(REGION_HASH)));
  put(fn, S.spMask, i32(-1));
  refreshMode(fn);
}

const flatAs = (entry: Expr, i: number): Expr => and(load('i32', entry, DESCRIPTOR.flat), i32(1 << i));
/** Breakpoints, single steps, alignment checks, shadows, and flags that have to do with them. */
const isOdd = (): Expr => or(and(at(S.sysFlags), i32(ODD_FLAGS)), and(at(S.mode), i32(~MODE_SEGMENTS)));
const lowBytes = (linear: Expr): Expr => and(linear, i32(PAGE_BYTES - 1));

/** Makes the segment register whose number is in `i` null, by SegmentFile's rules. */
function installNull(fn: FunctionBuilder, i: Expr, selector: Expr): void {
  const segment = fn.bind(op32('mul', i, i32(SEG_BYTES)));
  const fields = { base: 0, limit: 0, attr: 0, low: 1, high: 0, access: 0 };
  fn.store('i32', segment, selector, S.segs + SEG.selector);
  for (const [name, value] of Object.entries(fields))
    fn.store('i32', segment, i32(value), S.segs + SEG[name as keyof typeof fields]);
  put(fn, S.flat, and(at(S.flat), op32('xor', op32('shl', i32(1), i), i32(-1))));
}

/** (segment register other than CS, selector) -> status */
function defineLoad(module: ModuleBuilder, find: number, { helper, idOf }: Parts): number {
  const fn = module.function([I32, I32], [I32]);
  const i = fn.get(0);
  const isNull = not(and(fn.get(1), i32(0xfffc)));
  fn.if(and(isNull, ne(i, i32(Seg.SS))), () => {
    installNull(fn, i, and(fn.get(1), i32(0xffff)));
    refreshMode(fn);
    fn.ret(i32(0));
  });
  const entry = fn.bind(call(find, [and(fn.get(1), i32(0xffff))]));
  fn.if(entry, () =>
    fn.if(
      op32('eq', i, i32(Seg.SS)),
      () => {
        const fits = op32('eq', load('i32', entry, DESCRIPTOR.stack), at(S.cpl));
        fn.if(and(fits, ne(flatAs(entry, Seg.SS), i32(0))), () => {
          install(fn, i32(Seg.SS), entry);
          put(fn, S.spMask, i32(-1));
          refreshMode(fn);
          fn.ret(i32(0));
        });
      },
      () =>
        fn.if(op32('le_s', at(S.cpl), load('i32', entry, DESCRIPTOR.data)), () => {
          install(fn, i, entry);
          refreshMode(fn);
          fn.ret(i32(0));
        }),
    ),
  );
  fn.ret(call(helper, [i32(idOf('loadSegment')), i, fn.get(1), i32(0)]));
  fn.unreachable();
  return fn.index;
}

/** (ES or DS, selector) -> 1 when it is loaded, and flat as what it replaces; else 0, with nothing changed. */
function defineLoadFlat(module: ModuleBuilder, find: number): void {
  const fn = module.function([I32, I32], [I32], 'loadFlat');
  const i = fn.get(0);
  const entry = fn.bind(call(find, [and(fn.get(1), i32(0xffff))]));
  fn.if(not(entry), () => fn.ret(i32(0)));
  const flat = and(load('i32', entry, DESCRIPTOR.flat), op32('shl', i32(1), i));
  const allowed = op32('le_s', at(S.cpl), load('i32', entry, DESCRIPTOR.data));
  fn.if(not(and(allowed, ne(flat, i32(0)))), () => fn.ret(i32(0)));
  install(fn, i, entry);
  fn.ret(i32(1));
  fn.unreachable();
}

/** () -> status: IRET to the same or an outer level with a flat stack, from a frame in one page that the TLB knows. */
function defineIret(module: ModuleBuilder, find: number, parts: Parts): number {
  const fn = module.function([], [I32]);
  const general = (): void => {
    fn.ret(call(parts.helper, [i32(parts.idOf('iret')), i32(0), i32(0), i32(0)]));
  };
  const otherwise = (cond: Expr): void => fn.if(cond, general);
  const cpl = fn.bind(at(S.cpl));
  const onFlatStack = and(at(S.flat), i32(1 << Seg.SS));
  otherwise(or(isOdd(), at(S.op16), not(onFlatStack), not(cpl)));
  const esp = fn.bind(at(S.regs + 4 * Reg.ESP));
  const delta = fn.bind(load('i32', tlbSlot(at(S.tlb), esp)));
  otherwise(or(and(delta, i32(1)), op32('lt_u', i32(PAGE_BYTES - FRAME_BYTES), lowBytes(esp))));
  const host = fn.bind(add(esp, delta));
  const image = fn.bind(load('i32', host, 8));
  const code = fn.bind(call(find, [load('u16', host, 4)]));
  otherwise(or(and(image, i32(ODD_FLAGS)), not(code)));
  const eip = fn.bind(load('i32', host));
  const level = fn.bind(load('i32', code, DESCRIPTOR.code));
  otherwise(or(op32('lt_s', level, cpl), op32('lt_u', load('i32', code, SEG.limit), eip)));
  const outward = (): void => {
    const stack = fn.bind(call(find, [load('u16', host, 16)]));
    otherwise(not(stack));
    otherwise(or(ne(load('i32', stack, DESCRIPTOR.stack), level), not(flatAs(stack, Seg.SS))));
    const inner = [Seg.ES, Seg.DS, Seg.FS, Seg.GS].map((i) => {
      const attr = fn.bind(at(segField(i, 'attr')));
      const below = op32('lt_u', and(attr, i32(DPL_MASK)), op32('shl', level, i32(5)));
      return and(ne(attr, i32(0)), below);
    });
    otherwise(or(...inner));
    install(fn, i32(Seg.CS), code);
    install(fn, i32(Seg.SS), stack);
    put(fn, S.regs + 4 * Reg.ESP, load('i32', host, 12));
  };
  fn.if(ne(level, cpl), outward, () => {
    install(fn, i32(Seg.CS), code);
    put(fn, S.regs + 4 * Reg.ESP, add(esp, i32(IRET_SAME_BYTES)));
  });
  const iopl = op32('shr_u', and(at(S.sysFlags), i32(IOPL)), i32(12));
  const forIf = select(op32('le_u', cpl, iopl), i32(IF), i32(0));
  fn.invoke(parts.setEflags, [or(i32(OSZAPC | DF | ID), forIf), image]);
  put(fn, S.next, eip);
  setLevel(fn, level);
  fn.ret(i32(0));
  fn.unreachable();
  return fn.index;
}

/**
 * (vector) -> 1 when INT n has gone through GATE: from level 3 to a handler at level 1, flat both, by a frame
 * in one page that the TLB knows to be writable. The pushed CS has the mask of events in its third byte, and the pushed
 * EFLAGS have IF when they are not masked.
 */
function defineInterrupt(module: ModuleBuilder, find: number, parts: Parts): number {
  const fn = module.function([I32], [I32]);
  const gate = (field: keyof typeof GATE): Expr => at(GATE[field]);
  const refuseIf = (cond: Expr): void => fn.if(cond, () => fn.ret(i32(0)));
  refuseIf(or(ne(fn.get(0), gate('vector')), ne(at(S.cpl), i32(USER))));
  refuseIf(isOdd());
  const code = fn.bind(call(find, [gate('cs')]));
  const stack = fn.bind(call(find, [gate('ss')]));
  refuseIf(or(not(code), not(stack)));
  refuseIf(or(ne(load('i32', code, DESCRIPTOR.code), i32(KERNEL)), not(flatAs(code, Seg.CS))));
  refuseIf(or(ne(load('i32', stack, DESCRIPTOR.stack), i32(KERNEL)), not(flatAs(stack, Seg.SS))));
  const events = fn.bind(gate('events'));
  const mask = fn.bind(load('u8', events, 1));
  refuseIf(and(ne(load('u8', events), i32(0)), not(mask)));
  const esp = fn.bind(op32('sub', gate('sp'), i32(FRAME_BYTES)));
  const delta = fn.bind(load('i32', tlbSlot(i32(TLB_BASE + TLB_WRITE), esp)));
  refuseIf(or(and(delta, i32(1)), op32('lt_u', i32(PAGE_BYTES - FRAME_BYTES), lowBytes(esp))));
  const host = fn.bind(add(esp, delta));
  const flags = and(call(parts.eflags, []), i32(~(IF | IOPL)));
  const shown = or(gate('iopl'), select(mask, i32(0), i32(IF)));
  fn.store('i32', host, at(segField(Seg.SS, 'selector')), 16);
  fn.store('i32', host, at(S.regs + 4 * Reg.ESP), 12);
  fn.store('i32', host, or(flags, shown), 8);
  fn.store('i32', host, or(at(segField(Seg.CS, 'selector')), op32('shl', mask, i32(16))), 4);
  fn.store('i32', host, at(S.next));
  fn.if(gate('masks'), () => fn.store('i8', events, or(mask, i32(1)), 1));
  install(fn, i32(Seg.CS), code);
  install(fn, i32(Seg.SS), stack);
  put(fn, S.regs + 4 * Reg.ESP, esp);
  put(fn, S.next, gate('eip'));
  put(fn, GATE.taken, add(gate('taken'), i32(1)));
  setLevel(fn, i32(KERNEL));
  fn.ret(i32(1));
  fn.unreachable();
  return fn.index;
}
