import { expect, test } from 'vitest';
import { CPU_RESERVED_BYTES, Cpu, Exit, PAGE_WRITABLE, Reg, Seg } from '../index.ts';

const RAM_BYTES = 1 << 20;
const PAGE = 4096;
const LOOPS = 20_000;
const CODE = 0x1000;
const CR4_OSFXSR = 0x200;
const disp = (address: number): number[] => [address & 0xff, address >>> 8, 0, 0];

/** Neighbours by linear address from 0x8000 on are not neighbours in memory: even and odd pages are exchanged. */
const machineAddress = (linear: number): number => (linear >= 0x8000 ? linear ^ PAGE : linear);

/** Runs a loop of `body` until ECX is 0. */
function run(engine: 'interpreter' | 'jit', body: readonly number[], source: number): Uint8Array {
  const pages = (CPU_RESERVED_BYTES + RAM_BYTES) >> 16;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const ram = new Uint8Array(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
  const cpu = new Cpu({
    memory,
    ramBase: CPU_RESERVED_BYTES,
    ramBytes: RAM_BYTES,
    engine,
    bus: {
      translate: (linear) => (machineAddress(linear >>> 0) & -PAGE) | PAGE_WRITABLE,
      readDescriptor: () => 1,
      setAccessed: () => {},
      cpuid: () => true,
      rdtsc: () => 0,
    },
  });
  for (const i of Object.values(Seg)) cpu.seg.setRaw(i, 0x2b, 0, 0xffff_ffff, i === Seg.CS ? 0xc0fb : 0xc0f3);
  cpu.cr4 = CR4_OSFXSR;
  for (let i = 0; i < 16; i++) ram[machineAddress(source + i)] = 0xa0 + i;
  const back = -(body.length + 3);
  ram.set([...body, 0x49, 0x75, back & 0xff, 0xcd, 0x80], CODE);
  cpu.eip = CODE;
  cpu.regs[Reg.ECX] = LOOPS;
  let exit: number = Exit.Budget;
  for (let slice = 0; slice < 1000 && exit === Exit.Budget; slice++) exit = cpu.run(1000);
  expect(exit).toBe(Exit.Interrupt);
  return ram;
}

const SOURCE = 0x8ffc;
const TARGET = 0xeffc;
const accesses = [
  {
    name: '16 bytes aligned to 4',
    bytes: 16,
    // movdqu xmm0, [SOURCE]; movdqu [TARGET], xmm0
    body: [0xf3, 0x0f, 0x6f, 0x05, ...disp(SOURCE), 0xf3, 0x0f, 0x7f, 0x05, ...disp(TARGET)],
  },
  {
    name: '8 bytes aligned to 4',
    bytes: 8,
    // movq xmm1, [SOURCE]; movq [TARGET], xmm1
    body: [0xf3, 0x0f, 0x7e, 0x0d, ...disp(SOURCE), 0x66, 0x0f, 0xd6, 0x0d, ...disp(TARGET)],
  },
];

test.each(['interpreter', 'jit'] as const)('an access across two pages reaches both, %s', (engine) => {
  for (const { name, bytes, body } of accesses) {
    const ram = run(engine, body, SOURCE);
    const got = Array.from({ length: bytes }, (_, i) => ram[machineAddress(TARGET + i)]);
    expect(got, name).toEqual(Array.from({ length: bytes }, (_, i) => 0xa0 + i));
  }
});
