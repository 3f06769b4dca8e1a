import { expect, test } from 'vitest';
import { HostPace } from './host-pace.ts';

const US = 1000;
const NOTHING_DUE = Number.POSITIVE_INFINITY;

/** Slices on a host of so many instructions in a nanosecond, until the timer is due. @returns when the last one ended */
function runUntil(pace: HostPace, perNs: number, dueNs: number): { endNs: number; slices: number } {
  let [endNs, slices] = [0, 0];
  for (; endNs < dueNs; slices++) {
    const length = pace.next(endNs, dueNs);
    pace.ended(endNs, length);
    endNs += length / perNs;
  }
  return { endNs, slices };
}

test.each([1, 3, 50])('a timer is seen within 100 us, by few looks, at %d instructions per ns', (perNs) => {
  const pace = new HostPace();
  for (let i = 0; i < 20; i++) {
    const { endNs, slices } = runUntil(pace, perNs, 5000 * US);
    expect(endNs - 5000 * US).toBeLessThanOrEqual(100 * US);
    expect(slices).toBeLessThan(40);
  }
});

test('with nothing due a slice takes half a millisecond', () => {
  const pace = new HostPace();
  let [nowNs, took] = [0, 0];
  for (let i = 0; i < 20; i++) {
    const length = pace.next(nowNs, NOTHING_DUE);
    pace.ended(nowNs, length);
    took = length / 2;
    nowNs += took;
  }
  expect(took).toBeCloseTo(500 * US, -1);
});

test('the pace of slow work counts from its second slice on, and a slice that was cut short tells nothing', () => {
  const pace = new HostPace();
  runUntil(pace, 10, 5000 * US);
  const fast = pace.next(0, NOTHING_DUE);
  pace.ended(0, fast - 1);
  expect(pace.next(1000 * US, NOTHING_DUE)).toBeGreaterThanOrEqual(fast);
  pace.ended(1000 * US, 1e9);
  expect(pace.next(100_000 * US, NOTHING_DUE)).toBeLessThan(fast / 4);
});
