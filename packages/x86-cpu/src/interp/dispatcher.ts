import { PARKED, PROFILE, REGION_HASH_ENTRIES, REGION_SECOND, S, SECOND_SHIFT } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { call, callIndirect, I32, i32, load, op32, select } from '../wasm/expr.ts';
import type { FunctionBuilder, Label } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { profileOffset } from './fast-loop.ts';
import { STATUS_HOT, STATUS_LEFT, STATUS_PLAIN, STATUS_STEP } from './runtime.ts';

const state = (offset: number): Expr => load('i32', i32(0), offset);

/** Emits what settles parked flags: the interpreter does not know of them. */
function settle(fn: FunctionBuilder, settleFlags: number): void {
  fn.if(load('i32', i32(0), PARKED.kind), () => fn.invoke(settleFlags, []));
}

/** Emits `hit` with the status of the region at EIP when the hash knows one; falls through when it does not. */
function enterRegion(
  module: ModuleBuilder,
  fn: FunctionBuilder,
  depth: Expr,
  hit: (status: Expr) => void,
): void {
  const eip = fn.bind(state(S.eip));
  const places = [
    { place: eip, table: 0 },
    { place: op32('xor', eip, op32('shr_u', eip, i32(SECOND_SHIFT))), table: REGION_SECOND },
  ];
  for (const { place, table } of places) {
    const index = op32('shl', op32('and', place, i32(REGION_HASH_ENTRIES - 1)), i32(3));
    const slot = fn.bind(op32('add', state(S.regionHash), index));
    const region = fn.bind(load('i32', slot, table + 4));
    const known = op32('and', op32('eq', load('i32', slot, table), eip), op32('ne', region, i32(0)));
    fn.if(known, () => hit(fn.bind(callIndirect(module.type([I32], [I32]), region, [depth]))));
  }
}

/** Function indices that the dispatcher calls. */
interface DispatcherParts {
  readonly step: number;
  readonly profiled: number;
  /** (EIP, plain) -> 1 when compiled code for EIP is now in the hash, or a plain version of it at hand. */
  readonly promote: number;
  readonly settleFlags: number;
  readonly hotBranches: number;
}

/** Defines `fast`: () -> status, runs compiled code where there is some and the profiling loop elsewhere. */
export function defineDispatcher(module: ModuleBuilder, parts: DispatcherParts): void {
  const { step, profiled, promote, settleFlags, hotBranches } = parts;
  const fn = module.function([], [I32], 'fast');
  const leave = (status: Expr): void => {
    settle(fn, settleFlags);
    fn.ret(status);
  };
  const stepOnce = (next: Label): void => {
    settle(fn, settleFlags);
    const status = fn.bind(call(step, []));
    fn.if(status, () => fn.ret(status));
    fn.br(next);
  };
  fn.loop((next) => {
    fn.if(op32('or', op32('le_s', state(S.budget), i32(0)), state(S.mode)), () => leave(i32(0)));
    enterRegion(module, fn, i32(0), (status) => {
      fn.brIf(op32('eqz', op32('and', status, i32(~STATUS_LEFT))), next);
      fn.if(op32('eq', status, i32(STATUS_STEP)), () => {
        fn.if(op32('le_s', state(S.budget), i32(0)), () => leave(i32(0)));
        stepOnce(next);
      });
      fn.if(op32('eq', status, i32(STATUS_PLAIN)), () => {
        fn.brIf(call(promote, [state(S.eip), i32(1)]), next);
        stepOnce(next);
      });
      leave(status);
    });
    const eip = fn.bind(state(S.eip));
    const counter = fn.bind(profileOffset(eip));
    const count = fn.bind(load('u16', counter, PROFILE));
    fn.if(op32('lt_u', i32(hotBranches), count), () => {
      fn.brIf(call(promote, [eip, i32(0)]), next);
      stepOnce(next);
    });
    fn.store('i16', counter, op32('add', count, i32(1)), PROFILE);
    settle(fn, settleFlags);
    const status = fn.bind(call(profiled, []));
    fn.brIf(op32('eq', status, i32(STATUS_HOT)), next);
    fn.ret(status);
  });
  fn.unreachable();
}

/** Defines and exports `absent`: what table entry 0 holds, a region that does nothing. */
export function defineAbsentRegion(module: ModuleBuilder): void {
  module.function([I32], [I32], 'absent').ret(i32(0));
}

/**
 * Defines `callRegion`: (return EIP, depth, status) -> status, goes on after a call that has not come back, until control is
 * at its return EIP (0) or must leave compiled code. What regions ask for, and what is between them, as the rare end of a
 * function, is interpreted meanwhile.
 */
export function defineCallRegion(
  module: ModuleBuilder,
  parts: Pick<DispatcherParts, 'step' | 'profiled' | 'settleFlags' | 'hotBranches'>,
): void {
  const { step, profiled, settleFlags, hotBranches } = parts;
  const fn = module.function([I32, I32, I32], [I32], 'callRegion');
  const [back, depth] = [fn.get(0), fn.get(1)];
  const pending = 2;
  const giveUp = (cond: Expr): void => fn.if(cond, () => fn.ret(i32(STATUS_LEFT)));
  const isElsewhere = op32('ne', state(S.eip), back);
  const [epoch, tlb] = [fn.bind(state(S.epoch)), fn.bind(state(S.tlb))];
  /** Goes on only in the world that the compiled callers know. */
  const resume = (again: Label): void => {
    giveUp(op32('or', op32('xor', state(S.epoch), epoch), op32('xor', state(S.tlb), tlb)));
    fn.brIf(isElsewhere, again);
    fn.ret(i32(0));
  };
  fn.loop((again) => {
    giveUp(op32('or', state(S.mode), op32('le_s', state(S.budget), i32(0))));
    fn.if(fn.get(pending), () => {
      fn.set(pending, i32(0));
      settle(fn, settleFlags);
      const status = fn.bind(call(step, []));
      fn.if(status, () => fn.ret(status));
      resume(again);
    });
    enterRegion(module, fn, depth, (status) => {
      fn.if(status, () => {
        fn.if(op32('ne', status, i32(STATUS_STEP)), () => fn.ret(status));
        fn.set(pending, status);
        fn.br(again);
      });
      fn.brIf(isElsewhere, again);
      fn.ret(i32(0));
    });
    // The dispatcher compiles what is hot.
    const here = fn.bind(profileOffset(state(S.eip)));
    const reached = fn.bind(load('u16', here, PROFILE));
    giveUp(op32('lt_u', i32(hotBranches), reached));
    fn.store('i16', here, op32('add', reached, i32(1)), PROFILE);
    // Makes the loop stop where control is to come back: nothing is hotter.
    const place = fn.bind(profileOffset(back));
    const count = fn.bind(load('u16', place, PROFILE));
    fn.store('i16', place, i32(0xffff), PROFILE);
    settle(fn, settleFlags);
    const status = fn.bind(call(profiled, []));
    fn.store('i16', place, count, PROFILE);
    fn.if(op32('ne', status, i32(STATUS_HOT)), () => fn.ret(select(status, status, i32(STATUS_LEFT))));
    resume(again);
  });
  fn.unreachable();
}
