// The cold-code tier beside v86: integer programs, the same binary on both. Run by `pnpm --filter @domu/x86-cpu bench`.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { stopwatch } from './clock.ts';
import { DomuHost } from './hosts/domu.ts';
import { runNative } from './hosts/native.ts';
import { runV86 } from './hosts/v86.ts';
import { withImage } from './image.ts';
import { PROGRAMS, type Sample } from './programs.ts';
import { formatReport, makeReport } from './report.ts';

const HELP = `usage: bench [--repeat N] [--quick] [--no-v86] [--v86-jit] [--json FILE]
  --repeat N   run everything N times (3), taking turns; the table shows ranges, and MIPS of the fastest
  --quick      few repetitions of each program, run once: checks that the benchmark works
  --no-v86     domu only
  --jit        let domu compile hot code
  --v86-jit    let v86 compile hot code
  --json FILE  also write the report to FILE
`;

const { values: options } = parseArgs({
  // pnpm hands on the "--" before its own options' end.
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    repeat: { type: 'string', default: '3' },
    quick: { type: 'boolean', default: false },
    'no-v86': { type: 'boolean', default: false },
    jit: { type: 'boolean', default: false },
    'v86-jit': { type: 'boolean', default: false },
    json: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

function checkResults(host: string, expected: readonly Sample[], samples: readonly Sample[]): void {
  for (const [i, { name }] of PROGRAMS.entries()) {
    const [wanted, got] = [expected[i]!.result, samples[i]!.result];
    if (got !== wanted) throw new Error(`${host} computes ${name} = ${got}, the native run ${wanted}`);
  }
}

async function measure(path: string, image: Uint8Array): Promise<void> {
  const times = PROGRAMS.map((program) => (options.quick ? program.quick : program.times)).join(' ');
  const watch = stopwatch();
  const expected = await runNative(path, times);
  const ours = new DomuHost(options.jit ? 'jit' : 'interpreter');
  const domu: Sample[][] = [];
  const v86: Sample[][] = [];
  for (let round = 0; round < (options.quick ? 1 : Number(options.repeat)); round++) {
    domu.push(ours.run(image, times, watch));
    checkResults('domu', expected, domu.at(-1)!);
    if (options['no-v86']) continue;
    v86.push(await runV86(image, times, watch, options['v86-jit']));
    checkResults('v86', expected, v86.at(-1)!);
  }
  const report = makeReport(domu, v86, {
    timed: watch.name,
    jit: options.jit,
    v86Jit: options['v86-jit'],
  });
  process.stdout.write(formatReport(report));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
}

if (options.help) process.stdout.write(HELP);
else await withImage(measure);
