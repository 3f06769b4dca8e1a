import { afterAll, expect, test } from 'vitest';
import { Sandbox } from '../harness.ts';
import { boot, check, POWER_OFF, sys, userProgram } from './user-program.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const EXIT = 1;
const OPEN = 5;
const WRITEV = 146;
const FORK = 2;
const WAIT4 = 114;
const MMAP2 = 192;
const PAUSE = 29;
const KILL = 37;
const NANOSLEEP = 162;
const SYSINFO = 116;

test('out of memory the largest process is killed, with a line on the console, and the rest goes on', async () => {
  const init = userProgram(`
    ${sys(FORK)}
    test eax, eax
    jnz 1f
    ${sys(MMAP2, 0, 0x4000_0000, 3, 0x22, -1, 0)}
2:  mov dword ptr [eax], 1
    add eax, 4096
    jmp 2b
1:  ${sys(WAIT4, -1, 'offset status', 0, 0)}
    mov eax, [status]
    ${check('killed', 9)}
    ${sys(FORK)}
    test eax, eax
    jnz 1f
    ${sys(EXIT, 0)}
1:  ${sys(WAIT4, -1, 'offset status', 0, 0)}
    mov eax, [status]
    ${check('afterwards', 0)}
    mov esi, offset fine
    call print
    ${POWER_OFF}
fine: .asciz "fine\\n"
status: .long 0`);
  const result = await boot(sandbox, { init }, '--clock', 'virtual');
  expect(result.stdout).toMatch(/Out of memory: Killed process 2 \(init\) anon-rss:\d+kB\r\nfine\r\n$/);
});

test('a program that forks without end gets errors, and its memory is free when it is gone', async () => {
  const init = userProgram(`
    ${sys(FORK)}
    test eax, eax
    jnz parent
bomb:
    ${sys(FORK)}
    cmp eax, 0
    jge bomb
    ${sys(PAUSE)}
parent:
    ${sys(NANOSLEEP, 'offset time', 0)}
    ${sys(KILL, -1, 9)}
    ${sys(WAIT4, -1, 0, 0, 0)}
    cmp eax, 0
    jg parent
    ${check('no child left', -10)}
    ${sys(FORK)}
    test eax, eax
    jnz 1f
    ${sys(EXIT, 7)}
1:  ${sys(WAIT4, -1, 'offset status', 0, 0)}
    mov eax, [status]
    ${check('afterwards', 7 << 8)}
    mov esi, offset fine
    call print
    ${POWER_OFF}
fine: .asciz "fine\\n"
    .balign 4
time: .long 0, 100000000
status: .long 0`);
  const result = await boot(sandbox, { init }, '--clock', 'virtual', '--memory', '8');
  expect(result.stderr).toBe('');
  expect(result.stdout).toMatch(/fine\r\n$/);
});

test.each([
  ['private', 0x1000_0000, 0x8022],
  ['shared', 0xf8_0000, 0x8021],
] as const)(
  'a system call that needs a page when there is none gets one, from the largest process, %s',
  async (_kind, bytes, how) => {
    const init = userProgram(
      `
    ${sys(FORK)}
    test eax, eax
    jnz 1f
    ${sys(MMAP2, 0, bytes, 3, how, -1, 0)}
    ${sys(PAUSE)}
1:  ${sys(NANOSLEEP, 'offset time', 0)}
    mov dword ptr [left], 400
    mov dword ptr [place], offset room
2:  ${sys(SYSINFO, '[place]')}
    ${check('sysinfo', 0)}
    add dword ptr [place], 4096
    dec dword ptr [left]
    jnz 2b
    ${sys(WAIT4, -1, 'offset status', 0, 0)}
    mov eax, [status]
    ${check('killed', 9)}
    mov esi, offset fine
    call print
    ${POWER_OFF}
fine: .asciz "fine\\n"
    .balign 4
time: .long 0, 100000000
status: .long 0
left: .long 0
place: .long 0
room:`,
      { bssBytes: 2 << 20 },
    );
    const result = await boot(sandbox, { init }, '--clock', 'virtual');
    expect(result.stdout).toMatch(/fine\r\n$/);
  },
);

test('who is killed for want of memory in its own system call takes nobody along', async () => {
  const init = userProgram(`
    ${sys(FORK)}
    test eax, eax
    jnz 1f
    ${sys(PAUSE)}
1:  mov [bystander], eax
    ${sys(FORK)}
    test eax, eax
    jnz 1f
    ${sys(MMAP2, 0, 0x1000_0000, 3, 0x22, -1, 0)}
    mov [room], eax
    ${sys(OPEN, 'offset null', 1)}
    mov [fd], eax
    ${sys(WRITEV, '[fd]', 'offset vectors', 1)}
    ${sys(EXIT, 0)}
1:  ${sys(WAIT4, -1, 'offset status', 0, 0)}
    mov eax, [status]
    ${check('killed', 9)}
    ${sys(WAIT4, '[bystander]', 0, 1, 0)}
    ${check('the bystander lives', 0)}
    mov esi, offset fine
    call print
    ${POWER_OFF}
fine: .asciz "fine\\n"
null: .asciz "/dev/null"
    .balign 4
fd: .long 0
bystander: .long 0
status: .long 0
vectors:
room: .long 0, 0x10000000`);
  const result = await boot(sandbox, { init }, '--clock', 'virtual');
  expect(result.stdout).toMatch(/^\[[ \d.]+\] Out of memory: Killed process 3 [^\n]+\nfine\r\n$/);
});
