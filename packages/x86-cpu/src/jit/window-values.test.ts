import { describe, expect, test } from 'vitest';
import { CPU_RESERVED_BYTES, Cpu, Exit, PAGE_WRITABLE, Reg, Seg } from '../index.ts';

const RAM_BYTES = 1 << 20;
const LOOPS = 5000;
const CODE = 0x1000;
const STACK = 0x8800;

/** Runs a loop of `body` until ECX is 0. @returns EDI */
function run(engine: 'interpreter' | 'jit', body: readonly number[]): number {
  const pages = (CPU_RESERVED_BYTES + RAM_BYTES) >> 16;
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages });
  const ram = new Uint8Array(memory.buffer, CPU_RESERVED_BYTES, RAM_BYTES);
  const bus = {
    translate: (linear: number) => (linear & -4096) | PAGE_WRITABLE,
    readDescriptor: () => 1,
    setAccessed: () => {},
    cpuid: () => true,
    rdtsc: () => 0,
  };
  const cpu = new Cpu({ memory, ramBase: CPU_RESERVED_BYTES, ramBytes: RAM_BYTES, engine, bus });
  for (const i of Object.values(Seg)) cpu.seg.setRaw(i, 0x2b, 0, 0xffff_ffff, i === Seg.CS ? 0xc0fb : 0xc0f3);
  ram.set([...body, 0x49, 0x75, -(body.length + 3) & 0xff, 0xcd, 0x80], CODE);
  cpu.eip = CODE;
  cpu.regs[Reg.ECX] = LOOPS;
  cpu.regs[Reg.ESP] = STACK;
  cpu.regs[Reg.EDI] = 0;
  let exit: number = Exit.Budget;
  for (let slice = 0; slice < 1000 && exit === Exit.Budget; slice++) exit = cpu.run(1000);
  expect(exit).toBe(Exit.Interrupt);
  expect(cpu.regs[Reg.ESP]).toBe(STACK);
  return cpu.regs[Reg.EDI] ?? 0;
}

const STORE_ECX = [0x89, 0x4c, 0x24, 8]; // mov [esp+8], ecx
const LEA_EAX = [0x8d, 0x04, 0x24]; // lea eax, [esp]
const ADD_EDI = [0x03, 0x7c, 0x24, 8]; // add edi, [esp+8]
const PROGRAMS: readonly (readonly [string, readonly number[], number])[] = [
  ['what was stored there', [...STORE_ECX, ...ADD_EDI], (LOOPS * (LOOPS + 1)) / 2],
  [
    'what a pointer has stored since',
    // mov dword [eax+8], 7
    [...STORE_ECX, ...LEA_EAX, 0xc7, 0x40, 8, 7, 0, 0, 0, ...ADD_EDI],
    7 * LOOPS,
  ],
  [
    'a byte of it that has been stored since',
    // mov dword [esp+8], 0; mov byte [esp+9], 1
    [0xc7, 0x44, 0x24, 8, 0, 0, 0, 0, 0xc6, 0x44, 0x24, 9, 1, ...ADD_EDI],
    0x100 * LOOPS,
  ],
  [
    'what one of two ways has stored since',
    // mov dword [esp+8], 3; test cl, 1; jz +8; mov dword [esp+8], 5
    [
      ...[0xc7, 0x44, 0x24, 8, 3, 0, 0, 0, 0xf6, 0xc1, 1, 0x74, 8],
      ...[0xc7, 0x44, 0x24, 8, 5, 0, 0, 0],
      ...ADD_EDI,
    ],
    4 * LOOPS,
  ],
  [
    'what has been pushed, in another place',
    // push ecx; mov edx, [esp]; mov dword [esp], 9; add edi, edx; pop edx; add edi, edx
    [0x51, 0x8b, 0x14, 0x24, 0xc7, 0x04, 0x24, 9, 0, 0, 0, 0x01, 0xd7, 0x5a, 0x01, 0xd7],
    (LOOPS * (LOOPS + 1)) / 2 + 9 * LOOPS,
  ],
];

describe.each(['interpreter', 'jit'] as const)('a load from the stack, %s', (engine) => {
  test.each(PROGRAMS)('sees %s', (_name, body, expected) => {
    expect(run(engine, body)).toBe(expected);
  });
});
