/**
 * The full run, after `npx tsc -b`: `npx tsx apps/runner/test/guest-kernel/fuzz/run.ts [--calls N] [--seed FIRST] [--per-seed N]`.
 * A failure names its seed, with the calls before it.
 */
import { parseArgs } from 'node:util';
import { HostileRun } from './hostile.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '5000000' },
    seed: { type: 'string', default: '1' },
    'per-seed': { type: 'string', default: '50000' },
    history: { type: 'string', default: '40' },
    jit: { type: 'boolean', default: false },
  },
});

const wanted = Number(values.calls);
const each = Number(values['per-seed']);
let made = 0;
let failures = 0;
for (let seed = Number(values.seed); made < wanted; seed++) {
  const run = new HostileRun({
    seed,
    calls: Math.min(each, wanted - made),
    engine: values.jit ? 'jit' : 'interpreter',
  });
  const before = process.cpuUsage();
  try {
    const { calls, rounds, slowestMs, slowest, digest } = run.run();
    made += calls;
    const { user, system } = process.cpuUsage(before);
    const { rss, heapUsed } = process.memoryUsage();
    console.log(
      `seed ${seed}: ${calls} calls in ${rounds} rounds, ${Math.round((user + system) / 1e6)} s, digest ${digest}, ` +
        `slowest ${Math.round(slowestMs)} ms ${slowest}; rss ${rss >> 20} MiB, heap ${heapUsed >> 20} MiB`,
    );
  } catch (error) {
    failures++;
    made += each;
    console.log(`seed ${seed} FAILED: ${error instanceof Error ? error.stack : error}`);
    console.log(
      run
        .history(Number(values.history))
        .map((line) => `    ${line}`)
        .join('\n'),
    );
  }
}
console.log(`${made} calls, ${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
