import { expect, it } from 'vitest';
import { HostClock, VirtualClock } from './clock.ts';

it('virtual time is retired instructions plus what was skipped, and never goes back', () => {
  const clock = new VirtualClock();
  let retired = 100;
  clock.attach(() => retired);
  expect(clock.nowNs()).toBe(100);
  clock.skipTo(1000);
  clock.skipTo(500);
  expect(clock.nowNs()).toBe(1000);
  retired = 150;
  expect(clock.nowNs()).toBe(1050);
});

it('host time starts at 0, is whole nanoseconds, and stands still when the host clock steps back', () => {
  let now = 5000.7;
  const clock = new HostClock(() => now, 1_700_000_000_250);
  expect(clock.nowNs()).toBe(0);
  now = 6001.2;
  expect(clock.nowNs()).toBe(1000);
  now = 5500;
  expect(clock.nowNs()).toBe(1000);
  expect(clock.wallAtStart).toEqual({ seconds: 1_700_000_000, nanoseconds: 250_000_000 });
});
