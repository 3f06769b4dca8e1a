import type { FlagName } from '../ops.ts';
import { AC, AF, CF, OF, OSZAPC, PF, SF, TF, ZF } from '../row.ts';
import { S } from '../state.ts';
import type { Expr } from '../wasm/expr.ts';
import { I32, i32, load, op32 } from '../wasm/expr.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { InterpOps } from './interp-ops.ts';

const BITS: readonly [FlagName, number][] = [
  ['cf', CF],
  ['pf', PF],
  ['af', AF],
  ['zf', ZF],
  ['sf', SF],
  ['of', OF],
];

/** Lazy flags in the state block, for the shared routines. */
class StateFlags extends InterpOps {
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
  encode(flags: Record<FlagName, Expr>): void {
    this.setAllFlags(flags);
  }
}

/** () -> EFLAGS */
export function defineEflags(module: ModuleBuilder): number {
  const fn = module.function([], [I32]);
  const o = new StateFlags(fn, 32);
  let value: Expr = load('i32', i32(0), S.sysFlags);
  for (const [name, bit] of BITS) value = o.or(value, o.shl(o.flag(name), i32(Math.log2(bit))));
  fn.ret(value);
  fn.unreachable();
  return fn.index;
}

/** (mask, value) -> (): writes the EFLAGS bits of `mask`; TF and AC change the mode of execution. */
export function defineSetEflags(module: ModuleBuilder, eflags: number, modeChanged: number): number {
  const fn = module.function([I32, I32], []);
  const o = new StateFlags(fn, 32);
  const [mask, value] = [fn.get(0), fn.get(1)];
  const old = fn.local();
  fn.invoke(eflags, []);
  fn.code.u8(0x21);
  fn.code.leb(old);
  const merged = fn.bind(o.or(o.and(fn.get(old), o.not(mask)), o.and(value, mask)));
  fn.if(o.and(mask, i32(OSZAPC)), () => {
    const bit = (flag: number): Expr => fn.bind(o.and(o.shr(merged, i32(Math.log2(flag))), i32(1)));
    o.encode({ cf: bit(CF), pf: bit(PF), af: bit(AF), zf: bit(ZF), sf: bit(SF), of: bit(OF) });
  });
  o.setState(S.sysFlags, o.and(merged, i32(~OSZAPC)));
  fn.if(o.and(op32('xor', fn.get(old), merged), i32(TF | AC)), () => fn.invoke(modeChanged, []));
  return fn.index;
}
