import { expect, it } from 'vitest';
import { Cpu } from './cpu.ts';
import { Exit, Reg, Seg } from './names.ts';
import { CPU_RESERVED_BYTES, S, SEG_BYTES } from './state.ts';

const RAM_BYTES = 0x10000;
const CODE = 0x1000;
const LEVEL = 1;
const MOV_SREG = 0x8e;
const FLAT = { low: 0xffff, high: 0x00cf_b300 };
/** Descriptors by index; the levels are 1. */
const TABLE: readonly (readonly [low: number, high: number])[] = [
  [0, 0],
  [FLAT.low, FLAT.high],
  [FLAT.low, 0x00cf_bb00],
  [0x1234_0fff, 0x1240_b356],
  [0x0fff, 0x0040_b700],
  [0x0fff, 0x0000_b700],
  [0xffff, 0x008f_b300],
  [0xffff, 0x00cf_b100],
];
const LOADED: readonly number[] = [Seg.ES, Seg.DS, Seg.FS, Seg.GS];

function newCpu(): Cpu {
  const pages = (CPU_RESERVED_BYTES + RAM_BYTES) >> 16;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const bus = {
    translate: (linear: number): number => (linear & -4096) + 1,
    readDescriptor: (selector: number, out: Uint32Array): number => {
      out.set(TABLE[selector >>> 3] ?? [0, 0]);
      return 0;
    },
    descriptorAddress: (): number => -1,
    setAccessed: (): void => {},
    cpuid: (): boolean => false,
    rdtsc: (): number => 0,
  };
  const cpu = new Cpu({ memory, ramBase: CPU_RESERVED_BYTES, ramBytes: RAM_BYTES, bus });
  for (const i of Object.values(Seg))
    cpu.seg.setRaw(i, 8 | LEVEL, 0, 0xffffffff, i === Seg.CS ? 0xc0bb : 0xc0b3);
  new Uint8Array(memory.buffer, CPU_RESERVED_BYTES).set(
    LOADED.flatMap((i) => [MOV_SREG, 0xc0 | (i << 3)]),
    CODE,
  );
  return cpu;
}

/** All that is known of the segments, and the mode that follows from it. */
const segments = (cpu: Cpu): readonly number[] => [
  ...cpu.state.subarray(S.segs >> 2, (S.segs + 6 * SEG_BYTES) >> 2),
  cpu.state[S.flat >> 2]!,
  cpu.state[S.mode >> 2]!,
];

function load(cpu: Cpu, selector: number): void {
  cpu.regs[Reg.EAX] = selector;
  cpu.eip = CODE;
  expect(cpu.run(LOADED.length)).toBe(Exit.Budget);
}

it('what generated code loads from the cache is what the general way loads', () => {
  const cpu = newCpu();
  const reference = newCpu();
  for (let index = 1; index < TABLE.length; index++) {
    const selector = (index << 3) | LEVEL;
    load(cpu, selector);
    load(cpu, 8 | LEVEL);
    load(cpu, selector);
    for (const i of LOADED) expect(reference.loadSegment(i, selector)).toBe(true);
    expect(segments(cpu), `selector ${selector}`).toEqual(segments(reference));
  }
});

it('a null selector leaves a segment that refuses all access, with the bits of its RPL', () => {
  const cpu = newCpu();
  const reference = newCpu();
  load(cpu, 2);
  for (const i of LOADED) expect(reference.loadSegment(i, 2)).toBe(true);
  expect(segments(cpu)).toEqual(segments(reference));
});
