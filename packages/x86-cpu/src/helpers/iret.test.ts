import { describe, expect, it } from 'vitest';
import { Reg, Seg, Vector } from '../names.ts';
import { AC, CF, DF, ID, IF, IOPL, NT, RF, TF, VIF, VM, ZF } from '../row.ts';
import { iret } from './iret.ts';
import { codeOf, DATA, dataOf, FAULTED, flatCpu } from './testing.ts';

const TARGET = 0x00401234;
const ALL = CF | ZF | TF | IF | DF | IOPL | RF | AC | VIF | ID;

describe('IRET', () => {
  it('returns to the same level', () => {
    const cpu = flatCpu(1);
    cpu.eflags = 2;
    cpu.stack(TARGET, codeOf(1), CF | 2);
    expect(iret(cpu, 0, 0, 0)).toBe(0);
    expect([cpu.nextEip, cpu.regs[Reg.ESP], cpu.eflags]).toEqual([TARGET, 0x800c, CF | 2]);
  });

  it('returns to ring 3 with its stack, and drops ring-1 data segments', () => {
    const cpu = flatCpu(1);
    cpu.load(Seg.ES, dataOf(3));
    cpu.stack(TARGET, codeOf(3), 0x202, 0x9000, dataOf(3));
    expect(iret(cpu, 0, 0, 0)).toBe(0);
    expect([cpu.cpl, cpu.regs[Reg.ESP], cpu.seg.selector(Seg.SS)]).toEqual([3, 0x9000, dataOf(3)]);
    expect([cpu.seg.selector(Seg.ES), cpu.seg.selector(Seg.DS)]).toEqual([dataOf(3), 0]);
  });

  it.each([
    ['IOPL below CPL: IF and IOPL stay', 1, 0, ALL & ~(IF | IOPL | VIF)],
    ['IOPL at CPL: IF is loaded', 1, 0x1000, (ALL & ~(IOPL | VIF)) | 0x1000],
    ['level 0: all are loaded', 0, 0, ALL],
  ])('loads flags by the level it leaves, %s', (_name, cpl, iopl, expected) => {
    const cpu = flatCpu(cpl);
    cpu.eflags = iopl | 2;
    cpu.stack(TARGET, codeOf(3), ALL | 2, 0x9000, dataOf(3));
    expect(iret(cpu, 0, 0, 0)).toBe(0);
    expect(cpu.eflags).toBe(expected | 2);
  });

  it('leaves the upper flags alone with a 16-bit operand', () => {
    const cpu = flatCpu(1);
    cpu.operandSize = 16;
    cpu.eflags = AC | ID | 2;
    cpu.stack(0x1234, codeOf(1), CF | 2);
    expect(iret(cpu, 0, 0, 0)).toBe(0);
    expect([cpu.nextEip, cpu.regs[Reg.ESP], cpu.eflags]).toEqual([0x1234, 0x8006, AC | ID | CF | 2]);
  });

  it('ignores VM above level 0 and refuses it at level 0', () => {
    const kernel = flatCpu(1);
    kernel.stack(TARGET, codeOf(1), VM | 2);
    expect(iret(kernel, 0, 0, 0)).toBe(0);
    expect(kernel.eflags & VM).toBe(0);
    const monitor = flatCpu(0);
    monitor.stack(TARGET, codeOf(0), VM | 2);
    expect(iret(monitor, 0, 0, 0)).toBe(FAULTED);
    expect(monitor.recorded).toEqual({ vector: Vector.GP, errorCode: 0 });
  });

  it('restores only SP on a 16-bit outer stack', () => {
    const cpu = flatCpu(1);
    const small = cpu.define(20, 3, { type: DATA, dpl: 3, limit: 0xffff, big: false });
    cpu.stack(TARGET, codeOf(3), 2, 0xabcd9000, small);
    expect(iret(cpu, 0, 0, 0)).toBe(0);
    expect(cpu.regs[Reg.ESP]).toBe(0x9000);
  });

  it.each([
    ['NT', (cpu: ReturnType<typeof flatCpu>) => (cpu.eflags |= NT), [TARGET, codeOf(1), 2], 0],
    ['an inner level', () => 0, [TARGET, codeOf(0), 2], codeOf(0)],
    ['a selector beyond the table', () => 0, [TARGET, 0x7fd, 2], 0x7fc],
    ['a stack of another level', () => 0, [TARGET, codeOf(3), 2, 0x9000, dataOf(1)], dataOf(1) & ~3],
  ] as const)('refuses %s with #GP and changes nothing', (_what, prepare, words, errorCode) => {
    const cpu = flatCpu(1);
    prepare(cpu);
    cpu.stack(...words);
    const before = cpu.snapshot();
    expect(iret(cpu, 0, 0, 0)).toBe(FAULTED);
    expect(cpu.recorded).toEqual({ vector: Vector.GP, errorCode });
    expect(cpu.snapshot()).toEqual(before);
  });
});
