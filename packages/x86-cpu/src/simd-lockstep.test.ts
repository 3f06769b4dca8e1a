import { expect, it } from 'vitest';
import { Random } from '../test/record/random.ts';
import { type Encoding, encoding, simdInstances, vectorFor } from '../test/simd/generate.ts';
import { SimdMachine } from '../test/simd/machine.ts';
import type { SimdInput } from '../test/simd/state.ts';
import { ROWS } from './table/index.ts';

const PROGRAMS = Number(process.env.SIMD_PROGRAMS ?? 150);
const INSTRUCTIONS = 40;
const BUDGET = 700;
const RUNS = 3;
const MASKED = 0x1f80;
const MXCSR_AT = 36;
const ECX_AT = 4;

const instances = simdInstances(ROWS).filter(({ row }) => !/MASKMOV|LDMXCSR/.test(row.mnemonic));

/** A loop over random instructions, which are sometimes jumped over. */
function program(r: Random): SimdInput {
  const code: number[] = [];
  const nop: Encoding = { code: [0x90], address: 0x9100 };
  let last = { instance: r.pick(instances), made: nop };
  for (let i = 0; i < INSTRUCTIONS; i++) {
    const instance = r.pick(instances);
    const made = encoding(instance, r);
    const faults = instance.form === 'mem' && (made.address & 15) !== 0;
    if (faults && !r.oneIn(20)) continue;
    if (r.oneIn(6)) code.push(0x70 | r.below(16), made.code.length);
    code.push(...made.code);
    last = { instance, made };
  }
  const back = -(code.length + 7);
  code.push(0x49, 0x0f, 0x85, back & 0xff, (back >> 8) & 0xff, 0xff, 0xff);
  const { state } = vectorFor(last.instance, { ...last.made, address: 0x9400 }, r);
  const view = new DataView(state.buffer);
  if (!r.oneIn(4)) view.setUint32(MXCSR_AT, MASKED | (r.below(4) << 13), true);
  view.setUint32(ECX_AT, 1 + r.below(8), true);
  return { state, address: 0x9400, code };
}

it('compiled programs of SIMD instructions end in the state that the interpreter reaches', {
  timeout: 120_000,
}, () => {
  const r = new Random(`programs${process.env.SIMD_SEED ?? ''}`);
  const interpreter = new SimdMachine('interpreter');
  const jit = new SimdMachine('jit');
  for (let i = 0; i < PROGRAMS; i++) {
    const input = program(r);
    for (let n = 0; n < RUNS; n++) {
      const [a, b] = [interpreter, jit].map((machine) => {
        const before = machine.cpu.retired;
        const output = machine.run(input, BUDGET - 3 * n);
        return { ...output, eip: machine.cpu.eip, retired: machine.cpu.retired - before };
      });
      expect(b, `program ${i}: ${Buffer.from(input.code).toString('hex')}`).toEqual(a);
    }
  }
  expect(jit.cpu.codeMetrics?.compiled).toBeGreaterThan(PROGRAMS);
});
