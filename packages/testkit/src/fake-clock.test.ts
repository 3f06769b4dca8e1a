import { expect, test } from 'vitest';
import { FakeClock } from './fake-clock.ts';

test('time stands still until it is moved', () => {
  const clock = new FakeClock();
  expect(clock.nowNs()).toBe(0);
  clock.advance(1500);
  expect(clock.nowNs()).toBe(1500);
  expect(() => clock.advance(-1)).toThrow('cannot go back');
});

test('a skip goes forward only and is remembered', () => {
  const clock = new FakeClock({ virtual: true });
  clock.skipTo(100);
  clock.skipTo(50);
  expect(clock.nowNs()).toBe(100);
  expect(clock.skips).toEqual([100, 50]);
});
