import { expect, test } from 'vitest';
import { IntervalTimer } from './interval-timer.ts';
import { Timers } from './timers.ts';

const MS = 1_000_000n;

/** Runs timers up to `end` as a virtual clock does: from deadline to deadline. */
function run(timers: Timers, end: bigint): number {
  let steps = 0;
  for (let next = timers.next(); next !== null && next <= end; next = timers.next()) {
    timers.runDue(next);
    steps++;
  }
  return steps;
}

test('a timer fires at its deadline and then once in every interval', () => {
  const timers = new Timers();
  const fired: bigint[] = [];
  const timer = new IntervalTimer(timers, (times) => fired.push(times));
  timer.set(5n * MS, 2n * MS);
  run(timers, 11n * MS);
  expect(fired).toEqual([1n, 1n, 1n, 1n]);
  expect(timer.get(11n * MS)).toEqual({ left: 2n * MS, interval: 2n * MS });
  timer.set(null, 0n);
  expect(run(timers, 100n * MS)).toBe(0);
});

test('what was missed is counted, not made up for one by one', () => {
  const timers = new Timers();
  const fired: bigint[] = [];
  new IntervalTimer(timers, (times) => fired.push(times)).set(1n * MS, 1n * MS);
  timers.runDue(3_600_000n * MS);
  expect(fired).toEqual([3_600_000n]);
  timers.runDue(3_600_001n * MS);
  expect(fired).toEqual([3_600_000n, 1n]);
});

test('an interval of a nanosecond leaves time for others, and no expiry is lost', () => {
  const timers = new Timers();
  let sum = 0n;
  new IntervalTimer(timers, (times) => (sum += times)).set(1n, 1n);
  expect(run(timers, 1n * MS)).toBeLessThan(30);
  expect(sum).toBeGreaterThan(900_000n);
  timers.runDue(2n * MS);
  expect(sum).toBe(2n * MS);
});
