import { afterAll, expect, test } from 'vitest';
import { Sandbox } from '../harness.ts';
import { boot, POWER_OFF, sys, userProgram } from './user-program.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const FORK = 2;
const ALARM = 27;
const KILL = 37;
const WAIT4 = 114;
const NANOSLEEP = 162;
const WNOHANG = 1;
/** Calls that a child does not make: they would end the run, or the child too soon. */
const SPARED = [1, 88, 252];

/**
 * Children make system calls with random numbers and arguments, which are small, negative, powers of two, random, or point
 * to a buffer or a path, until they end themselves or their alarm does; then the next begins with another seed.
 */
const FUZZER = (rounds: number): string => `
    mov dword ptr [seed], 0
next:
    inc dword ptr [seed]
    cmp dword ptr [seed], ${rounds}
    jae done
    ${sys(FORK)}
    test eax, eax
    jnz parent
    ${sys(ALARM, 1)}
    mov ebp, [seed]
    imul ebp, ebp, 2654435
again:
    call random
    mov edx, eax
    and edx, 256
    or edx, 255
    push edx
    call random
    pop edx
    and eax, edx
    ${SPARED.map((number) => `cmp eax, ${number}\n je again`).join('\n')}
    mov [number], eax
    ${['ebx', 'ecx', 'edx', 'esi', 'edi'].map((register) => `call argument\n push eax # ${register}`).join('\n')}
    pop edi
    pop esi
    pop edx
    pop ecx
    pop ebx
    mov [state], ebp
    call argument
    mov [state], ebp
    mov ebp, eax
    mov eax, [number]
    int 0x80
    mov ebp, [state]
    jmp again
parent:
    ${sys(NANOSLEEP, 'offset pause', 0)}
    ${sys(KILL, -1, 9)}
reap:
    ${sys(WAIT4, -1, 0, WNOHANG, 0)}
    test eax, eax
    jg reap
    jmp next
done:
    mov esi, offset fine
    call print
    ${POWER_OFF}
random:
    imul ebp, ebp, 1103515245
    add ebp, 12345
    mov eax, ebp
    shr eax, 7
    ret
argument:
    push ecx
    push edx
    call random
    and eax, 7
    jmp [kinds+eax*4]
small:
    call random
    and eax, 15
    jmp out
power:
    call random
    mov ecx, eax
    and ecx, 31
    mov eax, 1
    shl eax, cl
    jmp out
negative:
    call random
    and eax, 7
    neg eax
    jmp out
pointer:
    call random
    and eax, 4095
    add eax, offset buffer
    jmp out
path:
    call random
    and eax, 7
    mov eax, [paths+eax*4]
    jmp out
any:
    call random
    imul eax, eax, 977
out:
    pop edx
    pop ecx
    ret
fine: .asciz "fine\\n"
path0: .asciz "/dev/zero"
path1: .asciz "/new"
path2: .asciz "/proc/self/maps"
path3: .asciz "/dev"
path4: .asciz "/new/sub"
path5: .asciz "/init"
path6: .asciz "."
path7: .asciz "/dev/hvc0"
    .balign 4
paths: .long path0, path1, path2, path3, path4, path5, path6, path7
kinds: .long small, small, pointer, pointer, path, negative, power, any
pause: .long 0, 20000000
seed: .long 0
number: .long 0
state: .long 0
buffer: .long ${'0x41424344, 3, 0, 1, 64, '.repeat(200)}0
`;

test('random system calls with random arguments do no harm to the kernel', async () => {
  const init = userProgram(FUZZER(60), { bssBytes: 8192 });
  const result = await boot(sandbox, { init }, '--clock', 'virtual');
  expect(result.stderr).toBe('');
  expect(result.code).toBe(0);
  expect(result.stdout).toMatch(/fine\r\n$/);
});
