/**
 * Runs fresh vectors on the host's processor and on every tier, and reports the differences.
 *
 *   npx tsx --conditions=@domu/source packages/x86-cpu/test/record/offline.ts
 *     [--vectors N] [--compiled N] [--seed TEXT] [--only REGEXP]
 *
 * N fresh vectors of each instance run in the general step and in the fast loop, the first of them compiled as well.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROWS } from '../../src/table/index.ts';
import { differences } from '../compare.ts';
import { VectorMachine } from '../vector-machine.ts';
import { generate } from './generate.ts';
import { type Instance, instancesOf } from './instances.ts';
import { buildRecorder, runNative } from './native.ts';
import type { VectorInput, VectorOutput } from './vector.ts';

const { values } = parseArgs({
  options: {
    vectors: { type: 'string', default: '1000' },
    compiled: { type: 'string', default: '20' },
    seed: { type: 'string', default: 'offline' },
    only: { type: 'string', default: '.' },
  },
});
const BATCH = 5000;
const MAX_REPORTS = 50;

/** Runs a vector; null where this tier cannot tell. */
type Run = (input: VectorInput, host: VectorOutput) => VectorOutput | null;

interface Lane {
  readonly name: string;
  readonly run: Run;
  readonly limit: number;
  checks: number;
  wrong: number;
  /** The host's answer depends on the recorder's own memory. */
  leftOut: number;
}

function lanes(compiler: VectorMachine): Lane[] {
  const general = new VectorMachine();
  general.cpu.forceGeneric = true;
  const fast = new VectorMachine();
  const lane = (name: string, limit: number, run: Run): Lane => ({
    name,
    limit,
    run,
    checks: 0,
    wrong: 0,
    leftOut: 0,
  });
  return [
    lane('general step', Number.POSITIVE_INFINITY, (input, host) => general.run(input, host)),
    lane('fast loop', Number.POSITIVE_INFINITY, (input, host) => fast.run(input, host)),
    lane('compiled', Number(values.compiled), (input, host) => {
      const before = compiler.cpu.codeMetrics?.compiled;
      compiler.runPast(input, host);
      const ours = compiler.runPast(input, host);
      return before === compiler.cpu.codeMetrics?.compiled ? null : ours;
    }),
  ];
}

/** @param askAgain what the host answers when it is asked for one vector alone, twice; null: that differs each time */
function check(
  to: Lane,
  instance: Instance,
  inputs: readonly VectorInput[],
  hosts: readonly (VectorOutput | null)[],
  askAgain: (input: VectorInput) => VectorOutput | null,
): void {
  const left = Math.min(inputs.length, to.limit);
  for (let i = 0; i < left; i++) {
    const [input, host] = [inputs[i]!, hosts[i]];
    const ours = host ? to.run(input, host) : null;
    if (!host || !ours) continue;
    to.checks++;
    if (differences(instance, input, host, ours).length === 0) continue;
    const again = askAgain(input);
    if (again) reportMismatch(to, instance, input, again);
    else to.leftOut++;
  }
}

function reportMismatch(to: Lane, instance: Instance, input: VectorInput, host: VectorOutput): void {
  const ours = to.run(input, host);
  const found = ours ? differences(instance, input, host, ours) : [];
  if (found.length === 0) return;
  to.wrong++;
  if (to.wrong > MAX_REPORTS) return;
  const code = Buffer.from(input.code).toString('hex');
  console.log(
    `${to.name}: ${instance.key}: ${found.join(', ')}: ${code} ${JSON.stringify({ input, host, ours })}`,
  );
}

function main(): void {
  const work = mkdtempSync(join(tmpdir(), 'vectors-'));
  const recorder = buildRecorder(work);
  const scratch = join(work, 'inputs');
  const askAgain = (input: VectorInput): VectorOutput | null =>
    runNative(recorder, scratch, [input])[0] ?? null;
  const compiler = new VectorMachine('jit');
  const all = lanes(compiler);
  const only = new RegExp(values.only);
  for (const instance of instancesOf(ROWS)) {
    if (!only.test(instance.key)) continue;
    for (let done = 0; done < Number(values.vectors); done += BATCH) {
      const count = Math.min(BATCH, Number(values.vectors) - done);
      const inputs = generate(instance, count, `${values.seed}${done}`);
      const hosts = runNative(recorder, scratch, inputs, 1);
      for (const [i, host] of hosts.entries())
        if (!host) console.log(`${instance.key}: left out: ${Buffer.from(inputs[i]!.code).toString('hex')}`);
      for (const to of all) if (done === 0 || to.limit > done) check(to, instance, inputs, hosts, askAgain);
    }
  }
  for (const l of all) console.log(`${l.name}: ${l.checks} checks, ${l.wrong} differ, ${l.leftOut} left out`);
  console.log(`compiled regions: ${compiler.cpu.codeMetrics?.compiled}`);
  rmSync(work, { recursive: true });
}

main();
