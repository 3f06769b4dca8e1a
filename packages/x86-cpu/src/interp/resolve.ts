import { Seg } from '../names.ts';
import { MODE_ALIGN, MODE_BREAKPOINTS, S, SEG, SEG_BYTES, SEG_READ, SEG_WRITE, TLB_WRITE } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, I32, i32, load, op32, select } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';

const PAGE_BYTES = 4096;

const at = (offset: number): Expr => load('i32', i32(0), offset);
const and = (a: Expr, b: Expr): Expr => op32('and', a, b);
const add = (a: Expr, b: Expr): Expr => op32('add', a, b);
const sub = (a: Expr, b: Expr): Expr => op32('sub', a, b);
const setState = (fn: FunctionBuilder, offset: number, v: Expr): void => fn.store('i32', i32(0), v, offset);

/** Address of the TLB word for `linear` in the read table of the current privilege. */
export function tlbSlot(tlb: Expr, linear: Expr): Expr {
  return add(tlb, op32('shl', op32('shr_u', linear, i32(12)), i32(2)));
}

/**
 * Whether a TLB word misses or an operand of so many bits reaches into the next page: a hit has zeros where a miss has ones,
 * and there the offset in the page is seen.
 */
export function isOutOfPage(entry: Expr, linear: Expr, bits: number): Expr {
  if (bits === 8) return and(entry, i32(1));
  return op32('lt_u', i32(PAGE_BYTES - (bits >> 3)), and(op32('or', entry, linear), i32(PAGE_BYTES - 1)));
}

/** (linear, write) -> host address, or 0 with a page fault pending. */
function hostAddress(module: ModuleBuilder, miss: number): number {
  const fn = module.function([I32, I32], [I32]);
  const linear = fn.get(0);
  const slot = fn.bind(add(tlbSlot(at(S.tlb), linear), select(fn.get(1), i32(TLB_WRITE), i32(0))));
  const entry = fn.local();
  fn.set(entry, load('i32', slot));
  fn.if(and(fn.get(entry), i32(1)), () => {
    fn.if(call(miss, [linear, fn.get(1)]), () => fn.ret(i32(0)));
    fn.set(entry, load('i32', slot));
    fn.if(and(fn.get(entry), i32(1)), () => fn.ret(add(at(S.direct), and(linear, i32(0xfff)))));
  });
  fn.ret(add(linear, fn.get(entry)));
  fn.unreachable();
  return fn.index;
}

/**
 * (linear, sizeBytes, write) -> scratch operand for an access that crosses pages, or 0 with a page fault pending.
 * Both pages are translated before anything is read.
 */
function crossing(module: ModuleBuilder, host: number): number {
  const fn = module.function([I32, I32, I32], [I32]);
  const [linear, size, write] = [fn.get(0), fn.get(1), fn.get(2)];
  const first = fn.bind(sub(i32(PAGE_BYTES), and(linear, i32(0xfff))));
  const low = fn.bind(call(host, [linear, write]));
  fn.if(op32('eqz', low), () => fn.ret(i32(0)));
  const high = fn.bind(call(host, [add(linear, first), write]));
  fn.if(op32('eqz', high), () => fn.ret(i32(0)));
  const scratch = fn.bind(select(write, i32(S.scratch), i32(S.readScratch)));
  fn.copy(scratch, low, first);
  fn.copy(add(scratch, first), high, sub(size, first));
  fn.if(write, () => {
    setState(fn, S.splitLow, low);
    setState(fn, S.splitHigh, high);
    setState(fn, S.splitBytes, first);
  });
  fn.ret(scratch);
  fn.unreachable();
  return fn.index;
}

/** (offset, segment, sizeBytes) -> host address, with segment, alignment and page checks; 0 with a fault pending. */
function resolve(module: ModuleBuilder, write: boolean, host: number, cross: number, watch: number): number {
  const fn = module.function([I32, I32, I32], [I32]);
  const [offset, seg, size] = [fn.get(0), fn.get(1), fn.get(2)];
  const base = fn.bind(op32('mul', seg, i32(SEG_BYTES)));
  const field = (name: keyof typeof SEG): Expr => load('i32', base, S.segs + SEG[name]);
  const high = fn.bind(field('high'));
  const last = sub(size, i32(1));
  const below = op32('lt_u', offset, field('low'));
  const beyond = op32('or', op32('lt_u', high, offset), op32('lt_u', sub(high, offset), last));
  const refused = op32('eqz', and(field('access'), i32(write ? SEG_WRITE : SEG_READ)));
  fn.if(op32('or', op32('or', below, beyond), refused), () => {
    setState(fn, S.vector, select(op32('eq', seg, i32(Seg.SS)), i32(12), i32(13)));
    setState(fn, S.errorCode, i32(0));
    fn.ret(i32(0));
  });
  const linear = fn.bind(add(field('base'), offset));
  fn.if(and(at(S.mode), i32(MODE_ALIGN | MODE_BREAKPOINTS)), () =>
    fn.if(call(watch, [linear, size, i32(write ? 1 : 0)]), () => fn.ret(i32(0))),
  );
  fn.if(op32('lt_u', sub(i32(PAGE_BYTES), size), and(linear, i32(0xfff))), () =>
    fn.ret(call(cross, [linear, size, i32(write ? 1 : 0)])),
  );
  fn.ret(call(host, [linear, i32(write ? 1 : 0)]));
  fn.unreachable();
  return fn.index;
}

/** (sizeBytes) -> (): copies the scratch operand back to its two pages. */
function writeBack(module: ModuleBuilder): number {
  const fn = module.function([I32], []);
  const first = fn.bind(at(S.splitBytes));
  fn.copy(at(S.splitLow), i32(S.scratch), first);
  fn.copy(at(S.splitHigh), add(i32(S.scratch), first), sub(fn.get(0), first));
  return fn.index;
}

/** Defines the address routines of the interpreter module. */
export function defineResolvers(
  module: ModuleBuilder,
  miss: number,
  watch: number,
): { resolveRead: number; resolveWrite: number; writeBack: number } {
  const host = hostAddress(module, miss);
  const cross = crossing(module, host);
  return {
    resolveRead: resolve(module, false, host, cross, watch),
    resolveWrite: resolve(module, true, host, cross, watch),
    writeBack: writeBack(module),
  };
}
