import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import { differences } from '../test/compare.ts';
import { generate } from '../test/record/generate.ts';
import { instancesOf } from '../test/record/instances.ts';
import { fingerprint, Unpacker } from '../test/record/pack.ts';
import type { VectorInput, VectorOutput } from '../test/record/vector.ts';
import { VectorMachine } from '../test/vector-machine.ts';
import { ROWS } from './table/index.ts';

const file = readFileSync(new URL('../test/vectors/integer.bin.gz', import.meta.url));
const unpacker = new Unpacker(file);
const instances = instancesOf(ROWS);
const loaded = instances.map((instance) => {
  const inputs = generate(instance);
  return { instance, inputs, outputs: unpacker.next(inputs), print: fingerprint(inputs) };
});
const total = loaded.reduce((sum, l) => sum + l.inputs.length, 0);

const hex = (v: number): string => (v >>> 0).toString(16);
const state = (v: VectorInput | VectorOutput): string =>
  `${v.regs.map(hex).join(' ')} eip ${hex(v.eip)} eflags ${hex(v.eflags)}`;

/** One line of the table of mismatches: how many vectors of the instance, how they differ, and the first of them. */
function describeMismatch(
  key: string,
  bad: readonly { input: VectorInput; host: VectorOutput; ours: VectorOutput; found: string[] }[],
): string {
  const kinds = new Set(bad.map((b) => b.found.join(', ')));
  const [first] = bad;
  if (!first) return key;
  const code = first.input.code.map(hex).join(' ');
  const lines = [`${key}: ${bad.length} differ (${[...kinds].join(' | ')}), e.g. ${code}`];
  lines.push(`  in   ${state(first.input)}`, `  host ${state(first.host)}`, `  ours ${state(first.ours)}`);
  return lines.join('\n');
}

it('answers the vectors that the rows generate: else record again', () => {
  const recorded = unpacker.instances.map((i) => [i.key, i.fingerprint]);
  expect(recorded).toEqual(loaded.map((l) => [l.instance.key, l.print]));
});

describe.each([
  { lane: 'general step', forceGeneric: true },
  { lane: 'fast loop', forceGeneric: false },
])('vectors recorded on a processor: $lane', ({ forceGeneric }) => {
  it('every instance of every row does what the processor did', () => {
    const machine = new VectorMachine();
    machine.cpu.forceGeneric = forceGeneric;
    const mismatches: string[] = [];
    for (const { instance, inputs, outputs } of loaded) {
      const bad = inputs.flatMap((input, i) => {
        const host = outputs[i] as VectorOutput;
        const ours = machine.run(input, host);
        const found = differences(instance, input, host, ours);
        return found.length === 0 ? [] : [{ input, host, ours, found }];
      });
      if (bad.length > 0) mismatches.push(describeMismatch(instance.key, bad));
    }
    expect(mismatches.join('\n')).toBe('');
  }, 120_000);
});

afterAll(() => {
  const rows = new Set(instances.map((i) => i.row)).size;
  console.log(`${total} vectors, ${instances.length} instances of ${rows} rows`);
});
