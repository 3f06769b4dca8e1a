import { describe, expect, test } from 'vitest';
import { runLoop } from '../../test/loop-machine.ts';
import { Exit, Reg } from '../index.ts';

const LOOPS = 5000;
const STACK = 0x8800;

/** Runs a loop of `body` until ECX is 0. @returns EDI */
function run(engine: 'interpreter' | 'jit', body: readonly number[]): number {
  const { cpu, exit } = runLoop({
    engine,
    body,
    loops: LOOPS,
    prepare: ({ regs }) => {
      regs[Reg.ESP] = STACK;
      regs[Reg.EDI] = 0;
    },
  });
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
