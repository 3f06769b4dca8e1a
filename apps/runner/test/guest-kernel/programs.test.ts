import { readFileSync } from 'node:fs';
import { afterAll, describe, expect, test } from 'vitest';
import { Sandbox } from '../harness.ts';
import { boot, check, POWER_OFF, sys, userProgram } from './user-program.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const EXIT = 1;
const FORK = 2;
const PIPE = 42;
const READ = 3;
const WRITE = 4;
const WAIT4 = 114;
const BRK = 45;
const MMAP2 = 192;
const MUNMAP = 91;
const MPROTECT = 125;
const NICE = 34;
const GETPRIORITY = 96;
const SETPRIORITY = 97;
const IOPRIO_SET = 289;
const IOPRIO_GET = 290;
const KILL = 37;
const GETPID = 20;
const RT_SIGACTION = 174;
const RT_SIGRETURN = 173;
const SIGRETURN = 119;
const SYSINFO = 116;
const NANOSLEEP = 162;
const ALARM = 27;
const EXECVE = 11;
const SET_THREAD_AREA = 243;
const PAUSE = 29;
const GETPPID = 64;
const OPEN = 5;
const MOUNT = 21;
const SIGNAL = 48;
const SIGHUP = 1;
const SIG_IGN = 1;
const CLOSE = 6;
const IOCTL = 54;
const SETSID = 66;
const O_RDWR_NOCTTY = 0o402;
const O_CREAT_WRONLY = 0o101;
const TIOCSPTLCK = 0x4004_5431;
const TIOCGSID = 0x5429;

/** x87 instructions, which the assembler lacks. */
const FLD1 = '.byte 0xd9, 0xe8';
const FNINIT_FLDZ = '.byte 0xdb, 0xe3, 0xd9, 0xee';
const FILD_STATUS = '.byte 0xdb, 0x05\n .long status';
const FISTP_STATUS = '.byte 0xdb, 0x1d\n .long status';

async function runs(source: string, ...args: readonly string[]): Promise<void> {
  const program = userProgram(
    `${source}\n mov esi, offset fine\n call print\n ${POWER_OFF}\nfine: .asciz "fine\\n"`,
    {
      bssBytes: 8192,
    },
  );
  const result = await boot(sandbox, { init: program }, ...args);
  expect(result.stderr).toBe('');
  expect(result.stdout).toBe('fine\r\n');
  expect(result.code).toBe(0);
}

const waitFor = (status: number, name: string): string => `
    ${sys(WAIT4, -1, 'offset status', 0, 0)}
    mov eax, [status]
    ${check(name, status)}
`;
const DATA = `
    jmp 7f
    .balign 4
status: .long 0
counter: .long 1
pipes: .long 0, 0
info: .long ${'0, '.repeat(15)}0
action: .long 0, 0, 0, 0, 0
time: .long 0, 30000000
7:
`;

describe.each([
  ['interpreter', 'host'],
  ['jit', 'virtual'],
])('user programs, engine %s, %s clock', (engine, clock) => {
  const how = ['--engine', engine, '--clock', clock];

  test('a child has its own copy of memory, and its exit status reaches the parent', () =>
    runs(
      `${DATA}
        ${sys(FORK)}
        test eax, eax
        jnz 1f
        ${sys(GETPPID)}
        ${check('getppid', 1)}
        mov dword ptr [counter], 77
        ${sys(EXIT, 42)}
    1:  ${check('pid of the child', 2)}
        ${waitFor(42 << 8, 'exit status')}
        mov eax, [counter]
        ${check('memory of the parent', 1)}
        ${sys(WAIT4, -1, 0, 0, 0)}
        ${check('no child left', -10)}`,
      ...how,
    ));

  test('a pipe carries bytes between processes, and ends when the writer does', () =>
    runs(
      `${DATA}
        ${sys(PIPE, 'offset pipes')}
        ${check('pipe', 0)}
        ${sys(FORK)}
        test eax, eax
        jnz 1f
        ${sys(NANOSLEEP, 'offset time', 0)}
        ${check('nanosleep', 0)}
        ${sys(WRITE, '[pipes+4]', 'offset counter', 4)}
        ${sys(EXIT, 0)}
    1:  ${sys(6, '[pipes+4]')}
        ${sys(READ, '[pipes]', 'offset status', 100)}
        ${check('bytes read', 4)}
        mov eax, [status]
        ${check('what was read', 1)}
        ${sys(READ, '[pipes]', 'offset status', 100)}
        ${check('end of file', 0)}`,
      ...how,
    ));

  test('memory comes with brk and mmap, and goes with munmap', () =>
    runs(
      `${DATA}
        ${sys(BRK, 0)}
        mov ebx, eax
        add ebx, 0x10000
        mov eax, ${BRK}
        int 0x80
        mov ecx, ebx
        cmp eax, ecx
        jne 1f
        mov dword ptr [eax-4], 5
        mov eax, [ebx-4]
    1:  ${check('brk', 5)}
        ${sys(MMAP2, 0, 0x40_0000, 3, 0x22, -1, 0)}
        mov [status], eax
        mov edi, eax
        add edi, 0x3ffffc
        mov dword ptr [edi], 9
        mov eax, [edi]
        ${check('anonymous memory', 9)}
        ${sys(MPROTECT, '[status]', 0x1000, 1)}
        ${check('mprotect', 0)}
        ${sys(READ, 0x7fff, '[status]', 1)}
        ${check('bad descriptor', -9)}
        ${sys(PIPE, '[status]')}
        ${check('write to read-only memory', -14)}
        ${sys(MUNMAP, '[status]', 0x40_0000)}
        ${check('munmap', 0)}
        ${sys(PIPE, '[status]')}
        ${check('write to what is unmapped', -14)}`,
      ...how,
    ));

  test('a nice value stays within bounds and is inherited', () =>
    runs(
      `${DATA}
        ${sys(NICE, 7)}
        ${check('nice', 0)}
        ${sys(SETPRIORITY, 1, 0, 100)}
        ${check('setpriority of the group', 0)}
        ${sys(FORK)}
        test eax, eax
        jnz 1f
        ${sys(NICE, -3)}
        ${sys(GETPRIORITY, 0, 0)}
        mov ebx, eax
        mov eax, ${EXIT}
        int 0x80
    1:  ${waitFor(4 << 8, 'getpriority in the child')}
        ${sys(GETPRIORITY, 0, 0)}
        ${check('getpriority', 1)}
        ${sys(GETPRIORITY, 3, 0)}
        ${check('getpriority of something else', -22)}
        ${sys(IOPRIO_SET, 1, 0, 3 << 13)}
        ${check('ioprio_set', 0)}
        ${sys(IOPRIO_GET, 1, 0)}
        ${check('ioprio_get', 3 << 13)}
        ${sys(SETPRIORITY, 0, 99, 0)}
        ${check('setpriority of nobody', -3)}`,
      ...how,
    ));

  test('faults are signals: the status says which', () =>
    runs(
      `${DATA}
        ${[
          ['mov eax, [0]', 11, 'null pointer'],
          ['mov dword ptr [0xc0001000], 1', 11, 'kernel memory'],
          ['ud2', 4, 'undefined opcode'],
          ['.byte 0x0f, 0x0b, 0x64, 0x6f, 0x6d, 0x80', 4, 'semihosting from user mode'],
          ['xor ecx, ecx\n div ecx', 8, 'division by zero'],
          ['cli', 11, 'privileged instruction'],
          ['int 0x82', 11, 'hypercall'],
          ['mov ax, 0x10\n mov ds, ax', 11, 'bad selector'],
          ['int3', 5, 'breakpoint'],
        ]
          .map(
            ([code, status, name]) => `
        ${sys(FORK)}
        test eax, eax
        jnz 1f
        ${code}
        ${sys(EXIT, 0)}
    1:  ${waitFor(Number(status), String(name))}`,
          )
          .join('\n')}`,
      ...how,
    ));

  test('a handler runs on its frame and sigreturn goes on where the signal came, registers and FPU intact', () =>
    runs(
      `${DATA}
        mov dword ptr [action], offset handler
        mov dword ptr [action+4], 0x04000000
        mov dword ptr [action+8], offset restorer
        ${sys(RT_SIGACTION, 10, 'offset action', 0, 8)}
        ${check('rt_sigaction', 0)}
        mov dword ptr [action], offset rt_handler
        mov dword ptr [action+4], 0x04000004
        mov dword ptr [action+8], offset rt_restorer
        ${sys(RT_SIGACTION, 12, 'offset action', 0, 8)}
        ${FLD1}
        mov esi, 0x1234
        mov edi, 0x5678
        ${sys(GETPID)}
        mov ebx, eax
        mov ecx, 10
        mov eax, ${KILL}
        int 0x80
        ${check('kill', 0)}
        mov eax, esi
        ${check('esi', 0x1234)}
        ${sys(KILL, 1, 12)}
        mov eax, edi
        ${check('edi', 0x5678)}
        mov eax, [counter]
        ${check('handlers run', 1 + 10 + 12)}
        ${FISTP_STATUS}
        mov eax, [status]
        ${check('FPU', 1)}
        jmp 1f
    handler:
        mov eax, [esp+4]
        add [counter], eax
        ${FNINIT_FLDZ}
        ret
    rt_handler:
        mov ecx, [esp+8]
        mov eax, [ecx]
        add [counter], eax
        ret
    restorer:
        pop eax
        mov eax, ${SIGRETURN}
        int 0x80
    rt_restorer:
        mov eax, ${RT_SIGRETURN}
        int 0x80
    1:`,
      ...how,
    ));

  test('a signal without a handler ends a sleeping process; one with SA_RESTART does not disturb a read', () =>
    runs(
      `${DATA}
        ${sys(FORK)}
        test eax, eax
        jnz 1f
        ${sys(ALARM, 1)}
        ${sys(PAUSE)}
    1:  ${waitFor(14, 'SIGALRM')}
        mov dword ptr [action], offset handler
        mov dword ptr [action+4], 0x14000000
        mov dword ptr [action+8], offset restorer
        ${sys(RT_SIGACTION, 14, 'offset action', 0, 8)}
        ${sys(PIPE, 'offset pipes')}
        ${sys(FORK)}
        test eax, eax
        jnz 1f
        mov dword ptr [time], 1
        mov dword ptr [time+4], 300000000
        ${sys(NANOSLEEP, 'offset time', 0)}
        ${sys(WRITE, '[pipes+4]', 'offset counter', 4)}
        ${sys(EXIT, 0)}
    1:  ${sys(ALARM, 1)}
        ${sys(READ, '[pipes]', 'offset status', 4)}
        ${check('restarted read', 4)}
        mov eax, [counter]
        ${check('handler ran', 2)}
        jmp 1f
    handler:
        inc dword ptr [counter]
        ret
    restorer:
        pop eax
        mov eax, ${SIGRETURN}
        int 0x80
    1:`,
      ...how,
    ));

  test('processes share the processor although none gives way, each with its own FPU and TLS', () =>
    runs(
      `${DATA}
        ${[1, 2, 3]
          .map(
            (n) => `
        ${sys(FORK)}
        test eax, eax
        jnz 1f
        mov dword ptr [info], -1
        mov dword ptr [info+4], offset tls${n}
        mov dword ptr [info+8], 0xfffff
        mov dword ptr [info+12], 0x51
        ${sys(SET_THREAD_AREA, 'offset info')}
        mov eax, [info]
        lea eax, [eax*8+3]
        mov gs, ax
        mov dword ptr [status], ${n}
        ${FILD_STATUS}
        mov ecx, 3000000
    2:  loop 2b
        ${FISTP_STATUS}
        mov eax, gs:[0]
        sub eax, ${n * 100}
        or eax, eax
        jnz 3f
        mov eax, [status]
    3:  ${check('FPU and TLS', n)}
        ${sys(EXIT, n)}
    tls${n}: .long ${n * 100}
    1:`,
          )
          .join('\n')}
        xor ebp, ebp
        mov dword ptr [counter], 3
    4:  ${sys(WAIT4, -1, 'offset status', 0, 0)}
        mov eax, [status]
        shr eax, 8
        add [pipes], eax
        dec dword ptr [counter]
        jnz 4b
        mov eax, [pipes]
        ${check('all three', 6)}`,
      ...how,
    ));

  test('a session whose terminal is gone already ends without a signal to others', () =>
    runs(`
    ${DATA}
    ${sys(MOUNT, 'offset devpts', 'offset pts', 'offset devpts', 0, 0)}
    ${check('mount', 0)}
    ${sys(FORK)}
    test eax, eax
    jnz 1f
    ${sys(PAUSE)}
1:  mov [counter], eax
    ${sys(FORK)}
    test eax, eax
    jnz 2f
    ${sys(SETSID)}
    ${sys(SIGNAL, SIGHUP, SIG_IGN)}
    ${sys(OPEN, 'offset master', O_RDWR_NOCTTY)}
    mov [pipes], eax
    mov dword ptr [status], 0
    ${sys(IOCTL, '[pipes]', TIOCSPTLCK, 'offset status')}
    ${sys(OPEN, 'offset slave', 2)}
    mov ebp, eax
    ${sys(IOCTL, 'ebp', TIOCGSID, 'offset status')}
    ${check('has a terminal', 0)}
    ${sys(CLOSE, '[pipes]')}
    ${sys(EXIT, 5)}
master: .asciz "/dev/ptmx"
slave: .asciz "/dev/pts/0"
pts: .asciz "/dev/pts"
devpts: .asciz "devpts"
2:  ${waitFor(5 << 8, 'session')}
    ${sys(NANOSLEEP, 'offset time', 0)}
    ${sys(WAIT4, '[counter]', 'offset status', 1, 0)}
    ${check('the bystander lives', 0)}`));

  test('what processes had is free when they are gone', () =>
    runs(
      `${DATA}
        mov dword ptr [counter], 4
    5:  call many
        dec dword ptr [counter]
        jnz 5b
        ${sys(SYSINFO, 'offset info')}
        mov eax, [info+20]
        mov [pipes], eax
        mov dword ptr [counter], 40
    6:  call many
        dec dword ptr [counter]
        jnz 6b
        ${sys(SYSINFO, 'offset info')}
        mov eax, [info+20]
        ${check('free pages', '[pipes]')}
        jmp 7f
    many:
        ${sys(FORK)}
        test eax, eax
        jnz 1f
        ${sys(MMAP2, 0, 0x10_0000, 3, 0x22, -1, 0)}
        mov dword ptr [eax+0x8000], 1
        ${sys(MMAP2, 0, 0x10_0000, 3, 0x21, -1, 0)}
        mov dword ptr [eax+0x8000], 1
        ${sys(FORK)}
        mov dword ptr [status], 1
        test eax, eax
        jz 2f
        ${sys(WAIT4, -1, 0, 0, 0)}
    2:
        sub esp, 0x9000
        push eax
        ${FLD1}
        mov eax, [0]
    1:  ${sys(WAIT4, -1, 'offset status', 0, 0)}
        ret
    7:`,
      ...how,
    ));
});

test('execve replaces the program and hands over arguments; a script names its interpreter', async () => {
  const init = userProgram(`
    ${sys(FORK)}
    test eax, eax
    jnz 1f
    ${sys(EXECVE, 'offset script', 'offset argv', 'offset envp')}
    ${check('execve', 0)}
1:  ${sys(WAIT4, -1, 0, 0, 0)}
    ${sys(EXECVE, 'offset missing', 'offset argv', 'offset envp')}
    ${check('no such file', -2)}
    ${sys(EXECVE, 'offset directory', 'offset argv', 'offset envp')}
    ${check('a directory', -13)}
    ${sys(EXECVE, 'offset script', 4, 0)}
    ${check('bad arguments', -14)}
    ${POWER_OFF}
script: .asciz "/script"
missing: .asciz "/missing"
directory: .asciz "/dev"
word: .asciz "word"
    .balign 4
argv: .long script, word, 0
envp: .long word, 0`);
  const echo = userProgram(`
    lea ebp, [esp+4]
1:  mov esi, [ebp]
    test esi, esi
    jz 2f
    call print
    mov esi, offset newline
    call print
    add ebp, 4
    jmp 1b
2:  ${sys(EXIT, 0)}
newline: .asciz "\\n"`);
  const script = new TextEncoder().encode('#! /echo -x y\nrest\n');
  const result = await boot(sandbox, { init, echo, script });
  expect(result.stderr).toBe('');
  expect(result.stdout).toBe('/echo\r\n-x y\r\n/script\r\nword\r\n');
});

test('a program for any place whose segments lie too far apart for where it is put is refused', () =>
  runs(`
    ${sys(OPEN, 'offset path', O_CREAT_WRONLY, 0o755)}
    mov [file], eax
    ${sys(WRITE, 'eax', 'offset program', 116)}
    ${check('write', 116)}
    ${sys(CLOSE, '[file]')}
    ${sys(EXECVE, 'offset path', 0, 0)}
    ${check('execve', -12)}
    jmp 7f
    .balign 4
file: .long 0
path: .asciz "/apart"
    .balign 4
program: .long 0x464c457f, 0x00010101, 0, 0, 0x00030003, 1, 0x10000, 52, 0, 0, 0x00200034, 2, 0
    .long 1, 0, 0x10000, 0, 116, 116, 5, 0x1000
    .long 1, 0, 0xb0000000, 0, 0, 0x1000, 6, 0x1000
7:`));

test('when the first process ends the kernel panics, and the domain crashes', async () => {
  const result = await boot(sandbox, { init: userProgram(sys(EXIT, 3)) });
  expect(result.code).toBe(3);
  expect(result.stdout).toContain('Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000300');
});

test('without a program to begin with the kernel says so', async () => {
  const result = await boot(sandbox, {});
  expect(result.code).toBe(3);
  expect(result.stdout).toContain('No working init found.');
});

test('a run under the virtual clock repeats exactly', async () => {
  const program = userProgram(`
    ${sys(FORK)}
    test eax, eax
    jz 1f
    ${sys(WAIT4, -1, 0, 0, 0)}
    ${POWER_OFF}
1:  mov ecx, 300000
2:  loop 2b
    ${sys(EXIT, 0)}`);
  const counts: string[] = [];
  for (let i = 0; i < 2; i++) {
    const stats = sandbox.path(`stats${i}`);
    await boot(sandbox, { init: program }, '--clock', 'virtual', '--stats', stats);
    const { instructionsRetired, guestSeconds, hypercalls } = JSON.parse(readFileSync(stats, 'utf8'));
    counts.push(JSON.stringify([instructionsRetired, guestSeconds, hypercalls]));
  }
  expect(counts[0]).toBe(counts[1]);
});
