/**
 * The full run, after `npx tsc -b`: `npx tsx apps/runner/test/guest-kernel/fuzz/run.ts [--calls N] [--programs N] [--seed FIRST] [--who user|root]`.
 * Without --who every third seed's attackers are root. A failure names its seed, with the calls before it.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CALL_NUMBERS } from '@domu/guest-kernel';
import { ElfRun } from './elf.ts';
import { HostileRun } from './hostile.ts';
import type { Report, Supervisor } from './supervisor.ts';

const { values } = parseArgs({
  options: {
    calls: { type: 'string', default: '5000000' },
    programs: { type: 'string', default: '20000' },
    seed: { type: 'string', default: '1' },
    'per-seed': { type: 'string', default: '50000' },
    history: { type: 'string', default: '40' },
    who: { type: 'string' },
    jit: { type: 'boolean', default: false },
  },
});
const FIRST_SEED = Number(values.seed);
const who = values.who === undefined ? {} : { asRoot: values.who === 'root' };
const engine = values.jit ? 'jit' : 'interpreter';
const PROGRAMS_PER_SEED = 1000;
let failures = 0;

/** One seed. @param tell what there is to say of a good end */
function attempt<R extends Report>(run: Supervisor & { run(): R }, tell: (report: R) => string): void {
  const before = process.cpuUsage();
  try {
    const report = run.run();
    const { user, system } = process.cpuUsage(before);
    const { rss, heapUsed } = process.memoryUsage();
    const { seed, digest, slowestMs, slowest } = report;
    console.log(
      `seed ${seed}: ${tell(report)}, ${Math.round((user + system) / 1e6)} s, digest ${digest}, ` +
        `slowest ${Math.round(slowestMs)} ms ${slowest}; rss ${rss >> 20} MiB, heap ${heapUsed >> 20} MiB`,
    );
  } catch (error) {
    failures++;
    console.log(`seed ${run.seed} FAILED: ${error instanceof Error ? error.stack : error}`);
    console.log(
      run
        .history(Number(values.history))
        .map((line) => `    ${line}`)
        .join('\n'),
    );
  }
}

/** Programs of this machine's compiler, with what they need, if there is one for i386. */
function compiled(): { more: Uint8Array[]; files: Record<string, Uint8Array> } {
  const dir = mkdtempSync(join(tmpdir(), 'domu-fuzz-'));
  const source = join(dir, 'hello.c');
  writeFileSync(source, '#include <stdio.h>\nint main(void) { return puts("hello") < 0; }\n');
  const more: Uint8Array[] = ['-no-pie', '-pie', '-static'].flatMap((how) => {
    const program = join(dir, 'hello');
    const { status } = spawnSync('gcc', ['-m32', '-s', how, '-o', program, source]);
    return status === 0 ? [readFileSync(program)] : [];
  });
  rmSync(dir, { recursive: true });
  const files: Record<string, Uint8Array> = {};
  for (const path of [
    'lib/ld-linux.so.2',
    'lib/i386-linux-gnu/libc.so.6',
    'lib32/libc.so.6',
    'usr/lib32/libc.so.6',
  ]) {
    if (!existsSync(`/${path}`)) continue;
    files[path] = readFileSync(`/${path}`);
    const folders = path.split('/').slice(0, -1);
    for (let i = 1; i <= folders.length; i++)
      files[`${folders.slice(0, i).join('/')}/`] ??= new Uint8Array(0);
  }
  const loader = files['lib/ld-linux.so.2'];
  if (loader !== undefined) more.push(loader);
  const inOrder = Object.entries(files).sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1));
  return { more, files: Object.fromEntries(inOrder) };
}

/** Calls that went well at least once, by number. */
const well = new Set<number>();
let seed = FIRST_SEED;
for (let left = Number(values.calls); left > 0; left -= Number(values['per-seed'])) {
  const calls = Math.min(left, Number(values['per-seed']));
  attempt(new HostileRun({ seed: seed++, calls, engine, ...who }), ({ rounds, outcomes }) => {
    for (const [number, outcome] of outcomes) if (outcome.well > 0) well.add(number);
    return `${calls} calls in ${rounds} rounds`;
  });
}
const real = compiled();
seed = FIRST_SEED;
for (let left = Number(values.programs); left > 0; left -= PROGRAMS_PER_SEED) {
  const programs = Math.min(left, PROGRAMS_PER_SEED);
  attempt(new ElfRun({ seed: seed++, programs, engine, ...real }), ({ begun, endings }) => {
    const ways = [...endings]
      .sort((a, b) => b[1] - a[1])
      .map(([status, count]) => `${count} x 0x${status.toString(16)}`);
    return `${programs} damaged programs, ${begun} begun, ended ${ways.slice(0, 6).join(', ')}`;
  });
}
if (Number(values.calls) > 0) {
  const never = CALL_NUMBERS.filter(([number]) => !well.has(number)).map(([, name]) => name);
  console.log(
    `all ${CALL_NUMBERS.length} system calls went well at least once but ${never.join(' ') || 'none'}`,
  );
}
console.log(`${values.calls} calls, ${values.programs} damaged programs, ${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
