/** The functions of the vDSO tell what system calls tell. */
import { afterAll, expect, test } from 'vitest';
import { Sandbox } from '../harness.ts';
import { boot, check, POWER_OFF, sys, userProgram } from './user-program.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const TIME = 13;
const GETTIMEOFDAY = 78;
const CLOCK_GETTIME = 265;
const CLOCK_GETTIME64 = 403;
const CLOCK_SETTIME64 = 404;
const AT_SYSINFO_EHDR = 33;
const EINVAL = 22;
const ROUNDS = 400;

/** Finds the vDSO by the auxiliary vector, and its functions, which are its symbols in this order. */
const FIND = `
    mov edi, esp
    mov eax, [edi]
    lea edi, [edi+eax*4+8]
1:  add edi, 4                      # behind the environment's null
    cmp dword ptr [edi-4], 0
    jne 1b
2:  cmp dword ptr [edi], ${AT_SYSINFO_EHDR}
    je 3f
    cmp dword ptr [edi], 0
    lea edi, [edi+8]
    jne 2b
    mov eax, 0
    ${check('AT_SYSINFO_EHDR', 1)}
3:  mov ebx, [edi+4]
    mov eax, [ebx]
    ${check('an ELF file', 0x464c457f)}
    mov edi, [ebx+92]               # p_vaddr of PT_DYNAMIC
    add edi, ebx
4:  cmp dword ptr [edi], 6          # DT_SYMTAB
    lea edi, [edi+8]
    jne 4b
    mov edi, [edi-4]
    add edi, ebx
    mov ecx, 0
5:  mov eax, [edi+20]
    add eax, ebx
    mov edx, offset functions
    mov [edx+ecx*4], eax
    add edi, 16
    inc ecx
    cmp ecx, 5
    jne 5b
    mov eax, [ebx+24]               # e_entry
    add eax, ebx
    sub eax, [functions]
    ${check('the entry point', 0)}
    mov eax, ${TIME}
    mov ebx, 0
    call dword ptr [functions]
    mov [first], eax
    ${sys(TIME, 0)}
    sub eax, [first]
    shr eax, 1
    ${check('time by __kernel_vsyscall', 0)}
`;
const FUNCTIONS = { gettime64: 4, gettime: 8, gettimeofday: 12, time: 16 } as const;

/** The result is in EAX; arguments are operands. */
const call = (name: keyof typeof FUNCTIONS, ...args: readonly (number | string)[]): string =>
  [
    ...[...args].reverse().map((arg) => `push ${arg}`),
    `call dword ptr [functions+${FUNCTIONS[name]}]`,
    `add esp, ${4 * args.length}`,
  ].join('\n');

/** Goes on if the time at `a` is not after that at `b`: seconds and nanoseconds of 64 bits each, of this millennium. */
const ordered = (a: string, b: string, name: string): string => `
    mov eax, [${a}]
    cmp eax, [${b}]
    jb 7f
    mov eax, [${a}+8]
    cmp eax, [${b}+8]
    jbe 7f
    ${check(name, -1)}
7:
`;

const rounds = (clock: number, name: string): string => `
    mov dword ptr [left], ${ROUNDS}
1:  ${sys(CLOCK_GETTIME64, clock, 'offset first')}
    ${call('gettime64', clock, 'offset second')}
    ${check(name, 0)}
    ${sys(CLOCK_GETTIME64, clock, 'offset third')}
    ${ordered('first', 'second', `${name} before`)}
    ${ordered('second', 'third', `${name} after`)}
    mov eax, [second+4]
    or eax, [second+12]
    ${check(`${name}: high halves`, 0)}
    dec dword ptr [left]
    jnz 1b
`;

const PROGRAM = `
    ${FIND}
    ${rounds(1, 'CLOCK_MONOTONIC')}
    ${rounds(0, 'CLOCK_REALTIME')}
    ${rounds(7, 'CLOCK_BOOTTIME')}
    # A clock that the kernel is asked for, and one that there is not.
    ${rounds(2, 'CLOCK_PROCESS_CPUTIME_ID')}
    ${call('gettime64', 99, 'offset first')}
    ${check('no such clock', -EINVAL)}
    ${call('gettime', 99, 'offset first')}
    ${check('no such clock in 32 bits', -EINVAL)}
    # The time of day is set, into the past.
    ${sys(CLOCK_SETTIME64, 0, 'offset past')}
    ${check('clock_settime64', 0)}
    ${rounds(0, 'CLOCK_REALTIME when set')}
    mov eax, [second]
    shr eax, 8
    ${check('the past', 1_000_000_000 >>> 8)}
    # The other functions agree on the second, or on the next.
    ${sys(CLOCK_GETTIME, 0, 'offset first')}
    ${call('gettime', 0, 'offset second')}
    ${check('clock_gettime', 0)}
    mov eax, [second]
    sub eax, [first]
    shr eax, 1
    ${check('seconds of clock_gettime', 0)}
    ${sys(GETTIMEOFDAY, 'offset first', 0)}
    ${call('gettimeofday', 'offset second', 'offset third')}
    ${check('gettimeofday', 0)}
    mov eax, [second]
    sub eax, [first]
    shr eax, 1
    ${check('seconds of gettimeofday', 0)}
    mov eax, [second+4]
    cmp eax, 1000000
    jb 1f
    ${check('microseconds', -1)}
1:  ${call('gettimeofday', 0, 0)}
    ${check('gettimeofday for nothing', 0)}
    ${sys(TIME, 0)}
    mov [first], eax
    ${call('time', 'offset second')}
    ${check('time', 'dword ptr [second]')}
    sub eax, [first]
    shr eax, 1
    ${check('seconds of time', 0)}
    mov esi, offset fine
    call print
    ${POWER_OFF}
fine: .asciz "fine\\n"
past: .long 1000000000, 0, 999999999, 0
functions: .long 0, 0, 0, 0, 0
left: .long 0
first: .long 0, 0, 0, 0
second: .long 0, 0, 0, 0
third: .long 0, 0, 0, 0
`;

test.for([
  ['host', 'interpreter'],
  ['virtual', 'interpreter'],
  ['host', 'jit'],
  ['virtual', 'jit'],
])('clocks of the vDSO run with those of system calls: clock %s, engine %s', async ([clock, engine]) => {
  const files = { init: userProgram(PROGRAM) };
  const result = await boot(sandbox, files, '--clock', clock!, '--engine', engine!);
  expect(result).toMatchObject({ code: 0, stderr: '', stdout: 'fine\r\n' });
});
