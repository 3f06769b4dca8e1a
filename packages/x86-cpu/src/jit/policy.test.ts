import { describe, expect, test } from 'vitest';
import { CPU_RESERVED_BYTES, Cpu, Exit, Reg, Seg } from '../index.ts';

const RAM_BYTES = 1 << 20;
const LIMIT = 0xffffffff;
const DATA = 0x8000;
const PAGE = 4096;
const LOOPS = 20_000;
const CODE_ATTR = 0xc0fb;
const DATA_ATTR = 0xc0f3;

/** A flat machine of 1 MiB. */
class Machine {
  readonly cpu: Cpu;
  readonly ram: DataView;
  /** Where pages lie that are not where their linear address says. */
  readonly moved: Map<number, number> = new Map();

  constructor(engine: 'interpreter' | 'jit', hotBranches?: number, maxRegions?: number) {
    const pages = (CPU_RESERVED_BYTES + RAM_BYTES) >> 16;
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
    this.ram = new DataView(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
    const translate = (linear: number): number =>
      linear >>> 0 < RAM_BYTES ? (this.moved.get(linear & -PAGE) ?? linear & -PAGE) + 1 : -1 - 4;
    const nothing = { readDescriptor: () => 1, setAccessed: () => {}, cpuid: () => true, rdtsc: () => 0 };
    const bus = { translate, ...nothing };
    this.cpu = new Cpu({
      memory,
      ramBase: CPU_RESERVED_BYTES,
      ramBytes: RAM_BYTES,
      bus,
      engine,
      hotBranches,
      maxRegions,
    });
    for (const i of Object.values(Seg)) {
      this.cpu.seg.setRaw(i, 0x2b, 0, LIMIT, i === Seg.CS ? CODE_ATTR : DATA_ATTR);
    }
  }

  /** Runs `int 0x80`-terminated code from `at` until it has ended. */
  run(at: number, code: readonly number[], loops: number = LOOPS): void {
    code.forEach((byte, i) => {
      this.ram.setUint8(at + i, byte);
    });
    this.cpu.eip = at;
    this.cpu.regs[Reg.ECX] = loops;
    let exit: number = Exit.Budget;
    for (let slice = 0; slice < 1000 && exit === Exit.Budget; slice++) exit = this.cpu.run(1000);
    expect([exit, this.cpu.exit.vector]).toEqual([Exit.Interrupt, 0x80]);
  }
}

/** add [fs:0x10], ecx; dec ecx; jnz back; int 0x80 */
const SUM_THROUGH_FS = [0x64, 0x01, 0x0d, 0x10, 0, 0, 0, 0x49, 0x75, 0xf6, 0xcd, 0x80];
/** inc eax; dec ecx; jnz back; int 0x80 */
const COUNT = [0x40, 0x49, 0x75, 0xfc, 0xcd, 0x80];

describe('what is compiled', () => {
  test('a loop in the last bytes of a page', () => {
    const machine = new Machine('jit');
    machine.run(0x3ffa, COUNT);
    expect(machine.cpu.regs[Reg.EAX]).toBe(LOOPS);
    expect(machine.cpu.codeMetrics?.compiled).toBe(1);
  });

  test('a loop once, though it branches forward to the middle as often as back to its start', () => {
    const machine = new Machine('jit');
    // back: jmp middle; nop; nop; middle: inc eax; dec ecx; jnz back; int 0x80
    machine.run(0x1000, [0xeb, 2, 0x90, 0x90, 0x40, 0x49, 0x75, 0xf8, 0xcd, 0x80]);
    expect(machine.cpu.regs[Reg.EAX]).toBe(LOOPS);
    expect(machine.cpu.codeMetrics?.compiled).toBe(1);
  });

  test('a loop once, though it is entered in the middle at times', () => {
    const machine = new Machine('jit');
    // back: inc eax; dec ecx; jz end; middle: inc eax; dec ecx; jz end; jmp back; end: int 0x80
    const code = [0x40, 0x49, 0x74, 6, 0x40, 0x49, 0x74, 2, 0xeb, 0xf6, 0xcd, 0x80];
    machine.run(0x1000, code);
    const { compiled } = machine.cpu.codeMetrics ?? {};
    for (let i = 0; i < LOOPS / 2; i++) {
      machine.cpu.eip = 0x1004;
      machine.cpu.regs[Reg.ECX] = 1;
      machine.cpu.run(1000);
    }
    expect(machine.cpu.codeMetrics?.compiled).toBe(compiled);
  });

  test('a long region is gone to from what leads there, not copied', () => {
    const machine = new Machine('jit');
    // inc edx, 120 times; dec ecx; jnz back; int 0x80
    const long = [...Array.from({ length: 120 }, () => 0x42), 0x49, 0x75, 0x85, 0xcd, 0x80];
    machine.run(0x1000, long, LOOPS / 4);
    const { bytes: longBytes = 0 } = machine.cpu.codeMetrics ?? {};
    // back: inc eax; dec ecx; jnz back; inc ecx; jmp to the long one
    machine.run(0x2000, [0x40, 0x49, 0x75, 0xfc, 0x41, 0xe9, 0xf6, 0xef, 0xff, 0xff]);
    const { bytes = 0, compiled } = machine.cpu.codeMetrics ?? {};
    expect(compiled).toBe(2);
    expect(bytes - longBytes).toBeLessThan(longBytes / 2);
    expect(machine.cpu.regs[Reg.EAX]).toBe(LOOPS);
  });

  test.each(['interpreter', 'jit'] as const)('accesses through FS honour its base, %s', (engine) => {
    const machine = new Machine(engine);
    machine.cpu.seg.setRaw(Seg.FS, 0x33, DATA, LIMIT, DATA_ATTR);
    machine.run(0x1000, SUM_THROUGH_FS);
    expect(machine.ram.getUint32(DATA + 0x10, true)).toBe((LOOPS * (LOOPS + 1)) / 2);
  });

  test.each(['interpreter', 'jit'] as const)('accesses beyond the limit of FS fault, %s', (engine) => {
    const machine = new Machine(engine);
    machine.cpu.seg.setRaw(Seg.FS, 0x33, DATA, LIMIT, DATA_ATTR);
    machine.run(0x1000, SUM_THROUGH_FS);
    machine.cpu.seg.setRaw(Seg.FS, 0x33, DATA, 0x12, DATA_ATTR);
    machine.cpu.eip = 0x1000;
    expect([machine.cpu.run(1000), machine.cpu.exit.vector, machine.cpu.eip]).toEqual([
      Exit.Fault,
      13,
      0x1000,
    ]);
  });

  test.each([
    ['CS', 0x2e],
    ['FS', 0x64],
  ])('XLAT reads through %s', (_, prefix) => {
    const machine = new Machine('jit');
    machine.cpu.regs[Reg.EBX] = DATA;
    machine.ram.setUint8(DATA, 1);
    machine.ram.setUint8(DATA + 1, 0);
    machine.run(0x1000, [prefix, 0xd7, 0x49, 0x75, 0xfb, 0xcd, 0x80], LOOPS + 1);
    expect(machine.cpu.regs[Reg.EAX]).toBe(1);
  });

  test('a flush of the TLB leaves compiled code in use', () => {
    const machine = new Machine('jit');
    machine.run(0x1000, COUNT);
    const { promoted: _, ...before } = machine.cpu.codeMetrics ?? {};
    for (let i = 0; i < 10; i++) {
      machine.cpu.flushTlb();
      machine.run(0x1000, COUNT);
    }
    machine.cpu.invlpg(0x1000);
    machine.run(0x1000, COUNT);
    expect(machine.cpu.codeMetrics).toMatchObject(before);
  });

  test('regions whose EIPs have the same low bits do not drive each other out', () => {
    const machine = new Machine('jit');
    const entries = [0x1000, 0x5000, 0x9000];
    for (const at of entries) machine.run(at, COUNT);
    const before = { ...machine.cpu.codeMetrics };
    for (let i = 0; i < 10; i++) for (const at of entries) machine.run(at, COUNT, 4);
    expect(machine.cpu.codeMetrics).toEqual(before);
    machine.cpu.flushTlb();
    machine.cpu.invlpg(0x5000);
    for (const at of entries) machine.run(at, COUNT);
    expect(machine.cpu.regs[Reg.EAX]).toBe(6 * LOOPS + 120);
  });

  test('processes that take turns find their regions again together, and never those of another', () => {
    const machine = new Machine('jit');
    const { cpu, moved } = machine;
    // Two processes of 40 pages, which differ in the last: inc eax in the first, dec eax in the second.
    const pages = Array.from({ length: 40 }, (_, i) => (i + 1) * PAGE);
    const last = pages.at(-1) ?? 0;
    const turn = (process: number, loops: number): number => {
      if (process === 0) moved.clear();
      else moved.set(last, 0x80000);
      cpu.flushTlb();
      const before = cpu.codeMetrics?.promoted ?? 0;
      for (const at of pages) machine.run(at, [], loops);
      return (cpu.codeMetrics?.promoted ?? 0) - before;
    };
    for (const at of [...pages, 0x80000]) machine.run(at, COUNT, 1);
    machine.ram.setUint8(0x80000, 0x48);
    for (let i = 0; i < 2; i++) for (const process of [0, 1]) turn(process, LOOPS);
    cpu.regs[Reg.EAX] = 0;
    cpu.regs[Reg.EAX] = 0;
    expect([turn(0, 4), turn(1, 4), turn(0, 4), turn(0, 4), turn(1, 4)]).toEqual([6, 6, 6, 6, 6]);
    expect(cpu.regs[Reg.EAX]).toBe((3 * 40 + 2 * 38) * 4);
  });

  test('a part of the oldest code makes room for more', () => {
    const machine = new Machine('jit', 0, 1024);
    const programs = 1100;
    for (let i = 0; i < programs; i++) machine.run(0x10000 + 16 * i, COUNT, 4);
    expect(machine.cpu.regs[Reg.EAX]).toBe(4 * programs);
    const { compiled, dropped } = machine.cpu.codeMetrics ?? { compiled: 0, dropped: 0 };
    expect(compiled).toBeGreaterThanOrEqual(programs);
    expect(dropped).toBeGreaterThan(0);
    expect(dropped).toBeLessThan(programs / 2);
  });
});
