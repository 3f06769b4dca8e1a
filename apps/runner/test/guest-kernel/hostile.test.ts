/**
 * A slice of the random system calls of fuzz/run.ts, which makes five million of them: processes that do their worst, and
 * a kernel that goes on.
 */
import { expect, test } from 'vitest';
import { HostileRun } from './fuzz/hostile.ts';

test.each([
  ['an ordinary user', 'interpreter', 1],
  ['root', 'jit', 3],
] as const)('random system calls of %s do no harm, %s', (_who, engine, seed) => {
  const run = new HostileRun({ seed, calls: 4000, engine });
  expect(run.run()).toMatchObject({ seed, calls: 4000, rounds: 1 });
});

test('a run follows from its seed', () => {
  const digests = [1, 2].map(() => new HostileRun({ seed: 5, calls: 1000 }).run().digest);
  expect(digests[1]).toBe(digests[0]);
});
