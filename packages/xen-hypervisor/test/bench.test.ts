import { expect, it } from 'vitest';
import { countOf, WORKLOADS } from '../bench/guests.ts';

it.each(WORKLOADS)('the benchmark of the $name does what it says', ({ boot, countsEach }) => {
  const guest = boot('interpreter');
  for (let i = 0; i < 10; i++) expect(guest.machine.run(10_000).state).toBe('running');
  expect(guest.domain.crash).toBeNull();
  expect(countOf(guest)).toBeGreaterThan(100 * countsEach);
});
