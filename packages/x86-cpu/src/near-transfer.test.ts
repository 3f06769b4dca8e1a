import { describe, expect, it } from 'vitest';
import { Access, CPU_RESERVED_BYTES, Cpu, Exit, PAGE_WRITABLE, Reg, Seg, Vector } from './index.ts';

const CODE = 0x1000;
/** The code segment ends with its page. */
const LIMIT = 0x1fff;
const STACK = 0x4000;
const READ_ONLY = 0x5000;
const RAM_BYTES = 0x10000;
const FILL = 0x1234_5678;
const INSIDE = 0x1234;
const BEYOND = 0x2000;
const FAR_BEYOND = 0x4321_0000;

function translate(linear: number, access: number): number {
  const page = (linear & -4096) >>> 0;
  const isWrite = access === Access.Write;
  if (page === STACK) return page | PAGE_WRITABLE;
  if (page === CODE || page === READ_ONLY) return isWrite ? -1 - 7 : page;
  return -1 - (isWrite ? 6 : 4);
}

interface Lane {
  readonly cpu: Cpu;
  readonly ram: DataView;
}

function lane(forceGeneric: boolean): Lane {
  const pages = (CPU_RESERVED_BYTES + RAM_BYTES) >> 16;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const rest = { readDescriptor: () => 1, setAccessed: () => undefined, cpuid: () => false, rdtsc: () => 0 };
  const bus = { translate, ...rest };
  const cpu = new Cpu({ memory, ramBase: CPU_RESERVED_BYTES, ramBytes: RAM_BYTES, bus });
  cpu.forceGeneric = forceGeneric;
  for (const i of Object.values(Seg)) cpu.seg.setRaw(i, 0x2b, 0, 0xffffffff, 0xc0f3);
  cpu.seg.setRaw(Seg.CS, 0x23, 0, LIMIT, 0x40fb);
  return { cpu, ram: new DataView(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES) };
}

/** One instruction; ECX holds `target`, and so does the word at ESP. */
function runOn({ cpu, ram }: Lane, code: readonly number[], esp: number, target: number) {
  code.forEach((byte, i) => {
    ram.setUint8(CODE + i, byte);
  });
  cpu.flushTlb();
  ram.setUint32(esp - 4, FILL);
  ram.setUint32(esp, target, true);
  [cpu.eip, cpu.regs[Reg.ESP], cpu.regs[Reg.ECX]] = [CODE, esp, target];
  const fault = cpu.run(1) === Exit.Fault ? `${cpu.exit.vector}/${cpu.exit.errorCode}` : '';
  const cr2 = cpu.exit.vector === Vector.PF ? cpu.cr2 : 0;
  const pushed = ram.getUint32(esp - 4) !== FILL;
  return { fault, cr2, eip: cpu.eip, esp: cpu.regs[Reg.ESP]! - esp, pushed };
}

const word = (n: number): number[] => [n & 0xff, (n >>> 8) & 0xff, (n >>> 16) & 0xff, n >>> 24];
const nothing = { eip: CODE, esp: 0, pushed: false };
const refused = { ...nothing, fault: '13/0', cr2: 0 };
const missing = (cr2: number) => ({ ...nothing, fault: '14/6', cr2 });

const CALLS: readonly { name: string; code: (target: number) => number[]; bytes: number }[] = [
  { name: 'CALL rel32', code: (target) => [0xe8, ...word(target - CODE - 5)], bytes: 4 },
  { name: 'CALL r32', code: () => [0xff, 0xd1], bytes: 4 },
  { name: 'CALL rel16', code: (target) => [0x66, 0xe8, ...word(target - CODE - 4).slice(0, 2)], bytes: 2 },
  { name: 'CALL r16', code: () => [0x66, 0xff, 0xd1], bytes: 2 },
];

describe.each([
  { tier: 'fast loop', forceGeneric: false },
  { tier: 'general step', forceGeneric: true },
])('$tier', ({ forceGeneric }) => {
  const on = lane(forceGeneric);
  const run = (code: readonly number[], esp: number, target: number) => runOn(on, code, esp, target);

  describe.each(CALLS)('$name', ({ code, bytes }) => {
    const call = (esp: number, target: number) => run(code(target), esp, target);

    it('beyond the limit of CS is refused, with nothing pushed', () => {
      expect(call(STACK + 64, BEYOND)).toEqual(refused);
    });
    it('faults by its push first, whatever its target', () => {
      for (const target of [INSIDE, BEYOND]) {
        expect(call(STACK, target)).toEqual(missing(STACK - bytes));
        expect(call(STACK + 1, target)).toEqual(missing(STACK + 1 - bytes));
        expect(call(READ_ONLY + bytes, target)).toEqual({ ...missing(READ_ONLY), fault: '14/7' });
        expect(call(READ_ONLY + 1, target)).toEqual({ ...missing(READ_ONLY), fault: '14/7' });
      }
    });
    it('pushes where it came from', () => {
      const { fault, eip, esp, pushed } = call(STACK + 64, INSIDE);
      expect({ fault, eip, esp, pushed }).toEqual({ fault: '', eip: INSIDE, esp: -bytes, pushed: true });
    });
  });

  describe.each([
    { name: 'RET', code: [0xc3], moves: 4 },
    { name: 'RET 8', code: [0xc2, 8, 0], moves: 12 },
  ])('$name', ({ code, moves }) => {
    it('beyond the limit of CS is refused, and ESP stays', () => {
      expect(run(code, STACK + 64, FAR_BEYOND)).toEqual(refused);
      expect(run(code, STACK + 64, LIMIT + 1)).toEqual(refused);
    });
    it('faults where the stack cannot be read', () => {
      expect(run(code, STACK - 8, INSIDE)).toEqual({ ...missing(STACK - 8), fault: '14/4' });
    });
    it('goes to the last byte of CS', () => {
      expect(run(code, STACK + 64, LIMIT)).toMatchObject({
        fault: '',
        eip: LIMIT,
        esp: moves,
      });
    });
  });

  it.each([
    { name: 'JMP rel32', code: [0xe9, ...word(FAR_BEYOND - CODE - 5)] },
    { name: 'JMP r32', code: [0xff, 0xe1] },
    { name: 'JMP m32', code: [0xff, 0x24, 0x24] },
    { name: 'JNC rel32', code: [0x0f, 0x83, ...word(FAR_BEYOND - CODE - 6)] },
  ])('$name beyond the limit of CS is refused', ({ code }) => {
    expect(run(code, STACK + 64, FAR_BEYOND)).toEqual(refused);
  });
});
