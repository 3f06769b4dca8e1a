/**
 * What leaving the guest costs. Each workload runs in a process of its own, several times; the fastest run counts.
 * `--quick`: one short run, for CI. `--jit`: with the compiler. Anything else is part of a workload's name.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { TestGuest } from '../src/testing.ts';
import { countOf, WORKLOADS, type Workload } from './guests.ts';

const SLICE = 100_000;
const SCHEDSTAT = '/proc/self/schedstat';
const args = process.argv.slice(2);
const quick = args.includes('--quick');
const runs = quick ? 1 : 9;
const runMs = quick ? 50 : 300;

/** Time that this thread has spent on a processor, where the kernel tells; elsewhere wall time. */
function milliseconds(): number {
  if (!existsSync(SCHEDSTAT)) return performance.now();
  return Number(readFileSync(SCHEDSTAT, 'latin1').split(' ', 1)[0]) / 1e6;
}

/** @returns nanoseconds for doing it once */
function measure(guest: TestGuest, { countsEach, name }: Workload): number {
  const startCount = countOf(guest);
  const start = milliseconds();
  const wall = performance.now();
  while (performance.now() - wall < runMs) {
    const { state } = guest.machine.run(SLICE);
    if (state !== 'running') throw new Error(`${name}: the guest is ${state}: ${guest.domain.crash?.reason}`);
  }
  const counted = (countOf(guest) - startCount) >>> 0;
  if (counted === 0) throw new Error(`${name}: the guest does nothing`);
  return ((milliseconds() - start) * 1e6 * countsEach) / counted;
}

function report(workload: Workload): void {
  const guest = workload.boot(args.includes('--jit') ? 'jit' : 'interpreter');
  if (!quick) measure(guest, workload);
  const ns = Array.from({ length: runs }, () => measure(guest, workload)).sort((a, b) => a - b);
  const perSecond = Math.round(1e9 / ns[0]).toLocaleString('en');
  const range = `${ns[0].toFixed(0).padStart(6)} - ${ns[ns.length - 1].toFixed(0)} ns`;
  const target = `target ${workload.targetNs} ns`;
  console.log(`${workload.name.padEnd(32)} ${range.padEnd(18)} ${perSecond.padStart(11)}/s   ${target}`);
}

const only = args.find((arg) => arg.startsWith('--workload='))?.slice('--workload='.length);
const filter = args.find((arg) => !arg.startsWith('--')) ?? '';
if (only !== undefined) {
  report(WORKLOADS[Number(only)]);
} else {
  const script = fileURLToPath(import.meta.url);
  console.log(
    `${cpus()[0]?.model}, Node ${process.version}; processor time, fastest and slowest of ${runs} runs`,
  );
  for (const [i, { name }] of WORKLOADS.entries()) {
    if (!name.includes(filter)) continue;
    const child = [...process.execArgv, script, `--workload=${i}`, ...args];
    const { status } = spawnSync(process.execPath, child, { stdio: 'inherit' });
    if (status !== 0) process.exitCode = 1;
  }
}
