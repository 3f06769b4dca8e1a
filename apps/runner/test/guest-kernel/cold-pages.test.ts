/** System calls on memory that is still on the disk: neither read-ahead nor the program has touched the pages. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { domu, Sandbox } from '../harness.ts';
import { check, POWER_OFF, sys, userProgram } from './user-program.ts';

const sandbox = new Sandbox();
afterAll(() => sandbox.remove());

const READ = 3;
const PIPE = 42;
const NANOSLEEP = 162;
const RT_SIGACTION = 174;
const RT_SIGPROCMASK = 175;
const STATX = 383;
const AT_EMPTY_PATH = 0x1000;
/** More than is read ahead. */
const FAR = 1 << 20;

test('calls that read or write pages that come from the disk do what they do on others', async ({ skip }) => {
  const far = (contents: string) => `.skip ${FAR}\n ${contents}`;
  const init = userProgram(`
    ${sys(NANOSLEEP, 'offset time', 0)}
    ${check('nanosleep', 0)}
    ${sys(PIPE, 'offset pipes')}
    ${check('pipe', 0)}
    mov eax, [pipes]
    ${check('its reading end', 3)}
    mov eax, [pipes+4]
    ${check('its writing end', 4)}
    ${sys(STATX, 3, 'offset empty', AT_EMPTY_PATH, 0, 'offset info')}
    ${check('statx', 0)}
    movzx eax, word ptr [info+28]
    ${check('what statx says of the pipe', 0o010600)}
    ${sys(RT_SIGACTION, 10, 'offset action', 'offset old', 8)}
    ${check('rt_sigaction', 0)}
    mov eax, [old+4]
    ${check('the action before', 0)}
    ${sys(RT_SIGPROCMASK, 0, 'offset mask', 0, 8)}
    ${check('rt_sigprocmask', 0)}
    ${sys(READ, 9, 'offset time', 1)}
    ${check('a bad descriptor', -9)}
    ${sys(NANOSLEEP, 64, 0)}
    ${check('a bad pointer', -14)}
    mov esi, offset fine
    call print
    ${POWER_OFF}
fine: .asciz "fine\\n"
    ${far('time: .long 0, 1000')}
    ${far('pipes: .long 7, 7')}
    ${far('empty: .long 0')}
    ${far('info: .skip 256')}
    ${far('action: .long 1, 0, 0, 0, 0')}
    ${far('old: .long 7, 7, 7, 7, 7')}
    ${far('mask: .long 0x200, 0')}`);
  const tree = sandbox.path('tree');
  mkdirSync(join(tree, 'dev'), { recursive: true });
  writeFileSync(join(tree, 'init'), init, { mode: 0o755 });
  const image = sandbox.path('root.img');
  const env = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };
  const made = spawnSync('mke2fs', ['-q', '-t', 'ext2', '-d', tree, image, '16M'], { env });
  if (made.status !== 0) return skip('no mke2fs');
  const disk = ['--disk', `${image},raw,xvda,w`, '--cmdline', 'root=/dev/xvda ro init=/init quiet'];
  const result = await domu(['run', 'guest-kernel', '--memory', '64', '--timeout', '60', ...disk]);
  expect(result).toMatchObject({ code: 0, stderr: '', stdout: 'fine\r\n' });
});
