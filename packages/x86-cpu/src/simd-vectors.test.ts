import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { describe as describeVector, differences } from '../test/simd/compare.ts';
import { simdInstances } from '../test/simd/generate.ts';
import { SimdMachine } from '../test/simd/machine.ts';
import { fingerprint, Unpacker } from '../test/simd/pack.ts';
import { recordedInputs } from '../test/simd/recorded.ts';
import { ROWS } from './table/index.ts';

const unpacker = new Unpacker(readFileSync(new URL('../test/vectors/simd.bin.gz', import.meta.url)));
const loaded = simdInstances(ROWS).map((instance) => {
  const inputs = recordedInputs(instance);
  return { instance, inputs, outputs: inputs.map((input) => unpacker.next(input)) };
});

it('answers the vectors that the SIMD rows generate: else record again', () => {
  expect(fingerprint(loaded.flatMap((l) => l.inputs))).toBe(unpacker.fingerprint);
});

describe.each(['interpreter', 'jit'] as const)('SIMD vectors recorded on a processor: %s', (engine) => {
  it('every form of every row does what the processor did', { timeout: 120_000 }, () => {
    const machine = new SimdMachine(engine);
    const mismatches = loaded.flatMap(({ instance, inputs, outputs }) => {
      const bad = inputs.flatMap((input, i) => {
        const ours = machine.run(input);
        const found = differences(instance.row, outputs[i]!, ours);
        return found.length === 0 ? [] : [`${found.join()}\n${describeVector(input, outputs[i]!, ours)}`];
      });
      return bad.length === 0 ? [] : [`${instance.key}: ${bad.length} differ, e.g. ${bad[0]}`];
    });
    expect(mismatches.join('\n')).toBe('');
    if (engine === 'jit') expect(machine.cpu.codeMetrics?.compiled).toBeGreaterThan(loaded.length);
  });
});
