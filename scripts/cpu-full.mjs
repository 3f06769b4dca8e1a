// The full check of the CPU: fresh vectors against the host's processor in every tier, and compiled code in lockstep with
// the interpreter. Needs Linux on x86-64, gcc -m32, and the right to map pages below 64 KiB.
//
//   node scripts/cpu-full.mjs [--vectors N] [--x87 N] [--simd N] [--programs N] [--seed N] [--jobs N]
//
// vectors: of each instance of an integer row; x87: of each form; simd: encodings of each row, with 50 vectors each;
// programs: for lockstep. Nothing is done twice by runs whose seeds are far apart (lockstep goes on from seed * 10^7).

import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const { values } = parseArgs({
  options: {
    vectors: { type: 'string', default: '9000' },
    x87: { type: 'string', default: '4000' },
    simd: { type: 'string', default: '40' },
    programs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '2' },
  },
});
const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const TESTS = join(ROOT, 'packages', 'x86-cpu', 'test');
const BUNDLES = join(ROOT, '.cache', 'cpu-full');
/** Parts of the work, so that several jobs share it and a difference shows early. */
const PROGRAMS_PER_PART = 50_000;
const VECTORS_PER_PART = 1000;
const SEED_STEP = 10_000_000;
const SUMMARY =
  /(\d+) (?:checks|vectors interpreted)\b.*?(\d+) (?:differ|mismatches)|^seeds (\d+) to (\d+): .*?(\d+) differ/;

function bundle(path) {
  const folder = join(TESTS, dirname(path));
  const out = join(BUNDLES, `${path.replace('/', '-')}.mjs`);
  const from = [`--define:import.meta.dirname=${JSON.stringify(folder)}`];
  from.push(`--define:import.meta.url=${JSON.stringify(`file://${folder}/x.ts`)}`);
  const args = [join(TESTS, `${path}.ts`), '--bundle', '--platform=node', '--format=esm', `--outfile=${out}`];
  const esbuild = join(ROOT, 'node_modules', '.bin', 'esbuild');
  const { status } = spawnSync(esbuild, [...args, ...from, '--log-level=error'], { stdio: 'inherit' });
  if (status !== 0) throw new Error(`${path} cannot be bundled`);
  return out;
}

/** Parts of `total`, as [where it begins, how many]. */
function* parts(total, size) {
  for (let at = 0; at < total; at += size) yield [at, Math.min(size, total - at)];
}

function* tasks() {
  const seed = Number(values.seed);
  const lockstep = bundle('lockstep/offline');
  for (const [at, n] of parts(Number(values.programs), PROGRAMS_PER_PART))
    yield { kind: 'lockstep', args: [lockstep, '--from', seed * SEED_STEP + at, '--programs', n] };
  const integer = bundle('record/offline');
  for (const [at, n] of parts(Number(values.vectors), VECTORS_PER_PART))
    yield { kind: 'integer', args: [integer, '--seed', `${seed}/${at}`, '--vectors', n, '--compiled', 10] };
  const x87 = bundle('x87/record');
  for (const [at, n] of parts(Number(values.x87), VECTORS_PER_PART))
    yield { kind: 'x87', args: [x87, '--seed', seed * SEED_STEP + at, '--full', n] };
  const simd = bundle('simd/offline');
  for (const [at, n] of parts(Number(values.simd), 10))
    yield { kind: 'simd', args: [simd, '--seed', `${seed}/${at}`, '--encodings', n, '--vectors', 50] };
}

/** Runs a task and adds its counts up. Every line that is no summary is shown. */
async function run({ kind, args }, totals) {
  totals[kind] ??= { checked: 0, differ: 0 };
  const total = totals[kind];
  const child = spawn(process.execPath, ['--single-threaded', ...args.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const ended = new Promise((resolve) => child.on('close', resolve));
  let programs = null;
  for await (const line of createInterface({ input: child.stdout })) {
    const found = SUMMARY.exec(line);
    if (!found) {
      console.log(`${kind}: ${line}`);
    } else if (found[3]) {
      programs = { checked: found[4] - found[3] + 1, differ: Number(found[5]) };
    } else {
      total.checked += Number(found[1]);
      total.differ += Number(found[2]);
    }
  }
  if (programs) {
    total.checked += programs.checked;
    total.differ += programs.differ;
  }
  const status = await ended;
  if (status !== 0) total.differ++;
  console.log(`${kind} ${args.slice(1).join(' ')}: status ${status}; so far ${JSON.stringify(totals)}`);
}

mkdirSync(BUNDLES, { recursive: true });
const queue = tasks();
const totals = {};
const worker = async () => {
  for (const task of queue) await run(task, totals);
};
await Promise.all(Array.from({ length: Number(values.jobs) }, worker));
rmSync(BUNDLES, { recursive: true });
console.log(JSON.stringify(totals));
process.exitCode = Object.values(totals).some(({ differ }) => differ > 0) ? 1 : 0;
