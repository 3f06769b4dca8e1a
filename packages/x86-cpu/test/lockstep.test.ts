import { describe, expect, test } from 'vitest';
import { Lockstep } from './lockstep/lockstep.ts';
import { Random } from './lockstep/program.ts';

const PROGRAMS = 40;

describe('compiled code in lockstep with the interpreter', () => {
  const lockstep = new Lockstep();

  test(`${PROGRAMS} random programs with faults, self-modifying code and page crossings do the same`, () => {
    for (let seed = 1; seed <= PROGRAMS; seed++) expect(lockstep.run(seed)).toBeNull();
    expect(lockstep.compiled).toBeGreaterThan(PROGRAMS);
  });

  test('a store through CS faults as in the interpreter', () => {
    const storeThroughCs = [0x2e, 0x89, 0x05, 0x00, 0x10, 0x00, 0x00];
    const code = [...storeThroughCs, 0x49, 0x75, -storeThroughCs.length - 3, 0xcd, 0x80];
    const program = { code, registers: [1, 20, 0, 0, 0, 0, 0, 0], fill: 0, patience: 2 };
    expect(lockstep.compare(program, 0, new Random(1))).toBeNull();
  });
});
