import { describe, expect, it } from 'vitest';
import { Seg, Vector } from '../names.ts';
import { loadSegment } from './segment-load.ts';
import type { Access, FakeCpu } from './testing.ts';
import { CODE, CONFORMING, DATA, dataOf, EXECUTE_ONLY, FAULTED, flatCpu, READ_ONLY } from './testing.ts';

const INDEX = 20;

function attempt(i: number, cpl: number, rpl: number, access: Access): FakeCpu {
  const cpu = flatCpu(cpl);
  const selector = cpu.define(INDEX, rpl, access);
  const before = cpu.snapshot();
  const status = loadSegment(cpu, i, selector, 0);
  expect(status).toBe(cpu.recorded ? FAULTED : 0);
  if (status !== 0) expect(cpu.snapshot()).toEqual(before);
  return cpu;
}

describe('load of a data segment register', () => {
  it.each([
    ['data of an outer level', 1, 1, { type: DATA, dpl: 3 }],
    ['read-only data', 3, 3, { type: READ_ONLY, dpl: 3 }],
    ['readable code of its own level', 3, 3, { type: CODE, dpl: 3 }],
    ['readable conforming code of an inner level', 3, 3, { type: CONFORMING, dpl: 0 }],
    ['data at level 1 for a level-1 program with RPL 0', 1, 0, { type: DATA, dpl: 1 }],
  ] as const)('accepts %s', (_name, cpl, rpl, access) => {
    const cpu = attempt(Seg.DS, cpl, rpl, access);
    expect(cpu.recorded).toBeNull();
    expect(cpu.seg.selector(Seg.DS)).toBe((INDEX << 3) | rpl);
    expect(cpu.seg.limit(Seg.DS)).toBe(0xffffffff);
    expect(cpu.seg.attr(Seg.DS) & 1).toBe(1);
    expect(cpu.accessed).toEqual([INDEX << 3]);
  });

  it.each([
    ['data of an inner level', 3, 3, { type: DATA, dpl: 1 }, Vector.GP],
    ['data whose DPL is below the RPL', 1, 3, { type: DATA, dpl: 1 }, Vector.GP],
    ['code that cannot be read', 3, 3, { type: EXECUTE_ONLY, dpl: 3 }, Vector.GP],
    ['a system descriptor', 1, 1, { type: 0x2, dpl: 3 }, Vector.GP],
    ['a segment that is not present', 3, 3, { type: DATA, dpl: 3, present: false }, Vector.NP],
    ['an inner segment that is not present', 3, 3, { type: DATA, dpl: 0, present: false }, Vector.GP],
  ] as const)('refuses %s', (_name, cpl, rpl, access, vector) => {
    const cpu = attempt(Seg.ES, cpl, rpl, access);
    expect(cpu.recorded).toEqual({ vector, errorCode: INDEX << 3 });
  });

  it.each([0, 1, 2, 3])('accepts the null selector %i and keeps its value', (selector) => {
    const cpu = flatCpu(3);
    expect(loadSegment(cpu, Seg.GS, selector, 0)).toBe(0);
    expect(cpu.seg.selector(Seg.GS)).toBe(selector);
    expect(cpu.seg.attr(Seg.GS)).toBe(0);
  });

  it('reports a selector beyond its table with the table bit in the error code', () => {
    const cpu = flatCpu(3);
    loadSegment(cpu, Seg.DS, 0x1f7, 0);
    expect(cpu.recorded).toEqual({ vector: Vector.GP, errorCode: 0x1f4 });
  });

  it('reports a page fault of the descriptor table', () => {
    const cpu = flatCpu(3);
    expect(loadSegment(cpu, Seg.DS, 0xfff8, 0)).toBe(FAULTED);
    expect(cpu.recorded).toEqual({ vector: Vector.PF, errorCode: 4 });
    expect(cpu.pageFaultAt).toBe(0xfee0);
  });

  it('ignores the upper half of the value, and leaves an accessed descriptor alone', () => {
    const cpu = flatCpu(3);
    const selector = cpu.define(INDEX, 3, { type: DATA | 1, dpl: 3, base: 0x12345678, limit: 0xfff });
    expect(loadSegment(cpu, Seg.FS, 0xabcd0000 | selector, 0)).toBe(0);
    expect(cpu.seg.parts[Seg.FS]).toMatchObject({ selector, base: 0x12345678, limit: 0xfff });
    expect(cpu.accessed).toEqual([]);
  });
});

describe('load of SS', () => {
  it('accepts a writable segment of exactly the current level', () => {
    expect(attempt(Seg.SS, 1, 1, { type: DATA, dpl: 1 }).recorded).toBeNull();
  });

  it('refuses a null selector with #GP(0)', () => {
    const cpu = flatCpu(1);
    loadSegment(cpu, Seg.SS, 1, 0);
    expect(cpu.recorded).toEqual({ vector: Vector.GP, errorCode: 0 });
    expect(cpu.seg.selector(Seg.SS)).toBe(dataOf(1));
  });

  it.each([
    ['another RPL', 1, 3, { type: DATA, dpl: 1 }, Vector.GP],
    ['another DPL', 1, 1, { type: DATA, dpl: 3 }, Vector.GP],
    ['read-only data', 1, 1, { type: READ_ONLY, dpl: 1 }, Vector.GP],
    ['code', 1, 1, { type: CODE, dpl: 1 }, Vector.GP],
    ['a segment that is not present', 1, 1, { type: DATA, dpl: 1, present: false }, Vector.SS],
  ] as const)('refuses %s', (_name, cpl, rpl, access, vector) => {
    expect(attempt(Seg.SS, cpl, rpl, access).recorded).toEqual({ vector, errorCode: INDEX << 3 });
  });
});
