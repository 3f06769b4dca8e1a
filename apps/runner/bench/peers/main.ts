// domu beside v86 and QEMU: the very same instructions on all three. Run by `pnpm bench`.

import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { domuHost, type Host, nativeHost, qemuHost, v86Host } from './hosts.ts';
import { BenchError, buildImage } from './image.ts';
import { CLOCKS, type ClockName, measure, type Sample } from './measure.ts';
import { withFigures } from './page.ts';
import { formatReport, jsonReport, type Row } from './report.ts';
import { PROGRAMS, type Program } from './suite.ts';

const HELP = `usage: pnpm bench [--runs N] [--only NAME,...] [--hosts NAME,...] [--clock CLOCK] [--quick] [--json FILE] [--write]
  --runs N      run everything N times (3), the hosts taking turns; the fastest run counts
  --only NAMES  these programs only: ${PROGRAMS.map(({ name }) => name).join(', ')}
  --hosts NAMES of native, domu, v86, qemu, these only
  --clock CLOCK wall: real time (the default); for busy machines processor: what all threads of the host's process have
                used; busiest: what the busiest of them has
  --quick       little work in each program, run once: checks that everything works
  --json FILE   also write {programs: {NAME: {domu_ms, v86_ms, qemu_ms}}, geomean: {v86, qemu}}; the means are domu's
                speed over the peer's
  --write       also put the table into docs/PERFORMANCE.md
  --cache DIR   where the built programs are kept (.cache/bench)
  --from-source run domu without building it first; slow
`;

const PAGE = fileURLToPath(new URL('../../../../docs/PERFORMANCE.md', import.meta.url));

const { values: options } = parseArgs({
  // pnpm hands on the "--" before its own options' end.
  args: process.argv.slice(2).filter((arg) => arg !== '--'),
  options: {
    runs: { type: 'string', default: '3' },
    only: { type: 'string' },
    hosts: { type: 'string' },
    clock: { type: 'string', default: 'wall' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
    write: { type: 'boolean', default: false },
    cache: { type: 'string', default: fileURLToPath(new URL('../../../../.cache/bench/', import.meta.url)) },
    'from-source': { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

const clock = CLOCKS.find((name) => name === options.clock);
const rounds = options.quick ? 1 : Number(options.runs);

/** Those of `all` that `names` names; all without names. Errors: a name that is not there */
function pick<T extends { readonly name: string }>(all: readonly T[], names: string | undefined): T[] {
  const wanted = names?.split(',') ?? all.map(({ name }) => name);
  return wanted.map((name) => {
    const found = all.find((each) => each.name === name);
    if (!found) throw new BenchError(`no ${name}; there are ${all.map((each) => each.name).join(', ')}`);
    return found;
  });
}

async function measureAll(
  { name, times, quick }: Program,
  hosts: readonly Host[],
  image: string,
  clock: ClockName,
): Promise<Partial<Record<Host['name'], Sample>>> {
  const best: Partial<Record<Host['name'], Sample>> = {};
  const run = `run=${name}:${options.quick ? quick : times}`;
  for (let round = 0; round < rounds; round++) {
    for (const host of hosts) {
      const sample = await measure(host, image, run, clock);
      const before = best[host.name];
      if (!before || sample.ms < before.ms) best[host.name] = sample;
    }
  }
  const results = new Set(Object.values(best).map(({ result }) => result));
  if (results.size === 1) return best;
  const each = Object.entries(best).map(([host, { result }]) => `${host} ${result}`);
  throw new Error(`the hosts disagree on ${name}: ${each.join(', ')}`);
}

async function main(): Promise<void> {
  if (!clock) throw new BenchError(`no clock ${options.clock}; there are ${CLOCKS.join(', ')}`);
  const programs = pick(PROGRAMS, options.only);
  const hosts = pick([nativeHost, domuHost(options['from-source']), v86Host, qemuHost], options.hosts).filter(
    (host) => {
      const why = host.missing();
      if (why !== null) console.error(`bench: ${why}`);
      return why === null;
    },
  );
  const image = buildImage(options.cache);
  const rows: Row[] = [];
  for (const program of programs) {
    if (process.stderr.isTTY) process.stderr.write(`${program.name}: ${program.what}\n`);
    rows.push({ program, best: await measureAll(program, hosts, image, clock) });
  }
  const report = formatReport(rows, rounds, clock);
  process.stdout.write(report);
  if (options.write) writeFileSync(PAGE, withFigures(readFileSync(PAGE, 'utf8'), 'peers', report));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(jsonReport(rows), null, 2)}\n`);
}

if (options.help) {
  process.stdout.write(HELP);
} else {
  try {
    await main();
  } catch (error) {
    if (!(error instanceof BenchError)) throw error;
    console.error(`bench: ${error.message}`);
    process.exitCode = 1;
  }
}
