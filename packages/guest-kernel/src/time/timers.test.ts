import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type KernelTimer, Timers } from './timers.ts';

describe('timers', () => {
  it('fire in order of their deadlines, those of one deadline in the order in which they were set', () => {
    const timers = new Timers();
    const log: string[] = [];
    for (const [name, at] of [
      ['c', 30n],
      ['a', 10n],
      ['b1', 20n],
      ['b2', 20n],
    ] as const)
      timers.set(at, () => log.push(name));
    expect(timers.next()).toBe(10n);
    timers.runDue(25n);
    expect(log).toEqual(['a', 'b1', 'b2']);
    timers.runDue(25n);
    timers.runDue(30n);
    expect(log).toEqual(['a', 'b1', 'b2', 'c']);
    expect(timers.next()).toBeNull();
  });

  it('what fires may set timers; those wait for the next look', () => {
    const timers = new Timers();
    let fired = 0;
    const again = (): void => {
      fired++;
      timers.set(0n, again);
    };
    timers.set(0n, again);
    timers.runDue(5n);
    expect(fired).toBe(1);
    timers.runDue(5n);
    expect(fired).toBe(2);
  });

  it('property: exactly those fire that are due and were not taken back', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(50), fc.boolean()), { maxLength: 200 }),
        fc.nat(50),
        (set, now) => {
          const timers = new Timers();
          const fired: number[] = [];
          const taken: KernelTimer[] = [];
          for (const [i, [at, cancelled]] of set.entries()) {
            const timer = timers.set(BigInt(at), () => fired.push(i));
            if (cancelled) taken.push(timer);
          }
          for (const timer of taken) timer.cancel();
          for (const timer of taken) timer.cancel();
          timers.runDue(BigInt(now));
          const due = set.flatMap(([at, cancelled], i) => (!cancelled && at <= now ? [i] : []));
          expect([...fired].sort((a, b) => a - b)).toEqual(due);
        },
      ),
      { numRuns: 100, seed: 1 },
    );
  });
});
