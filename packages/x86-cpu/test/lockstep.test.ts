import { describe, expect, test } from 'vitest';
import { Lockstep } from './lockstep/lockstep.ts';
import { programFrom } from './lockstep/program.ts';
import { Random } from './lockstep/random.ts';

const PROGRAMS = 40;
const SEEDS_AGAIN = [31, 7, 12, 24, 8, 3];

describe('compiled code in lockstep with the interpreter', () => {
  const lockstep = new Lockstep();

  test(`${PROGRAMS} random programs with faults, self-modifying code and page crossings do the same`, () => {
    for (let seed = 1; seed <= PROGRAMS; seed++) expect(lockstep.run(seed)).toBeNull();
    expect(lockstep.compiled).toBeGreaterThan(PROGRAMS);
  });

  test('nothing of one program is left for the next', () => {
    const used = (on: Lockstep, seed: number): readonly number[] => {
      const before = [on.retired, on.compiled, on.modules] as const;
      expect(on.run(seed)).toBeNull();
      return [on.retired - before[0], on.compiled - before[1], on.modules - before[2]];
    };
    const other = new Lockstep();
    for (const seed of SEEDS_AGAIN) expect(used(lockstep, seed)).toEqual(used(other, seed));
  });

  const loop = (body: readonly number[], registers: readonly number[]) => {
    const code = [...body, 0x49, 0x75, -body.length - 3, 0xcd, 0x80];
    return lockstep.compare(programFrom(code, registers), 0, new Random(1));
  };

  test('FXSAVE and FXRSTOR in a region without other x87 instructions', () => {
    expect(loop([0x0f, 0xae, 0x03, 0x0f, 0xae, 0x0b], [1, 20, 0, 0x1000, 0, 0, 0, 0])).toBeNull();
  });

  test('the budget runs out between blocks with x87 stacks of different depth', () => {
    const [fld1, fldz, drop] = [
      [0xd9, 0xe8],
      [0xd9, 0xee],
      [0xdd, 0xd8],
    ] as const;
    // test cl, 1; either side pushes, and the stack is one deeper where they meet than where they part.
    const sides = [0xf6, 0xc1, 0x01, 0x74, 0x04, ...fldz, 0xeb, 0x02, ...fld1];
    const body = [...fld1, ...sides, 0x40, 0x40, ...drop, ...drop];
    const code = [...body, 0x49, 0x75, -body.length - 3, 0xcd, 0x80];
    const program = programFrom(code, [1, 60, 0, 0, 0, 0, 0, 0]);
    for (let seed = 1; seed <= 20; seed++) {
      expect(lockstep.compare(program, seed, new Random(seed))).toBeNull();
    }
  });

  test('an instruction that goes on beyond the end of the address space faults', () => {
    const jump = [0xb8, 0xfe, 0xff, 0xff, 0xff, 0xff, 0xe0];
    const put = [0xc7, 0x05, 0xfc, 0xff, 0x00, 0x00, 0x90, 0x90, 0xc7, 0x05];
    expect(loop([...put, ...jump], [1, 20, 0, 0, 0, 0, 0, 0])).toBeNull();
  });

  test('a frame pointer that is set without a stack access, as seed 1130924 found', () => {
    const movEbpEsp = [0x89, 0xe5];
    const orEsiAtEbp = [0x0b, 0x75, 0x09];
    expect(loop([...orEsiAtEbp, ...movEbpEsp], [1, 20, 0, 0, 0, 1, 0, 0])).toBeNull();
    const movEbpFs = [0x8c, 0xe5];
    expect(loop([...orEsiAtEbp, ...movEbpFs], [1, 20, 0, 0, 0x4000, 1, 0, 0])).toBeNull();
  });

  test('a store through CS faults as in the interpreter', () => {
    expect(loop([0x2e, 0x89, 0x05, 0x00, 0x10, 0x00, 0x00], [1, 20, 0, 0, 0, 0, 0, 0])).toBeNull();
  });
});
