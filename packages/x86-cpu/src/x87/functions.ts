import type { Helper } from '../helpers/helper-cpu.ts';
import { denormals, invalid, type Result, screen, squareRoot } from './arithmetic.ts';
import { roundToIntegral } from './convert.ts';
import { registerOf, remember, unitOf } from './helpers.ts';
import { classify, type Extended, negate, ONE } from './number.ts';
import { extract, remainder, scale } from './remainder.ts';
import { C0, C1, C2, C3, type Environment, IE, raised } from './round.ts';
import {
  angle,
  exp2MinusOne,
  TRIGONOMETRIC_LIMIT,
  trigonometry,
  yLog2,
  yLog2Plus1,
} from './transcendental.ts';
import type { X87Unit } from './unit.ts';

/** ST(0) := f(ST(0)) for the codes D9 F0 to D9 FF that have this form. */
function unary(unit: X87Unit, env: Environment, f: (v: Extended) => Result): void {
  const value = unit.isEmpty(0) ? unit.read(env, 0) : f(unit.raw(0));
  if (value) unit.set(0, value);
  unit.commit(env);
}

/** ST(1) := f(ST(0), ST(1)), popped. */
function binary(unit: X87Unit, env: Environment, f: (x: Extended, y: Extended) => Result): void {
  const empty = unit.isEmpty(0) || unit.isEmpty(1);
  const value = empty ? unit.read(env, unit.isEmpty(0) ? 0 : 1) : f(unit.raw(0), unit.raw(1));
  if (value) {
    unit.set(1, value);
    unit.pop();
  }
  unit.commit(env);
}

function partialRemainder(unit: X87Unit, env: Environment, nearest: boolean): void {
  if (unit.isEmpty(0) || unit.isEmpty(1)) {
    const value = unit.read(env, unit.isEmpty(0) ? 0 : 1);
    if (value) unit.set(0, value);
    unit.commit(env, 0, C1 | C2);
    return;
  }
  const { value, codes } = remainder(env, unit.raw(0), unit.raw(1), nearest);
  if (value) unit.set(0, value);
  unit.commit(env, codes ?? 0, codes === null ? C1 | C2 : C0 | C1 | C2 | C3);
}

/** Replaces ST(0) by `first` and pushes `second`; `either` null leaves the stack alone. */
function pair(
  unit: X87Unit,
  env: Environment,
  compute: (v: Extended) => readonly [Result, Result],
  mask: number,
): void {
  let results: readonly [Result, Result];
  if (unit.isEmpty(0)) {
    const value = unit.read(env, 0);
    results = [value, value];
  } else if (!unit.isEmpty(7)) {
    const value = unit.stackFault(env, true) ? (invalid(env) as Extended) : null;
    results = [value, value];
  } else results = compute(unit.raw(0));
  const [first, second] = results;
  if (first && second) {
    unit.set(0, first);
    unit.push(second);
  }
  unit.commit(env, env.up ? C1 : 0, C1 | mask);
}

/** The operand of a trigonometric function; C2 when it is out of range. */
function trigonometric(unit: X87Unit, env: Environment, apply: (v: Extended) => void, pushes = false): void {
  const v = unit.raw(0);
  const full = pushes && !unit.isEmpty(7);
  const out = !full && !unit.isEmpty(0) && classify(v) === 'normal' && v.exponent >= TRIGONOMETRIC_LIMIT;
  if (out) unit.commit(env, C2, C1 | C2);
  else apply(v);
}

type Choice = 'sin' | 'cos' | 'tan';

/** NaN, infinity, zero and denormals before the function proper. */
function special(env: Environment, v: Extended, what: Choice): Result | undefined {
  const early = screen(env, v);
  if (early !== undefined) return early;
  const c = classify(v);
  if (c === 'infinity') return invalid(env);
  if (c === 'zero') return what === 'cos' ? ONE : v;
  return denormals(env, v) ? undefined : null;
}

function trig(env: Environment, v: Extended, what: Choice): Result {
  const early = special(env, v, what);
  return early === undefined ? trigonometry(env, v)[what]() : early;
}

function sineOrCosine(unit: X87Unit, env: Environment, what: Choice): void {
  trigonometric(unit, env, () => {
    const value = unit.isEmpty(0) ? unit.read(env, 0) : trig(env, unit.raw(0), what);
    if (value) unit.set(0, value);
    unit.commit(env, env.up ? C1 : 0, C1 | C2);
  });
}

function sineAndCosine(env: Environment, v: Extended): readonly [Result, Result] {
  const sin = trig(env, v, 'sin');
  if (!sin) return [null, null];
  const cos = raised(env, IE) ? null : trig(env, v, 'cos');
  return [sin, cos];
}

function tangent(env: Environment, v: Extended): readonly [Result, Result] {
  const value = trig(env, v, 'tan');
  const c = classify(v);
  return [value, value && c !== 'zero' && c !== 'normal' && c !== 'denormal' ? value : ONE];
}

/** D9 F0..FF by their low four bits, and D9 E0, E1 as 16 and 17. */
const OPERATIONS: readonly ((unit: X87Unit, env: Environment) => void)[] = [
  (u, env) => unary(u, env, (v) => exp2MinusOne(env, v)),
  (u, env) => binary(u, env, (x, y) => yLog2(env, x, y)),
  (u, env) => trigonometric(u, env, () => pair(u, env, (v) => tangent(env, v), C2), true),
  (u, env) => binary(u, env, (x, y) => angle(env, x, y)),
  (u, env) => pair(u, env, (v) => extract(env, v), 0),
  (u, env) => partialRemainder(u, env, true),
  (u, env) => turn(u, env, -1),
  (u, env) => turn(u, env, 1),
  (u, env) => partialRemainder(u, env, false),
  (u, env) => binary(u, env, (x, y) => yLog2Plus1(env, x, y)),
  (u, env) => unary(u, env, (v) => squareRoot(env, v)),
  (u, env) => trigonometric(u, env, () => pair(u, env, (v) => sineAndCosine(env, v), C2), true),
  (u, env) => unary(u, env, (v) => roundToIntegral(env, v)),
  (u, env) => scaleBy(u, env),
  (u, env) => sineOrCosine(u, env, 'sin'),
  (u, env) => sineOrCosine(u, env, 'cos'),
  (u, env) => unary(u, env, negate),
  (u, env) => unary(u, env, (v) => ({ ...v, sign: 0 })),
];

/** FDECSTP and FINCSTP. */
function turn(unit: X87Unit, env: Environment, by: number): void {
  unit.top = unit.top + by;
  unit.commit(env);
}

function scaleBy(unit: X87Unit, env: Environment): void {
  const empty = unit.isEmpty(0) || unit.isEmpty(1);
  const value = empty ? unit.read(env, unit.isEmpty(0) ? 0 : 1) : scale(env, unit.raw(0), unit.raw(1));
  if (value) unit.set(0, value);
  unit.commit(env);
}

/** Codes of x87Function for FCHS and FABS. */
export const CHANGE_SIGN = 16;
export const ABSOLUTE = 17;

export const x87Function: Helper = (cpu, a) => {
  remember(cpu);
  const unit = unitOf(cpu);
  OPERATIONS[a]?.(unit, unit.environment());
  return 0;
};

const EXAMINED: Readonly<Record<ReturnType<typeof classify>, number>> = {
  unsupported: 0,
  quiet: C0,
  signaling: C0,
  normal: C2,
  infinity: C2 | C0,
  zero: C3,
  denormal: C3 | C2,
};

/** FXAM. */
export const x87Examine: Helper = (cpu) => {
  remember(cpu);
  const unit = unitOf(cpu);
  const v = unit.raw(0);
  const codes = unit.isEmpty(0) ? C3 | C0 : EXAMINED[classify(v)];
  unit.commit(unit.environment(), codes | (v.sign ? C1 : 0), C0 | C1 | C2 | C3);
  return 0;
};

/** FFREE ST(i), with a pop for FFREEP. */
export const x87Free: Helper = (cpu, a, pop) => {
  remember(cpu);
  const unit = unitOf(cpu);
  unit.free(registerOf(a));
  if (pop) unit.pop();
  unit.commit(unit.environment());
  return 0;
};
