import { afterAll, expect, test } from 'vitest';
import { Sandbox } from '../harness.ts';
import { boot, check, POWER_OFF, sys, userProgram } from './user-program.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const READ = 3;
const WRITE = 4;
const PAUSE = 29;
const RT_SIGACTION = 174;
const RT_SIGPROCMASK = 175;
const SIGRETURN = 119;
const KILL = 37;
const EPOLL_CREATE1 = 329;
const EPOLL_CTL = 255;
const EPOLL_WAIT = 256;
const EVENTFD2 = 328;
const SIGNALFD4 = 327;
const TIMERFD_CREATE = 322;
const TIMERFD_SETTIME = 325;
const TIMER_CREATE = 259;
const TIMER_SETTIME = 260;
const TIMER_GETOVERRUN = 262;
const TIMER_DELETE = 263;
const EPOLLIN = 1;
const EPOLLET = 0x8000_0000;
const O_NONBLOCK = 0x800;

const DATA = `
    jmp 7f
    .balign 4
buffer: .long ${'0, '.repeat(39)}0
event: .long ${EPOLLIN}, 1234, 5678
count: .long 3, 0
fd: .long 0
epoll: .long 0
every: .long 0, 20000000, 0, 10000000
action: .long handler, 0x04000000, restorer, 0, 0
mask: .long 0x200, 0
fired: .long 0
handler:
    inc dword ptr [fired]
    ret
restorer:
    pop eax
    mov eax, ${SIGRETURN}
    int 0x80
7:
`;

async function runs(source: string): Promise<void> {
  const init = userProgram(
    `${DATA}${source}\n mov esi, offset fine\n call print\n ${POWER_OFF}\nfine: .asciz "fine\\n"`,
  );
  const result = await boot(sandbox, { init }, '--clock', 'virtual');
  expect(result.stdout).toBe('fine\r\n');
}

test('an eventfd counts, and epoll tells when there is something to read', () =>
  runs(`
    ${sys(EVENTFD2, 0, O_NONBLOCK)}
    mov [fd], eax
    ${sys(EPOLL_CREATE1, 0)}
    mov [epoll], eax
    ${sys(EPOLL_CTL, '[epoll]', 1, '[fd]', 'offset event')}
    ${check('EPOLL_CTL_ADD', 0)}
    ${sys(EPOLL_CTL, '[epoll]', 1, '[fd]', 'offset event')}
    ${check('EPOLL_CTL_ADD twice', -17)}
    ${sys(EPOLL_WAIT, '[epoll]', 'offset buffer', 4, 0)}
    ${check('nothing yet', 0)}
    ${sys(READ, '[fd]', 'offset buffer', 8)}
    ${check('nothing to read', -11)}
    ${sys(WRITE, '[fd]', 'offset count', 8)}
    ${sys(EPOLL_WAIT, '[epoll]', 'offset buffer', 4, -1)}
    ${check('one event', 1)}
    mov eax, [buffer+4]
    ${check('its data', 1234)}
    ${sys(EPOLL_WAIT, '[epoll]', 'offset buffer', 4, 0)}
    ${check('as long as it is there', 1)}
    mov dword ptr [event], ${(EPOLLIN | EPOLLET) >>> 0}
    ${sys(EPOLL_CTL, '[epoll]', 3, '[fd]', 'offset event')}
    ${sys(EPOLL_WAIT, '[epoll]', 'offset buffer', 4, 0)}
    ${check('an edge', 1)}
    ${sys(EPOLL_WAIT, '[epoll]', 'offset buffer', 4, 0)}
    ${check('once only', 0)}
    ${sys(WRITE, '[fd]', 'offset count', 8)}
    ${sys(EPOLL_WAIT, '[epoll]', 'offset buffer', 4, 0)}
    ${check('until the next', 1)}
    ${sys(READ, '[fd]', 'offset buffer', 8)}
    mov eax, [buffer]
    ${check('the sum', 6)}
    ${sys(6, '[fd]')}
    ${sys(EPOLL_WAIT, '[epoll]', 'offset buffer', 4, 0)}
    ${check('a closed file', 0)}`));

test('a timerfd counts what a program misses, a signalfd takes signals that are blocked', () =>
  runs(`
    ${sys(TIMERFD_CREATE, 1, 0)}
    mov [fd], eax
    mov dword ptr [every+4], 10000000
    ${sys(TIMERFD_SETTIME, '[fd]', 0, 'offset every', 0)}
    ${check('timerfd_settime', 0)}
    ${sys(READ, '[fd]', 'offset buffer', 8)}
    ${check('a count', 8)}
    ${sys(162, 'offset every', 0)}
    ${sys(162, 'offset every', 0)}
    ${sys(READ, '[fd]', 'offset buffer', 8)}
    mov eax, [buffer]
    ${check('two were missed', 2)}
    ${sys(RT_SIGPROCMASK, 0, 'offset mask', 0, 8)}
    ${sys(SIGNALFD4, -1, 'offset mask', 8, 0)}
    mov [fd], eax
    ${sys(KILL, 1, 10)}
    ${sys(READ, '[fd]', 'offset buffer', 128)}
    ${check('a signal', 128)}
    mov eax, [buffer]
    ${check('which', 10)}`));

test('a timer sends its signal, again and again until it is deleted', () =>
  runs(`
    ${sys(RT_SIGACTION, 14, 'offset action', 0, 8)}
    ${sys(TIMER_CREATE, 1, 0, 'offset buffer')}
    ${check('timer_create', 0)}
    ${sys(TIMER_SETTIME, '[buffer]', 0, 'offset every', 0)}
    ${check('timer_settime', 0)}
    ${sys(PAUSE)}
    ${check('pause', -4)}
    ${sys(PAUSE)}
    mov eax, [fired]
    ${check('fired', 2)}
    ${sys(TIMER_GETOVERRUN, '[buffer]')}
    ${check('overrun', 0)}
    ${sys(TIMER_DELETE, '[buffer]')}
    ${check('timer_delete', 0)}
    ${sys(TIMER_DELETE, '[buffer]')}
    ${check('it is gone', -22)}`));
