import { assemble, FlatMachine } from '@domu/testkit';
import { describe, expect, test } from 'vitest';
import { Exit } from '../index.ts';

const CODE = 0x1000;

/** What a function, which is too long to be taken in, leaves parked. */
const PARKED: Record<string, string> = {
  sub: 'sub eax, 77',
  add: 'add eax, 0x70000001',
  sbb: 'cmp eax, esi\nsbb eax, 5',
  logic: 'and eax, 0x80ff00ff',
  shift: 'shl eax, 1',
  'inc over sub': 'sub eax, 77\ninc esi',
  'dec over add': 'add eax, 0x70000001\ndec esi',
  'rol over sub': 'sub eax, 77\nrol esi, 1',
  'ror over logic': 'and eax, 0x80ff00ff\nror esi, 3',
};
/** What is laid over that, before the region is left. */
const OVER: Record<string, string> = {
  inc: 'inc edi',
  dec: 'dec edi',
  'inc, dec': 'inc edi\ndec ebx',
  rol: 'rol edi, 1',
  'rol, inc': 'rol edi, 1\ninc ebx',
  'inc, rol': 'inc edi\nrol ebx, 1',
  'inc, where ways meet': 'mov ecx, 3\ntest esi, 0x40\nmov edx, 0\njz over\ninc edx\nover:\ninc edi',
  'inc on one way': 'lea ecx, [ebp+1]\njecxz over\ninc edi\nover:\nmov ecx, edx',
  'dec in a loop': 'mov ecx, 3\nagain:\ndec edi\nloop again',
  'inc, whose carry is used': 'inc edi\nadc ebx, 0',
};

/** A sum of flags, which are parked for the function that adds them up. */
const program = (parked: string, over: string): string => `
    mov dword ptr [LEFT], ROUNDS
next:
    mov esi, [SEED]
    imul esi, esi, 1664525
    add esi, 1013904223
    mov [SEED], esi
    mov eax, esi
    mov edi, esi
    shr edi, 29
    mov edi, [TABLE+edi*4]
    mov ebx, edi
    call parked
    ${over}
    call add_up
    dec dword ptr [LEFT]
    jnz next
    int 0x80
parked:
    ${'nop\n'.repeat(80)}
    ${parked}
    ret
add_up:
    pushfd
    ${'nop\n'.repeat(80)}
    pop edx
    add edx, edi
    xor [SUM], edx
    rol dword ptr [SUM], 5
    ret`;
const [LEFT, SEED, SUM, TABLE] = [0x8000, 0x8004, 0x8008, 0x8100];
const ROUNDS = 5000;
const NUMBERS = [0, 1, 0x7fffffff, 0x80000000, 0xffffffff, 15, 16, 0x12345678];

/** @returns what the flags came to, and how many regions there were */
function run(engine: 'interpreter' | 'jit', parked: string, over: string): { sum: number; compiled: number } {
  const machine = new FlatMachine({ engine });
  const symbols = { LEFT, SEED, SUM, TABLE, ROUNDS };
  machine.load(assemble(program(parked, over), { origin: CODE, symbols }));
  const words = new Uint32Array(machine.ram.buffer, machine.ram.byteOffset);
  words.set(NUMBERS, TABLE >> 2);
  let exit: number = Exit.Budget;
  for (let slice = 0; slice < 100 && exit === Exit.Budget; slice++) exit = machine.cpu.run(100_000);
  expect(exit).toBe(Exit.Interrupt);
  return { sum: words[SUM >> 2] ?? 0, compiled: machine.cpu.codeMetrics?.compiled ?? 0 };
}

describe.each(Object.entries(PARKED))('flags of %s, parked', (_, parked) => {
  test.each(Object.entries(OVER))('are seen below %s', (_over, over) => {
    const compiled = run('jit', parked, over);
    expect(compiled.compiled).toBeGreaterThan(1);
    expect(compiled.sum).toBe(run('interpreter', parked, over).sum);
  });
});
