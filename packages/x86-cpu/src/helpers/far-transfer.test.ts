import { describe, expect, it } from 'vitest';
import { Reg, Seg, Vector } from '../names.ts';
import { farCall, farJump, farReturn } from './far-transfer.ts';
import type { Access, FakeCpu } from './testing.ts';
import { CODE, CONFORMING, codeOf, DATA, dataOf, FAULTED, flatCpu } from './testing.ts';

const INDEX = 20;
const TARGET = 0x00401234;

function expectFault(cpu: FakeCpu, act: () => number, vector: number, errorCode: number): void {
  const before = cpu.snapshot();
  expect(act()).toBe(FAULTED);
  expect(cpu.recorded).toEqual({ vector, errorCode });
  expect(cpu.snapshot()).toEqual(before);
}

describe.each([
  ['JMP', farJump],
  ['CALL', farCall],
] as const)('far %s', (_name, transfer) => {
  it('reaches code of the same level', () => {
    const cpu = flatCpu(1);
    expect(transfer(cpu, codeOf(1), TARGET, 0)).toBe(0);
    expect([cpu.nextEip, cpu.seg.selector(Seg.CS)]).toEqual([TARGET, codeOf(1)]);
  });

  it('takes an RPL of an inner level as the current one', () => {
    const cpu = flatCpu(3);
    expect(transfer(cpu, codeOf(3) & ~3, TARGET, 0)).toBe(0);
    expect(cpu.seg.selector(Seg.CS)).toBe(codeOf(3));
  });

  it('runs conforming code of an inner level at the current level', () => {
    const cpu = flatCpu(3);
    expect(transfer(cpu, cpu.define(INDEX, 0, { type: CONFORMING, dpl: 1 }), TARGET, 0)).toBe(0);
    expect(cpu.cpl).toBe(3);
    expect(cpu.accessed).toEqual([INDEX << 3]);
  });

  it('truncates the offset to a 16-bit operand', () => {
    const cpu = flatCpu(3);
    cpu.operandSize = 16;
    expect(transfer(cpu, codeOf(3), TARGET, 0)).toBe(0);
    expect(cpu.nextEip).toBe(0x1234);
  });

  it.each([
    ['inner code', 3, 3, { type: CODE, dpl: 1 }, Vector.GP],
    ['outer code', 1, 1, { type: CODE, dpl: 3 }, Vector.GP],
    ['an RPL above the level', 1, 3, { type: CODE, dpl: 1 }, Vector.GP],
    ['outer conforming code', 1, 1, { type: CONFORMING, dpl: 3 }, Vector.GP],
    ['data', 1, 1, { type: DATA, dpl: 1 }, Vector.GP],
    ['code that is not present', 1, 1, { type: CODE, dpl: 1, present: false }, Vector.NP],
    ['a call gate within reach', 3, 3, { type: 0xc, dpl: 3 }, Vector.GP],
    ['a call gate out of reach', 3, 3, { type: 0xc, dpl: 1 }, Vector.GP],
    ['a call gate that is not present', 3, 3, { type: 0xc, dpl: 3, present: false }, Vector.NP],
    ['a task gate', 3, 3, { type: 0x5, dpl: 3 }, Vector.GP],
    ['a TSS', 1, 1, { type: 0x9, dpl: 3 }, Vector.GP],
  ] as const)('refuses %s', (_what, cpl, rpl, access: Access, vector) => {
    const cpu = flatCpu(cpl);
    const selector = cpu.define(INDEX, rpl, access);
    expectFault(cpu, () => transfer(cpu, selector, TARGET, 0), vector, INDEX << 3);
  });

  it('refuses a null selector and an offset beyond the limit with #GP(0)', () => {
    const cpu = flatCpu(1);
    expectFault(cpu, () => transfer(cpu, 3, TARGET, 0), Vector.GP, 0);
    const small = cpu.define(INDEX, 1, { type: CODE, dpl: 1, limit: 0xfff });
    expectFault(cpu, () => transfer(cpu, small, 0x1000, 0), Vector.GP, 0);
  });
});

describe('far CALL', () => {
  it('pushes CS zero-extended and the return offset', () => {
    const cpu = flatCpu(1);
    farCall(cpu, codeOf(1), TARGET, 0);
    expect(cpu.regs[Reg.ESP]).toBe(0x7ff8);
    expect(cpu.readLinear(0x7ff8, 4)).toBe(0x1007);
    expect(cpu.readLinear(0x7ffc, 4)).toBe(codeOf(1));
  });

  it('pushes words with a 16-bit operand and keeps the upper half of ESP on a 16-bit stack', () => {
    const cpu = flatCpu(1);
    cpu.operandSize = 16;
    cpu.load(Seg.SS, cpu.define(INDEX, 1, { type: DATA, dpl: 1, limit: 0xffff, big: false }));
    cpu.regs[Reg.ESP] = 0x12340002;
    expect(farCall(cpu, codeOf(1), TARGET, 0)).toBe(0);
    expect(cpu.regs[Reg.ESP]).toBe(0x1234fffe);
    expect([cpu.readLinear(0, 2), cpu.readLinear(0xfffe, 2)]).toEqual([codeOf(1), 0x1007]);
  });

  it('faults before anything changes when the stack is too small or not mapped', () => {
    const small = flatCpu(1);
    small.load(Seg.SS, small.define(INDEX, 1, { type: DATA, dpl: 1, limit: 0x7ffa }));
    expectFault(small, () => farCall(small, codeOf(1), TARGET, 0), Vector.SS, 0);
    const absent = flatCpu(1);
    absent.regs[Reg.ESP] = 0x20000;
    expectFault(absent, () => farCall(absent, codeOf(1), TARGET, 0), Vector.PF, 0);
  });

  it('honours an expand-down stack segment', () => {
    const cpu = flatCpu(1);
    cpu.load(Seg.SS, cpu.define(INDEX, 1, { type: 0x16, dpl: 1, limit: 0x7ff7 }));
    expect(farCall(cpu, codeOf(1), TARGET, 0)).toBe(0);
    expectFault(cpu, () => farCall(cpu, codeOf(1), TARGET, 0), Vector.SS, 0);
  });
});

describe('far RET', () => {
  it('returns to the same level and releases the parameters', () => {
    const cpu = flatCpu(1);
    cpu.stack(TARGET, 0xffff0000 | codeOf(1));
    expect(farReturn(cpu, 12, 0, 0)).toBe(0);
    expect([cpu.nextEip, cpu.regs[Reg.ESP], cpu.cpl]).toEqual([TARGET, 0x8000 + 8 + 12, 1]);
  });

  it('returns to an outer level, switching stacks and dropping inner data segments', () => {
    const cpu = flatCpu(1);
    cpu.load(Seg.FS, dataOf(3));
    cpu.load(Seg.GS, cpu.define(INDEX, 3, { type: CONFORMING, dpl: 0 }));
    cpu.stack(TARGET, codeOf(3), 0xdead, 0x9000, dataOf(3));
    expect(farReturn(cpu, 4, 0, 0)).toBe(0);
    expect([cpu.nextEip, cpu.cpl, cpu.regs[Reg.ESP]]).toEqual([TARGET, 3, 0x9004]);
    const selectors = [Seg.ES, Seg.SS, Seg.DS, Seg.FS, Seg.GS].map((i) => cpu.seg.selector(i));
    expect(selectors).toEqual([0, dataOf(3), 0, dataOf(3), (INDEX << 3) | 3]);
    expect(cpu.seg.attr(Seg.DS)).toBe(0);
  });

  it.each([
    ['an inner level', 3, [TARGET, codeOf(1)], codeOf(0) | 8],
    ['data', 3, [TARGET, dataOf(3)], dataOf(3) & ~3],
    ['code whose DPL is not the RPL', 1, [TARGET, codeOf(1) | 3], codeOf(1) & ~3],
  ] as const)('refuses %s', (_what, cpl, words, errorCode) => {
    const cpu = flatCpu(cpl);
    cpu.stack(...words);
    expectFault(cpu, () => farReturn(cpu, 0, 0, 0), Vector.GP, errorCode);
  });

  it('refuses a null CS, and on a return outwards a null or unfit SS', () => {
    const cpu = flatCpu(1);
    cpu.stack(TARGET, 0);
    expectFault(cpu, () => farReturn(cpu, 0, 0, 0), Vector.GP, 0);
    cpu.stack(TARGET, codeOf(3), 0x9000, 0);
    expectFault(cpu, () => farReturn(cpu, 0, 0, 0), Vector.GP, 0);
    cpu.stack(TARGET, codeOf(3), 0x9000, dataOf(1));
    expectFault(cpu, () => farReturn(cpu, 0, 0, 0), Vector.GP, dataOf(1) & ~3);
    const absent = cpu.define(INDEX, 3, { type: DATA, dpl: 3, present: false });
    cpu.stack(TARGET, codeOf(3), 0x9000, absent);
    expectFault(cpu, () => farReturn(cpu, 0, 0, 0), Vector.SS, INDEX << 3);
  });

  it('checks the code limit and reads the whole frame before it commits', () => {
    const cpu = flatCpu(1);
    const small = cpu.define(INDEX, 3, { type: CODE, dpl: 3, limit: 0xfff });
    cpu.stack(0x1000, small, 0x9000, dataOf(3));
    expectFault(cpu, () => farReturn(cpu, 0, 0, 0), Vector.GP, 0);
    cpu.regs[Reg.ESP] = 0x10000 - 12;
    cpu.stack(TARGET, codeOf(3), 0x9000);
    expectFault(cpu, () => farReturn(cpu, 0, 0, 0), Vector.PF, 0);
  });
});
