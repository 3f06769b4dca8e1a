/**
 * A slice of what fuzz/run.ts does, with five million random system calls and twenty thousand damaged programs: processes that
 * do their worst, and a kernel that goes on.
 */
import { expect, test } from 'vitest';
import { ElfRun } from './fuzz/elf.ts';
import { HostileRun } from './fuzz/hostile.ts';

/** Others may want the processor as well. */
const TIMEOUT_MS = 300_000;

test.each([
  ['an ordinary user', 'interpreter', 1],
  ['root', 'jit', 3],
] as const)(
  'random system calls of %s do no harm, %s',
  (_who, engine, seed) => {
    const run = new HostileRun({ seed, calls: 2000, engine });
    expect(run.run()).toMatchObject({ seed, calls: 2000, rounds: 1 });
  },
  TIMEOUT_MS,
);

test(
  'a run follows from its seed',
  () => {
    const digests = [1, 2].map(() => new HostileRun({ seed: 5, calls: 500 }).run().digest);
    expect(digests[1]).toBe(digests[0]);
  },
  TIMEOUT_MS,
);

test(
  'damaged programs do no harm',
  () => {
    const report = new ElfRun({ seed: 1, programs: 150 }).run();
    expect(report.programs).toBe(150);
    expect(report.begun).toBeGreaterThan(20);
  },
  TIMEOUT_MS,
);
