import type { FloatOperation, FloatResult, FloatVal, Unless } from '../ops-x87.ts';
import { call, I32, I64, i32 } from '../wasm/expr.ts';
import type { FunctionBuilder } from '../wasm/function.ts';
import type { ModuleBuilder } from '../wasm/module.ts';
import { floatArithmetic } from '../x87/inline.ts';
import type { WasmArithmetic } from './wasm-ops.ts';
import { X87Registers } from './x87-ops.ts';

class RoutineOps extends X87Registers {}

/** Result word: sign and exponent, then inexact and up; negative when the operands need the slow path. */
const INEXACT_SHIFT = 16;
const UP_SHIFT = 17;
const GIVEN_UP = -1;

/** (m, se, m, se) -> (m, packed): arithmetic as functions of the interpreter's module, made when first asked for. */
export class FloatRoutines {
  readonly #module: ModuleBuilder;
  readonly #made: Map<string, number> = new Map();

  constructor(module: ModuleBuilder) {
    this.#module = module;
  }

  #routine(op: FloatOperation, precision: 53 | 64): number {
    const key = `${op}${precision}`;
    const made = this.#made.get(key);
    if (made !== undefined) return made;
    const fn = this.#module.function([I64, I32, I64, I32], [I64, I32]);
    this.#made.set(key, fn.index);
    const o = new RoutineOps(fn, 32);
    const unless: Unless = (cond) => fn.if(cond, () => fn.ret(o.wbig(0n), i32(GIVEN_UP)));
    const a = { m: fn.get(0, I64), se: fn.get(1) };
    const b = { m: fn.get(2, I64), se: fn.get(3) };
    const { m, se, rest, up } = floatArithmetic(o, op, precision, a, b, unless);
    const flags = o.or(o.shl(o.eqz(o.weqz(rest)), i32(INEXACT_SHIFT)), o.shl(up, i32(UP_SHIFT)));
    fn.ret(m, o.or(se, flags));
    fn.unreachable();
    return fn.index;
  }

  call(
    o: WasmArithmetic,
    fn: FunctionBuilder,
    op: FloatOperation,
    precision: 53 | 64,
    operands: { a: FloatVal; b: FloatVal },
    unless: Unless,
  ): FloatResult {
    const { a, b } = operands;
    const m = fn.local(I64);
    const packed = fn.local();
    fn.setMany([m, packed], call(this.#routine(op, precision), [a.m, a.se, b.m, b.se]));
    const word = fn.get(packed);
    unless(o.ltS(word, i32(0)));
    return {
      m: fn.get(m, I64),
      se: o.let(o.and(word, i32(0xffff))),
      rest: o.wlet(o.wideU(o.and(word, i32(1 << INEXACT_SHIFT)))),
      up: o.let(o.shr(word, i32(UP_SHIFT))),
    };
  }
}
