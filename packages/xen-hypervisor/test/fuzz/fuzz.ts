// The full run: npx tsx --conditions=@domu/source packages/xen-hypervisor/test/fuzz/fuzz.ts --calls 2000000 --seed 1
import { parseArgs } from 'node:util';
import { epoch } from './epoch.ts';
import { assembleLoops } from './guest.ts';
import { runSteps } from './run.ts';
import { shrink, table } from './shrink.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    first: { type: 'string', default: '0' },
    keep: { type: 'boolean', default: false },
  },
});
const wanted = Number(values.calls);
const seed = Number(values.seed);
const start = performance.now();
const loops = assembleLoops();
let calls = 0;
let dispatched = 0;
let deaths = 0;
let failures = 0;
let lastReport = 0;

function report(number: number): void {
  const seconds = (performance.now() - start) / 1000;
  console.log(
    `seed ${seed} epochs ${number}: ${calls} calls by guests (${dispatched} dispatched), ` +
      `${Math.round(calls / seconds)} calls/s, ${deaths} guests died, ${failures} failures, ${Math.round(seconds)} s`,
  );
}

let number = Number(values.first);
for (; calls < wanted; number++) {
  const { setup, steps } = epoch(seed, number, loops);
  const outcome = runSteps(setup, steps);
  calls += outcome.calls;
  dispatched += outcome.dispatched;
  deaths += outcome.deaths;
  if (outcome.failure !== null) {
    failures++;
    console.log(`seed ${seed} epoch ${number} FAILED ${outcome.failure}`);
    const smallest = shrink(steps, (some) => runSteps(setup, some).failure);
    console.log(`reproducer, ${smallest.length} calls:\n${table(smallest)}`);
    console.log(runSteps(setup, smallest).failure);
    if (!values.keep) break;
  }
  if (performance.now() - lastReport > 20_000) {
    lastReport = performance.now();
    report(number + 1);
  }
}
report(number);
process.exitCode = failures > 0 ? 1 : 0;
