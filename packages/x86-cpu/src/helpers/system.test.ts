import { describe, expect, it } from 'vitest';
import { Reg, Seg, Vector } from '../names.ts';
import { enter } from './enter.ts';
import { FpuClass } from './helper-cpu.ts';
import { cpuid, fpu, rdtsc, syscallAllowed, sysenterAllowed } from './system.ts';
import { CODE, CONFORMING, DATA, EXECUTE_ONLY, FAULTED, flatCpu, READ_ONLY } from './testing.ts';
import { lar, lsl, verr, verw } from './visibility.ts';

describe('descriptor visibility', () => {
  it.each([
    ['own data', 3, { type: DATA, dpl: 3 }, [1, 1, 1, 1]],
    ['inner data', 3, { type: DATA, dpl: 1 }, [0, 0, 0, 0]],
    ['read-only data', 3, { type: READ_ONLY, dpl: 3 }, [1, 1, 1, 0]],
    ['inner conforming code', 3, { type: CONFORMING, dpl: 0 }, [1, 1, 1, 0]],
    ['execute-only code', 3, { type: EXECUTE_ONLY, dpl: 3 }, [1, 1, 0, 0]],
    ['readable code that is not present', 3, { type: CODE, dpl: 3, present: false }, [1, 1, 1, 0]],
    ['a TSS', 3, { type: 0x9, dpl: 3 }, [1, 1, 0, 0]],
    ['a call gate', 3, { type: 0xc, dpl: 3 }, [1, 0, 0, 0]],
    ['an interrupt gate', 3, { type: 0xe, dpl: 3 }, [0, 0, 0, 0]],
  ] as const)('of %s by LAR, LSL, VERR and VERW', (_name, rpl, access, expected) => {
    const cpu = flatCpu(1);
    const selector = cpu.define(20, rpl, access);
    const seen = [lar, lsl, verr, verw].map((helper) => {
      expect(helper(cpu, selector, 0, 0)).toBe(0);
      return cpu.results[0];
    });
    expect(seen).toEqual(expected);
  });

  it('gives the access rights and the limit', () => {
    const cpu = flatCpu(1);
    const selector = cpu.define(20, 3, { type: DATA, dpl: 3, limit: 0x12345fff });
    lar(cpu, selector, 0, 0);
    expect(cpu.results[1]).toBe(0x00c1f200);
    lsl(cpu, selector, 0, 0);
    expect(cpu.results[1]).toBe(0x12345fff);
  });

  it.each([0, 3, 0x7fc])('hides selector %i without a fault', (selector) => {
    const cpu = flatCpu(1);
    expect(verr(cpu, selector, 0, 0)).toBe(0);
    expect([cpu.results[0], cpu.recorded]).toEqual([0, null]);
  });

  it('lets a page fault of the table through', () => {
    const cpu = flatCpu(1);
    expect(lar(cpu, 0xfff8, 0, 0)).toBe(FAULTED);
    expect(cpu.recorded).toEqual({ vector: Vector.PF, errorCode: 4 });
  });
});

describe('CPUID and RDTSC', () => {
  it('fills the four registers from the bus, or faults where it refuses', () => {
    const cpu = flatCpu(3);
    expect(cpuid(cpu, 0, 0, 0)).toBe(0);
    expect([Reg.EAX, Reg.EBX, Reg.ECX, Reg.EDX].map((r) => cpu.regs[r])).toEqual([1, 2, 3, 4]);
    cpu.leaves = null;
    expect(cpuid(cpu, 0, 0, 0)).toBe(FAULTED);
    expect(cpu.recorded).toEqual({ vector: Vector.GP, errorCode: 0 });
  });

  it('splits the counter, and obeys CR4.TSD above level 0', () => {
    const cpu = flatCpu(3);
    cpu.ticks = 5 * 2 ** 32 + 0xfffffffe;
    expect(rdtsc(cpu, 0, 0, 0)).toBe(0);
    expect([cpu.regs[Reg.EDX], cpu.regs[Reg.EAX]]).toEqual([5, -2]);
    cpu.cr4 = 4;
    expect(rdtsc(cpu, 0, 0, 0)).toBe(FAULTED);
    expect(cpu.recorded).toEqual({ vector: Vector.GP, errorCode: 0 });
  });
});

describe('floating point and SIMD', () => {
  const { X87, Mmx, Sse, Wait } = FpuClass;
  const [MP, EM, TS, OSFXSR] = [2, 4, 8, 0x200];
  it.each([
    ['x87', X87, 0, 0, Vector.UD, 1],
    ['x87 under TS', X87, TS, 0, Vector.NM, 0],
    ['x87 under EM', X87, EM, 0, Vector.NM, 0],
    ['MMX under TS', Mmx, TS, 0, Vector.NM, 0],
    ['MMX under EM', Mmx, EM | TS, 0, Vector.UD, 0],
    ['SSE without OSFXSR', Sse, TS, 0, Vector.UD, 0],
    ['SSE under TS', Sse, TS, OSFXSR, Vector.NM, 0],
    ['SSE', Sse, 0, OSFXSR, Vector.UD, 1],
    ['WAIT under TS and MP', Wait, TS | MP, 0, Vector.NM, 0],
  ])('%s', (_name, kind, cr0, cr4, vector, counted) => {
    const cpu = flatCpu(3);
    cpu.cr0 = cr0;
    cpu.cr4 = cr4;
    expect(fpu(cpu, kind, 0, 0)).toBe(FAULTED);
    expect(cpu.recorded).toEqual({ vector, errorCode: -1 });
    expect(cpu.metrics.udFpu).toBe(counted);
  });

  it.each([0, MP, TS])('WAIT passes under CR0 %i', (cr0) => {
    const cpu = flatCpu(3);
    cpu.cr0 = cr0;
    expect(fpu(cpu, Wait, 0, 0)).toBe(0);
  });
});

it('SYSENTER raises #GP(0) and SYSCALL #UD where the embedder has none', () => {
  const cpu = flatCpu(3);
  expect(sysenterAllowed(cpu, 0, 0, 0)).toBe(FAULTED);
  expect(cpu.recorded).toEqual({ vector: Vector.GP, errorCode: 0 });
  expect(syscallAllowed(cpu, 0, 0, 0)).toBe(FAULTED);
  expect(cpu.recorded).toEqual({ vector: Vector.UD, errorCode: -1 });
  cpu.fastSystemCalls = { sysenter: true, syscall: true };
  expect([sysenterAllowed(cpu, 0, 0, 0), syscallAllowed(cpu, 0, 0, 0)]).toEqual([0, 0]);
});

describe('ENTER', () => {
  it('pushes the frame pointer and reserves space', () => {
    const cpu = flatCpu(3);
    cpu.regs[Reg.EBP] = 0x8888;
    expect(enter(cpu, 0x20, 0, 0)).toBe(0);
    expect([cpu.regs[Reg.EBP], cpu.regs[Reg.ESP]]).toEqual([0x7ffc, 0x7fdc]);
    expect(cpu.readLinear(0x7ffc, 4)).toBe(0x8888);
  });

  it('copies the display of the enclosing levels, then its own frame pointer', () => {
    const cpu = flatCpu(3);
    cpu.regs[Reg.EBP] = 0x9000;
    cpu.writeLinear(0x8ffc, 4, 0x11111111);
    cpu.writeLinear(0x8ff8, 4, 0x22222222);
    expect(enter(cpu, 8, 3 + 32, 0)).toBe(0);
    const words = [0x7ffc, 0x7ff8, 0x7ff4, 0x7ff0].map((a) => cpu.readLinear(a, 4));
    expect(words).toEqual([0x9000, 0x11111111, 0x22222222, 0x7ffc]);
    expect([cpu.regs[Reg.EBP], cpu.regs[Reg.ESP]]).toEqual([0x7ffc, 0x7ff0 - 8]);
  });

  it('faults when the reserved end is not writable, with the registers unchanged', () => {
    const cpu = flatCpu(3);
    cpu.load(Seg.SS, cpu.define(20, 3, { type: 0x16, dpl: 3, limit: 0x7000 }));
    const before = cpu.snapshot();
    expect(enter(cpu, 0x1000, 0, 0)).toBe(FAULTED);
    expect(cpu.recorded).toEqual({ vector: Vector.SS, errorCode: 0 });
    expect(cpu.snapshot()).toEqual(before);
  });
});
