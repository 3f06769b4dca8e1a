import { describe, expect, test } from 'vitest';
import { Random } from '../../test/record/random.ts';
import { encoding, simdInstances } from '../../test/simd/generate.ts';
import { SimdMachine } from '../../test/simd/machine.ts';
import { At, STATE_BYTES } from '../../test/simd/state.ts';
import { ROWS } from '../table/index.ts';

/** Masked, to nearest, PE set: what straight arithmetic needs. */
const MXCSR = 0x1fa0;
const LEAST = 2 ** -1022;
const DOUBLES = [
  ...[0, -0, 1, -3, 0.1, 1e300, -1e300, 1e-300],
  ...[LEAST, 4 * LEAST, LEAST / 2, 5e-324, -5e-324, Number.MAX_VALUE, Infinity, -Infinity, Number.NaN],
];
/** Some at the ends of what is trusted. */
const EDGES = [2 ** 256, 2 ** 257, 2 ** -255, 2 ** -256, 2 ** 64, 2 ** 65, -(2 ** -63), 2 ** -64];
const SINGLES = [0, -0, 1, -3, 0.1, 1e38, 2e-38, 2 ** -126, 2 ** -125, 1e-45, 3e38, Infinity, Number.NaN];
const OPERATIONS = { add: 0x58, mul: 0x59, sub: 0x5c, min: 0x5d, div: 0x5e, max: 0x5f, sqrt: 0x51 };
const KINDS = { ps: [], pd: [0x66], ss: [0xf3], sd: [0xf2] };

/** OP xmm0, xmm1; ADD xmm2, xmm0: what the first makes is an operand of the second. */
const program = (prefix: readonly number[], opcode: number): number[] => [
  ...[...prefix, 0x0f, opcode, 0xc1],
  ...[...prefix, 0x0f, 0x58, 0xd0],
];

/** With numbers in XMM0 and following. */
function state(isDouble: boolean, ...numbers: number[]): Uint8Array {
  const bytes = new Uint8Array(STATE_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint32(At.mxcsr, MXCSR, true);
  numbers.forEach((value, n) => {
    for (let at = 0; at < 16; at += isDouble ? 8 : 4) {
      // The upper lanes hold something plain.
      const lane = at === 0 ? value : 1;
      if (isDouble) view.setFloat64(At.xmm + 16 * n + at, lane, true);
      else view.setFloat32(At.xmm + 16 * n + at, lane, true);
    }
  });
  return bytes;
}

describe.each(Object.entries(KINDS))('arithmetic of %s on numbers of every kind', (kind, prefix) => {
  test.each(Object.entries(OPERATIONS))(
    '%s: compiled, it is what the interpreter makes of it',
    (_, opcode) => {
      const isDouble = kind.endsWith('d');
      const numbers = [...(isDouble ? DOUBLES : SINGLES), ...EDGES];
      const machines = [new SimdMachine('interpreter'), new SimdMachine('jit')];
      const code = program(prefix, opcode);
      for (const a of numbers) {
        for (const b of numbers) {
          const input = { state: state(isDouble, a, b, 1), address: 0x9400, code };
          const [expected, got] = machines.map((machine) => machine.run(input, 3));
          expect(got, `${a}, ${b}`).toEqual(expected);
        }
      }
    },
  );
});

/** Operations that chains are made of: most lead out of what is trusted soon. */
const MIXES = [Object.values(OPERATIONS), [0x59], [0x58, 0x59], [0x59, 0x5e], [0x58, 0x59, 0x5c]];

/** Six operations on XMM0 to XMM3: what one makes is an operand of others. */
function chain(r: Random, prefix: readonly number[]): number[] {
  const opcodes = r.pick(MIXES);
  const one = (): number[] => [...prefix, 0x0f, r.pick(opcodes), 0xc0 | (r.below(4) << 3) | r.below(4)];
  return Array.from({ length: 6 }, one).flat();
}

/** Registers of numbers whose exponents lie within a range. */
function registers(r: Random, isDouble: boolean): Uint8Array {
  const bytes = state(isDouble);
  const view = new DataView(bytes.buffer);
  const reach = r.pick(isDouble ? [4, 60, 255, 300, 1022] : [4, 30, 63, 70, 126]);
  const [negative, zero] = [r.pick([2, 1000]), r.pick([8, 1000])];
  for (let at = 0; at < 128; at += isDouble ? 8 : 4) {
    const sign = r.oneIn(negative) ? -1 : 1;
    const number = r.oneIn(zero) ? 0 : (1 + r.below(1000) / 1000) * 2 ** (r.below(2 * reach) - reach);
    if (isDouble) view.setFloat64(At.xmm + at, sign * number, true);
    else view.setFloat32(At.xmm + at, sign * number, true);
  }
  return bytes;
}

test.each(Object.entries(KINDS))(
  'chains of operations of %s end in the same numbers and flags',
  (kind, prefix) => {
    const r = new Random(`chains of ${kind}`);
    const machines = [new SimdMachine('interpreter'), new SimdMachine('jit')];
    for (let n = 0; n < 300; n++) {
      const code = chain(r, prefix);
      for (let again = 0; again < 5; again++) {
        const input = { state: registers(r, kind.endsWith('d')), address: 0x9400, code };
        const [expected, got] = machines.map((machine) => machine.run(input, 7));
        expect(got, `program ${n}`).toEqual(expected);
      }
    }
  },
);

test('a difference of small numbers is smaller than they are by all of their bits', () => {
  const op = (name: keyof typeof OPERATIONS, to: number, from: number): number[] => {
    return [0xf2, 0x0f, OPERATIONS[name], 0xc0 | (to << 3) | from];
  };
  // Numbers as far apart as the test lets pass; roots of them bring the result just below the least normal number.
  const code = [
    ...[op('sub', 0, 1), op('div', 0, 2), op('div', 0, 2)],
    ...[
      op('sqrt', 4, 3),
      op('mul', 0, 4),
      op('sqrt', 5, 4),
      op('mul', 0, 5),
      op('sqrt', 6, 5),
      op('mul', 0, 6),
    ],
  ].flat();
  const [small, large] = [2 ** -255, 1.9 * 2 ** 256];
  const input = { state: state(true, small * (1 + 2 ** -52), small, large, small), address: 0x9400, code };
  const machines = [new SimdMachine('interpreter'), new SimdMachine('jit')];
  const [expected, got] = machines.map((machine) => [1, 2, 3].map(() => machine.run(input, 10)));
  expect(got).toEqual(expected);
});

const ADD_AL_CL = [0x00, 0xc8];
const ADDPS_XMM5_XMM5 = [0x0f, 0x58, 0xed];
const MEMORY = 0x9400;

/** Flags of the addition are not computed until somebody asks: nothing in a run may do so halfway. */
test('flags are the same behind arithmetic that follows any instruction', () => {
  const r = new Random('flags');
  const interpreter = new SimdMachine('interpreter');
  const jit = new SimdMachine('jit');
  for (const instance of simdInstances(ROWS)) {
    const { code } = encoding(instance, r);
    const bytes = state(false, 1, 2, 1);
    const view = new DataView(bytes.buffer);
    view.setUint32(At.regs, 0xf0, true);
    view.setUint32(At.regs + 4, 0x20, true);
    const input = { state: bytes, address: MEMORY, code: [...ADD_AL_CL, ...code, ...ADDPS_XMM5_XMM5] };
    for (let n = 0; n < 3; n++) {
      const [expected, got] = [interpreter, jit].map((machine) => machine.run(input, 4));
      expect(got, instance.row.mnemonic).toEqual(expected);
    }
  }
});
