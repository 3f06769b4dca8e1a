import { describe, expect, test } from 'vitest';
import { Lockstep } from './lockstep/lockstep.ts';

const PROGRAMS = 40;

describe('compiled code in lockstep with the interpreter', () => {
  const lockstep = new Lockstep();

  test(`${PROGRAMS} random programs with faults, self-modifying code and page crossings do the same`, () => {
    for (let seed = 1; seed <= PROGRAMS; seed++) expect(lockstep.run(seed)).toBeNull();
    expect(lockstep.compiled).toBeGreaterThan(PROGRAMS);
  });

  test('a store through CS faults as in the interpreter, as programs 134 found', () => {
    expect(lockstep.run(134)).toBeNull();
  });
});
