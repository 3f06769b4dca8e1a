import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ROWS } from '../../src/table/index.ts';
import { describe, differences } from './compare.ts';
import { generate, simdInstances } from './generate.ts';
import { SimdMachine } from './machine.ts';
import { buildRecorder, runNative } from './native.ts';

/**
 * Runs fresh vectors on the host processor and on both engines, and reports the differences.
 * usage: tsx offline.ts [--encodings N] [--vectors N] [--seed TEXT] [--only REGEXP] [--engine interpreter|jit|both]
 */
const option = (name: string, fallback: string): string => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
};
const encodings = Number(option('encodings', '8'));
const vectors = Number(option('vectors', '50'));
const seed = option('seed', '');
const only = new RegExp(option('only', '.'));
const engine = option('engine', 'both');

function main(): void {
  const work = mkdtempSync(join(tmpdir(), 'simd-'));
  const recorder = buildRecorder(work);
  const engines = (['interpreter', 'jit'] as const).filter((e) => engine === 'both' || engine === e);
  let total = 0;
  let wrong = 0;
  for (const instance of simdInstances(ROWS)) {
    if (!only.test(instance.key)) continue;
    const inputs = [...generate(instance, encodings, vectors, seed)];
    const outputs = runNative(recorder, inputs);
    for (const e of engines) {
      const machine = machineFor(e);
      const bad = inputs.flatMap((input, i) => {
        const ours = machine.run(input);
        const found = differences(instance.row, outputs[i]!, ours);
        return found.length > 0 ? [{ input, host: outputs[i]!, ours, found }] : [];
      });
      total += inputs.length;
      wrong += bad.length;
      if (bad.length === 0) continue;
      const kinds = new Set(bad.map((b) => b.found.join(', ')));
      const shortest = bad.find((b) => b.found.length === 1) ?? bad[0]!;
      console.log(
        `${instance.key} (${e}): ${bad.length} of ${inputs.length} (${[...kinds].slice(0, 4).join(' | ')})`,
      );
      console.log(describe(shortest.input, shortest.host, shortest.ours));
    }
  }
  console.log(`${total} checks, ${wrong} differ`);
  rmSync(work, { recursive: true });
}

const machines = new Map<string, { machine: SimdMachine; used: number }>();
/** A fresh one before the code area is full. */
function machineFor(e: 'interpreter' | 'jit'): SimdMachine {
  const known = machines.get(e);
  if (known && known.used + encodings < 90_000) {
    known.used += encodings;
    return known.machine;
  }
  const machine = new SimdMachine(e);
  machines.set(e, { machine, used: encodings });
  return machine;
}

main();
