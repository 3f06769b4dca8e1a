import { describe, expect, it } from 'vitest';
import type { Machine } from '../../src/machine.ts';
import { type Call, STORE, type Step } from './call.ts';
import { epoch } from './epoch.ts';
import { assembleLoops } from './guest.ts';
import { runSteps } from './run.ts';
import { shrink, table } from './shrink.ts';

/** The full run is fuzz.ts, with as many calls and seeds as one likes. */
const SEED = 20060718;
/** As much of a run as fits into a second or two. */
const BATCHES = 8;
const loops = assembleLoops();

describe('hypercalls of hostile guests', () => {
  it.each([0, 1, 2, 3, 4])('leave the machine and the neighbour as they were (run %i)', (index) => {
    const { setup, steps: all } = epoch(SEED, index, loops);
    const steps = all.filter(({ batch }) => batch < BATCHES);
    const outcome = runSteps(setup, steps);
    const reproducer = (): string => table(shrink(steps, (some) => runSteps(setup, some).failure, 300));
    expect(outcome.failure, outcome.failure === null ? '' : reproducer()).toBeNull();
    expect(outcome.calls).toBeGreaterThan(400);
  });

  it('are the same each time', () => {
    const { setup, steps } = epoch(SEED, 0, loops);
    const some = steps.filter(({ batch }) => batch < 2);
    expect(runSteps(setup, some)).toEqual(runSteps(setup, some));
  });
});

describe('a machine with a bug', () => {
  const bugs: readonly (readonly [string, (machine: Machine) => void])[] = [
    [
      'that now and then keeps a reference',
      ({ frames }) => {
        const putPage = frames.putPage.bind(frames);
        let calls = 0;
        frames.putPage = (mfn) => {
          if (++calls % 500 !== 0) putPage(mfn);
        };
      },
    ],
    [
      "that lets domains use each other's frames",
      ({ frames, domains }) => {
        const getPage = frames.getPage.bind(frames);
        frames.getPage = (mfn, domid) =>
          getPage(mfn, frames.isValid(mfn) && domains.has(frames.owner(mfn)) ? frames.owner(mfn) : domid);
      },
    ],
  ];

  it.each(bugs)('%s is found out', (_, sabotage) => {
    const { setup, steps } = epoch(SEED, 0, loops);
    const some = steps.filter(({ batch }) => batch < BATCHES);
    expect(runSteps({ ...setup, sabotage }, some).failure).toMatch(/frame/);
  });
});

describe('shrink', () => {
  const step = (vcpu: number): Step => {
    const call: Call = { nr: STORE, args: [vcpu], words: [] };
    return { ...call, batch: 0, guest: 0, vcpu };
  };

  it('keeps only the steps that the failure needs, in their order', () => {
    const steps = Array.from({ length: 100 }, (_, i) => step(i));
    const fails = (some: readonly Step[]): string | null => {
      const order = some.map(({ vcpu }) => vcpu);
      return order.includes(17) && order.includes(63) ? `frame ${some.length}: lost` : null;
    };
    expect(shrink(steps, fails).map(({ vcpu }) => vcpu)).toEqual([17, 63]);
  });

  it('does not mistake another failure for the one that was found', () => {
    const fails = (some: readonly Step[]): string | null => {
      if (some.length === 3) return 'first: three';
      return some.length > 0 ? 'second: fewer' : null;
    };
    expect(shrink([step(0), step(1), step(2)], fails)).toHaveLength(3);
  });
});
