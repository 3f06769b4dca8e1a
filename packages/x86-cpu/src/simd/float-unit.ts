import { S, STATE_BYTES } from '../state.ts';
import {
  add,
  type Binary,
  compare,
  comparison,
  div,
  fromInteger,
  max,
  min,
  mul,
  narrow,
  roundTo,
  sqrt,
  sub,
  toInteger,
  widen,
} from './arithmetic.ts';
import { FLOAT_KINDS, FLOAT_OPS, MXCSR_MASK_SHIFT } from './float-ops.ts';
import { DOUBLE, FloatEnv, type Format, Round, SINGLE } from './soft-float.ts';
import { compareStrings, comparisonIndex, comparisonMask } from './string-compare.ts';

/** Operands of one instruction: reads lanes of the first and second, writes lanes of the result. */
interface Lanes {
  a(lane: number): bigint;
  b(lane: number): bigint;
  set(lane: number, v: bigint): void;
}
type Operation = (env: FloatEnv, single: Lanes, double: Lanes, imm: number) => void;

/** String comparisons by the last letter of their name: index, mask, flags. */
const STRING = /^pcmp([ei])str([imf])$/;

const each = (count: number, lane: (i: number) => void): void => {
  for (let i = 0; i < count; i++) lane(i);
};

/** A lane operation in the four forms: packed or scalar, single or double. */
function inKinds(choose: (imm: number) => Binary): Operation[] {
  return FLOAT_KINDS.map((kind) => (env, single, double, imm) => {
    const isDouble = kind.endsWith('d');
    const lanes = isDouble ? double : single;
    const f: Format = isDouble ? DOUBLE : SINGLE;
    const lane = choose(imm);
    each(kind.startsWith('s') ? 1 : isDouble ? 2 : 4, (i) =>
      lanes.set(i, lane(lanes.a(i), lanes.b(i), f, env)),
    );
  });
}

/** Result: the bits ZF 6, PF 2, CF 0 of EFLAGS. */
const flags =
  (f: Format, quiet: boolean): Operation =>
  (env, single, double) => {
    const lanes = f === SINGLE ? single : double;
    const order = compare(lanes.a(0), lanes.b(0), f, env, quiet);
    single.set(0, order === 2 ? 0x45n : order === 0 ? 0x40n : order < 0 ? 1n : 0n);
  };

const alternating =
  (f: Format): Operation =>
  (env, single, double) => {
    const lanes = f === SINGLE ? single : double;
    each(f === SINGLE ? 4 : 2, (i) => lanes.set(i, (i & 1 ? add : sub)(lanes.a(i), lanes.b(i), f, env)));
  };

/** Products that bits 4-7 of the immediate select, added in pairs, to the lanes that bits 0-3 select. */
const dotProduct =
  (f: Format): Operation =>
  (env, single, double, imm) => {
    const lanes = f === SINGLE ? single : double;
    const count = f === SINGLE ? 4 : 2;
    const product = (i: number): bigint => ((imm >> (4 + i)) & 1 ? mul(lanes.a(i), lanes.b(i), f, env) : 0n);
    const products = Array.from({ length: count }, (_, i) => product(i));
    if (!env.settle()) return;
    const sums = (count === 2 ? [0] : [0, 2]).map((i) => add(products[i]!, products[i + 1]!, f, env));
    if (!env.settle()) return;
    const total = count === 2 ? sums[0]! : add(sums[0]!, sums[1]!, f, env);
    each(count, (i) => lanes.set(i, (imm >> i) & 1 ? total : 0n));
  };

const integers =
  (f: Format, count: number, truncate: boolean): Operation =>
  (env, single, double) => {
    const lanes = f === SINGLE ? single : double;
    const rounding = truncate ? Round.Zero : env.rounding;
    const values = Array.from({ length: count }, (_, i) => toInteger(lanes.b(i), f, env, rounding));
    each(4, (i) => single.set(i, values[i] ?? 0n));
  };
const floats =
  (count: number): Operation =>
  (env, single) =>
    each(count, (i) => single.set(i, fromInteger(single.b(i), env)));

const narrowAll: Operation = (env, single, double) => {
  const values = [narrow(double.b(0), env), narrow(double.b(1), env)];
  each(4, (i) => single.set(i, values[i] ?? 0n));
};

const OPERATIONS: ReadonlyMap<string, Operation> = new Map<string, Operation>([
  ...(
    [
      ['add', () => add],
      ['sub', () => sub],
      ['mul', () => mul],
      ['div', () => div],
      ['min', () => min],
      ['max', () => max],
      ['sqrt', () => sqrt],
      ['cmp', (imm) => comparison(imm & 7)],
      ['round', roundTo],
    ] as readonly [string, (imm: number) => Binary][]
  ).flatMap(([name, choose]) =>
    inKinds(choose).map((o, i): [string, Operation] => [`${name}${FLOAT_KINDS[i]}`, o]),
  ),
  ['comiss', flags(SINGLE, false)],
  ['comisd', flags(DOUBLE, false)],
  ['ucomiss', flags(SINGLE, true)],
  ['ucomisd', flags(DOUBLE, true)],
  ['addsubps', alternating(SINGLE)],
  ['addsubpd', alternating(DOUBLE)],
  ['dpps', dotProduct(SINGLE)],
  ['dppd', dotProduct(DOUBLE)],
  ['cvtdq2ps', floats(4)],
  ['cvtpi2ps', floats(2)],
  ['cvtsi2ss', floats(1)],
  ['cvtps2pd', (env, single, double) => each(2, (i) => double.set(i, widen(single.b(i), env)))],
  ['cvtpd2ps', narrowAll],
  ['cvtss2sd', (env, single, double) => double.set(0, widen(single.b(0), env))],
  ['cvtsd2ss', (env, single, double) => single.set(0, narrow(double.b(0), env))],
  ['cvtps2dq', integers(SINGLE, 4, false)],
  ['cvttps2dq', integers(SINGLE, 4, true)],
  ['cvtps2pi', integers(SINGLE, 2, false)],
  ['cvttps2pi', integers(SINGLE, 2, true)],
  ['cvtpd2dq', integers(DOUBLE, 2, false)],
  ['cvttpd2dq', integers(DOUBLE, 2, true)],
  ['cvtss2si', integers(SINGLE, 1, false)],
  ['cvttss2si', integers(SINGLE, 1, true)],
  ['cvtsd2si', integers(DOUBLE, 1, false)],
  ['cvttsd2si', integers(DOUBLE, 1, true)],
]);

const BY_NUMBER: readonly (Operation | undefined)[] = FLOAT_OPS.map((name) => OPERATIONS.get(name));
const CR4_OSXMMEXCPT = 0x400;
/** #XM, or #UD where the system does not take it. */
const XM = 19;
const UD = 6;

/**
 * Floating point under any MXCSR, one instruction at a time and slowly: what generated code does not do inline.
 * Operands lie at S.simdA and S.simdB, the result at S.simdR: lanes that an operation does not set are those of the first.
 */
export class FloatUnit {
  readonly #words: Int32Array;
  readonly #single: Lanes;
  readonly #double: Lanes;

  constructor(memory: WebAssembly.Memory) {
    const words = new Uint32Array(memory.buffer, 0, STATE_BYTES >> 2);
    const doubles = new BigUint64Array(memory.buffer, 0, STATE_BYTES >> 3);
    this.#words = new Int32Array(memory.buffer, 0, STATE_BYTES >> 2);
    const [a, b, r] = [S.simdA >> 2, S.simdB >> 2, S.simdR >> 2];
    this.#single = {
      a: (i) => BigInt(words[a + i]!),
      b: (i) => BigInt(words[b + i]!),
      set: (i, v) => {
        words[r + i] = Number(v);
      },
    };
    this.#double = {
      a: (i) => doubles[(a >> 1) + i]!,
      b: (i) => doubles[(b >> 1) + i]!,
      set: (i, v) => {
        doubles[(r >> 1) + i] = v;
      },
    };
  }

  /** The lengths of explicit strings stand above the control byte. @returns false when the operation is another one */
  #compareStrings(number: number, control: number): boolean {
    const match = STRING.exec(FLOAT_OPS[number] ?? '');
    if (!match) return false;
    const words = this.#words;
    const bytes = new Uint8Array(words.buffer);
    const vector = (at: number): Uint8Array => bytes.subarray(at, at + 16);
    const explicit: [number, number] | null =
      match[1] === 'e' ? [(control >> 8) & 0xff, (control >> 16) & 0xff] : null;
    const found = compareStrings(vector(S.simdA), vector(S.simdB), control, explicit);
    if (match[2] === 'm') bytes.set(comparisonMask(found, control), S.simdR);
    else words[S.simdR >> 2] = match[2] === 'i' ? comparisonIndex(found, control) : found.flags;
    return true;
  }

  /** @returns 0, or the vector of the exception that MXCSR does not mask */
  run(number: number, imm: number): number {
    const words = this.#words;
    const env = new FloatEnv(words[S.mxcsr >> 2]!);
    words.copyWithin(S.simdR >> 2, S.simdA >> 2, (S.simdA >> 2) + 4);
    if (this.#compareStrings(number, imm)) return 0;
    BY_NUMBER[number]?.(env, this.#single, this.#double, imm);
    const enabled = ~(env.mxcsr >> MXCSR_MASK_SHIFT);
    const early = (env.before & enabled) !== 0;
    words[S.mxcsr >> 2] = env.mxcsr | env.settled | env.before | (early ? 0 : env.after);
    if (!early && (env.after & enabled) === 0) return 0;
    return words[S.cr4 >> 2]! & CR4_OSXMMEXCPT ? XM : UD;
  }
}
